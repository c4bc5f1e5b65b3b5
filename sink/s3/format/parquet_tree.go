package format

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/parquet-go/parquet-go"

	"connectd/convert"
	"connectd/record"
)

// parquetTree is the columns of a file, in the order of the schema's fields.
type parquetTree struct {
	fields  []*parquetField
	outputs []string // what each field is of a record; nil when all are of its value
	columns []parquetColumn
}

var errParquetNull = errors.New("the value is null, and a Parquet file has rows only; write behavior.on.null.values: ignore, or other fields beside value in format.output.fields")

// form is how a field is laid out.
type form uint8

const (
	leafForm form = iota
	groupForm
	listForm
	mapForm
)

// parquetField is a column, or a group of columns, a list or a map.
type parquetField struct {
	name        string
	schema      *record.Schema
	form        form
	optional    bool
	parts       []*parquetField // fields of a group, elements of a list, keys and values of a map
	first, last int             // its columns
	leaf        parquetLeaf
}

// newParquetTree maps the schema of all values of a file. Where it is not a struct there is one
// column, called value.
func newParquetTree(c *Config, schema *record.Schema) (*parquetTree, error) {
	t := &parquetTree{}
	if c.plainValue() && schema != nil && schema.Type == record.StructType && len(schema.Fields) > 0 {
		for i := range schema.Fields {
			t.fields = append(t.fields, t.field(schema.Fields[i].Name, schema.Fields[i].Schema, levels{}))
		}
		return t, t.check()
	}
	for _, output := range c.Fields {
		t.outputs = append(t.outputs, output)
		of := outputSchemas[output]
		if output == "value" {
			of = nullable(schema)
		}
		t.fields = append(t.fields, t.field(output, of, levels{}))
	}
	return t, t.check()
}

// outputSchemas are the schemas of what a record has beside its value. A key is text: its schema
// is not that of the file's values.
var outputSchemas = map[string]*record.Schema{
	"key":       {Type: record.AnyType, Optional: true},
	"topic":     {Type: record.StringType},
	"partition": {Type: record.Int32Type},
	"offset":    {Type: record.Int64Type},
	"timestamp": {Type: record.Int64Type, Name: record.ConnectTimestamp},
	"headers":   {Type: record.MapType, Key: &record.Schema{Type: record.StringType}, Elem: &record.Schema{Type: record.AnyType, Optional: true}},
}

func nullable(s *record.Schema) *record.Schema {
	if s == nil {
		return &record.Schema{Type: record.AnyType, Optional: true}
	}
	of := *s
	of.Optional = true
	return &of
}

// check refuses what Parquet has no room for.
func (t *parquetTree) check() error {
	if n := len(t.columns); n > parquet.MaxColumnIndex {
		return fmt.Errorf("the schema has %d columns, and a Parquet file has room for %d", n, parquet.MaxColumnIndex)
	}
	return nil
}

// field maps one field, which is in so many optional and repeated ones. A nil schema says nothing.
func (t *parquetTree) field(name string, s *record.Schema, in levels) *parquetField {
	if s == nil {
		s = &record.Schema{Type: record.AnyType, Optional: true}
	}
	f := &parquetField{name: name, schema: s, optional: s.Optional || s.Type == record.AnyType, first: len(t.columns)}
	if f.optional {
		in.definition++
	}
	part := func(name string, s *record.Schema) { f.parts = append(f.parts, t.field(name, s, in)) }
	switch {
	case s.Type == record.StructType && len(s.Fields) > 0 && logical(s) != record.VariableScaleName:
		f.form = groupForm
		for i := range s.Fields {
			part(s.Fields[i].Name, s.Fields[i].Schema)
		}
	case s.Type == record.ArrayType:
		f.form = listForm
		in.definition, in.repetition = in.definition+1, in.repetition+1
		part("element", s.Elem)
	case s.Type == record.MapType:
		f.form = mapForm
		in.definition, in.repetition = in.definition+1, in.repetition+1
		part("key", required(s.Key))
		part("value", s.Elem)
	default:
		f.leaf = newParquetLeaf(s)
		typ := parquetNode(s).Type()
		column := parquetColumn{kind: typ.Kind(), definition: in.definition, repetition: in.repetition}
		if column.kind == parquet.FixedLenByteArray {
			column.size = typ.Length()
		}
		t.columns = append(t.columns, column)
	}
	f.last = len(t.columns)
	return f
}

// required is s as Parquet has the keys of maps.
func required(s *record.Schema) *record.Schema {
	key := record.Schema{Type: record.StringType}
	if s != nil && s.Type != record.AnyType {
		key = *s
	}
	key.Optional = false
	return &key
}

// row adds the cells of r.
func (t *parquetTree) row(c *cells, r *record.Record) error {
	if t.outputs == nil {
		v := &r.Value.Value
		if v.IsNull() {
			return errParquetNull
		}
		return putAll(c, t.fields, v, levels{})
	}
	for i, output := range t.outputs {
		v, err := c.output(r, output)
		if err != nil {
			return err
		}
		if err := t.fields[i].put(c, &v, levels{}); err != nil {
			return err
		}
	}
	return nil
}

// putAll writes a struct's fields.
func putAll(c *cells, fields []*parquetField, v *record.Value, l levels) error {
	if v.Kind != record.Struct || len(v.Items) != len(fields) {
		return fmt.Errorf("%s does not fit the schema, which has a struct of %d fields", convert.Shown(v), len(fields))
	}
	for i, f := range fields {
		if err := f.put(c, &v.Items[i], l); err != nil {
			return err
		}
	}
	return nil
}

// put writes one value, and nulls into all columns of a null.
func (f *parquetField) put(c *cells, v *record.Value, l levels) error {
	if v.IsNull() {
		if d := f.schema.Default; d != nil && !d.IsNull() && !f.optional {
			v = d
		} else if !f.optional {
			return fmt.Errorf("field %q is null where its schema requires %s", f.name, convert.Described(f.schema))
		} else {
			f.nulls(c, l)
			return nil
		}
	}
	if f.optional {
		l.definition++
	}
	switch f.form {
	case groupForm:
		if err := putAll(c, f.parts, v, l); err != nil {
			return fmt.Errorf("field %q: %w", f.name, err)
		}
		return nil
	case listForm, mapForm:
		if v.Kind != record.Array && v.Kind != record.Map || len(v.Items)%len(f.parts) != 0 {
			return fmt.Errorf("field %q: %s does not fit the schema, which has %s", f.name, convert.Shown(v), convert.Described(f.schema))
		}
		return f.repeated(c, v.Items, l)
	}
	cell, err := f.leaf(c, v)
	if err != nil {
		return fmt.Errorf("field %q: %w", f.name, err)
	}
	c.put(f.first, cell, l)
	return nil
}

// repeated writes the elements of a list, or the keys and values of a map.
func (f *parquetField) repeated(c *cells, items []record.Value, l levels) error {
	if len(items) == 0 {
		f.nulls(c, l)
		return nil
	}
	l.definition++
	l.depth++
	for i := range items {
		if i == len(f.parts) {
			l.repetition = l.depth
		}
		if err := f.parts[i%len(f.parts)].put(c, &items[i], l); err != nil {
			return fmt.Errorf("field %q: %w", f.name, err)
		}
	}
	return nil
}

func (f *parquetField) nulls(c *cells, l levels) {
	for i := f.first; i < f.last; i++ {
		c.put(i, parquet.NullValue(), l)
	}
}

func (t *parquetTree) node() parquet.Node { return t.group(t.fields) }

// nodeOf is a field as the library takes it.
func (t *parquetTree) nodeOf(f *parquetField) parquet.Node {
	var n parquet.Node
	switch f.form {
	case groupForm:
		n = t.group(f.parts)
	case listForm:
		n = parquet.List(t.nodeOf(f.parts[0]))
	case mapForm:
		n = parquet.Map(t.nodeOf(f.parts[0]), t.nodeOf(f.parts[1]))
	default:
		if n = parquetNode(f.schema); t.columns[f.first].dictionary {
			n = parquet.Encoded(n, &parquet.RLEDictionary)
		}
	}
	if f.optional {
		return parquet.Optional(n)
	}
	return n
}

// ordered is a group whose fields are in the order of the schema; the library's are in that of
// their names.
type ordered struct {
	parquet.Group
	fields []parquet.Field
}

func (t *parquetTree) group(fields []*parquetField) parquet.Node {
	g := ordered{Group: parquet.Group{}}
	for _, f := range fields {
		n := t.nodeOf(f)
		g.Group[f.name] = n
		g.fields = append(g.fields, named{n, f.name})
	}
	return g
}

func (g ordered) Fields() []parquet.Field { return g.fields }

// named is a field of an ordered group.
type named struct {
	parquet.Node
	name string
}

func (f named) Name() string { return f.name }

// Value is asked for only by those who write Go values.
func (f named) Value(base reflect.Value) reflect.Value { return base.MapIndex(reflect.ValueOf(f.name)) }
