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
	root := j.root(hint)
	s, at := &j.scan, root
	cells := b.Cells(root.room)
	more, err := s.open('}')
	for more && err == nil {
		likely := at.likely
		if likely != nil && likely.hint == anySchema && likely.at < len(cells) && likely.plain && s.named(likely.name) {
			// The same field as in the object before: nothing to look up.
			err = j.fill(b, &cells[likely.at])
		} else {
			var v record.Value
			if v, likely, err = j.readMember(b, at); err == nil {
				cells = put(b, cells, likely.at, v)
			}
		}
		if err != nil {
			return record.Datum{}, err
		}
		at = likely.next
		if more, err = s.next('}'); err != nil {
			return record.Datum{}, err
		}
	}
	if err != nil {
		return record.Datum{}, err
	}
	root.room = at.count
	return record.Datum{Schema: at.done(), Value: record.OfStruct(cells[:at.count:at.count])}, nil
}

// put sets the cell at i of cells, which grow when it is not among them.
func put(b *record.Batch, cells []record.Value, i int, v record.Value) []record.Value {
	if i >= len(cells) {
		more := b.Cells(max(8, 2*len(cells)))
		copy(more, cells)
		cells = more
	}
	cells[i] = v
	return cells
}

// readMember reads a member of an object whose fields so far are at.
func (j *JSON) readMember(b *record.Batch, at *shape) (v record.Value, taken *step, err error) {
	likely := at.likely
	if likely == nil || !likely.plain || !j.scan.named(likely.name) {
		return j.readField(b, at)
	}
	v, schema, err := j.readHinted(b, likely.hint)
	if err == nil && schema != likely.schema {
		likely = j.take(at, []byte(likely.name), likely.hint, schema)
	}
	return v, likely, err
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
func (j *JSON) readAny(b *record.Batch) (v record.Value, err error) {
	err = j.fill(b, &v)
	return v, err
}

// fill is readAny that puts the value where it belongs.
func (j *JSON) fill(b *record.Batch, v *record.Value) (err error) {
	s := &j.scan
	switch s.peek() {
	case '"':
		*v, err = j.readText(b)
		return err
	case '{', '[':
		start := s.at
		err = s.skip()
		*v = record.OfJSON(s.data[start:s.at:s.at])
		return err
	case 't':
		*v = record.OfBool(true)
		return s.literal("true")
	case 'f':
		*v = record.OfBool(false)
		return s.literal("false")
	case 'n':
		*v = record.Value{}
		return s.literal("null")
	}
	if n, ok := s.short(); ok {
		*v = record.OfInt(n)
		return nil
	}
	text, integer, err := s.number()
	if err != nil {
		return err
	}
	if n, ok := parseInt(text); ok && integer {
		*v = record.OfInt(n)
	} else {
		*v = record.OfNumber(text)
	}
	return nil
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
