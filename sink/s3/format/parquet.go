package format

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"connectd/record"
)

const (
	// parquetGroup is how much data becomes a row group, before encoding and compression.
	parquetGroup = 32 << 20
	// parquetPage is how much of a column becomes a page.
	parquetPage = 256 << 10
	// parquetChunk is how much is read and given to the columns at once.
	parquetChunk = 128 << 10
	// parquetDictionary is how large a column's dictionary may become, until its values are written
	// as they are.
	parquetDictionary = 1 << 20
)

// parquetRows writes the rows of a Parquet file. A row group needs much memory while it is open, so
// that rows are kept as plain cells until their object is finished: thousands of files may be open,
// and what a file holds does not depend on how many others are.
type parquetRows struct {
	cfg  *Config
	out  frames
	tree *parquetTree
	row  cells
	buf  []byte
}

func newParquet(c *Config, schema *record.Schema, out io.Writer) (*parquetRows, error) {
	tree, err := newParquetTree(c, schema)
	if err != nil {
		return nil, err
	}
	p := &parquetRows{cfg: c, out: frames{out: out}, tree: tree}
	p.row, err = newCells(c, tree)
	return p, err
}

// Append keeps the cells of one record. What does not fit its column is refused here.
func (p *parquetRows) Append(b *record.Batch, i int) error {
	p.row.reset()
	if err := p.tree.row(&p.row, &b.Records[i]); err != nil {
		return err
	}
	p.buf = p.row.encode(p.buf[:0], p.tree)
	return p.out.write(p.buf)
}

// Buffered is nothing: each row is written at once.
func (p *parquetRows) Buffered() int { return 0 }

// Close has nothing to do: Convert writes the file.
func (p *parquetRows) Close() error { return nil }

// Convert makes the file of the rows.
func (p *parquetRows) Convert(out io.Writer, rows io.Reader) error {
	f, err := newParquetFile(p.cfg, p.tree)
	if err != nil {
		return err
	}
	return f.write(out, rows, func(row []byte) error { return f.cells.decode(row, p.tree) })
}

// parquetFile is a file that is being written. Columns get their values at once, without rows in
// between.
type parquetFile struct {
	tree    *parquetTree
	codec   compress.Codec
	cells   cells
	writer  *parquet.GenericWriter[any]
	columns []*parquet.ColumnWriter
}

func newParquetFile(c *Config, tree *parquetTree) (f *parquetFile, err error) {
	f = &parquetFile{tree: tree, codec: parquetCodec(c.Parquet)}
	f.cells, err = newCells(c, tree)
	return f, err
}

// begin begins the file, whose first rows are in cells.
func (f *parquetFile) begin(out io.Writer) {
	for i := range f.tree.columns {
		f.tree.columns[i].dictionary = f.cells.repeating(i)
	}
	f.writer = parquet.NewGenericWriter[any](out, parquet.NewSchema("record", f.tree.node()), parquet.Compression(f.codec),
		// What all readers know, those of the last ten years too.
		parquet.DataPageVersion(1), parquet.DefaultEncoding(&parquet.Plain),
		parquet.DictionaryMaxBytes(parquetDictionary), parquet.PageBufferSize(parquetPage), parquet.WriteBufferSize(0))
	f.columns = f.writer.ColumnWriters()
}

func parquetCodec(name string) compress.Codec {
	switch name {
	case "snappy":
		return &parquet.Snappy
	case "gzip":
		return &parquet.Gzip
	case "zstd":
		return &parquet.Zstd
	case "brotli":
		return &parquet.Brotli
	case "lz4", "lz4raw":
		return &parquet.Lz4Raw
	}
	return &parquet.Uncompressed
}

// write reads all rows, of which take makes cells, and ends the file.
func (f *parquetFile) write(out io.Writer, rows io.Reader, take func(row []byte) error) error {
	in := bufio.NewReaderSize(rows, parquetChunk)
	var chunk []byte
	for group, more := 0, true; more; {
		chunk = chunk[:0]
		for len(chunk) < parquetChunk {
			row, grown, err := readFrame(in, chunk)
			if errors.Is(err, io.EOF) {
				more = false
				break
			}
			if err != nil {
				return fmt.Errorf("read the rows of a Parquet file: %w", err)
			}
			if chunk = grown; len(row) > 0 {
				if err := take(row); err != nil {
					return fmt.Errorf("write a row of a Parquet file: %w", err)
				}
			}
		}
		if f.writer == nil {
			f.begin(out)
		}
		for c, values := range f.cells.columns {
			if _, err := f.columns[c].WriteRowValues(values); err != nil {
				return fmt.Errorf("write a Parquet file: %w", err)
			}
		}
		f.cells.reset()
		if group += len(chunk); group >= parquetGroup {
			group = 0
			if err := f.writer.Flush(); err != nil {
				return fmt.Errorf("write a Parquet file: %w", err)
			}
		}
	}
	if err := f.writer.Close(); err != nil {
		return fmt.Errorf("write a Parquet file: %w", err)
	}
	return nil
}

// frames writes rows, each behind its length.
type frames struct {
	out  io.Writer
	head []byte
}

func (f *frames) write(row []byte) error {
	f.head = binary.AppendUvarint(f.head[:0], uint64(len(row)))
	if _, err := f.out.Write(f.head); err != nil {
		return err
	}
	_, err := f.out.Write(row)
	return err
}

// readFrame reads a row behind what is in chunk. When chunk has to grow, the rows before stay where
// they are.
func readFrame(in *bufio.Reader, chunk []byte) (row, grown []byte, err error) {
	n, err := binary.ReadUvarint(in)
	if err != nil {
		return nil, chunk, err
	}
	at := len(chunk)
	if need := at + int(n); need > cap(chunk) {
		chunk = append(make([]byte, 0, max(need, 2*parquetChunk)), chunk...)
	}
	chunk = chunk[:at+int(n)]
	_, err = io.ReadFull(in, chunk[at:])
	return chunk[at:], chunk, err
}

// cells are the values of some rows, by column.
type cells struct {
	columns [][]parquet.Value
	rows    int // that decodeInferred has added
	outputs     // what they point to and the records do not have
}

func newCells(c *Config, tree *parquetTree) (cells, error) {
	o, err := newOutputs(c)
	return cells{columns: make([][]parquet.Value, len(tree.columns)), outputs: o}, err
}

func (c *cells) reset() {
	c.outputs.reset()
	c.rows = 0
	for i := range c.columns {
		c.columns[i] = c.columns[i][:0]
	}
}

// levels are Parquet's repetition and definition level of a value, and how many lists it is in.
type levels struct{ repetition, definition, depth int }

func (c *cells) put(column int, v parquet.Value, l levels) {
	c.columns[column] = append(c.columns[column], v.Level(l.repetition, l.definition, column))
}
