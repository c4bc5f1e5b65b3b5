package s3

import (
	"connectd/config"
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

	Rotation
	Layout
	Storage
	Compression string `yaml:"s3.compression.type" alias:"file.compression.type" values:"none,gzip" doc:"compression of the objects"`
	Level       int    `yaml:"s3.compression.level" doc:"gzip level from 1 to 9; -1 is the library's default"`
	Ignored
}

// Defaults are the incumbents' where they do no harm: tombstones are left out instead of killing
// the task, and decimals are numbers.
func (c *Config) Defaults() {
	*c = Config{
		Connection: s3client.ConnectionDefaults(),
		Format:     "jsonl", Fields: []string{"value"}, Decimals: "NUMERIC", Nulls: "ignore",
		Compression: "gzip", Level: -1,
		Rotation: rotationDefaults(), Layout: layoutDefaults(), Storage: storageDefaults(),
	}
}

// Validate checks ranges and combinations.
func (c *Config) Validate(r *config.Report) {
	if c.Level != -1 && (c.Level < 1 || c.Level > 9) {
		r.Errorf("s3.compression.level", "%d is not a gzip level; write a number from 1 to 9, or -1", c.Level)
	}
	c.Rotation.validate(r)
	c.Layout.validate(r)
	c.Storage.validate(r)
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
