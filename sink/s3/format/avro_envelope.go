package format

import (
	"fmt"

	"connectd/record"
)

// avroEnvelopeName is the name of the records that Aiven's connector makes of format.output.fields.
const avroEnvelopeName = "io.aiven.avro.output.schema.connector_records"

// avroEnvelope makes structs of several parts of a record. Keys and headers are text, since an object
// is bound to the schema of its values only; values are text where they have none.
type avroEnvelope struct {
	schema *record.Schema
	typed  bool // values have the schema of the file
	parts  []record.Value
	pairs  []record.Value // of headers
	whole  record.Value
	cells  // for what has no type
}

func newAvroEnvelope(c *Config, value *record.Schema) (*avroEnvelope, error) {
	text := &record.Schema{Type: record.StringType, Optional: true}
	schemas := map[string]*record.Schema{
		"key": text, "value": text, "topic": {Type: record.StringType}, "partition": {Type: record.Int32Type},
		"offset": {Type: record.Int64Type}, "timestamp": {Type: record.Int64Type},
		"headers": {Type: record.MapType, Key: &record.Schema{Type: record.StringType}, Elem: text},
	}
	if value != nil {
		schemas["value"] = nullable(value)
	}
	e := &avroEnvelope{schema: &record.Schema{Type: record.StructType, Name: avroEnvelopeName}, typed: value != nil}
	for _, name := range c.Fields {
		e.schema.Fields = append(e.schema.Fields, record.Field{Name: name, Schema: schemas[name]})
	}
	var err error
	e.text, err = newText(c)
	return e, err
}

// of is the envelope of r, valid until the next call.
func (e *avroEnvelope) of(r *record.Record) (*record.Value, error) {
	e.parts, e.scratch = e.parts[:0], e.scratch[:0]
	for _, f := range e.schema.Fields {
		v, err := e.part(r, f.Name)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", f.Name, err)
		}
		e.parts = append(e.parts, v)
	}
	e.whole = record.OfStruct(e.parts)
	return &e.whole, nil
}

func (e *avroEnvelope) part(r *record.Record, name string) (record.Value, error) {
	switch name {
	case "key":
		return e.textual(r.Key)
	case "topic":
		return e.copied(r.Topic), nil
	case "partition":
		return record.OfInt(int64(r.Partition)), nil
	case "offset":
		return record.OfInt(r.Offset), nil
	case "timestamp":
		return record.OfInt(r.Timestamp), nil
	case "headers":
		return e.headers(r)
	}
	if e.typed {
		return r.Value.Value, nil
	}
	return e.textual(r.Value)
}

// copied is s in the memory of scratch.
func (e *avroEnvelope) copied(s string) record.Value {
	at := len(e.scratch)
	e.scratch = append(e.scratch, s...)
	return record.OfString(e.scratch[at:])
}

func (e *avroEnvelope) headers(r *record.Record) (record.Value, error) {
	e.pairs = e.pairs[:0]
	for i := range r.Headers {
		v, err := e.textual(r.Headers[i].Value)
		if err != nil {
			return record.Value{}, fmt.Errorf("header %q: %w", r.Headers[i].Name, err)
		}
		e.pairs = append(e.pairs, e.copied(r.Headers[i].Name), v)
	}
	return record.OfMap(e.pairs), nil
}
