package transform

import (
	"fmt"

	"connectd/convert"
	"connectd/record"
)

// Unwrap turns changes into plain rows: Debezium's ExtractNewRecordState. A change that a source
// has just made is unwrapped without its envelope ever being built; the envelopes that a sink
// reads are taken apart. Records that are neither pass unchanged.
//
// A transform adds no records, so a mode with a tombstone after a delete keeps the one that the
// source sends (tombstones.on.delete), with the headers and the topic of its delete.
type Unwrap struct {
	deletes         string
	keepTombstones  bool
	fields, headers []reference
	needSource      bool
	routeBy         string
	drop            *dropper // nil when no columns are dropped
	nullToDefault   bool

	json      *convert.JSON // reads the parts of envelopes without a schema
	event     event
	block     []record.Value // the source block of the change at hand
	envelopes map[*record.Schema]*envelope
	rows      map[rowKey]*unwrapped
	latestKey rowKey
	latest    *unwrapped
	topics    map[string]string
	deleted   deleted
}

// NewUnwrap builds an Unwrap.
func NewUnwrap(c *UnwrapConfig) (*Unwrap, error) {
	t := &Unwrap{
		routeBy:       c.RouteBy,
		nullToDefault: c.NullToDefault,
		envelopes:     map[*record.Schema]*envelope{},
		rows:          map[rowKey]*unwrapped{},
		topics:        map[string]string{},
	}
	var err error
	if t.deletes, err = c.deletes(); err != nil {
		return nil, err
	}
	t.keepTombstones = t.deletes == rewriteWithTombstone || t.deletes == nullWithTombstone
	if t.fields, err = parseReferences(c.AddFields, c.FieldsPrefix); err != nil {
		return nil, fmt.Errorf("add.fields: %w", err)
	}
	if t.headers, err = parseReferences(c.AddHeaders, c.HeadersPrefix); err != nil {
		return nil, fmt.Errorf("add.headers: %w", err)
	}
	for _, refs := range [][]reference{t.fields, t.headers} {
		for i := range refs {
			t.needSource = t.needSource || refs[i].block == "source"
		}
	}
	if c.DropHeader != "" {
		t.drop = newDropper(c)
	}
	settings := new(convert.JSONConfig)
	settings.Defaults()
	settings.Schemas = false
	if t.json, err = convert.NewJSON(settings); err != nil {
		return nil, err
	}
	return t, nil
}

// Apply unwraps r.
func (t *Unwrap) Apply(b *record.Batch, r *record.Record) (keep bool, err error) {
	if r.Change == nil && r.Value.Value.IsNull() {
		return t.tombstone(b, r), nil
	}
	t.deleted.known = false
	e := &t.event
	found, err := t.read(b, r, e)
	if err != nil || !found {
		return err == nil, err
	}
	if e.op == record.Truncate || e.op == record.Delete && t.deletes == dropBoth {
		return false, nil
	}
	row := &e.after
	if e.op == record.Delete || row.Schema == nil {
		row = &e.before
	}
	if t.routeBy != "" {
		if r.Topic, err = t.route(row); err != nil {
			return false, err
		}
	}
	if err := t.addHeaders(b, r, e); err != nil {
		return false, err
	}
	r.Change, r.RawValue = nil, nil
	switch {
	case e.op != record.Delete:
		return true, t.unwrap(b, r, e, row, notDeletedText)
	case t.deletes == rewrite || t.deletes == rewriteWithTombstone:
		return true, t.unwrap(b, r, e, row, deletedText)
	case t.deletes == deleteToTombstone:
		r.Value = record.Datum{}
	default:
		r.Value = record.Datum{Schema: row.Schema}
	}
	return true, nil
}

// unwrap makes row the value of r, with what is to be added.
func (t *Unwrap) unwrap(b *record.Batch, r *record.Record, e *event, row *record.Datum, deleted record.Value) error {
	value := *row
	if value.Value.Kind != record.Struct {
		r.Value = record.Datum{Schema: value.Schema}
		return nil
	}
	if t.nullToDefault {
		setDefaults(value.Schema, value.Value.Items)
	}
	if t.drop != nil {
		t.drop.apply(b, r, &value)
	}
	rewriting := t.deletes == rewrite || t.deletes == rewriteWithTombstone
	if !rewriting && len(t.fields) == 0 {
		r.Value = value
		return nil
	}
	u, err := t.unwrapped(rowKey{value.Schema, e.schema, e.before.Schema, e.after.Schema, e.source.Schema, e.transaction.Schema}, e, rewriting)
	if err != nil {
		return err
	}
	cells := b.Cells(len(u.schema.Fields))
	n := copy(cells, value.Value.Items)
	if rewriting {
		cells[n] = deleted
		n++
	}
	for _, i := range u.fields {
		cells[n], _ = t.fields[i].find(e)
		n++
	}
	r.Value = record.Datum{Schema: u.schema, Value: record.OfStruct(cells)}
	return nil
}

// The values of __deleted: texts, as Debezium has it.
var deletedText, notDeletedText = record.OfText("true"), record.OfText("false")

// setDefaults puts the defaults of schema in the place of nulls.
func setDefaults(schema *record.Schema, cells []record.Value) {
	for i := range cells {
		if cells[i].IsNull() && schema.Fields[i].Schema.Default != nil {
			cells[i] = *schema.Fields[i].Schema.Default
		}
	}
}

// rowKey is what the schema of an unwrapped row depends on.
type rowKey struct{ row, envelope, before, after, source, transaction *record.Schema }

// unwrapped is a row's schema with what is added to it.
type unwrapped struct {
	schema *record.Schema
	fields []int // of Unwrap.fields: those that the envelope has
}

// maxSchemas bounds the caches by schema: tables that change leave their old ones behind.
const maxSchemas = 10_000

var deletedSchema = &record.Schema{Type: record.StringType, Optional: true}

func (t *Unwrap) unwrapped(key rowKey, e *event, rewriting bool) (*unwrapped, error) {
	if t.latest != nil && key == t.latestKey {
		return t.latest, nil
	}
	u, ok := t.rows[key]
	if !ok {
		schema := *key.row
		schema.Optional, schema.Default = false, nil
		schema.Fields = append([]record.Field{}, key.row.Fields...)
		if rewriting {
			schema.Fields = append(schema.Fields, record.Field{Name: "__deleted", Schema: deletedSchema})
		}
		u = &unwrapped{schema: &schema}
		for i := range t.fields {
			_, s := t.fields[i].find(e)
			if s == nil {
				continue // the envelope has no such field
			}
			if schema.Index(t.fields[i].as) >= 0 {
				return nil, fmt.Errorf("add.fields: the row has a column %q already; set another add.fields.prefix", t.fields[i].as)
			}
			schema.Fields = append(schema.Fields, record.Field{Name: t.fields[i].as, Schema: optional(s)})
			u.fields = append(u.fields, i)
		}
		if len(t.rows) >= maxSchemas {
			clear(t.rows)
		}
		t.rows[key] = u
	}
	t.latestKey, t.latest = key, u
	return u, nil
}

// optional is s for a field that may be null; a default does not go with it.
func optional(s *record.Schema) *record.Schema {
	if s.Optional && s.Default == nil {
		return s
	}
	o := *s
	o.Optional, o.Default = true, nil
	return &o
}

// route is the topic that the row's column names.
func (t *Unwrap) route(row *record.Datum) (string, error) {
	i := -1
	if row.Value.Kind == record.Struct {
		i = row.Schema.Index(t.routeBy)
	}
	if i < 0 {
		return "", fmt.Errorf("route.by.field: the row has no column %q", t.routeBy)
	}
	cell := &row.Value.Items[i]
	if cell.Kind != record.String || len(cell.B) == 0 {
		return "", fmt.Errorf("route.by.field: the column %q holds no text that could be a topic", t.routeBy)
	}
	topic, ok := t.topics[string(cell.B)]
	if !ok {
		if len(t.topics) >= maxTopics {
			clear(t.topics)
		}
		topic = string(cell.B)
		t.topics[topic] = topic
	}
	return topic, nil
}
