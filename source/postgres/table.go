package postgres

import (
	"context"
	"fmt"
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
			published := slices.Contains(r.columns, a.name)
			if published || r.columns == nil && !a.generated || a.generated && c.source.forms.debezium {
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
	m := &assembly{table: t, source: s, key: key, row: &record.Schema{Type: record.StructType, Optional: true, Name: full + ".Value"}}
	for _, col := range columns {
		d, err := c.column(ctx, r, col, attributes, f)
		if err != nil {
			return nil, err
		}
		m.add(d)
		fmt.Fprintf(&m.shape, "%v %d %v %v\n", col, d.cell, find(attributes, col), c.describe(col.typeID))
	}
	t.computed = slices.ContainsFunc(attributes, func(a attribute) bool { return a.generated && has(columns, []string{a.name}) })
	if err := m.finish(full); err != nil {
		return nil, fmt.Errorf("table %s: %w", t, err)
	}
	return t, nil
}

// assembly is a table whose columns are being added.
type assembly struct {
	*table
	source  *Source
	key     []string // columns
	row     *record.Schema
	schemas []*record.Schema // of the columns in the key
	outside []int            // columns that have cells behind those of the row
	shape   strings.Builder
}

// add adds the next column of the tuples: to the row, to the key, to both or to none.
func (m *assembly) add(d *described) {
	at := len(m.columns)
	inKey := slices.Contains(m.key, d.name)
	d.cell = -1
	switch {
	case d.omitted:
		m.source.log.Warn("column left out: compat.mode debezium has no form for its type", "table", m.table.String(), "column", d.name)
		m.key = slices.DeleteFunc(slices.Clone(m.key), func(name string) bool { return name == d.name })
	case m.source.capture.column(m.table.schema, m.table.name, d.name):
		d.cell = len(m.row.Fields)
		m.row.Fields = append(m.row.Fields, record.Field{Name: m.source.fieldNames.name(d.name), Schema: d.row})
		if inKey && d.mask != nil {
			m.masked = append(m.masked, maskedKey{column: at, to: d.cell, mask: d.mask})
			m.outside = append(m.outside, at)
		} else {
			d.masked()
		}
	case inKey:
		m.outside = append(m.outside, at)
	}
	m.columns = append(m.columns, d.column)
	m.schemas = append(m.schemas, d.schema)
}

// finish gives the columns behind the row their cells, and the table its schemas. full is what
// the schemas' names begin with.
func (m *assembly) finish(full string) error {
	m.fields, m.cells = len(m.row.Fields), len(m.row.Fields)+len(m.outside)
	for i, at := range m.outside {
		m.columns[at].cell = m.fields + i
	}
	for i, f := range m.row.Fields {
		if m.row.Index(f.Name) != i {
			return fmt.Errorf("two columns have the field name %q; rename one, leave one out with column.exclude.list, or set field.name.adjustment.mode to avro_unicode", f.Name)
		}
	}
	m.record = &record.Table{Row: m.row, Envelope: envelopeSchema(full, m.row)}
	if len(m.key) > 0 {
		m.record.Key = &record.Schema{Type: record.StructType, Name: full + ".Key"}
	}
	for _, name := range m.key {
		at := slices.IndexFunc(m.columns, func(c column) bool { return c.name == name })
		if at < 0 {
			return fmt.Errorf("key column %q is not among its columns", name)
		}
		m.table.key = append(m.table.key, m.columns[at].cell)
		m.record.Key.Fields = append(m.record.Key.Fields, record.Field{Name: m.source.fieldNames.name(name), Schema: m.schemas[at]})
	}
	fmt.Fprintf(&m.shape, "%d %s %v", m.id, m.table, m.key)
	m.table.shape = m.shape.String()
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
