package format

import (
	"fmt"

	"connectd/record"
)

// avroEnvelopeName is the name of the records that Aiven's connector makes of format.output.fields.
const avroEnvelopeName = "io.aiven.avro.output.schema.connector_records"

// avroEnvelope makes structs of several parts of a record. Values are text where they have no schema.
type avroEnvelope struct {
	schema *record.Schema
	typed  bool // values have the schema of the file
	parts  []record.Value
	whole  record.Value
	outputs
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
	e.outputs, err = newOutputs(c)
	return e, err
}

// of is the envelope of r, valid until the next call.
func (e *avroEnvelope) of(r *record.Record) (*record.Value, error) {
	e.parts = e.parts[:0]
	e.reset()
	for _, f := range e.schema.Fields {
		v, err := e.part(r, f.Name)
		if err != nil {
			return nil, err
		}
		e.parts = append(e.parts, v)
	}
	e.whole = record.OfStruct(e.parts)
	return &e.whole, nil
}

func (e *avroEnvelope) part(r *record.Record, name string) (record.Value, error) {
	if name != "value" || e.typed {
		return e.output(r, name)
	}
	v, err := e.textual(r.Value)
	if err != nil {
		return v, fmt.Errorf("value: %w", err)
	}
	return v, nil
}
