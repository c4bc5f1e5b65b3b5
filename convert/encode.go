package convert

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"

	"connectd/record"
)

// appendValue appends v by p.
func (j *JSON) appendValue(dst []byte, p *plan, v *record.Value) ([]byte, error) {
	switch v.Kind {
	case record.Null:
		return j.appendNull(dst, p)
	case record.Bool:
		return strconv.AppendBool(dst, v.Bool()), nil
	case record.Int:
		return strconv.AppendInt(dst, v.N, 10), nil
	case record.Float:
		return appendFloat(dst, v.Float(), p.bits), nil
	case record.String:
		return AppendQuoted(dst, v.B), nil
	case record.Bytes:
		return appendBase64(dst, v.B), nil
	case record.Number:
		return j.appendNumber(dst, p, v.B)
	case record.JSON:
		return append(dst, v.B...), nil
	case record.Struct:
		return j.appendStruct(dst, p, v.Items)
	case record.Array:
		return j.appendArray(dst, p, v.Items)
	case record.Map:
		return j.appendMap(dst, p, v.Items)
	}
	return dst, fmt.Errorf("a value of kind %d can not be written as JSON", v.Kind)
}

func appendBase64(dst, octets []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, octets)
	return append(dst, '"')
}

// appendDecoded appends the octets of base64 text.
func appendDecoded(dst, text []byte) ([]byte, error) {
	return base64.StdEncoding.AppendDecode(dst, text)
}

func (j *JSON) appendNull(dst []byte, p *plan) ([]byte, error) {
	if j.defaults && p.schema.Default != nil && !p.schema.Default.IsNull() {
		return j.appendValue(dst, p, p.schema.Default)
	}
	if !p.schema.Optional {
		return dst, fmt.Errorf("null where the schema requires %s", Described(p.schema))
	}
	return append(dst, "null"...), nil
}

// Described is what s is called in messages.
func Described(s *record.Schema) string {
	if s == nil {
		return "any value"
	}
	if s.Name != "" && s.Type != record.StructType {
		return s.Type.String() + " (" + s.Name + ")"
	}
	return s.Type.String()
}

func (j *JSON) appendNumber(dst []byte, p *plan, text []byte) ([]byte, error) {
	switch p.form {
	case decimalForm:
		if j.numeric {
			return appendDecimalNumber(dst, text, p.scale)
		}
		dst, err := appendDecimalBase64(append(dst, '"'), text, p.scale)
		return append(dst, '"'), err
	case variableForm:
		return appendVariable(dst, p, text)
	}
	s := scanner{data: text}
	if _, _, err := s.number(); err != nil || s.at < len(text) {
		return dst, fmt.Errorf("%.40q is not a JSON number", text)
	}
	return append(dst, text...), nil
}

// appendVariable appends text as the struct of a VariableScaleDecimal: without trailing zeros,
// and with a scale that is never negative.
func appendVariable(dst []byte, p *plan, text []byte) ([]byte, error) {
	scale, octets, err := VariableParts(text)
	if err != nil {
		return dst, err
	}
	if len(p.names) != 2 {
		return dst, fmt.Errorf("the schema %s has %d fields, want scale and value", p.schema.Name, len(p.names))
	}
	dst = append(dst, p.names[0]...)
	dst = strconv.AppendInt(dst, int64(scale), 10)
	dst = append(dst, p.names[1]...)
	return append(appendBase64(dst, octets), '}'), nil
}

// VariableParts are the scale and the unscaled octets of a VariableScaleDecimal.
func VariableParts(text []byte) (scale int, octets []byte, err error) {
	d, err := parseDecimal(text)
	if err != nil {
		return 0, nil, err
	}
	scale = d.scale()
	for i := d.len(); scale > 0 && i > 0 && d.digit(i-1) == '0'; i-- {
		scale--
	}
	scale = max(scale, 0)
	n, large, err := d.unscaled(scale)
	return scale, appendTwosComplement(make([]byte, 0, 16), n, large), err
}

func (j *JSON) appendStruct(dst []byte, p *plan, cells []record.Value) ([]byte, error) {
	if len(cells) != len(p.fields) || p.schema.Type != record.StructType {
		return dst, fmt.Errorf("a struct of %d values for the schema of a %s with %d fields", len(cells), p.schema.Type, len(p.fields))
	}
	if len(cells) == 0 {
		return append(dst, "{}"...), nil
	}
	var err error
	for i := range cells {
		dst = append(dst, p.names[i]...)
		if cells[i].Kind == record.String { // most cells are
			dst = AppendQuoted(dst, cells[i].B)
			continue
		}
		if dst, err = j.appendValue(dst, p.fields[i], &cells[i]); err != nil {
			return dst, fmt.Errorf("field %q: %w", p.schema.Fields[i].Name, err)
		}
	}
	return append(dst, '}'), nil
}

func (j *JSON) appendArray(dst []byte, p *plan, elems []record.Value) ([]byte, error) {
	elem := p.elem
	if elem == nil {
		elem = j.plan(nil)
	}
	var err error
	dst = append(dst, '[')
	for i := range elems {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = j.appendValue(dst, elem, &elems[i]); err != nil {
			return dst, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return append(dst, ']'), nil
}

// appendMap appends an object when the keys are strings, else an array of pairs.
func (j *JSON) appendMap(dst []byte, p *plan, pairs []record.Value) ([]byte, error) {
	if len(pairs)%2 != 0 {
		return dst, errors.New("a map with a key that has no value")
	}
	key, elem := p.key, p.elem
	if key == nil || elem == nil {
		key, elem = j.plan(nil), j.plan(nil)
	}
	first, colon, last := "{", byte(':'), byte('}')
	if !stringKeys(key.schema, pairs) {
		first, colon, last = "[", ',', ']'
	}
	start := len(dst)
	var err error
	for i := 0; i < len(pairs); i += 2 {
		switch {
		case i > 0:
			dst = append(dst, ',')
		default:
			dst = append(dst, first...)
		}
		if colon == ',' {
			dst = append(dst, '[')
		}
		if colon == ':' && pairs[i].Kind != record.String {
			return dst, errors.New("a map whose keys are strings has a key that is none")
		}
		if dst, err = j.appendValue(dst, key, &pairs[i]); err != nil {
			return dst, fmt.Errorf("key of a map: %w", err)
		}
		dst = append(dst, colon)
		if dst, err = j.appendValue(dst, elem, &pairs[i+1]); err != nil {
			return dst, fmt.Errorf("value of a map: %w", err)
		}
		if colon == ',' {
			dst = append(dst, ']')
		}
	}
	if len(dst) == start {
		dst = append(dst, first...)
	}
	return append(dst, last), nil
}

// stringKeys says whether a map is written as an object: by its schema, else by its keys.
func stringKeys(key *record.Schema, pairs []record.Value) bool {
	if key.Type != record.AnyType {
		return key.Type == record.StringType
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i].Kind != record.String {
			return false
		}
	}
	return true
}
