package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"connectd/connect"
	"connectd/record"
)

// deletedField is what the unwrap transform marks a deleted row with (delete.handling rewrite).
const deletedField = "__deleted"

// kafkaColumns are the columns of pk.mode kafka.
var kafkaColumns = []string{"__connect_topic", "__connect_partition", "__connect_offset"}

// wholeValue is the place of what is no field of a struct.
const wholeValue = -1

// origin is the part of a record that a cell comes from.
type origin uint8

const (
	fromValue origin = iota
	fromKey
	fromTopic
	fromPartition
	fromOffset
	fromTimestamp
	fromHeader
	fromNothing // null
)

// cell is one column of a plan and where its value comes from.
type cell struct {
	from   origin
	at     int            // in the fields of the struct; -1 is the whole key or value
	header string         // its name
	schema *record.Schema // of the value
	column *column
	null   *record.Value // what is written for null; nil is null
}

// value is the content of the cell for r. room is the memory of what is not in the record itself.
func (c *cell) value(r *record.Record, room *record.Value) *record.Value {
	switch c.from {
	case fromValue:
		return c.filled(&r.Value.Value)
	case fromKey:
		return c.filled(&r.Key.Value)
	case fromTopic:
		*room = record.OfText(r.Topic)
	case fromPartition:
		*room = record.OfInt(int64(r.Partition))
	case fromOffset:
		*room = record.OfInt(r.Offset)
	case fromHeader:
		for i := len(r.Headers) - 1; i >= 0; i-- {
			if r.Headers[i].Name == c.header {
				return &r.Headers[i].Value.Value
			}
		}
		*room = record.Value{}
	case fromTimestamp:
		*room = record.OfInt(r.Timestamp)
		if r.Timestamp == record.NoTimestamp {
			*room = record.Value{}
		}
	default:
		*room = record.Value{}
	}
	return room
}

// filled is the content of the cell in a key or value, or what stands for null.
func (c *cell) filled(of *record.Value) *record.Value {
	if c.at >= 0 {
		of = &of.Items[c.at]
	}
	if of.Kind == record.Null && c.null != nil {
		return c.null
	}
	return of
}

// plan is how records of one topic with one schema of key and value become rows.
type plan struct {
	table   name
	buffer  *buffer // nil when there is no table and nothing to delete from it
	group   *group
	cells   []cell // in the order of the group's set
	key     []cell // in the order of the buffer's key
	deleted int    // place of __deleted in the value, or -1
	pending []int  // fields without a column that were null so far, of which nothing is known
}

// shape is what a plan is made for.
type shape struct {
	table      name
	topic      string
	key, value *record.Schema
	tombstone  bool
}

// field is something of a record that wants a column.
type field struct {
	name   string
	from   origin
	at     int
	schema *record.Schema
	sample record.Kind // of the first value, where the schema does not say
	key    bool
}

// unfit is an error of one record, not of the task.
type unfit struct{ error }

func (u unfit) Unwrap() error { return u.error }

func unfitf(format string, args ...any) error { return unfit{fmt.Errorf(format, args...)} }

// fieldsOf lists what r has to write, the key first.
func (w *Writer) fieldsOf(r *record.Record) ([]field, error) {
	value, err := w.valueFields(r)
	if err != nil {
		return nil, err
	}
	key, err := w.keyFields(r, value)
	if err != nil {
		return nil, err
	}
	out := key
	for _, f := range value {
		if slices.ContainsFunc(key, func(k field) bool { return k.name == f.name }) || !w.sink.cfg.writes(r.Topic, f.name) {
			continue
		}
		if f.name == deletedField && w.sink.cfg.DeleteEnabled {
			continue
		}
		out = append(out, f)
	}
	w.sink.cfg.timestamps(out)
	if w.sink.cfg.Metadata {
		out = append(out, w.sink.cfg.metadataFields()...)
	}
	return out, nil
}

// valueFields are the fields of r's value; none for a tombstone.
func (w *Writer) valueFields(r *record.Record) ([]field, error) {
	if r.Value.Value.Kind == record.Null {
		return nil, nil
	}
	s := r.Value.Schema
	if r.Value.Value.Kind != record.Struct || s == nil {
		return []field{{name: w.sink.cfg.Text, from: fromValue, at: wholeValue, schema: s, sample: r.Value.Value.Kind}}, nil
	}
	return structFields(fromValue, r.Value), nil
}

func structFields(from origin, d record.Datum) []field {
	out := make([]field, len(d.Schema.Fields))
	for i, f := range d.Schema.Fields {
		out[i] = field{name: f.Name, from: from, at: i, schema: f.Schema, sample: d.Value.Items[i].Kind}
	}
	return out
}

func placeFields(names []string, key bool) []field {
	return []field{
		{name: names[0], from: fromTopic, schema: &record.Schema{Type: record.StringType}, key: key},
		{name: names[1], from: fromPartition, schema: &record.Schema{Type: record.Int32Type}, key: key},
		{name: names[2], from: fromOffset, schema: &record.Schema{Type: record.Int64Type}, key: key},
	}
}

// metadataFields are the record's place and time, those that have a column.
func (c *Config) metadataFields() []field {
	all := append(placeFields([]string{c.MetaTopic, c.MetaPartition, c.MetaOffset}, false),
		field{name: c.MetaTimestamp, from: fromTimestamp, schema: &record.Schema{Type: record.Int64Type, Name: record.ConnectTimestamp}})
	return slices.DeleteFunc(all, func(f field) bool { return f.name == "" })
}

// headerFields are the headers that pk.fields names. Where a header has no schema with a meaning of
// its own, its type is that of the value at hand, such as an int8 for a small number, so the column
// is made for any number.
func headerFields(r *record.Record, names []string) ([]field, error) {
	var key []field
	for _, name := range names {
		f := field{name: name, from: fromHeader, key: true}
		for _, h := range r.Headers {
			if h.Name == name {
				f.sample = h.Value.Value.Kind
				if h.Value.Schema != nil && h.Value.Schema.Name != "" {
					f.schema = h.Value.Schema
				}
			}
		}
		if f.sample == record.Null {
			return nil, unfitf("the record has no header %q, which pk.fields names", name)
		}
		key = append(key, f)
	}
	return key, nil
}

// keyFields are the fields of the primary key, by pk.mode and pk.fields.
func (w *Writer) keyFields(r *record.Record, value []field) ([]field, error) {
	cfg := w.sink.cfg
	keyNames := cfg.keyFields(w.table)
	var of []field
	switch cfg.KeyMode {
	case "none":
		return nil, nil
	case "kafka":
		names := keyNames
		if len(names) == 0 {
			names = kafkaColumns
		}
		return placeFields(names, true), nil
	case "record_header":
		return headerFields(r, keyNames)
	case "record_value":
		of = value
	case "record_key":
		k := r.Key
		switch {
		case k.Value.Kind == record.Null:
			return nil, unfitf("the record has no key, which pk.mode record_key needs; give its table a primary key or a replica identity, or use pk.mode: record_value with pk.fields")
		case k.Value.Kind == record.Struct && k.Schema != nil:
			of = structFields(fromKey, k)
		case len(keyNames) == 1:
			return []field{{name: keyNames[0], from: fromKey, at: -1, schema: k.Schema, sample: k.Value.Kind, key: true}}, nil
		default:
			return nil, connect.Permanent(errors.New("the keys are single values without a name; name their column in pk.fields"))
		}
	}
	return selectKey(of, keyNames, strings.TrimPrefix(cfg.KeyMode, "record_"))
}

// selectKey is the fields that pk.fields names, or all.
func selectKey(of []field, names []string, part string) ([]field, error) {
	key := slices.Clone(of)
	if len(names) > 0 {
		key = key[:0]
		for _, name := range names {
			i := slices.IndexFunc(of, func(f field) bool { return f.name == name })
			if i < 0 {
				return nil, unfitf("there is no field %q, which pk.fields names, in the %s", name, part)
			}
			key = append(key, of[i])
		}
	}
	for i := range key {
		key[i].key = true
	}
	return key, nil
}

// makePlan finds the columns of r's fields, and makes them where that is allowed.
func (w *Writer) makePlan(ctx context.Context, r *record.Record) (*plan, error) {
	fields, err := w.fieldsOf(r)
	if err != nil {
		return nil, err
	}
	p := &plan{table: w.table, deleted: -1}
	tombstone := r.Value.Value.Kind == record.Null
	if r.Value.Value.Kind == record.Struct && w.sink.cfg.DeleteEnabled {
		p.deleted = r.Value.Schema.Index(deletedField)
	}
	t, err := w.tableFor(ctx, p.table, fields, tombstone)
	if err != nil || t == nil {
		return p, err
	}
	if err := p.place(t, fields, w.sink.cfg); err != nil {
		return nil, err
	}
	if err := w.fill(p, t); err != nil {
		return nil, err
	}
	return p, nil
}

// place gives every field its column.
func (p *plan) place(t *table, fields []field, cfg *Config) error {
	taken := map[*column]string{}
	for _, f := range fields {
		col := t.find(cfg.columnOf(&f))
		if col == nil {
			if f.from == fromValue && f.at != wholeValue {
				p.pending = append(p.pending, f.at)
			}
			continue
		}
		if other, ok := taken[col]; ok {
			return connect.Permanent(fmt.Errorf("fields %q and %q both go into column %q of table %s; leave one out with field.exclude.list", other, f.name, col.name, t.name))
		}
		taken[col] = f.name
		c := cell{from: f.from, at: f.at, schema: f.schema, column: col}
		if f.from == fromHeader {
			c.header = f.name
		}
		if cfg.NullToDefault && f.schema != nil {
			c.null = f.schema.Default
		}
		if f.key {
			p.key = append(p.key, c)
		}
		p.cells = append(p.cells, c)
	}
	if cfg.Missing == "null" && cfg.InsertMode == "upsert" {
		for _, col := range t.columns {
			if _, ok := taken[col]; !ok {
				p.cells = append(p.cells, cell{from: fromNothing, column: col})
			}
		}
	}
	slices.SortFunc(p.cells, func(a, b cell) int { return a.column.index - b.column.index })
	return nil
}

// fill finds the buffer and the group of the plan's rows.
func (w *Writer) fill(p *plan, t *table) error {
	cfg := w.sink.cfg
	b := w.buffers[t.name]
	if b == nil {
		b = &buffer{}
		w.buffers[t.name] = b
	}
	b.table = t
	if len(p.key) > 0 {
		columns := make([]*column, len(p.key))
		for i := range p.key {
			columns[i] = p.key[i].column
		}
		b.key = w.sink.catalog.set(t, columns)
		if (cfg.InsertMode == "upsert" || cfg.InsertMode == "ignore") && !t.hasKey(b.key.names()) {
			return connect.Permanent(fmt.Errorf("table %s has no unique index on exactly the key's columns (%s), by which insert.mode %s finds a row; run: CREATE UNIQUE INDEX ON %s (%s)",
				t.name, quoteAll(b.key.names()), cfg.InsertMode, t.name, quoteAll(b.key.names())))
		}
		if b.keys == nil && (cfg.InsertMode != "insert" || cfg.DeleteEnabled) {
			b.keys = newKeyIndex()
		}
	}
	p.buffer = b
	p.group = b.group(w.sink.catalog.set(t, columnsOf(p.cells)))
	return nil
}

func columnsOf(cells []cell) []*column {
	columns := make([]*column, len(cells))
	for i := range cells {
		columns[i] = cells[i].column
	}
	return columns
}
