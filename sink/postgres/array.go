package postgres

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"connectd/record"
)

// array writes an array as PostgreSQL's literal, {a,"b c",NULL}. A text that is such a literal
// already is passed on.
// See https://www.postgresql.org/docs/current/arrays.html, section "Array Value Input".
func (e *encoder) array(dst []byte, t *typ, s *record.Schema, v *record.Value) ([]byte, error) {
	var literal []byte
	var err error
	switch {
	case v.Kind == record.Array:
		var elem *record.Schema
		if s != nil {
			elem = s.Elem
		}
		literal, err = e.elements(nil, t, elem, v.Items)
	case v.Kind == record.JSON || v.Kind == record.String && bytes.HasPrefix(v.B, []byte("[")):
		var items []record.Value
		if items, err = elementsOf(v.B); err == nil {
			literal, err = e.elements(nil, t, nil, items)
		}
	case v.Kind == record.String && bytes.HasPrefix(v.B, []byte("{")):
		literal = v.B
	default:
		err = fmt.Errorf("is not an array")
	}
	if err != nil {
		return dst, err
	}
	return appendEscaped(dst, literal, e.strip)
}

// elements appends the literal of items, arrays of arrays among them.
func (e *encoder) elements(dst []byte, t *typ, s *record.Schema, items []record.Value) ([]byte, error) {
	dst = append(dst, '{')
	for i := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		v, err := &items[i], error(nil)
		switch {
		case v.Kind == record.Null:
			dst = append(dst, "NULL"...)
		case v.Kind == record.Array:
			var inner *record.Schema
			if s != nil {
				inner = s.Elem
			}
			dst, err = e.elements(dst, t, inner, v.Items)
		default:
			dst, err = e.element(dst, t, s, v)
		}
		if err != nil {
			return dst, fmt.Errorf("element %d: %w", i+1, err)
		}
	}
	return append(dst, '}'), nil
}

// element appends one element in double quotes, which every type takes.
func (e *encoder) element(dst []byte, t *typ, s *record.Schema, v *record.Value) ([]byte, error) {
	field, err := e.field(nil, t.elem, s, v)
	if err != nil {
		return dst, err
	}
	return appendQuoted(dst, unescaped(field)), nil
}

// elementsOf reads the elements of a JSON array. Arrays are read to their depth; objects stay
// JSON.
func elementsOf(text []byte) ([]record.Value, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("is not a JSON array: %w", err)
	}
	items := make([]record.Value, len(raw))
	for i, r := range raw {
		var err error
		if items[i], err = elementOf(r); err != nil {
			return nil, err
		}
	}
	return items, nil
}

func elementOf(raw []byte) (record.Value, error) {
	switch raw[0] {
	case 'n':
		return record.Value{}, nil
	case 't', 'f':
		return record.OfBool(raw[0] == 't'), nil
	case '[':
		items, err := elementsOf(raw)
		return record.OfArray(items), err
	case '{':
		return record.OfJSON(raw), nil
	case '"':
		var text string
		err := json.Unmarshal(raw, &text)
		return record.OfText(text), err
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return record.OfInt(n), nil
	}
	return record.OfNumber(raw), nil
}
