package convert

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/ianaindex"

	"connectd/config"
	"connectd/record"
)

// StringConfig is the settings of the string converter, by the names of Kafka Connect's.
type StringConfig struct {
	Encoding string `yaml:"encoding" alias:"converter.encoding" doc:"the character set of the bytes"`
}

// Defaults fills in Kafka Connect's.
func (c *StringConfig) Defaults() { c.Encoding = "UTF-8" }

// Validate checks the name of the character set.
func (c *StringConfig) Validate(r *config.Report) {
	if _, err := Charset(c.Encoding); err != nil {
		r.Errorf("encoding", "%v", err)
	}
}

// Charset is the character set called name; nil is UTF-8.
func Charset(name string) (encoding.Encoding, error) {
	switch strings.ToUpper(strings.ReplaceAll(name, "_", "-")) {
	case "", "UTF8", "UTF-8":
		return nil, nil
	case "ASCII": // Java's name
		name = "US-ASCII"
	}
	e, err := ianaindex.IANA.Encoding(name)
	if err != nil || e == nil {
		return nil, fmt.Errorf("%q is not a character set that is known; write UTF-8, UTF-16LE, ISO-8859-1 or another name of the IANA", name)
	}
	return e, nil
}

// String is the converter that Kafka Connect calls StringConverter: what is no string is written
// as Java's toString has it, such as Struct{id=1}.
type String struct {
	charset encoding.Encoding // nil for UTF-8
	text    []byte
}

// NewString builds a string converter.
func NewString(c *StringConfig) (*String, error) {
	e, err := Charset(c.Encoding)
	if err != nil {
		return nil, err
	}
	return &String{charset: e}, nil
}

var optionalString = &record.Schema{Type: record.StringType, Optional: true}

// Encode appends d as text.
func (s *String) Encode(dst []byte, topic string, d record.Datum) (out []byte, null bool, err error) {
	if d.Value.IsNull() {
		return dst, true, nil
	}
	if s.charset == nil {
		out, err = appendJava(dst, d)
		return out, false, err
	}
	if s.text, err = appendJava(s.text[:0], d); err != nil {
		return dst, false, err
	}
	text, err := s.charset.NewEncoder().Bytes(s.text)
	if err != nil {
		return dst, false, fmt.Errorf("write %.40q in the converter's character set: %w", s.text, err)
	}
	return append(dst, text...), false, nil
}

// EncodeChange is an error: the text of an envelope is of use to nobody.
func (s *String) EncodeChange(dst []byte, topic string, c *record.Change) ([]byte, error) {
	return dst, fmt.Errorf("the string converter can not write the changes of a table; use the JSON converter")
}

// Decode returns data as a string.
func (s *String) Decode(b *record.Batch, topic string, data []byte, hint *record.Schema) (record.Datum, error) {
	if data == nil {
		return record.Datum{}, nil
	}
	if s.charset != nil {
		text, err := s.charset.NewDecoder().Bytes(data)
		if err != nil {
			return record.Datum{}, fmt.Errorf("read text in the converter's character set: %w", err)
		}
		data = text
	}
	return record.Datum{Schema: optionalString, Value: record.OfString(data)}, nil
}

// appendJava appends d as Java's toString writes the same value. Bytes, of which Java writes the
// address, are written in base64.
func appendJava(dst []byte, d record.Datum) ([]byte, error) {
	v, s := &d.Value, d.Schema
	if s == nil {
		s = anySchema
	}
	var err error
	switch v.Kind {
	case record.Null:
		return append(dst, "null"...), nil
	case record.String, record.JSON:
		return append(dst, v.B...), nil
	case record.Bool:
		return strconv.AppendBool(dst, v.Bool()), nil
	case record.Int:
		return strconv.AppendInt(dst, v.N, 10), nil
	case record.Float:
		if f := v.Float(); f != f || math.IsInf(f, 0) {
			return appendNotFinite(dst, f), nil
		}
		return AppendJavaFloat(dst, v.Float(), floatBits(s)), nil
	case record.Number:
		if scale, err := strconv.Atoi(s.Param("scale")); err == nil && s.Name == record.DecimalName {
			return appendDecimalNumber(dst, v.B, scale)
		}
		return append(dst, v.B...), nil
	case record.Bytes:
		return base64.StdEncoding.AppendEncode(dst, v.B), nil
	case record.Struct:
		if len(s.Fields) != len(v.Items) {
			return dst, fmt.Errorf("a struct of %d values for the schema of a %s with %d fields", len(v.Items), s.Type, len(s.Fields))
		}
		dst = append(dst, "Struct{"...)
		start := len(dst)
		for i := range v.Items {
			if v.Items[i].IsNull() {
				continue // Java leaves them out
			}
			if len(dst) > start {
				dst = append(dst, ',')
			}
			dst = append(append(dst, s.Fields[i].Name...), '=')
			if dst, err = appendJava(dst, record.Datum{Schema: s.Fields[i].Schema, Value: v.Items[i]}); err != nil {
				return dst, fmt.Errorf("field %q: %w", s.Fields[i].Name, err)
			}
		}
		return append(dst, '}'), nil
	case record.Array:
		dst = append(dst, '[')
		for i := range v.Items {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			if dst, err = appendJava(dst, record.Datum{Schema: s.Elem, Value: v.Items[i]}); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	}
	dst = append(dst, '{')
	for i := 0; i+1 < len(v.Items); i += 2 {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if dst, err = appendJava(dst, record.Datum{Schema: s.Key, Value: v.Items[i]}); err != nil {
			return dst, err
		}
		if dst, err = appendJava(append(dst, '='), record.Datum{Schema: s.Elem, Value: v.Items[i+1]}); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}
