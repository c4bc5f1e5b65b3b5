package convert

import "connectd/record"

// Converter turns keys or values into bytes and back. One converter belongs to one goroutine: it
// keeps buffers and caches of its own.
type Converter interface {
	// Encode appends the bytes of d to dst. null is true when the bytes are Kafka's null.
	Encode(dst []byte, topic string, d record.Datum) (out []byte, null bool, err error)
	// EncodeChange appends the bytes of c's envelope to dst.
	EncodeChange(dst []byte, topic string, c *record.Change) ([]byte, error)
	// Decode reads the bytes of a key or a value. The datum's memory is b's and data's own.
	// hint describes the data when its bytes do not (a schema known from the source); it may be
	// nil.
	Decode(b *record.Batch, topic string, data []byte, hint *record.Schema) (record.Datum, error)
}
