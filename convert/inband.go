package convert

import (
	"bytes"
	"errors"

	"connectd/record"
)

var errNotInBand = errors.New(`schemas.enable needs an object of exactly "schema" and "payload"; set schemas.enable to false for JSON without a schema`)

// readInBand reads {"schema":…,"payload":…}.
func (j *JSON) readInBand(b *record.Batch, hint *record.Schema) (record.Datum, error) {
	s := &j.scan
	if s.peek() != '{' {
		if err := s.skip(); err != nil {
			return record.Datum{}, err
		}
		return record.Datum{}, errNotInBand
	}
	var schema *record.Schema
	var d record.Datum
	payload, hasSchema, hasPayload := -1, false, false
	more, err := s.open('}')
	for more && err == nil {
		name, escaped, err := s.name()
		if err != nil {
			return record.Datum{}, err
		}
		switch {
		case escaped:
			return record.Datum{}, errNotInBand
		case string(name) == "schema":
			hasSchema = true
			schema, err = j.readSchema()
		case string(name) == "payload" && hasSchema:
			hasPayload = true
			d, err = j.readPayload(b, schema, hint)
		case string(name) == "payload":
			hasPayload = true
			payload = s.at
			err = s.skip()
		default:
			return record.Datum{}, errNotInBand
		}
		if err != nil {
			return record.Datum{}, err
		}
		if more, err = s.next('}'); err != nil {
			return record.Datum{}, err
		}
	}
	if err != nil {
		return record.Datum{}, err
	}
	if !hasSchema || !hasPayload {
		return record.Datum{}, errNotInBand
	}
	if payload >= 0 {
		// The schema came last.
		end := s.at
		s.at = payload
		d, err = j.readPayload(b, schema, hint)
		s.at = end
	}
	return d, err
}

// readPayload reads the payload, by schema when there is one.
func (j *JSON) readPayload(b *record.Batch, schema, hint *record.Schema) (record.Datum, error) {
	if schema == nil {
		return j.readDocument(b, hint)
	}
	j.inBandPayload = true
	v, err := j.readTyped(b, schema)
	return record.Datum{Schema: schema, Value: v}, err
}

// readSchema reads a schema, or finds it in the cache by its bytes.
func (j *JSON) readSchema() (*record.Schema, error) {
	s := &j.scan
	s.peek()
	if len(j.latestText) > 0 && bytes.HasPrefix(s.data[s.at:], j.latestText) {
		// The latest text is a whole object, so nothing can belong to the schema after it.
		s.at += len(j.latestText)
		return j.latest, nil
	}
	start := s.at
	if err := s.skip(); err != nil {
		return nil, err
	}
	text := s.data[start:s.at]
	schema, ok := j.inBand[string(text)]
	if !ok {
		var err error
		if schema, err = ParseSchema(text); err != nil {
			return nil, err
		}
		if len(j.inBand) >= j.cacheSize {
			clear(j.inBand)
		}
		j.inBand[string(text)] = schema
	}
	if schema != nil {
		j.latest, j.latestText = schema, append(j.latestText[:0], text...)
	}
	return schema, nil
}
