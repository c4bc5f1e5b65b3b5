// Package format turns records into the content of objects: records flow in through Encoder.Append,
// encoded bytes flow out to a writer, and a Codec compresses them.
package format

import (
	"fmt"
	"io"

	"connectd/convert"
	"connectd/record"
)

// Encoder writes the records of one object.
type Encoder interface {
	// Append writes record i of b. An error is about this record alone and leaves the object as it was.
	Append(b *record.Batch, i int) error
	// Buffered is about how many bytes the encoder holds in memory.
	Buffered() int
	// Close writes what comes after the last record; the underlying writer stays open.
	Close() error
}

// New is the encoder of one object, which writes to out. schema is what Binding says of all its
// values.
func New(c *Config, schema *record.Schema, out io.Writer) (Encoder, error) {
	switch c.kind() {
	case "jsonl":
		return newLines(c, out, false)
	case "json":
		return newLines(c, out, true)
	case "csv":
		return newCSV(c, out)
	case "bytes":
		return &octets{out: out, separator: c.Separator}, nil
	case "avro":
		return newAvro(c, schema, out)
	}
	return nil, fmt.Errorf("format.class: %s has no encoder", c.Format)
}

// Binding is the schema that an object is bound to which holds a value of s: nil where the format
// takes values of any, and where s was made from the value itself.
func (c *Config) Binding(s *record.Schema) *record.Schema {
	if c.kind() != "avro" || s == nil || convert.Untyped(s) {
		return nil
	}
	return s
}

// compression is what an object as a whole is compressed with; formats of blocks compress these.
func (c *Config) compression() string {
	if c.kind() == "avro" {
		return "none"
	}
	return c.Compression
}

// CompressionSuffix is the part of Extension that names the compression, such as .gz.
func (c *Config) CompressionSuffix() string {
	return map[string]string{"gzip": ".gz", "zstd": ".zst", "snappy": ".snappy"}[c.compression()]
}

// Extension is what the keys of objects end with.
func (c *Config) Extension() string {
	switch kind := c.kind(); kind {
	case "jsonl":
		return ".json" + c.CompressionSuffix()
	case "bytes":
		return c.BytesExtension + c.CompressionSuffix()
	default:
		return "." + kind + c.CompressionSuffix()
	}
}

// ContentType leaves the encoding out, which would have clients decompress a .gz unasked.
func (c *Config) ContentType() string {
	switch c.compression() {
	case "gzip":
		return "application/gzip"
	case "zstd":
		return "application/zstd"
	case "snappy":
		return "application/x-snappy-framed"
	}
	return map[string]string{
		"jsonl": "application/x-ndjson", "json": "application/json", "csv": "text/csv", "bytes": "application/octet-stream",
		"avro": "application/vnd.apache.avro",
	}[c.kind()]
}
