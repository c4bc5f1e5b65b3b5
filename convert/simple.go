package convert

import (
	"fmt"

	"connectd/record"
)

// SimpleConfig is the settings of the header converter: it has none.
type SimpleConfig struct{}

// Defaults does nothing.
func (*SimpleConfig) Defaults() {}

// Simple is the converter that Kafka Connect calls SimpleHeaderConverter, its default for
// headers: strings and numbers are their text, and what has parts is written as JSON. What it
// reads stays a string: guessing types from text would turn the string 007 into a number.
type Simple struct{}

// NewSimple builds a header converter.
func NewSimple(*SimpleConfig) (*Simple, error) { return &Simple{}, nil }

// Encode appends the text of d.
func (*Simple) Encode(dst []byte, topic string, d record.Datum) (out []byte, null bool, err error) {
	if d.Value.IsNull() {
		return dst, true, nil
	}
	out, err = appendSimple(dst, d, false)
	return out, false, err
}

// EncodeChange is an error: a change is no header.
func (*Simple) EncodeChange(dst []byte, topic string, c *record.Change) ([]byte, error) {
	return dst, fmt.Errorf("the header converter can not write the changes of a table; use the JSON converter")
}

// Decode returns data as a string.
func (*Simple) Decode(b *record.Batch, topic string, data []byte, hint *record.Schema) (record.Datum, error) {
	if data == nil {
		return record.Datum{}, nil
	}
	return record.Datum{Schema: optionalString, Value: record.OfString(data)}, nil
}

// appendSimple appends d: what has no parts as the string converter does. Inside of something else,
// strings and bytes are quoted.
func appendSimple(dst []byte, d record.Datum, inside bool) ([]byte, error) {
	v, s := &d.Value, d.Schema
	if s == nil {
		s = anySchema
	}
	switch {
	case v.Kind == record.Struct, v.Kind == record.Array, v.Kind == record.Map:
		return appendSimpleParts(dst, v, s)
	case inside && v.Kind == record.String:
		return appendSimpleQuoted(dst, v.B), nil
	case inside && v.Kind == record.Bytes:
		return appendBase64(dst, v.B), nil
	}
	return appendJava(dst, d)
}

func appendSimpleParts(dst []byte, v *record.Value, s *record.Schema) ([]byte, error) {
	opening, closing := byte('{'), byte('}')
	if v.Kind == record.Array {
		opening, closing = '[', ']'
	}
	if v.Kind == record.Struct && len(s.Fields) != len(v.Items) {
		return dst, fmt.Errorf("a struct of %d values for the schema of a %s with %d fields", len(v.Items), s.Type, len(s.Fields))
	}
	dst = append(dst, opening)
	var err error
	for i := range v.Items {
		elem := s.Elem
		switch {
		case v.Kind == record.Map && i%2 == 1:
			dst = append(dst, ':')
		case i > 0:
			dst = append(dst, ',')
		}
		switch {
		case v.Kind == record.Map && i%2 == 0:
			elem = s.Key
		case v.Kind == record.Struct:
			dst = append(appendSimpleQuoted(dst, []byte(s.Fields[i].Name)), ':')
			elem = s.Fields[i].Schema
		}
		if dst, err = appendSimple(dst, record.Datum{Schema: elem, Value: v.Items[i]}, true); err != nil {
			return dst, err
		}
	}
	return append(dst, closing), nil
}

// appendSimpleQuoted appends text in quotes, with escapes for quotes and backslashes only, which
// is all that Kafka Connect escapes in headers.
func appendSimpleQuoted(dst, text []byte) []byte {
	dst = append(dst, '"')
	for _, c := range text {
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}
