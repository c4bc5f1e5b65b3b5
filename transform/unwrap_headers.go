package transform

import "connectd/record"

// addHeaders adds the headers that the settings ask for, and remembers those of a delete for the
// tombstone after it.
func (t *Unwrap) addHeaders(b *record.Batch, r *record.Record, e *event) error {
	remember := e.op == record.Delete && t.keepTombstones
	if len(t.headers) > 0 {
		headers := b.Headers(len(r.Headers) + len(t.headers))
		n := copy(headers, r.Headers)
		own := n
		for i := range t.headers {
			if v, s := t.headers[i].find(e); s != nil {
				headers[n] = record.Header{Name: t.headers[i].as, Value: record.Datum{Schema: s, Value: v}}
				n++
			}
		}
		r.Headers = headers[:n:n]
		if remember {
			t.deleted.keep(headers[own:n])
		}
	}
	if remember {
		t.deleted.known, t.deleted.topic = true, r.Topic
	}
	return nil
}

// tombstone keeps or drops a record without a value. One that is kept goes where its delete,
// the record before it, went, with the same added headers.
func (t *Unwrap) tombstone(b *record.Batch, r *record.Record) (keep bool) {
	if !t.keepTombstones {
		return false
	}
	if !t.deleted.known {
		return true
	}
	t.deleted.known = false
	r.Topic = t.deleted.topic
	if len(t.deleted.headers) > 0 {
		headers := b.Headers(len(r.Headers) + len(t.deleted.headers))
		n := copy(headers, r.Headers)
		for _, h := range t.deleted.headers {
			if h.Value.Value.Items == nil {
				h.Value.Value.B = b.Copy(h.Value.Value.B)
			}
			headers[n] = h
			n++
		}
		r.Headers = headers
	}
	return true
}

// deleted is the delete before the record at hand. It may have been in another batch, so it has
// memory of its own.
type deleted struct {
	known   bool
	topic   string
	headers []record.Header
	text    []byte
}

func (d *deleted) keep(headers []record.Header) {
	d.headers, d.text = append(d.headers[:0], headers...), d.text[:0]
	for i := range d.headers {
		v := &d.headers[i].Value.Value
		if v.Items != nil {
			*v = v.Clone()
			continue
		}
		at := len(d.text)
		d.text = append(d.text, v.B...)
		v.B = d.text[at:len(d.text):len(d.text)]
	}
}
