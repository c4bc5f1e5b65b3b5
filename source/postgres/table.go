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
	id       uint32
	schema   string
	name     string
	topic    string
	columns  []column // in the order of the tuples
	cells    int      // cells of a tuple: the row's fields, then key columns that are no fields
	fields   int      // fields of the row
	key      []int    // cells that are the key
	masked   []maskedKey
	reselect *reselect     // nil when nothing is read again
	computed bool          // it has a generated column, which COPY reads from a query only
	record   *record.Table // schemas
	origin   *origin       // the constant part of the source block
	sent     []sent        // the columns as they were announced
	shape    string        // all of the above in text: equal shapes are the same version

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
	null      record.Value // for NULL: Null, or what Debezium writes for it
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
	f := c.source.forms
	if columns == nil {
		f = f.inSnapshot()
		for _, a := range attributes {
			// pgoutput does not send generated columns, so the snapshot leaves them out too.
			if !a.generated || c.source.forms.debezium {
				columns = append(columns, sent{name: a.name, typeID: a.typeID, typmod: a.typmod})
			}
		}
	}
	key, err := c.key(ctx, r.id)
	if err != nil {
		return nil, fmt.Errorf("read the key of %s: %w", r, err)
	}
	primary := key
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
	t, err := c.assemble(ctx, r, columns, attributes, key, f)
	if err == nil {
		t.reselect = c.source.reselection(t, primary)
	}
	return t, err
}

func (c *catalog) assemble(ctx context.Context, r relation, columns []sent, attributes []attribute, key []string, f *forms) (*table, error) {
	s := c.source
	t := &table{id: r.id, schema: r.schema, name: r.table, sent: columns}
	t.topic = topicName(strings.Join([]string{s.config.Prefix, r.schema, r.table}, s.config.Delimiter))
	t.origin = newOrigin(s.config, r.schema, r.table)
	full := s.schemaNames.name(s.config.Prefix + "." + r.schema + "." + r.table)
	row := &record.Schema{Type: record.StructType, Optional: true, Name: full + ".Value"}

	var outside []int // columns of the key only
	shape := &strings.Builder{}
	made := make([]record.Schema, len(columns))
	for i, col := range columns {
		column, err := c.column(ctx, r, col, attributes, f)
		if err != nil {
			return nil, err
		}
		made[i] = column.schema
		column.cell = -1
		inKey := slices.Contains(key, col.name)
		switch {
		case column.omitted:
			s.log.Warn("column left out: compat.mode debezium has no form for its type", "table", r.String(), "column", col.name, "type", c.types[col.typeID].name)
			key = slices.DeleteFunc(slices.Clone(key), func(name string) bool { return name == col.name })
		case s.capture.column(r.schema, r.table, col.name):
			column.cell = len(row.Fields)
			schema := &made[i]
			if column.row != nil {
				schema = column.row
			}
			row.Fields = append(row.Fields, record.Field{Name: s.fieldNames.name(col.name), Schema: schema})
			if inKey && column.mask != nil {
				t.masked = append(t.masked, maskedKey{from: i, to: column.cell, mask: column.mask})
				outside = append(outside, i)
			} else {
				column.masked()
			}
		case inKey:
			outside = append(outside, i)
		}
		t.columns = append(t.columns, column.column)
		fmt.Fprintf(shape, "%v %d %v %v\n", col, column.cell, find(attributes, col), c.describe(col.typeID))
	}
	t.fields, t.cells = len(row.Fields), len(row.Fields)+len(outside)
	for i, at := range outside {
		t.columns[at].cell = t.fields + i
	}
	for i := range t.masked {
		t.masked[i].from = t.columns[t.masked[i].from].cell
	}
	if err := distinct(row); err != nil {
		return nil, fmt.Errorf("table %s: %w", t, err)
	}
	t.computed = slices.ContainsFunc(attributes, func(a attribute) bool { return a.generated && has(columns, []string{a.name}) })
	t.record = &record.Table{Row: row, Envelope: envelopeSchema(full, row)}
	if err := t.setKey(full, key, made, s.fieldNames); err != nil {
		return nil, err
	}
	fmt.Fprintf(shape, "%d %s %v", r.id, t, key)
	t.shape = shape.String()
	return t, nil
}

// setKey gives t the key columns called key, in that order.
func (t *table) setKey(full string, key []string, schemas []record.Schema, names adjuster) error {
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
		t.record.Key.Fields = append(t.record.Key.Fields, record.Field{Name: names.name(name), Schema: &schemas[at]})
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

// described is a column with what the table's schemas say of it.
type described struct {
	column
	schema  record.Schema
	row     *record.Schema // in the row, when it tells more
	mask    *mask
	omitted bool
}

// masked makes the column's values masked, those that stand for others as well.
func (d *described) masked() {
	if d.mask == nil {
		return
	}
	d.decode = d.mask.decoder(d.decode)
	for _, v := range []*record.Value{&d.null, &d.absent, &d.unchanged} {
		d.mask.value(v, new(record.Batch))
	}
}

// maskedKey is a column of the key, which is masked in the row only.
type maskedKey struct {
	from, to int // cells
	mask     *mask
}

// maskKeys fills the cells of the row whose values the key has unmasked.
func (t *table) maskKeys(b *record.Batch, cells []record.Value) {
	for _, k := range t.masked {
		cells[k.to] = cells[k.from]
		k.mask.value(&cells[k.to], b)
	}
}

// distinct says which columns have the same field, when names are adjusted.
func distinct(row *record.Schema) error {
	for i, f := range row.Fields {
		if row.Index(f.Name) != i {
			return fmt.Errorf("two columns have the field name %q; rename one, leave one out with column.exclude.list, or set field.name.adjustment.mode to avro_unicode", f.Name)
		}
	}
	return nil
}

// column makes the schema and the decoder of one column.
func (c *catalog) column(ctx context.Context, r relation, col sent, attributes []attribute, all *forms) (described, error) {
	a := find(attributes, col)
	f := all.of(c.types, c.types[col.typeID], col.typmod, a.dims)
	out := described{column: column{name: col.name, unchanged: f.unchanged}, schema: f.schema, omitted: f.omitted}
	if out.omitted {
		return out, nil
	}
	out.schema.Optional = !a.notNull
	out.decode = c.source.guarded(r.String()+"."+col.name, f.decode)
	if a.hasDefault && !a.generated && f.schema.Type != record.ArrayType {
		value, err := c.defaultValue(ctx, a, f)
		if err != nil {
			return out, fmt.Errorf("read the default of %s.%s: %w", r, col.name, err)
		}
		if !value.IsNull() {
			out.schema.Default = &value
		}
	}
	if a.notNull {
		out.absent = f.zero
	}
	if out.schema.Default != nil && (a.notNull || all.debezium) {
		out.absent = *out.schema.Default
	}
	if all.debezium && !a.notNull {
		out.null = out.absent // Debezium's converter writes the default for NULL
	}
	c.describeRow(&out, r, col, a, f)
	if f.lost {
		absent := out.absent
		out.decode = func(v *record.Value, _ *record.Batch, _ []byte) error {
			*v = absent
			return nil
		}
	}
	return out, nil
}

// describeRow makes the schema of the column in the row, when it tells what is done to the values
// or what the column is in the database.
func (c *catalog) describeRow(out *described, r relation, col sent, a attribute, f form) {
	s, t := c.source, c.types[col.typeID]
	name := r.String() + "." + col.name
	length, _ := size(c.types, t, col.typmod)
	out.mask = s.mask(name, f, length, textual(c.types, t))
	tells := s.columnTypes.match(name) || s.dataTypes.match(r.String()+"."+typeName(t, a))
	if out.mask == nil && !tells {
		return
	}
	row := out.schema
	if out.mask != nil {
		row.Name, row.Version, row.Params = out.mask.schema.Name, out.mask.schema.Version, out.mask.schema.Params
	}
	if tells {
		row.Params = append(slices.Clone(row.Params), sourceType(c.types, t, col.typmod, a, col.name)...)
	}
	out.row = &row
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
