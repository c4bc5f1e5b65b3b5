package s3

import (
	"connectd/config"
	"connectd/internal/s3client"
	"connectd/sink/s3/format"
)

// Config is what may be set on an s3-sink. The names are those of Confluent's and Aiven's
// connectors.
type Config struct {
	Bucket string `yaml:"s3.bucket.name" alias:"aws.s3.bucket.name,aws.s3.bucket.name.config" required:"true" doc:"bucket that the objects go to; it must exist"`
	s3client.Connection

	format.Config
	Nulls string `yaml:"behavior.on.null.values" values:"ignore,fail,write" doc:"what to do with a tombstone: leave it out, fail the record, or write null"`

	StoreKeys    bool `yaml:"store.kafka.keys" doc:"only false: keys are not written into objects of their own, but as a field, with format.output.fields: key,value"`
	StoreHeaders bool `yaml:"store.kafka.headers" doc:"only false: headers are not written into objects of their own, but as a field, with format.output.fields: value,headers"`

	Rotation
	Layout
	Storage
	Ignored
}

// Defaults are the incumbents' where they do no harm: tombstones are left out instead of killing
// the task, and decimals are numbers.
func (c *Config) Defaults() {
	*c = Config{
		Connection: s3client.ConnectionDefaults(),
		Config:     format.Defaults(), Nulls: "ignore",
		Rotation: rotationDefaults(), Layout: layoutDefaults(), Storage: storageDefaults(),
	}
}

// Validate checks ranges and combinations.
func (c *Config) Validate(r *config.Report) {
	c.Config.Validate(r)
	if c.StoreKeys {
		r.Errorf("store.kafka.keys", "is not supported: keys have no objects of their own; write format.output.fields: key,value")
	}
	if c.StoreHeaders {
		r.Errorf("store.kafka.headers", "is not supported: headers have no objects of their own; write format.output.fields: value,headers")
	}
	c.Rotation.validate(r)
	c.Layout.validate(r)
	c.Storage.validate(r)
	c.ValidateConnection(r)
}
