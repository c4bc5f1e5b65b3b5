package format

import (
	"encoding/binary"
	"io"
	"strconv"

	"github.com/parquet-go/parquet-go"

	"connectd/record"
)

// parquetInferred writes JSON that came without a schema. The columns and their types are found in
// all rows of an object: a column takes every value that it gets as it is, or it is text.
type parquetInferred struct {
	cfg     *Config
	out     io.Writer
	columns map[string]int
	found   []inferred     // in the order in which they were seen first
	schema  *record.Schema // of the row before, whose fields are in the columns places
	places  []int
	text    outputs // for what is text in any case
	buf     []byte
	last    int // column in it
}

// inferred is what a column's values have been so far.
type inferred struct {
	name                                 string
	bools, ints, floats, texts, anything bool
	inexact                              bool // a number is none that a float64 has to the last digit
}

func newParquetInferred(c *Config, out io.Writer) (*parquetInferred, error) {
	p := &parquetInferred{cfg: c, out: out, columns: map[string]int{}}
	var err error
	p.text, err = newOutputs(c)
	return p, err
}

// Append keeps one row: the values, each with its kind and, where it is not the next one, its column.
func (p *parquetInferred) Append(b *record.Batch, i int) error {
	d := &b.Records[i].Value
	if d.Value.IsNull() {
		return errParquetNull
	}
	p.text.reset()
	p.buf, p.last = append(p.buf[:0], make([]byte, frame)...), -1
	if d.Value.Kind != record.Struct || d.Schema == nil || len(d.Schema.Fields) != len(d.Value.Items) {
		if err := p.add(p.place("value"), d.Schema, &d.Value); err != nil {
			return err
		}
		return writeFrame(p.out, p.buf)
	}
	if d.Schema != p.schema {
		p.schema, p.places = d.Schema, p.places[:0]
		for i := range d.Schema.Fields {
			p.places = append(p.places, p.place(d.Schema.Fields[i].Name))
		}
	}
	for i := range d.Value.Items {
		if err := p.add(p.places[i], d.Schema.Fields[i].Schema, &d.Value.Items[i]); err != nil {
			return err
		}
	}
	if len(p.buf) == frame { // an empty object is a row, too
		if err := p.add(p.place("value"), nil, &record.Value{}); err != nil {
			return err
		}
	}
	return writeFrame(p.out, p.buf)
}

// place is the column of a name.
func (p *parquetInferred) place(name string) int {
	at, ok := p.columns[name]
	if !ok {
		at = len(p.found)
		p.columns[name] = at
		p.found = append(p.found, inferred{name: name})
	}
	return at
}

// follows in the octet of a value's kind says that its column is the one after that of the value
// before, 0 at the beginning of a row. Otherwise the column stands behind it.
const follows = 1 << 7

// add appends one value of a column.
func (p *parquetInferred) add(at int, s *record.Schema, v *record.Value) error {
	switch v.Kind {
	case record.Null, record.Bool, record.Int, record.Float, record.Number, record.String, record.JSON:
	default:
		text, err := p.text.content(record.Datum{Schema: s, Value: *v})
		if err != nil {
			return err
		}
		v = &record.Value{Kind: record.JSON, B: text}
	}
	p.found[at].note(v)
	if at == p.last+1 {
		p.buf = append(p.buf, byte(v.Kind)|follows)
	} else {
		p.buf = binary.AppendUvarint(append(p.buf, byte(v.Kind)), uint64(at))
	}
	p.last = at
	switch v.Kind {
	case record.Null:
	case record.Bool, record.Int, record.Float:
		p.buf = binary.AppendVarint(p.buf, v.N)
	default:
		p.buf = append(binary.AppendUvarint(p.buf, uint64(len(v.B))), v.B...)
	}
	return nil
}

// mostExact is how many digits of a number a float64 keeps, whatever they are.
const mostExact = 15

func (c *inferred) note(v *record.Value) {
	switch v.Kind {
	case record.Null:
	case record.Bool:
		c.bools = true
	case record.Int:
		c.ints = true
		c.inexact = c.inexact || v.N >= 1e15 || v.N <= -1e15
	case record.Float:
		c.floats = true
	case record.Number:
		c.floats = true
		c.inexact = c.inexact || !exact(v.B)
	case record.String:
		c.texts = true
	default:
		c.anything = true
	}
}

// exact says whether the number is a float64 to the last digit.
func exact(number []byte) bool {
	digits, exponent := 0, false
	for _, d := range number {
		switch {
		case d == 'e' || d == 'E':
			exponent = true
		case !exponent && (d >= '1' && d <= '9' || d == '0' && digits > 0):
			digits++
		}
	}
	if !exponent && digits <= mostExact && len(number) <= 2*mostExact {
		return true
	}
	f, err := strconv.ParseFloat(string(number), 64)
	return err == nil && digits <= mostExact && (f != 0 || digits == 0) && (f == 0 || f > 1e-300 || f < -1e-300)
}

// typ is the column's type: text where its values have nothing better in common.
func (c *inferred) typ() record.Type {
	numbers := c.ints || c.floats
	switch {
	case c.anything || c.texts && (c.bools || numbers) || c.bools && numbers || c.floats && c.inexact:
		return record.AnyType
	case c.bools:
		return record.BoolType
	case c.floats:
		return record.Float64Type
	case c.ints:
		return record.Int64Type
	}
	return record.StringType
}

// Buffered is nothing: each row is written at once.
func (p *parquetInferred) Buffered() int { return 0 }

// Close has nothing to do: Convert writes the file.
func (p *parquetInferred) Close() error { return nil }

// Convert makes the file of the rows.
func (p *parquetInferred) Convert(out io.Writer, rows io.Reader) error {
	schema := p.typed()
	tree, err := newParquetTree(p.cfg, schema)
	if err != nil {
		return err
	}
	f, err := newParquetFile(p.cfg, tree)
	if err != nil {
		return err
	}
	return f.write(out, rows, func(row []byte) error { return f.cells.decodeInferred(row, schema) })
}

// typed is the schema of all rows.
func (p *parquetInferred) typed() *record.Schema {
	schema := &record.Schema{Type: record.StructType}
	for i := range p.found {
		schema.Fields = append(schema.Fields, record.Field{Name: p.found[i].name, Schema: &record.Schema{Type: p.found[i].typ(), Optional: true}})
	}
	return schema
}

// decodeInferred adds the cells of a row: those that it has, which keep pointing to it, and nulls in
// the columns of other rows.
func (c *cells) decodeInferred(row []byte, schema *record.Schema) error {
	c.rows++
	var v record.Value
	for at := -1; len(row) > 0; {
		v.Kind, v.N, v.B = record.Kind(row[0]&^follows), 0, nil
		if row[0]&follows != 0 {
			at, row = at+1, row[1:]
		} else {
			n, size := binary.Uvarint(row[1:])
			if size <= 0 || n >= uint64(len(c.columns)) {
				return errCells
			}
			at, row = int(n), row[1+size:]
		}
		if at >= len(c.columns) {
			return errCells
		}
		if values := c.columns[at]; len(values) == c.rows { // an object with a name twice: the last one counts
			c.columns[at] = values[:c.rows-1]
		}
		size := 0
		switch v.Kind {
		case record.Null:
			continue
		case record.Bool, record.Int, record.Float:
			if v.N, size = binary.Varint(row); size <= 0 {
				return errCells
			}
		default:
			var n uint64
			if n, size = binary.Uvarint(row); size <= 0 || n > uint64(len(row)-size) {
				return errCells
			}
			row = row[size:]
			v.B, size = row[:n], int(n)
		}
		row = row[size:]
		cell, err := c.inferred(schema.Fields[at].Schema, &v)
		if err != nil {
			return err
		}
		cell.SetDefinitionLevel(1)
		c.columns[at] = append(c.columns[at], cell)
	}
	for i := range c.columns {
		if len(c.columns[i]) < c.rows {
			c.columns[i] = append(c.columns[i], parquet.NullValue())
		}
	}
	return nil
}

// inferred is the cell of a value in a column that takes it.
func (c *cells) inferred(s *record.Schema, v *record.Value) (parquet.Value, error) {
	switch s.Type {
	case record.BoolType:
		return parquet.BooleanValue(v.Bool()), nil
	case record.Int64Type:
		return parquet.Int64Value(v.N), nil
	case record.Float64Type:
		return parquet.DoubleValue(asFloat(v)), nil
	case record.StringType:
		return parquet.ByteArrayValue(v.B), nil
	}
	text, err := c.content(record.Datum{Schema: s, Value: *v})
	return parquet.ByteArrayValue(text), err
}

// asFloat is a number as a float64.
func asFloat(v *record.Value) float64 {
	switch v.Kind {
	case record.Int:
		return float64(v.N)
	case record.Number:
		f, _ := strconv.ParseFloat(string(v.B), 64) // exact has seen it
		return f
	}
	return v.Float()
}
