package format

import (
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"connectd/convert"
	"connectd/record"
)

const (
	// parquetPage is how much of a column becomes a page. Each column of an open file holds as much.
	parquetPage = 64 << 10
	// parquetGroup is how much data becomes a row group, before encoding. Its compressed pages are
	// kept until then.
	parquetGroup = 64 << 20
	// parquetColumn is about what an open file keeps of each column beside its data.
	parquetColumn = 2 << 10
)

// parquetFile writes records as the rows of a Parquet file. Each column gets its values at once,
// without rows in between.
type parquetFile struct {
	writer  *parquet.GenericWriter[any]
	columns []*parquet.ColumnWriter
	tree    *parquetTree
	json    *convert.JSON     // for what has no type
	cells   [][]parquet.Value // of the record at hand, by column
	scratch []byte            // what they point to and the record does not have
	raw     int               // bytes in the row group
	err     error             // what went wrong when the file was written, which is not about a record
}

func newParquet(c *Config, schema *record.Schema, out io.Writer) (*parquetFile, error) {
	tree, err := newParquetTree(c, schema)
	if err != nil {
		return nil, err
	}
	json, err := newJSON(c)
	if err != nil {
		return nil, err
	}
	w := parquet.NewGenericWriter[any](out, parquet.NewSchema("record", tree.node()), parquet.Compression(parquetCodec(c.Parquet)),
		parquet.PageBufferSize(parquetPage), parquet.WriteBufferSize(0))
	return &parquetFile{writer: w, columns: w.ColumnWriters(), tree: tree, json: json, cells: make([][]parquet.Value, tree.columns)}, nil
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

// Append writes one row.
func (p *parquetFile) Append(b *record.Batch, i int) error {
	if p.err != nil {
		return nil // Close says so
	}
	p.scratch = p.scratch[:0]
	for c := range p.cells {
		p.cells[c] = p.cells[c][:0]
	}
	if err := p.tree.row(p, &b.Records[i]); err != nil {
		return err
	}
	for c, values := range p.cells {
		if _, err := p.columns[c].WriteRowValues(values); err != nil {
			p.err = fmt.Errorf("write column %d of a Parquet file: %w", c, err)
			return nil
		}
	}
	if p.raw >= parquetGroup {
		p.err = p.Spill()
	}
	return nil
}

// put adds a value to the row.
func (p *parquetFile) put(column int, v parquet.Value, l levels) {
	p.cells[column] = append(p.cells[column], v.Level(l.repetition, l.definition, column))
	p.raw += 8 + len(v.Bytes())
}

// Buffered is what is not in a row group yet: a page of each column, and what comes after that is
// compressed, to about a quarter.
func (p *parquetFile) Buffered() int {
	pages := min(p.raw, len(p.columns)*parquetPage)
	return len(p.columns)*parquetColumn + pages + (p.raw-pages)/4
}

// Spill ends the row group.
func (p *parquetFile) Spill() error {
	p.raw = 0
	return p.writer.Flush()
}

// Close writes the last row group and the footer.
func (p *parquetFile) Close() error {
	if p.err != nil {
		return p.err
	}
	return p.writer.Close()
}

// levels are Parquet's repetition and definition level of a value, and how many lists it is in.
type levels struct{ repetition, definition, depth int }

var errParquetNull = errors.New("the value is null, and a Parquet file has rows only; write behavior.on.null.values: ignore, or format.output.fields with the envelope's other fields")
