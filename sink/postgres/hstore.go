package postgres

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"connectd/convert"
	"connectd/record"
)

// hstore is v as the literal "key"=>"value", valid until the next call: a map, an object of JSON,
// or a text that is a literal already.
// See https://www.postgresql.org/docs/current/hstore.html.
func (e *encoder) hstore(s *record.Schema, v *record.Value) ([]byte, error) {
	switch {
	case v.Kind == record.String && !bytes.HasPrefix(v.B, []byte("{")):
		return v.B, nil
	case v.Kind == record.Map:
		var elem *record.Schema
		if s != nil {
			elem = s.Elem
		}
		return e.hstoreOfMap(elem, v.Items)
	case v.Kind != record.JSON && v.Kind != record.String:
		return nil, errors.New("is not an object, whose keys and values an hstore could hold")
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(v.B, &fields); err != nil {
		return nil, errors.New("is not an object of JSON, whose keys and values an hstore could hold")
	}
	e.text = e.text[:0]
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		e.pair([]byte(key))
		var text *string
		switch raw := fields[key]; {
		case json.Unmarshal(raw, &text) != nil: // a number, a boolean or something with an inside
			e.text = appendQuoted(e.text, raw)
		case text == nil:
			e.text = append(e.text, "NULL"...)
		default:
			e.text = appendQuoted(e.text, []byte(*text))
		}
	}
	return e.text, nil
}

func (e *encoder) hstoreOfMap(elem *record.Schema, pairs []record.Value) ([]byte, error) {
	e.text = e.text[:0]
	for i := 0; i+1 < len(pairs); i += 2 {
		e.pair(pairs[i].B)
		if pairs[i+1].Kind == record.Null {
			e.text = append(e.text, "NULL"...)
			continue
		}
		text, err := convert.AppendText(nil, record.Datum{Schema: elem, Value: pairs[i+1]})
		if err != nil {
			return nil, err
		}
		e.text = appendQuoted(e.text, text)
	}
	return e.text, nil
}

// pair begins the pair of key.
func (e *encoder) pair(key []byte) {
	if len(e.text) > 0 {
		e.text = append(e.text, ", "...)
	}
	e.text = append(appendQuoted(e.text, key), "=>"...)
}

// appendQuoted appends text in double quotes, as the literals of arrays and hstores have it.
func appendQuoted(dst, text []byte) []byte {
	dst = append(dst, '"')
	for _, c := range text {
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}
