package convert

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"

	"connectd/record"
)

// mismatch is the error for a value that is not of the JSON type that its schema wants.
type mismatch struct {
	offset int
	found  string
	want   *record.Schema
}

func (e *mismatch) Error() string {
	return fmt.Sprintf("JSON at byte %d: %s, the schema wants %s", e.offset, e.found, Described(e.want))
}

// mismatch describes the value at the scanner.
func (j *JSON) mismatch(want *record.Schema) error {
	s := &j.scan
	found := "a number"
	switch s.peek() {
	case '"':
		found = "a string"
	case '{':
		found = "an object"
	case '[':
		found = "an array"
	case 't', 'f':
		found = "a boolean"
	case 'n':
		found = "null"
	}
	start := scanner{data: s.data, at: s.at, depth: s.depth}
	if err := start.skip(); err != nil {
		return err
	}
	return &mismatch{s.at, found, want}
}

// readTyped reads a value that schema describes, and nothing else.
func (j *JSON) readTyped(b *record.Batch, schema *record.Schema) (record.Value, error) {
	s := &j.scan
	c := s.peek()
	if schema.Type == record.AnyType {
		return j.readAny(b)
	}
	if c == 'n' {
		if err := s.literal("null"); err != nil {
			return record.Value{}, err
		}
		return j.absent(schema)
	}
	switch schema.Type {
	case record.Int8Type, record.Int16Type, record.Int32Type, record.Int64Type:
		return j.readInt(schema)
	case record.Float32Type, record.Float64Type:
		return j.readFloat(schema)
	case record.BoolType:
		switch c {
		case 't':
			return record.OfBool(true), s.literal("true")
		case 'f':
			return record.OfBool(false), s.literal("false")
		}
	case record.StringType:
		if c == '"' {
			return j.readText(b)
		}
	case record.BytesType:
		if c == '"' {
			return j.readBytes(b, schema)
		}
		if schema.Name == record.DecimalName && (c == '-' || c-'0' <= 9) {
			text, _, err := s.number()
			return record.OfNumber(text), err
		}
	case record.ArrayType:
		if c == '[' {
			return j.readElements(b, schema.Elem)
		}
	case record.MapType:
		if c == '{' && schema.Key.Type == record.StringType {
			return j.readMap(b, schema)
		}
		if c == '[' && schema.Key.Type != record.StringType {
			return j.readPairs(b, schema)
		}
	case record.StructType:
		if c == '{' {
			return j.readStruct(b, schema)
		}
	}
	return record.Value{}, j.mismatch(schema)
}

// absent is the value where there is none.
func (j *JSON) absent(schema *record.Schema) (record.Value, error) {
	if schema.Default != nil && j.defaults {
		return *schema.Default, nil
	}
	if !schema.Optional {
		return record.Value{}, &mismatch{j.scan.at, "nothing or null", schema}
	}
	return record.Value{}, nil
}

// intLimits are the greatest values of the integer types.
var intLimits = [...]int64{
	record.Int8Type:  math.MaxInt8,
	record.Int16Type: math.MaxInt16,
	record.Int32Type: math.MaxInt32,
	record.Int64Type: math.MaxInt64,
}

func (j *JSON) readInt(schema *record.Schema) (record.Value, error) {
	s := &j.scan
	if c := s.peek(); c == '-' || c-'0' <= 9 {
		start := s.at
		text, integer, err := s.number()
		if err != nil {
			return record.Value{}, err
		}
		limit := intLimits[schema.Type]
		if n, ok := parseInt(text); ok && integer && n <= limit && n >= -limit-1 {
			return record.OfInt(n), nil
		}
		return record.Value{}, &mismatch{start, "the number " + string(text), schema}
	}
	return record.Value{}, j.mismatch(schema)
}

func (j *JSON) readFloat(schema *record.Schema) (record.Value, error) {
	s := &j.scan
	start := s.at
	if s.peek() == '"' {
		body, _, err := s.text()
		if err != nil {
			return record.Value{}, err
		}
		switch string(body) {
		case "NaN":
			return record.OfFloat(math.NaN()), nil
		case "Infinity":
			return record.OfFloat(math.Inf(1)), nil
		case "-Infinity":
			return record.OfFloat(math.Inf(-1)), nil
		}
		return record.Value{}, &mismatch{start, "a string", schema}
	}
	if c := s.peek(); c != '-' && c-'0' > 9 {
		return record.Value{}, j.mismatch(schema)
	}
	text, _, err := s.number()
	if err != nil {
		return record.Value{}, err
	}
	bits := 64
	if schema.Type == record.Float32Type {
		bits = 32
	}
	f, err := strconv.ParseFloat(borrow(text), bits)
	if err != nil {
		return record.Value{}, &mismatch{start, "the number " + string(text), schema}
	}
	return record.OfFloat(f), nil
}

// readBytes reads the base64 text of octets, or of a decimal's unscaled value.
func (j *JSON) readBytes(b *record.Batch, schema *record.Schema) (record.Value, error) {
	s := &j.scan
	start := s.at
	body, escaped, err := s.text()
	if err != nil {
		return record.Value{}, err
	}
	if escaped {
		body = appendTo(b, len(body), body)
	}
	octets := b.Bytes(base64.StdEncoding.DecodedLen(len(body)))
	n, err := base64.StdEncoding.Decode(octets, body)
	if err != nil {
		return record.Value{}, &SyntaxError{start, fmt.Sprintf("%.40q is not base64, which the schema %s wants", body, Described(schema))}
	}
	octets = octets[:n:n]
	if schema.Name != record.DecimalName {
		return record.OfBytes(octets), nil
	}
	scale, err := strconv.Atoi(schema.Param("scale"))
	if err != nil {
		return record.Value{}, &SyntaxError{start, fmt.Sprintf("a decimal whose schema has the scale %q", schema.Param("scale"))}
	}
	text := b.Append(32+len(octets)*3, func(dst []byte) []byte {
		dst, err = AppendUnscaled(dst, octets, scale)
		return dst
	})
	if err != nil {
		return record.Value{}, &SyntaxError{start, err.Error()}
	}
	return record.OfNumber(text), nil
}
