package s3

// Ignored are keys of the incumbents that are accepted and have no effect.
type Ignored struct {
	_ string `yaml:"storage.class" noeffect:"the sink writes to S3 and its likes only; s3.storage.class is the class of objects"`
	_ string `yaml:"schema.compatibility" noeffect:"records of another schema never end an object: where the format needs it, each schema has an object of its own"`
	_ string `yaml:"s3.wan.mode" noeffect:"write the accelerated endpoint into store.url"`
	_ string `yaml:"keys.format.class" noeffect:"keys are a field of the object's records, see format.output.fields"`
	_ string `yaml:"headers.format.class" noeffect:"headers are a field of the object's records, see format.output.fields"`
	_ string `yaml:"schema.generator.class" noeffect:"there is no Hive integration"`
	_ string `yaml:"retry.backoff.ms" noeffect:"errors.retry.delay.max.ms bounds the pause before a flush is tried again"`
	_ string `yaml:"kafka.retry.backoff.ms" noeffect:"errors.retry.delay.max.ms bounds the pause before a flush is tried again"`
	_ string `yaml:"s3.send.digest" noeffect:"requests always carry a checksum"`
	_ string `yaml:"s3.http.send.expect.continue" noeffect:"the client decides by the size of a request"`
	_ string `yaml:"s3.elastic.buffer.*" noeffect:"what open objects hold beyond a small memory is on disk"`
	_ string `yaml:"max.write.duration.ms" noeffect:"Kafka is polled while objects are written"`
	_ string `yaml:"max.files.scan.limit" noeffect:"a flush knows its own objects by their metadata"`
	_ string `yaml:"report.null.values.to.dlq" noeffect:"with behavior.on.null.values: fail, errors.tolerance and the dead letter topic decide"`
	_ string `yaml:"behavior.on.tagging.error" noeffect:"an object is written with its tags, in one request"`
	_ string `yaml:"schemas.cache.config" noeffect:"schemas are kept as long as they are used"`
	_ string `yaml:"confluent.license" noeffect:"none is needed"`
	_ string `yaml:"confluent.topic.*" noeffect:"none is needed for a license"`
}
