package convert

import (
	"fmt"

	"connectd/record"
)

// BytesConfig is the settings of the bytes converter: it has none.
type BytesConfig struct{}

// Defaults does nothing.
func (*BytesConfig) Defaults() {}

// Bytes is the converter that Kafka Connect calls ByteArrayConverter: bytes pass as they are, and
// nothing else can be written.
type Bytes struct{}

// NewBytes builds a bytes converter.
func NewBytes(*BytesConfig) (*Bytes, error) { return &Bytes{}, nil }

var optionalBytes = &record.Schema{Type: record.BytesType, Optional: true}

// Encode appends the octets of d.
func (*Bytes) Encode(dst []byte, topic string, d record.Datum) (out []byte, null bool, err error) {
	switch d.Value.Kind {
	case record.Null:
		return dst, true, nil
	case record.Bytes:
		return append(dst, d.Value.B...), false, nil
	}
	return dst, false, fmt.Errorf("the bytes converter can not write a %s; use the JSON converter", kindNames[d.Value.Kind])
}

// EncodeChange is an error: a change is no bytes.
func (*Bytes) EncodeChange(dst []byte, topic string, c *record.Change) ([]byte, error) {
	return dst, fmt.Errorf("the bytes converter can not write the changes of a table; use the JSON converter")
}

// Decode returns data.
func (*Bytes) Decode(b *record.Batch, topic string, data []byte, hint *record.Schema) (record.Datum, error) {
	if data == nil {
		return record.Datum{}, nil
	}
	return record.Datum{Schema: optionalBytes, Value: record.OfBytes(data)}, nil
}
