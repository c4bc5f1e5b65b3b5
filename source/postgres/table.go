package postgres

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"connectd/record"
)

// table is one version of a captured table: how its tuples become records.
type table struct {
	id      uint32
	schema  string
	name    string
	topic   string
	columns []column      // in the order of the tuples
	cells   int           // cells of a tuple: the row's fields, then key columns that are no fields
	fields  int           // fields of the row
	key     []int         // cells that are the key
	record  *record.Table // schemas
	origin  *origin       // the constant part of the source block
	sent    []sent        // the columns as they were announced
	shape   string        // all of the above in text: equal shapes are the same version

	// watch is told of each change in the stream before it goes into the batch, with the cells
	// of the old and the new row as far as they are known; nil for most tables. partial says that
	// the new row lacks large values that it did not change.
	watch func(ctx context.Context, op record.Op, old, cells []record.Value, partial bool) error
}

// column is one column of the tuples of a table.
type column struct {
	name      string
	cell      int // in the cells of a tuple, -1 when the column is left out
	decode    decoder
	absent    record.Value // in a row of which only the key is known
	unchanged record.Value // for a large value that did not change
}

// String is schema.table.
func (t *table) String() string { return t.schema + "." + t.name }

// keyOf is the key of the tuple whose cells are given, Kafka's null without a key.
func (t *table) keyOf(b *record.Batch, cells []record.Value) record.Datum {
	if t.record.Key == nil {
		return record.Datum{}
	}
	key := b.Cells(len(t.key))
	for i, cell := range t.key {
		key[i] = cells[cell]
	}
	return record.Datum{Schema: t.record.Key, Value: record.OfStruct(key)}
}

// row is the row of the tuple whose cells are given.
func (t *table) row(cells []record.Value) record.Value {
	return record.OfStruct(cells[:t.fields:t.fields])
}

// sent is a column as a tuple has it: all of the table's columns in the catalog, or those that a
// Relation message announces.
type sent struct {
	key    bool // part of the replica identity
	name   string
	typeID uint32
	typmod int32
}

// build reads from the catalog what columns does not say (nullability, defaults, key, types) and
// makes the table. A column that the catalog does not have any more is optional.
func (c *catalog) build(ctx context.Context, r relation, columns []sent) (*table, error) {
	attributes, err := c.attributes(ctx, r.id)
	if err != nil {
		return nil, fmt.Errorf("read the columns of %s: %w", r, err)
	}
	if columns == nil {
		for _, a := range attributes {
			if !a.generated { // pgoutput does not send them, so the snapshot leaves them out too
				columns = append(columns, sent{name: a.name, typeID: a.typeID, typmod: a.typmod})
			}
		}
	}
	key, err := c.key(ctx, r.id)
	if err != nil {
		return nil, fmt.Errorf("read the key of %s: %w", r, err)
	}
	if own := c.source.capture.key(r.schema, r.table); own != nil {
		key = own
	} else if !has(columns, key) || len(attributes) == 0 {
		key = identity(r, columns)
	}
	ids := make([]uint32, len(columns))
	for i := range columns {
		ids[i] = columns[i].typeID
	}
	if err := c.load(ctx, ids); err != nil {
		return nil, err
	}
	return c.assemble(ctx, r, columns, attributes, key)
}

func (c *catalog) assemble(ctx context.Context, r relation, columns []sent, attributes []attribute, key []string) (*table, error) {
	s := c.source
	t := &table{id: r.id, schema: r.schema, name: r.table, sent: columns}
	t.topic = topicName(strings.Join([]string{s.config.Prefix, r.schema, r.table}, s.config.Delimiter))
	t.origin = newOrigin(s.config, r.schema, r.table)
	full := s.config.Prefix + "." + r.schema + "." + r.table
	row := &record.Schema{Type: record.StructType, Optional: true, Name: full + ".Value"}

	var outside []int // columns of the key only
	shape := &strings.Builder{}
	made := make([]record.Schema, len(columns))
	for i, col := range columns {
		schema, column, err := c.column(ctx, r, col, attributes)
		if err != nil {
			return nil, err
		}
		made[i] = schema
		column.cell = -1
		switch {
		case s.capture.column(r.schema, r.table, col.name):
			column.cell = len(row.Fields)
			row.Fields = append(row.Fields, record.Field{Name: col.name, Schema: &made[i]})
		case slices.Contains(key, col.name):
			outside = append(outside, i)
		}
		t.columns = append(t.columns, column)
		fmt.Fprintf(shape, "%v %d %v %v\n", col, column.cell, find(attributes, col), c.describe(col.typeID))
	}
	t.fields, t.cells = len(row.Fields), len(row.Fields)+len(outside)
	for i, at := range outside {
		t.columns[at].cell = t.fields + i
	}
	t.record = &record.Table{Row: row, Envelope: envelopeSchema(full, row)}
	if err := t.setKey(full, key, made); err != nil {
		return nil, err
	}
	fmt.Fprintf(shape, "%d %s %v", r.id, t, key)
	t.shape = shape.String()
	return t, nil
}

// setKey gives t the key columns called key, in that order.
func (t *table) setKey(full string, key []string, schemas []record.Schema) error {
	if len(key) == 0 {
		return nil
	}
	t.record.Key = &record.Schema{Type: record.StructType, Name: full + ".Key"}
	for _, name := range key {
		at := slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
		if at < 0 {
			return fmt.Errorf("table %s: key column %q is not among its columns", t, name)
		}
		t.key = append(t.key, t.columns[at].cell)
		t.record.Key.Fields = append(t.record.Key.Fields, record.Field{Name: name, Schema: &schemas[at]})
	}
	return nil
}

// has says whether columns has all of names.
func has(columns []sent, names []string) bool {
	for _, name := range names {
		if !slices.ContainsFunc(columns, func(c sent) bool { return c.name == name }) {
			return false
		}
	}
	return true
}

// identity is the key of a table that has another one by now, or is dropped: its replica
// identity as it was announced, unless that is the whole row.
func identity(r relation, columns []sent) (key []string) {
	for _, c := range columns {
		if c.key && r.identity != "f" {
			key = append(key, c.name)
		}
	}
	return key
}

// find is the attribute that col is, as far as the catalog has it.
func find(attributes []attribute, col sent) attribute {
	for _, a := range attributes {
		if a.name == col.name && a.typeID == col.typeID {
			return a
		}
	}
	return attribute{}
}

// describe is all of a type that shapes the form of its values.
func (c *catalog) describe(id uint32) string {
	t := c.types[id]
	text := fmt.Sprint(*t)
	for _, more := range []uint32{t.elem, t.base} {
		if more != 0 && c.types[more] != nil {
			text += " " + c.describe(more)
		}
	}
	return text
}

// column makes the schema and the decoder of one column.
func (c *catalog) column(ctx context.Context, r relation, col sent, attributes []attribute) (record.Schema, column, error) {
	a := find(attributes, col)
	f := c.source.forms.of(c.types, c.types[col.typeID], col.typmod, a.dims)
	schema := f.schema
	schema.Optional = !a.notNull
	out := column{name: col.name, unchanged: f.unchanged}
	out.decode = c.source.guarded(r.String()+"."+col.name, f.decode)
	if a.hasDefault && !a.generated && f.schema.Type != record.ArrayType {
		value, err := c.defaultValue(ctx, a, f)
		if err != nil {
			return schema, out, fmt.Errorf("read the default of %s.%s: %w", r, col.name, err)
		}
		if !value.IsNull() {
			schema.Default = &value
		}
	}
	if a.notNull {
		out.absent = f.zero
		if schema.Default != nil {
			out.absent = *schema.Default
		}
	}
	return schema, out, nil
}

// literalDefault matches a default that is a constant: a string, a number or a boolean, each
// possibly cast.
var literalDefault = regexp.MustCompile(`^\(?('([^']|'')*'|-?[0-9]+(\.[0-9]+)?|\(-[0-9]+(\.[0-9]+)?\)|true|false)\)?(::[a-zA-Z0-9_ ."(),\[\]]+)?$`)

// defaultValue is the value of a constant default, what Debezium has for a function, or Null for
// no default.
func (c *catalog) defaultValue(ctx context.Context, a attribute, f form) (record.Value, error) {
	expr := a.defaultExpr
	if strings.HasPrefix(expr, "NULL::") || expr == "NULL" {
		return record.Value{}, nil
	}
	if !literalDefault.MatchString(expr) {
		return f.initial, nil
	}
	var text []byte
	// %s is the type's own output, which the decoder reads.
	if err := c.row(ctx, "SELECT format('%s', CAST("+expr+" AS "+a.typeName+"))", nil, &text); err != nil {
		return record.Value{}, err
	}
	var v record.Value
	if err := f.decode(&v, new(record.Batch), text); err != nil {
		return record.Value{}, err
	}
	return v, nil
}
