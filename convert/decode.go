package convert

import (
	"connectd/record"
)

// readDocument reads one JSON text. An object becomes a struct, by hint where hint knows its
// fields; without a hint anything else is a value without a schema.
func (j *JSON) readDocument(b *record.Batch, hint *record.Schema) (record.Datum, error) {
	c := j.scan.peek()
	switch {
	case c == '{' && (hint == nil || hint.Type == record.StructType || hint.Type == record.AnyType):
		if hint != nil && hint.Type == record.AnyType {
			hint = nil
		}
		return j.readObject(b, hint)
	case hint == nil:
		v, err := j.readAny(b)
		return record.Datum{Value: v}, err
	}
	v, s, err := j.readHinted(b, hint)
	return record.Datum{Schema: s, Value: v}, err
}

// readObject reads an object into a struct; of names that repeat, the last one counts.
func (j *JSON) readObject(b *record.Batch, hint *record.Schema) (record.Datum, error) {
	s, base, at := &j.scan, len(j.cells), j.root(hint)
	more, err := s.open('}')
	for more && err == nil {
		var v record.Value
		likely := at.likely
		switch {
		case likely == nil || !likely.plain || !s.named(likely.name):
			v, likely, err = j.readField(b, at)
		case likely.hint == anySchema:
			// The same field as in the object before: nothing to look up.
			v, err = j.readAny(b)
		default:
			var schema *record.Schema
			if v, schema, err = j.readHinted(b, likely.hint); err == nil && schema != likely.schema {
				likely = j.take(at, []byte(likely.name), likely.hint, schema)
			}
		}
		if err != nil {
			return record.Datum{}, err
		}
		if i := base + likely.at; i < len(j.cells) {
			j.cells[i] = v
		} else {
			j.cells = append(j.cells, v)
		}
		at = likely.next
		if more, err = s.next('}'); err != nil {
			return record.Datum{}, err
		}
	}
	if err != nil {
		return record.Datum{}, err
	}
	cells := b.Cells(len(j.cells) - base)
	copy(cells, j.cells[base:])
	j.cells = j.cells[:base]
	return record.Datum{Schema: at.done(), Value: record.OfStruct(cells)}, nil
}

// readField reads a member of an object whose fields so far are at, and finds its step.
func (j *JSON) readField(b *record.Batch, at *shape) (v record.Value, taken *step, err error) {
	name, escaped, err := j.scan.name()
	if err != nil {
		return v, nil, err
	}
	if escaped {
		j.name = unescape(j.name[:0], name)
		name = j.name
	}
	expected, schema := at.expect(name), anySchema
	if expected == anySchema {
		v, err = j.readAny(b)
	} else {
		if escaped {
			name = append([]byte{}, name...) // a struct inside reuses the buffer
		}
		v, schema, err = j.readHinted(b, expected)
	}
	if err != nil {
		return v, nil, err
	}
	return v, j.take(at, name, expected, schema), nil
}

// readAny reads a value of which nothing is known beforehand: the kind says what it is, and
// objects and arrays stay text.
func (j *JSON) readAny(b *record.Batch) (record.Value, error) {
	s := &j.scan
	switch s.peek() {
	case '"':
		return j.readText(b)
	case '{', '[':
		start := s.at
		err := s.skip()
		return record.OfJSON(s.data[start:s.at:s.at]), err
	case 't':
		return record.OfBool(true), s.literal("true")
	case 'f':
		return record.OfBool(false), s.literal("false")
	case 'n':
		return record.Value{}, s.literal("null")
	}
	text, integer, err := s.number()
	if err != nil {
		return record.Value{}, err
	}
	if integer {
		if n, ok := parseInt(text); ok {
			return record.OfInt(n), nil
		}
	}
	return record.OfNumber(text), nil
}

// readText reads a string. Its octets are the data's own unless it has escapes.
func (j *JSON) readText(b *record.Batch) (record.Value, error) {
	body, escaped, err := j.scan.text()
	if err != nil {
		return record.Value{}, err
	}
	if escaped {
		body = appendTo(b, len(body), body)
	}
	return record.OfString(body), nil
}

// appendTo is the content of a string with escapes in the batch's memory. It is never longer
// than the string.
func appendTo(b *record.Batch, room int, body []byte) []byte {
	dst := b.Bytes(room)
	return unescape(dst[:0], body)
}

// readHinted reads a value that should be of schema hint. When it is of another JSON type, it is
// read for what it is, and its schema says so: a hint may be newer or older than the record.
func (j *JSON) readHinted(b *record.Batch, hint *record.Schema) (record.Value, *record.Schema, error) {
	s := &j.scan
	c := s.peek()
	if c == '{' && hint.Type == record.StructType {
		d, err := j.readObject(b, hint)
		return d.Value, d.Schema, err
	}
	if c == 'n' {
		return record.Value{}, hint, s.literal("null")
	}
	start, depth := s.at, s.depth
	v, err := j.readTyped(b, hint)
	if err == nil {
		return v, hint, nil
	}
	if _, mismatch := err.(*mismatch); !mismatch {
		return v, hint, err
	}
	s.at, s.depth = start, depth
	v, err = j.readAny(b)
	return v, anySchema, err
}
