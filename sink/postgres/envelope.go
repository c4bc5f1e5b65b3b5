package postgres

import (
	"context"
	"regexp"
	"strings"

	"connectd/convert"
	"connectd/record"
)

// envelope says where the parts of Debezium's envelope are in values of one schema, or of the envelope
// of a CloudEvent, which has data only.
type envelope struct{ op, before, after, source, data int }

// envelopes takes envelopes apart that no transform has unwrapped.
type envelopes struct {
	json  *convert.JSON  // of the parts of envelopes without a schema
	cloud *regexp.Regexp // names of the schemas of CloudEvents; nil for none
	known map[*record.Schema]*envelope
	last  *record.Schema // the value schema before, and what it is
	is    *envelope      // nil: not an envelope
}

func newEnvelopes(cloud *regexp.Regexp) (*envelopes, error) {
	settings := new(convert.JSONConfig)
	settings.Defaults()
	settings.Schemas = false
	json, err := convert.NewJSON(settings)
	return &envelopes{json: json, cloud: cloud, known: map[*record.Schema]*envelope{}}, err
}

// of is the envelope that values of s are, or nil.
func (x *envelopes) of(s *record.Schema) *envelope {
	if s == x.last {
		return x.is
	}
	e, ok := x.known[s]
	if !ok {
		e = &envelope{s.Index("op"), s.Index("before"), s.Index("after"), s.Index("source"), -1}
		switch {
		case x.cloud != nil && s.Name != "" && x.cloud.MatchString(s.Name) && s.Index("data") >= 0:
			e.data = s.Index("data")
		case e.op < 0 || e.source < 0 || e.before < 0 && e.after < 0:
			e = nil
		}
		x.known[s] = e
	}
	x.last, x.is = s, e
	return e
}

// part is one part of an envelope, in the memory of b; null when it is not there.
func (x *envelopes) part(b *record.Batch, v record.Datum, at int) (record.Datum, error) {
	if at < 0 {
		return record.Datum{}, nil
	}
	cell := &v.Value.Items[at]
	switch cell.Kind {
	case record.Null:
		return record.Datum{}, nil
	case record.Struct:
		return record.Datum{Schema: v.Schema.Fields[at].Schema, Value: *cell}, nil
	case record.JSON:
		if d, err := x.json.Decode(b, "", cell.B, nil); err != nil || d.Value.Kind == record.Struct {
			return d, err
		}
	}
	return record.Datum{}, unfitf("%s of the envelope is not an object", v.Schema.Fields[at].Name)
}

// event writes the data of a CloudEvent.
func (w *Writer) event(ctx context.Context, b *record.Batch, r *record.Record, e *envelope) error {
	data, err := w.envelopes.part(b, r.Value, e.data)
	if err == nil && data.Value.Kind == record.Null {
		err = unfitf("the CloudEvent has no data")
	}
	if err != nil {
		return err
	}
	own := *r
	own.Value = data
	return w.write(ctx, b, &own)
}

// change writes a change in Debezium's envelope: the row after it, or the deletion of the row
// before it.
func (w *Writer) change(ctx context.Context, b *record.Batch, r *record.Record, e *envelope) error {
	op := &r.Value.Value.Items[e.op]
	if op.Kind != record.String || len(op.B) != 1 {
		return unfitf("op of the envelope is not one letter")
	}
	source, err := w.envelopes.part(b, r.Value, e.source)
	if err != nil {
		return err
	}
	row := *r
	at := e.after
	switch record.Op(op.B[0]) {
	case record.Create, record.Update, record.Read:
	case record.Truncate:
		if !w.sink.cfg.Truncate {
			b.Skip()
			return nil
		}
		return w.truncate(ctx, r, source)
	case record.Delete:
		if !w.sink.cfg.DeleteEnabled {
			b.Skip()
			return nil
		}
		at = e.before
	case record.Message:
		b.Skip()
		return nil
	default:
		return unfitf("op of the envelope is %q", op.B)
	}
	if row.Value, err = w.envelopes.part(b, r.Value, at); err != nil {
		return err
	}
	if row.Value.Value.Kind == record.Null {
		return unfitf("the envelope has no row, although its op is %q", op.B)
	}
	if w.table, err = w.target(&row, source); err != nil {
		return err
	}
	p, err := w.planFor(ctx, &row, false)
	if err != nil || p.buffer == nil {
		return err
	}
	w.offset = r.Offset
	if at == e.before {
		return w.remove(p, &row)
	}
	return w.add(p, &row)
}

// truncate empties the table: of what waits here at once, of what is stored with the flush.
func (w *Writer) truncate(ctx context.Context, r *record.Record, source record.Datum) error {
	n, err := w.target(r, source)
	if err != nil {
		return err
	}
	t, err := w.tableFor(ctx, n, nil, true)
	if err != nil || t == nil {
		return err
	}
	b := w.buffers[n]
	if b == nil {
		b = &buffer{}
		w.buffers[n] = b
	}
	b.reset()
	b.table, b.truncated = t, true
	return nil
}

// target is the table of r. Where table.name.format names fields of the source block, they come
// from source, which an envelope has, or from what the unwrap transform has added to the row.
func (w *Writer) target(r *record.Record, source record.Datum) (name, error) {
	cfg := w.sink.cfg
	if !cfg.bySource() {
		if r.Topic != w.topic {
			w.topic, w.topicTable = r.Topic, cfg.tableOf(r.Topic, nil)
		}
		return w.topicTable, nil
	}
	var missing error
	n := cfg.tableOf(r.Topic, func(field string) string {
		if text := textOf(source, field); text != "" {
			return text
		}
		for _, added := range []string{"__source_" + field, "__" + field} {
			if text := textOf(r.Value, added); text != "" {
				return text
			}
		}
		missing = unfitf("table.name.format names ${source.%s}, and the record has no such field; let it come as an envelope, or add source.%s to the add.fields of its unwrap transform", field, field)
		return ""
	})
	return n, missing
}

// textOf is the content of a field that holds a text.
func textOf(d record.Datum, field string) string {
	if d.Schema == nil || d.Value.Kind != record.Struct {
		return ""
	}
	if i := d.Schema.Index(field); i >= 0 && d.Value.Items[i].Kind == record.String {
		return string(d.Value.Items[i].B)
	}
	return ""
}

// bySource says whether the table depends on the record and not only on its topic.
func (c *Config) bySource() bool { return strings.Contains(c.TableFormat, "${source.") }
