package format

import (
	"strings"

	"connectd/config"
)

// Config says what the objects hold, and how it is encoded.
type Config struct {
	Format         string   `yaml:"format.class" alias:"format.output.type" values:"jsonl,json,json-array,csv,bytes,avro,parquet,io.confluent.connect.s3.format.json.JsonFormat,io.confluent.connect.s3.format.bytearray.ByteArrayFormat,io.confluent.connect.s3.format.avro.AvroFormat,io.confluent.connect.s3.format.parquet.ParquetFormat" doc:"jsonl, Confluent's JsonFormat: a JSON value a line; json, json-array: one array, as Aiven's json is; csv: format.output.fields of each record; bytes, Confluent's ByteArrayFormat: the values as they are in the topic; avro, Confluent's AvroFormat: an Avro file of the values, an object for each schema; parquet, Confluent's ParquetFormat: the same in Parquet"`
	Fields         []string `yaml:"format.output.fields" doc:"what an element or a line holds of each record, with jsonl, json, csv, avro and parquet: value, or several of key, value, topic, partition, offset, timestamp, headers"`
	Envelope       bool     `yaml:"format.output.envelope" doc:"with jsonl, json, avro and parquet, write a single field as an object with its name too; several fields always are one"`
	ValueEncoding  string   `yaml:"format.output.fields.value.encoding" values:"base64,none" doc:"how csv writes the value; keys and headers are always base64"`
	BytesExtension string   `yaml:"format.bytearray.extension" doc:"what the keys of objects end with, before the ending of the compression, with format.class: bytes"`
	Separator      string   `yaml:"format.bytearray.separator" doc:"what follows each value with format.class: bytes; a line end unless it is set"`
	Decimals       string   `yaml:"json.decimal.format" values:"NUMERIC,BASE64" doc:"how decimals of records with a schema are written"`
	Compression    string   `yaml:"s3.compression.type" alias:"file.compression.type" values:"none,gzip,zstd,snappy" doc:"compression of the objects, but for avro and parquet, which compress by avro.codec and parquet.codec; snappy is in its framing format"`
	Level          int      `yaml:"s3.compression.level" doc:"gzip level from 1 to 9, zstd level from 1 to 22; -1 is the library's default"`

	Parquet string `yaml:"parquet.codec" values:"none,snappy,gzip,zstd,brotli,lz4,lz4raw" doc:"compression of the pages, with format.class: parquet"`
	Avro
}

// Defaults are the incumbents', but for decimals, which are numbers.
func Defaults() Config {
	return Config{Format: "jsonl", Fields: []string{"value"}, ValueEncoding: "base64", BytesExtension: ".bin", Separator: "\n", Decimals: "NUMERIC", Compression: "gzip", Level: -1, Parquet: "snappy", Avro: Avro{Codec: "null", Metadata: true}}
}

// kind is the short name of format.class.
func (c *Config) kind() string {
	switch c.Format[strings.LastIndexByte(c.Format, '.')+1:] {
	case "JsonFormat":
		return "jsonl"
	case "ByteArrayFormat":
		return "bytes"
	case "AvroFormat":
		return "avro"
	case "ParquetFormat":
		return "parquet"
	case "json-array":
		return "json"
	}
	return c.Format
}

// composed says whether objects are made of format.output.fields.
func (c *Config) composed() bool {
	switch c.kind() {
	case "jsonl", "json", "csv", "avro", "parquet":
		return true
	}
	return false
}

// plainValue says whether an object holds values and nothing else of the records.
func (c *Config) plainValue() bool {
	return len(c.Fields) == 1 && c.Fields[0] == "value" && !c.Envelope
}

// parquetExtensions are Parquet's own names of its codecs.
var parquetExtensions = map[string]string{
	"snappy": ".snappy", "gzip": ".gz", "zstd": ".zstd", "brotli": ".br", "lz4": ".lz4raw", "lz4raw": ".lz4raw",
}

// Validate checks ranges and names.
func (c *Config) Validate(r *config.Report) {
	c.validateLevel(r)
	if !c.composed() && (len(c.Fields) != 1 || c.Fields[0] != "value") {
		r.Errorf("format.output.fields", "does not go with format.class: %s, which holds the values only; remove it, or write format.class: jsonl", c.Format)
	}
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
	if c.compression() == "none" && c.Compression != "none" {
		r.Errorf("s3.compression.level", "%d has no effect: format.class: %s compresses its blocks itself; remove it", c.Level, c.Format)
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
