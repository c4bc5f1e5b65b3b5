package postgres

import (
	"hash/maphash"
	"slices"
	"time"

	"connectd/connect"
	"connectd/convert"
	"connectd/record"
)

// passthrough ends a range before a key comes again in it, so that no transaction changes a row twice
// and each of its changes is written.
type passthrough struct {
	fields []string // of the key that count; nil for all
	seed   maphash.Seed
	seen   map[uint64]bool // keys of the range; of two with one hash the second ends it too
	text   []byte
}

var (
	_ connect.Rotator = (*passthroughWriter)(nil)
	_ connect.Rotator = (*exactPassthroughWriter)(nil)
	_ connect.Starter = (*exactPassthroughWriter)(nil)
)

type passthroughWriter struct {
	*Writer
	*passthrough
}

type exactPassthroughWriter struct {
	*exactWriter
	*passthrough
}

// eachChange is w, with keyed.message.batch.mode: passthrough as a connect.Rotator.
func (s *Sink) eachChange(w *Writer) connect.Writer {
	if s.cfg.BatchMode != "passthrough" || s.cfg.KeyMode != "record_key" {
		if w.exact {
			return &exactWriter{w}
		}
		return w
	}
	p := &passthrough{fields: s.cfg.KeyFields, seed: maphash.MakeSeed(), seen: map[uint64]bool{}}
	if w.exact {
		return &exactPassthroughWriter{&exactWriter{w}, p}
	}
	return &passthroughWriter{w, p}
}

// Ends says whether the range has a change of r's key already.
func (p *passthrough) Ends(r *record.Record, first bool) bool {
	if first {
		clear(p.seen)
	}
	key, ok := p.keyOf(r)
	if !ok {
		return false // Write says what is wrong with it
	}
	again := p.seen[key]
	p.seen[key] = true
	return again
}

// Due is the runtime's own.
func (p *passthrough) Due() time.Time { return time.Time{} }

// keyOf is a hash of what the key of r has in the columns of the primary key.
func (p *passthrough) keyOf(r *record.Record) (key uint64, ok bool) {
	if r.Key.Value.Kind == record.Null {
		return 0, false
	}
	p.text = append(append(p.text[:0], r.Topic...), 0)
	parts := []record.Datum{r.Key}
	if s := r.Key.Schema; s != nil && r.Key.Value.Kind == record.Struct && len(p.fields) > 0 {
		parts = parts[:0]
		for i, f := range s.Fields {
			if slices.Contains(p.fields, f.Name) {
				parts = append(parts, record.Datum{Schema: f.Schema, Value: r.Key.Value.Items[i]})
			}
		}
	}
	for _, d := range parts {
		var err error
		if p.text, err = convert.AppendJSON(p.text, d); err != nil {
			return 0, false
		}
		p.text = append(p.text, 0)
	}
	return maphash.Bytes(p.seed, p.text), true
}
