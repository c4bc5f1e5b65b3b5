package format

import (
	"bytes"
	"encoding/json"
	"fmt"

	"connectd/convert"
	"connectd/record"
)

// text writes parts of records as JSON on one line.
type text struct {
	json    *convert.JSON
	name    []byte       // room for a name
	compact bytes.Buffer // room for JSON that was written over several lines

	// schema is the last value schema seen, and plain says whether its values carry nothing that
	// the topic's bytes do not say: then those bytes are the JSON.
	schema *record.Schema
	plain  bool
}

func newText(c *Config) (*text, error) {
	j := &convert.JSONConfig{}
	j.Defaults()
	j.Schemas = false
	j.Decimals = c.Decimals
	conv, err := convert.NewJSON(j)
	if err != nil {
		return nil, err
	}
	return &text{json: conv}, nil
}

// value appends the value's own bytes when they are one line of JSON that no schema reads
// differently, and encodes it otherwise.
func (t *text) value(dst []byte, r *record.Record) ([]byte, error) {
	if s := r.Value.Schema; s != t.schema {
		t.schema, t.plain = s, schemaless(s)
	}
	if t.plain && r.RawValue != nil && bytes.IndexByte(r.RawValue, '\n') < 0 {
		return append(dst, r.RawValue...), nil
	}
	at := len(dst)
	dst, err := t.datum(dst, r.Topic, r.Value)
	if err != nil || bytes.IndexByte(dst[at:], '\n') < 0 {
		return dst, err
	}
	// JSON inside the value that was written over several lines.
	t.compact.Reset()
	if err := json.Compact(&t.compact, dst[at:]); err != nil {
		return dst, fmt.Errorf("value is not JSON: %w", err)
	}
	return append(dst[:at], t.compact.Bytes()...), nil
}

// schemaless says whether s was made from the data itself.
func schemaless(s *record.Schema) bool {
	if s == nil || s.Type != record.StructType || len(s.Fields) == 0 {
		return false
	}
	for i := range s.Fields {
		if s.Fields[i].Schema != nil && s.Fields[i].Schema.Type != record.AnyType {
			return false
		}
	}
	return true
}

func (t *text) headers(dst []byte, r *record.Record) ([]byte, error) {
	dst = append(dst, '{')
	for i := range r.Headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(t.string(dst, r.Headers[i].Name), ':')
		var err error
		if dst, err = t.datum(dst, r.Topic, r.Headers[i].Value); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// string appends s as a JSON string.
func (t *text) string(dst []byte, s string) []byte {
	t.name = append(t.name[:0], s...)
	return convert.AppendQuoted(dst, t.name)
}

func (t *text) datum(dst []byte, topic string, d record.Datum) ([]byte, error) {
	if d.Value.IsNull() {
		return append(dst, "null"...), nil
	}
	out, _, err := t.json.Encode(dst, topic, d)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// content appends d as it is, when it is a text or octets, and as JSON otherwise; nothing for null.
func (t *text) content(dst []byte, topic string, d record.Datum) ([]byte, error) {
	switch d.Value.Kind {
	case record.Null:
		return dst, nil
	case record.String, record.Bytes:
		return append(dst, d.Value.B...), nil
	}
	return t.datum(dst, topic, d)
}

// valueContent is content for the value.
func (t *text) valueContent(dst []byte, r *record.Record) ([]byte, error) {
	switch r.Value.Value.Kind {
	case record.Null, record.String, record.Bytes:
		return t.content(dst, r.Topic, r.Value)
	}
	return t.value(dst, r)
}
