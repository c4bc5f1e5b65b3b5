package s3

import (
	"time"

	"connectd/config"
	"connectd/connect"
	"connectd/internal/s3client"
)

// Config is what may be set on an s3-sink. The names are those of Confluent's and Aiven's
// connectors.
type Config struct {
	Bucket string `yaml:"s3.bucket.name" alias:"aws.s3.bucket.name,aws.s3.bucket.name.config" required:"true" doc:"bucket that the objects go to; it must exist"`
	s3client.Connection

	Format   string   `yaml:"format.class" alias:"format.output.type" values:"jsonl,json,io.confluent.connect.s3.format.json.JsonFormat" doc:"jsonl: one JSON value a line"`
	Fields   []string `yaml:"format.output.fields" doc:"what a line holds: value, or several of key, value, topic, partition, offset, timestamp, headers"`
	Envelope bool     `yaml:"format.output.envelope" doc:"write a single field as an object with its name too; several fields always are one"`
	Decimals string   `yaml:"json.decimal.format" values:"NUMERIC,BASE64" doc:"how decimals of records with a schema are written"`
	Nulls    string   `yaml:"behavior.on.null.values" values:"ignore,fail,write" doc:"what to do with a tombstone: leave it out, fail the record, or write null"`

	Rows     int           `yaml:"flush.size" alias:"file.max.records" doc:"rows after which the open object is finished; 0 leaves it to batch.max.rows"`
	Bytes    config.Size   `yaml:"rotate.file.size.bytes" doc:"bytes of input after which the open object is finished; 0 leaves it to batch.max.bytes"`
	Schedule time.Duration `yaml:"rotate.schedule.interval.ms" doc:"age of the open object's first record after which it is finished, also when no record follows; 0 leaves it to linger.ms"`

	Dir         string      `yaml:"topics.dir" alias:"aws.s3.prefix,aws.s3.prefix.config" doc:"first part of every key"`
	Delim       string      `yaml:"directory.delim" doc:"separator of the parts of a key"`
	FileDelim   string      `yaml:"file.delim" doc:"separator of topic, partition and offset in the last part of a key"`
	Pad         int         `yaml:"filename.offset.zero.pad.width" doc:"digits of the offset in a key"`
	Compression string      `yaml:"s3.compression.type" alias:"file.compression.type" values:"none,gzip" doc:"compression of the objects"`
	Level       int         `yaml:"s3.compression.level" doc:"gzip level from 1 to 9; -1 is the library's default"`
	PartSize    config.Size `yaml:"s3.part.size" alias:"aws.s3.part.size.bytes" doc:"objects above this size are uploaded in parts of it; at least 5 MiB"`
	Retries     int         `yaml:"s3.part.retries" alias:"aws.s3.backoff.max.retries" doc:"attempts at a request before the flush is tried again as a whole"`
	Conditional bool        `yaml:"enable.conditional.writes" doc:"never replace an object of another flush unnoticed: write with If-None-Match"`
	IfExists    string      `yaml:"s3.if.exists" values:"overwrite,skip,fail" doc:"what to do when another flush has left an object under the same key"`
}

// Defaults are the incumbents' where they do no harm: tombstones are left out instead of killing
// the task, and decimals are numbers.
func (c *Config) Defaults() {
	*c = Config{
		Connection: s3client.ConnectionDefaults(),
		Format:     "jsonl", Fields: []string{"value"}, Decimals: "NUMERIC", Nulls: "ignore",
		Schedule: time.Minute,
		Dir:      "topics", Delim: "/", FileDelim: "+", Pad: 10,
		Compression: "gzip", Level: -1, PartSize: 25 << 20, Retries: 3,
		Conditional: true, IfExists: "overwrite",
	}
}

const minPartSize = 5 << 20 // S3 refuses smaller parts

// Validate checks ranges and combinations.
func (c *Config) Validate(r *config.Report) {
	if c.PartSize < minPartSize {
		r.Errorf("s3.part.size", "%d is below S3's minimum; write 5MiB or more", c.PartSize)
	}
	if c.Level != -1 && (c.Level < 1 || c.Level > 9) {
		r.Errorf("s3.compression.level", "%d is not a gzip level; write a number from 1 to 9, or -1", c.Level)
	}
	if c.Rows < 0 {
		r.Errorf("flush.size", "%d is negative; write a number of rows, or 0 for batch.max.rows", c.Rows)
	}
	if c.Pad < 0 || c.Pad > 19 {
		r.Errorf("filename.offset.zero.pad.width", "%d is not a width; write a number from 0 to 19", c.Pad)
	}
	c.ValidateConnection(r)
	if len(c.Fields) == 0 {
		r.Errorf("format.output.fields", "is empty; write value, or several of key, value, topic, partition, offset, timestamp, headers")
	}
	for _, f := range c.Fields {
		if !known(f) {
			r.Errorf("format.output.fields", "%q is not a field of a record; write key, value, topic, partition, offset, timestamp or headers", f)
		}
	}
}

func known(field string) bool {
	switch field {
	case "key", "value", "topic", "partition", "offset", "timestamp", "headers":
		return true
	}
	return false
}

// Batching hands the incumbents' rotation to the runtime, which cuts the ranges: one flush is
// one object.
func (c *Config) Batching() connect.Batching {
	return connect.Batching{Rows: c.Rows, Bytes: c.Bytes, Linger: c.Schedule}
}
