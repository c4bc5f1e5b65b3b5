package format

import (
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
	out  io.Writer
	tree *parquetTree
	row  cells
	buf  []byte
}

func newParquet(c *Config, schema *record.Schema, out io.Writer) (*parquetRows, error) {
	tree, err := newParquetTree(c, schema)
	if err != nil {
		return nil, err
	}
	p := &parquetRows{cfg: c, out: out, tree: tree}
	p.row, err = newCells(c, tree)
	return p, err
}

// Append keeps the cells of one record. What does not fit its column is refused here.
func (p *parquetRows) Append(b *record.Batch, i int) error {
	p.row.reset()
	if err := p.tree.row(&p.row, &b.Records[i]); err != nil {
		return err
	}
	p.buf = p.row.encode(append(p.buf[:0], make([]byte, frame)...), p.tree)
	return writeFrame(p.out, p.buf)
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
		return zstdPages
	case "brotli":
		return &parquet.Brotli
	case "lz4", "lz4raw":
		return &parquet.Lz4Raw
	}
	return &parquet.Uncompressed
}

// write reads all rows, of which take makes cells, and ends the file.
func (f *parquetFile) write(out io.Writer, rows io.Reader, take func(row []byte) error) error {
	chunk := make([]byte, parquetChunk)
	group, kept := 0, 0 // kept: at the beginning of chunk, of a row that was not all there
	for more := true; more; {
		n, err := io.ReadFull(rows, chunk[kept:])
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			more = false
		} else if err != nil {
			return fmt.Errorf("read the rows of a Parquet file: %w", err)
		}
		left := chunk[:kept+n]
		for {
			row, rest, ok := cutFrame(left)
			if !ok {
				break
			}
			if left = rest; len(row) > 0 {
				if err := take(row); err != nil {
					return fmt.Errorf("write a row of a Parquet file: %w", err)
				}
			}
		}
		if !more && len(left) > 0 {
			return fmt.Errorf("read the rows of a Parquet file: %w", io.ErrUnexpectedEOF)
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
		if group += kept + n - len(left); group >= parquetGroup {
			group = 0
			if err := f.writer.Flush(); err != nil {
				return fmt.Errorf("write a Parquet file: %w", err)
			}
		}
		if len(left) == len(chunk) { // a row is larger
			chunk = make([]byte, 2*len(chunk))
		}
		kept = copy(chunk, left)
	}
	if err := f.writer.Close(); err != nil {
		return fmt.Errorf("write a Parquet file: %w", err)
	}
	return nil
}

// frame is the room for a row's length before it.
const frame = 4

// writeFrame writes the row that is in p behind room for a frame.
func writeFrame(out io.Writer, p []byte) error {
	binary.LittleEndian.PutUint32(p, uint32(len(p)-frame)) // a record is at most 2 GiB in Kafka
	_, err := out.Write(p)
	return err
}

// cutFrame cuts the first row off; ok is false when it is not all there.
func cutFrame(p []byte) (row, rest []byte, ok bool) {
	if len(p) < frame {
		return nil, p, false
	}
	n := uint64(binary.LittleEndian.Uint32(p))
	if n > uint64(len(p)-frame) {
		return nil, p, false
	}
	end := frame + int(n)
	return p[frame:end], p[end:], true
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
	v.SetRepetitionLevel(l.repetition)
	v.SetDefinitionLevel(l.definition)
	c.columns[column] = append(c.columns[column], v)
}
