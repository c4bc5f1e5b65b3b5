package format

import (
	"bytes"
	"fmt"
	"io"
	"strconv"

	"connectd/record"
)

// parquetInferred writes JSON that came without a schema. It keeps its rows until the object is
// finished, and finds the columns and their types in all of them: a column takes every value that
// it gets without changing it, or it is text.
type parquetInferred struct {
	cfg     *Config
	out     io.Writer
	columns map[string]*inferred
	order   []*inferred // in the order in which they were seen first
	rows    [][]record.Value
	held    int
}

// inferred is what a column's values have been so far.
type inferred struct {
	name                                      string
	at                                        int
	bools, ints, floats, exact, texts, others bool // exact: every number is a float64 to the last digit
}

func newParquetInferred(c *Config, out io.Writer) *parquetInferred {
	return &parquetInferred{cfg: c, out: out, columns: map[string]*inferred{}}
}

// Append keeps a row.
func (p *parquetInferred) Append(b *record.Batch, i int) error {
	v, s := b.Records[i].Value.Value, b.Records[i].Value.Schema
	if v.IsNull() {
		return errParquetNull
	}
	row := make([]record.Value, len(p.order), len(p.order)+len(v.Items))
	if v.Kind == record.Struct && s != nil && len(s.Fields) == len(v.Items) {
		for i := range v.Items {
			row = p.add(row, s.Fields[i].Name, &v.Items[i])
		}
	} else {
		row = p.add(row, "value", &v)
	}
	p.rows = append(p.rows, row)
	return nil
}

// add puts v into its column of row.
func (p *parquetInferred) add(row []record.Value, name string, v *record.Value) []record.Value {
	c, ok := p.columns[name]
	if !ok {
		c = &inferred{name: name, at: len(p.order), exact: true}
		p.columns[name], p.order = c, append(p.order, c)
	}
	for len(row) <= c.at {
		row = append(row, record.Value{})
	}
	c.note(v)
	row[c.at] = v.Clone()
	p.held += 64 + len(v.B)
	return row
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
		c.exact = c.exact && v.N < 1e15 && v.N > -1e15
	case record.Float:
		c.floats = true
	case record.Number:
		c.floats = true
		digits := bytes.TrimLeft(v.B, "-0.")
		if e := bytes.IndexAny(digits, "eE"); e >= 0 {
			digits = digits[:e]
		}
		c.exact = c.exact && len(digits) <= mostExact+1 // the point is one of them
	case record.String:
		c.texts = true
	default:
		c.others = true
	}
}

// typ is the column's type: text where its values have nothing better in common.
func (c *inferred) typ() record.Type {
	switch {
	case c.others || c.texts && (c.bools || c.ints || c.floats) || c.bools && (c.ints || c.floats):
		return record.AnyType
	case c.bools:
		return record.BoolType
	case c.floats && c.exact:
		return record.Float64Type
	case c.floats:
		return record.AnyType
	case c.ints:
		return record.Int64Type
	}
	return record.StringType
}

// Buffered is all rows.
func (p *parquetInferred) Buffered() int { return p.held }

// Spill can not do anything: the columns are not known before the last row.
func (p *parquetInferred) Spill() error { return nil }

// Close writes the file.
func (p *parquetInferred) Close() error {
	schema := &record.Schema{Type: record.StructType}
	for _, c := range p.order {
		schema.Fields = append(schema.Fields, record.Field{Name: c.name, Schema: &record.Schema{Type: c.typ(), Optional: true}})
	}
	if len(schema.Fields) == 0 { // records of empty objects
		schema.Fields = append(schema.Fields, record.Field{Name: "value", Schema: &record.Schema{Optional: true}})
	}
	file, err := newParquet(p.cfg, schema, p.out)
	if err != nil {
		return err
	}
	var b record.Batch
	for _, row := range p.rows {
		b.Reset()
		for len(row) < len(schema.Fields) {
			row = append(row, record.Value{})
		}
		for i := range row {
			if schema.Fields[i].Schema.Type == record.Float64Type {
				row[i] = float(row[i])
			}
		}
		b.Add().Value = record.Datum{Schema: schema, Value: record.OfStruct(row)}
		if err := file.Append(&b, 0); err != nil {
			return fmt.Errorf("write a row to a Parquet file: %w", err)
		}
	}
	p.rows = nil
	return file.Close()
}

// float is a number as a float64.
func float(v record.Value) record.Value {
	switch v.Kind {
	case record.Int:
		return record.OfFloat(float64(v.N))
	case record.Number:
		f, _ := strconv.ParseFloat(string(v.B), 64) // it is the text of a number
		return record.OfFloat(f)
	}
	return v
}
