package convert

import (
	"fmt"

	"connectd/record"
)

// collect moves the values above base from the stack into the batch.
func (j *JSON) collect(b *record.Batch, base int) []record.Value {
	cells := b.Cells(len(j.cells) - base)
	copy(cells, j.cells[base:])
	j.cells = j.cells[:base]
	return cells
}

func (j *JSON) readElements(b *record.Batch, elem *record.Schema) (record.Value, error) {
	base := len(j.cells)
	more, err := j.scan.open(']')
	for more && err == nil {
		var v record.Value
		if v, err = j.readTyped(b, elem); err == nil {
			j.cells = append(j.cells, v)
			more, err = j.scan.next(']')
		}
	}
	if err != nil {
		j.cells = j.cells[:base]
		return record.Value{}, err
	}
	return record.OfArray(j.collect(b, base)), nil
}

// readMap reads a map whose keys are strings.
func (j *JSON) readMap(b *record.Batch, schema *record.Schema) (record.Value, error) {
	base := len(j.cells)
	more, err := j.scan.open('}')
	for more && err == nil {
		var name []byte
		var escaped bool
		if name, escaped, err = j.scan.name(); err != nil {
			break
		}
		if escaped {
			name = appendTo(b, len(name), name)
		}
		var v record.Value
		if v, err = j.readTyped(b, schema.Elem); err == nil {
			j.cells = append(j.cells, record.OfString(name), v)
			more, err = j.scan.next('}')
		}
	}
	if err != nil {
		j.cells = j.cells[:base]
		return record.Value{}, err
	}
	return record.OfMap(j.collect(b, base)), nil
}

// readPairs reads a map whose keys are not strings: [[key,value],…].
func (j *JSON) readPairs(b *record.Batch, schema *record.Schema) (record.Value, error) {
	base := len(j.cells)
	more, err := j.scan.open(']')
	for more && err == nil {
		if err = j.readPair(b, schema); err == nil {
			more, err = j.scan.next(']')
		}
	}
	if err != nil {
		j.cells = j.cells[:base]
		return record.Value{}, err
	}
	return record.OfMap(j.collect(b, base)), nil
}

func (j *JSON) readPair(b *record.Batch, schema *record.Schema) error {
	s := &j.scan
	if s.peek() != '[' {
		return j.mismatch(schema)
	}
	more, err := s.open(']')
	for i := 0; err == nil && (more || i < 2); i++ {
		if !more || i == 2 {
			return &mismatch{s.at, "an entry that is not [key,value]", schema}
		}
		part := schema.Key
		if i == 1 {
			part = schema.Elem
		}
		var v record.Value
		if v, err = j.readTyped(b, part); err == nil {
			j.cells = append(j.cells, v)
			more, err = s.next(']')
		}
	}
	return err
}

// readStruct reads an object into exactly the fields of schema. A field that is missing is null.
// Other names are passed over in a payload that carries its schema, as in Kafka Connect; a hint
// may be older than the record, and then they are a mismatch, so that nothing gets lost.
func (j *JSON) readStruct(b *record.Batch, schema *record.Schema) (record.Value, error) {
	s, fields := &j.scan, schema.Fields
	cells := b.Cells(len(fields))
	more, err := s.open('}')
	for guess := 0; more && err == nil; guess++ {
		name, escaped, err := s.name()
		if err != nil {
			return record.Value{}, err
		}
		if escaped {
			j.name = unescape(j.name[:0], name)
			name = j.name
		}
		at := guess
		if at >= len(fields) || fields[at].Name != string(name) {
			at = schema.Index(string(name))
		}
		if at < 0 && !j.inBandPayload {
			return record.Value{}, &mismatch{s.at, fmt.Sprintf("the unknown field %q", name), schema}
		} else if at < 0 {
			err = s.skip()
		} else if guess = at; s.peek() == 'n' {
			cells[at] = record.Value{}
			err = s.literal("null")
		} else if cells[at], err = j.readTyped(b, fields[at].Schema); err != nil {
			err = inField(fields[at].Name, err)
		}
		if err != nil {
			return record.Value{}, err
		}
		if more, err = s.next('}'); err != nil {
			return record.Value{}, err
		}
	}
	if err != nil {
		return record.Value{}, err
	}
	for i := range cells {
		if !cells[i].IsNull() {
			continue
		}
		if cells[i], err = j.absent(fields[i].Schema); err != nil {
			return record.Value{}, inField(fields[i].Name, err)
		}
	}
	return record.OfStruct(cells), nil
}

// inField names the field in a mismatch, which stays one.
func inField(name string, err error) error {
	if m, ok := err.(*mismatch); ok {
		m.found = fmt.Sprintf("field %q: %s", name, m.found)
		return m
	}
	return fmt.Errorf("field %q: %w", name, err)
}
