package convert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"connectd/record"
)

// AppendSchema appends s in the form that Kafka Connect's JSON converter writes. nil is null.
func AppendSchema(dst []byte, s *record.Schema) []byte {
	if s == nil || s.Type == record.AnyType {
		return append(dst, "null"...)
	}
	j, _ := NewJSON(&JSONConfig{})
	return appendSchema(dst, s, j)
}

// appendSchema appends s; defaults are written by j.
func appendSchema(dst []byte, s *record.Schema, j *JSON) []byte {
	return append(appendOpenSchema(dst, s, j), '}')
}

// appendOpenSchema appends s without its last brace, so that a field's name can follow.
func appendOpenSchema(dst []byte, s *record.Schema, j *JSON) []byte {
	dst = append(dst, `{"type":"`...)
	dst = append(dst, s.Type.String()...)
	dst = append(dst, '"')
	switch s.Type {
	case record.StructType:
		dst = append(dst, `,"fields":[`...)
		for i, f := range s.Fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendOpenSchema(dst, f.Schema, j)
			dst = append(dst, `,"field":`...)
			dst = append(AppendQuoted(dst, []byte(f.Name)), '}')
		}
		dst = append(dst, ']')
	case record.ArrayType:
		dst = append(dst, `,"items":`...)
		dst = appendSchema(dst, s.Elem, j)
	case record.MapType:
		dst = append(dst, `,"keys":`...)
		dst = appendSchema(dst, s.Key, j)
		dst = append(dst, `,"values":`...)
		dst = appendSchema(dst, s.Elem, j)
	}
	dst = append(dst, `,"optional":`...)
	dst = strconv.AppendBool(dst, s.Optional)
	if s.Name != "" {
		dst = append(dst, `,"name":`...)
		dst = AppendQuoted(dst, []byte(s.Name))
	}
	if s.Version != 0 {
		dst = append(dst, `,"version":`...)
		dst = strconv.AppendInt(dst, int64(s.Version), 10)
	}
	if s.Doc != "" {
		dst = append(dst, `,"doc":`...)
		dst = AppendQuoted(dst, []byte(s.Doc))
	}
	for i, p := range s.Params {
		if i == 0 {
			dst = append(dst, `,"parameters":{`...)
		} else {
			dst = append(dst, ',')
		}
		dst = append(AppendQuoted(dst, []byte(p.Name)), ':')
		dst = AppendQuoted(dst, []byte(p.Value))
	}
	if len(s.Params) > 0 {
		dst = append(dst, '}')
	}
	return appendDefault(dst, s, j)
}

func appendDefault(dst []byte, s *record.Schema, j *JSON) []byte {
	if s.Default == nil || s.Default.IsNull() {
		return dst
	}
	// A default that does not fit its schema is left out: it is only a suggestion to readers,
	// and no reason to stop the rows.
	out, err := j.appendValue(append(dst, `,"default":`...), j.plan(s), s.Default)
	if err != nil {
		return dst
	}
	return out
}

// ParseSchema reads a schema in the form that Kafka Connect's JSON converter writes. The text
// null is nil.
func ParseSchema(text []byte) (*record.Schema, error) {
	var n *schemaNode
	if err := json.Unmarshal(text, &n); err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	if n == nil {
		return nil, nil
	}
	j, _ := NewJSON(&JSONConfig{})
	s, err := n.schema(j)
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	return s, nil
}

// schemaNode is one node of a schema's JSON.
type schemaNode struct {
	Type       string          `json:"type"`
	Fields     []schemaNode    `json:"fields"`
	Items      *schemaNode     `json:"items"`
	Keys       *schemaNode     `json:"keys"`
	Values     *schemaNode     `json:"values"`
	Optional   bool            `json:"optional"`
	Name       string          `json:"name"`
	Version    int             `json:"version"`
	Doc        string          `json:"doc"`
	Parameters parameters      `json:"parameters"`
	Default    json.RawMessage `json:"default"`
	Field      *string         `json:"field"`
}

// parameters keeps the order in which they are written.
type parameters []record.Param

func (p *parameters) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t == nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var value string
		if err := d.Decode(&value); err != nil {
			return fmt.Errorf("parameter %v: %w", name, err)
		}
		*p = append(*p, record.Param{Name: fmt.Sprint(name), Value: value})
	}
	return nil
}

var typesByName = func() map[string]record.Type {
	m := map[string]record.Type{}
	for t := record.Int8Type; t <= record.StructType; t++ {
		m[t.String()] = t
	}
	return m
}()

func (n *schemaNode) schema(j *JSON) (*record.Schema, error) {
	t, ok := typesByName[n.Type]
	if !ok {
		return nil, fmt.Errorf("%q is not a type of a schema", n.Type)
	}
	s := &record.Schema{Type: t, Optional: n.Optional, Name: n.Name, Version: n.Version, Doc: n.Doc, Params: n.Parameters}
	var err error
	switch t {
	case record.StructType:
		s.Fields = make([]record.Field, len(n.Fields))
		for i := range n.Fields {
			if n.Fields[i].Field == nil {
				return nil, fmt.Errorf("field %d of a struct has no name", i)
			}
			s.Fields[i].Name = *n.Fields[i].Field
			if s.Fields[i].Schema, err = n.Fields[i].schema(j); err != nil {
				return nil, fmt.Errorf("field %q: %w", s.Fields[i].Name, err)
			}
		}
	case record.ArrayType:
		s.Elem, err = n.Items.element(j, "items")
	case record.MapType:
		if s.Key, err = n.Keys.element(j, "keys"); err == nil {
			s.Elem, err = n.Values.element(j, "values")
		}
	}
	if err != nil || len(n.Default) == 0 || string(n.Default) == "null" {
		return s, err
	}
	return s, j.readDefault(s, n.Default)
}

func (n *schemaNode) element(j *JSON, key string) (*record.Schema, error) {
	if n == nil {
		return nil, errors.New(key + " are missing")
	}
	return n.schema(j)
}

// readDefault sets the default of s to what text says.
func (j *JSON) readDefault(s *record.Schema, text []byte) error {
	j.scan = scanner{data: text}
	v, err := j.readTyped(new(record.Batch), s)
	if err != nil {
		return fmt.Errorf("default: %w", err)
	}
	if !v.IsNull() {
		v = v.Clone()
		s.Default = &v
	}
	return nil
}
