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
	c.Rotation.validate(r)
	c.Layout.validate(r)
	c.Storage.validate(r)
	c.ValidateConnection(r)
}
