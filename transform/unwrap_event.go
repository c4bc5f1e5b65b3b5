package transform

import (
	"fmt"
	"strings"

	"connectd/record"
)

// event is an envelope taken apart, whether it was ever built or not. It is valid for one record.
type event struct {
	op            record.Op
	schema        *record.Schema // of the envelope
	before, after record.Datum
	source        record.Datum // only when a reference needs it
	transaction   record.Datum
	change        *record.Change // of a source
	value         []record.Value // of a sink: the envelope's fields
}

// read takes the envelope of r apart; found is false when r has none.
func (t *Unwrap) read(b *record.Batch, r *record.Record, e *event) (found bool, err error) {
	if c := r.Change; c != nil {
		if c.Op == record.Message {
			return false, nil
		}
		*e = event{op: c.Op, schema: c.Table.Envelope, transaction: c.Transaction, change: c}
		e.before = record.Datum{Schema: c.Table.Row, Value: c.Before}
		e.after = record.Datum{Schema: c.Table.Row, Value: c.After}
		if e.transaction.Schema == nil && e.schema != nil {
			if i := e.schema.Index("transaction"); i >= 0 {
				e.transaction.Schema = e.schema.Fields[i].Schema
			}
		}
		if t.needSource && c.Source != nil {
			t.block = c.Source.Append(t.block[:0])
			e.source = record.Datum{Schema: c.Source.Schema(), Value: record.OfStruct(t.block)}
		}
		return true, nil
	}
	if r.Value.Value.Kind != record.Struct {
		return false, nil
	}
	env := t.envelope(r.Value.Schema)
	if env.op < 0 {
		return false, nil
	}
	return t.readEnvelope(b, r, env, e)
}

// envelope says where the parts of an envelope are.
type envelope struct{ op, before, after, source, transaction int } // op -1: not an envelope

func (t *Unwrap) envelope(s *record.Schema) *envelope {
	env, ok := t.envelopes[s]
	if ok {
		return env
	}
	env = &envelope{s.Index("op"), s.Index("before"), s.Index("after"), s.Index("source"), s.Index("transaction")}
	named := s.Name == "" || strings.HasSuffix(s.Name, ".Envelope")
	if !named || env.source < 0 || env.before < 0 && env.after < 0 {
		env.op = -1
	}
	if len(t.envelopes) >= maxSchemas {
		clear(t.envelopes)
	}
	t.envelopes[s] = env
	return env
}

// readEnvelope takes apart what a sink's converter has read.
func (t *Unwrap) readEnvelope(b *record.Batch, r *record.Record, env *envelope, e *event) (bool, error) {
	s, cells := r.Value.Schema, r.Value.Value.Items
	op := &cells[env.op]
	if op.Kind != record.String || len(op.B) != 1 {
		return false, nil
	}
	*e = event{op: record.Op(op.B[0]), schema: s, value: cells}
	switch e.op {
	case record.Create, record.Update, record.Delete, record.Read, record.Truncate:
	default:
		return false, nil
	}
	var err error
	if e.before, err = t.part(b, s, cells, env.before); err != nil {
		return false, err
	}
	if e.after, err = t.part(b, s, cells, env.after); err != nil {
		return false, err
	}
	if t.needSource {
		if e.source, err = t.part(b, s, cells, env.source); err != nil {
			return false, err
		}
	}
	e.transaction, err = t.part(b, s, cells, env.transaction)
	return err == nil, err
}

// part is one part of an envelope as a struct; JSON text is read now. A part that is not there,
// or null without a schema, is nothing at all.
func (t *Unwrap) part(b *record.Batch, s *record.Schema, cells []record.Value, at int) (record.Datum, error) {
	if at < 0 {
		return record.Datum{}, nil
	}
	f, cell := s.Fields[at], &cells[at]
	switch cell.Kind {
	case record.JSON:
		d, err := t.json.Decode(b, "", cell.B, nil)
		if err != nil {
			return record.Datum{}, fmt.Errorf("read %s of the envelope: %w", f.Name, err)
		}
		if d.Value.Kind == record.Struct {
			return d, nil
		}
	case record.Struct:
		return record.Datum{Schema: f.Schema, Value: *cell}, nil
	case record.Null:
		if f.Schema.Type == record.StructType {
			return record.Datum{Schema: f.Schema}, nil
		}
		return record.Datum{}, nil
	}
	return record.Datum{}, fmt.Errorf("%s of the envelope is not an object", f.Name)
}

// reference is one entry of add.fields or add.headers.
type reference struct {
	block string // "" for the envelope itself
	name  string
	as    string // the name of the added field

	schema *record.Schema // the block's schema when name was last looked up
	at     int            // and where it was
}

var (
	opSchema   = &record.Schema{Type: record.StringType}
	timeSchema = &record.Schema{Type: record.Int64Type, Optional: true}
	opTexts    = func() (texts [256]record.Value) {
		for op := range texts {
			texts[op] = record.OfString([]byte{byte(op)})
		}
		return texts
	}()
)

// find is the value that f refers to, and its schema; nil when the envelope has no such field.
func (f *reference) find(e *event) (record.Value, *record.Schema) {
	switch f.block {
	case "source":
		return f.in(e.source.Schema, e.source.Value.Items)
	case "transaction":
		return f.in(e.transaction.Schema, e.transaction.Value.Items)
	case "before":
		return f.in(e.before.Schema, e.before.Value.Items)
	case "after":
		return f.in(e.after.Schema, e.after.Value.Items)
	}
	if e.change == nil {
		return f.in(e.schema, e.value)
	}
	switch f.name {
	case "op":
		return opTexts[e.op], opSchema
	case "ts_ms":
		return record.OfInt(e.change.Time / 1e6), timeSchema
	case "ts_us":
		return record.OfInt(e.change.Time / 1e3), timeSchema
	case "ts_ns":
		return record.OfInt(e.change.Time), timeSchema
	}
	return record.Value{}, nil
}

// in is the field of a block; cells is empty when the block is null.
func (f *reference) in(s *record.Schema, cells []record.Value) (record.Value, *record.Schema) {
	if s == nil {
		return record.Value{}, nil
	}
	if f.schema != s {
		f.schema, f.at = s, s.Index(f.name)
	}
	if f.at < 0 {
		return record.Value{}, nil
	}
	schema := s.Fields[f.at].Schema
	if len(cells) == 0 {
		return record.Value{}, schema
	}
	return cells[f.at], schema
}
