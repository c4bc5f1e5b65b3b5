// Package format turns records into the content of objects: records flow in through Encoder.Append,
// encoded bytes flow out to a writer, and a Codec compresses them.
package format

import (
	"io"

	"connectd/config"
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

// Converter is an Encoder whose objects can not be written before all their records are known. What
// Append writes are rows of its own; Convert makes the object of them.
type Converter interface {
	Encoder
	Convert(out io.Writer, rows io.Reader) error
}

// Config says what the objects hold, and how it is encoded.
type Config struct {
	Format      string   `yaml:"format.class" alias:"format.output.type" values:"jsonl,json,parquet,io.confluent.connect.s3.format.json.JsonFormat,io.confluent.connect.s3.format.parquet.ParquetFormat" doc:"jsonl: one JSON value a line; parquet: rows of a Parquet file"`
	Fields      []string `yaml:"format.output.fields" doc:"what a line holds: value, or several of key, value, topic, partition, offset, timestamp, headers"`
	Envelope    bool     `yaml:"format.output.envelope" doc:"write a single field as an object with its name too; several fields always are one"`
	Decimals    string   `yaml:"json.decimal.format" values:"NUMERIC,BASE64" doc:"how decimals of records with a schema are written"`
	Compression string   `yaml:"s3.compression.type" alias:"file.compression.type" values:"none,gzip,zstd,snappy" doc:"compression of the objects; snappy is in its framing format"`
	Parquet     string   `yaml:"parquet.codec" values:"none,snappy,gzip,zstd,brotli,lz4,lz4raw" doc:"compression inside Parquet files, for which s3.compression.type has no meaning"`
	Level       int      `yaml:"s3.compression.level" doc:"gzip level from 1 to 9, zstd level from 1 to 22; -1 is the library's default"`
}

// Defaults are the incumbents', but for decimals, which are numbers.
func Defaults() Config {
	return Config{Format: "jsonl", Fields: []string{"value"}, Decimals: "NUMERIC", Compression: "gzip", Parquet: "snappy", Level: -1}
}

// Validate checks ranges and names.
func (c *Config) Validate(r *config.Report) {
	c.validateLevel(r)
	if len(c.Fields) == 0 {
		r.Errorf("format.output.fields", "is empty; write value, or several of key, value, topic, partition, offset, timestamp, headers")
	}
	for _, f := range c.Fields {
		if !known(f) {
			r.Errorf("format.output.fields", "%q is not a field of a record; write key, value, topic, partition, offset, timestamp or headers", f)
		}
	}
}

func (c *Config) validateLevel(r *config.Report) {
	if c.Level == -1 {
		return
	}
	most := map[string]int{"gzip": 9, "zstd": 22}[c.Compression]
	switch {
	case most == 0:
		r.Errorf("s3.compression.level", "%d has no effect: s3.compression.type: %s has no levels; remove it", c.Level, c.Compression)
	case c.Level < 1 || c.Level > most:
		r.Errorf("s3.compression.level", "%d is not a %s level; write a number from 1 to %d, or -1", c.Level, c.Compression, most)
	}
}

func known(field string) bool {
	switch field {
	case "key", "value", "topic", "partition", "offset", "timestamp", "headers":
		return true
	}
	return false
}

// New is the encoder of one object, which writes to out. schema is what Binding says of all its
// values.
func New(c *Config, schema *record.Schema, out io.Writer) (Encoder, error) {
	switch {
	case c.parquet() && schema == nil && c.plainValue():
		return newParquetInferred(c, out)
	case c.parquet():
		return newParquet(c, schema, out)
	}
	return newLines(c, out)
}

func (c *Config) parquet() bool {
	return c.Format == "parquet" || c.Format == "io.confluent.connect.s3.format.parquet.ParquetFormat"
}

// plainValue says whether an object holds values and nothing else of the records.
func (c *Config) plainValue() bool {
	return len(c.Fields) == 1 && c.Fields[0] == "value" && !c.Envelope
}

// Binding is the schema that an object is bound to which holds a value of s: nil where the format
// takes values of any, and where s was made from the value itself.
func (c *Config) Binding(s *record.Schema) *record.Schema {
	if !c.parquet() || schemaless(s) || s != nil && s.Type == record.StructType && len(s.Fields) == 0 {
		return nil
	}
	return s
}

// parquetExtensions are Parquet's own names of its codecs.
var parquetExtensions = map[string]string{
	"snappy": ".snappy", "gzip": ".gz", "zstd": ".zstd", "brotli": ".br", "lz4": ".lz4raw", "lz4raw": ".lz4raw",
}

// compression is what an object as a whole is compressed with.
func (c *Config) compression() string {
	if c.parquet() {
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
	if c.parquet() {
		return parquetExtensions[c.Parquet] + ".parquet"
	}
	return ".json" + c.CompressionSuffix()
}

// ContentType leaves the encoding out, which would have clients decompress a .gz unasked.
func (c *Config) ContentType() string {
	if c.parquet() {
		return "application/vnd.apache.parquet"
	}
	switch c.compression() {
	case "gzip":
		return "application/gzip"
	case "zstd":
		return "application/zstd"
	case "snappy":
		return "application/x-snappy-framed"
	}
	return "application/x-ndjson"
}
