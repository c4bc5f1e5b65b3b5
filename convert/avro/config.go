package avro

import (
	"strings"

	"connectd/config"
	"connectd/convert/registry"
)

// Config is the settings of the Avro converter, by the names of Confluent's.
type Config struct {
	registry.Config

	Register      bool   `yaml:"auto.register.schemas" doc:"register the schema of what is written; without it the schema must be there"`
	Latest        bool   `yaml:"use.latest.version" doc:"write with the newest schema of the subject, which the records must fit; needs auto.register.schemas: false"`
	SchemaID      int    `yaml:"use.schema.id" doc:"write with the schema that has this id, which the records must fit; needs auto.register.schemas: false; -1 for none"`
	Normalize     bool   `yaml:"normalize.schemas" doc:"let the registry compare schemas in its normal form"`
	Strategy      string `yaml:"subject.name.strategy" doc:"how a subject is named: TopicNameStrategy (topic-key, topic-value), RecordNameStrategy (the record's full name) or TopicRecordNameStrategy (topic-name)"`
	KeyStrategy   string `yaml:"key.subject.name.strategy" doc:"the same, for a key converter"`
	ValueStrategy string `yaml:"value.subject.name.strategy" doc:"the same, for a value converter"`

	Enhanced        bool `yaml:"enhanced.avro.schema.support" doc:"keep enums, and the namespaces of the types of a union"`
	Metadata        bool `yaml:"connect.meta.data" doc:"keep what Kafka Connect knows of a schema and Avro has no place for, such as connect.name"`
	Scrub           bool `yaml:"scrub.invalid.names" doc:"replace what Avro does not allow in the names of schemas and fields"`
	OptionalMapKeys bool `yaml:"allow.optional.map.keys" doc:"write maps whose keys are optional strings as Avro maps too"`
	IgnoreDefault   bool `yaml:"ignore.default.for.nullables" doc:"keep a null in a column with a default: Confluent's default is false, which writes the default there and loses the null"`
	CacheSize       int  `yaml:"schemas.cache.config" alias:"schemas.cache.size" doc:"how many schemas are remembered"`

	Generalized bool   `yaml:"generalized.sum.type.support" doc:"not supported: unions and enums are those of Connect's users, see enhanced.avro.schema.support"`
	KeyIDs      string `yaml:"key.schema.id.serializer" doc:"PrefixSchemaIdSerializer: the id of a schema is before the bytes; ids in headers are not supported"`
	ValueIDs    string `yaml:"value.schema.id.serializer" doc:"the same, for a value converter"`

	PerSubject     string `yaml:"max.schemas.per.subject" noeffect:"schemas.cache.config bounds all schemas together"`
	LatestStrict   string `yaml:"latest.compatibility.strict" noeffect:"what is written always fits the newest schema"`
	LatestSize     string `yaml:"latest.cache.size" noeffect:"schemas.cache.config bounds all schemas together"`
	LatestTTL      string `yaml:"latest.cache.ttl.sec" noeffect:"the newest schema is asked for when a task starts"`
	IDStrict       string `yaml:"id.compatibility.strict" noeffect:"what is written always fits the schema"`
	KeyIDReader    string `yaml:"key.schema.id.deserializer" noeffect:"ids of schemas are read before the bytes"`
	ValueIDReader  string `yaml:"value.schema.id.deserializer" noeffect:"ids of schemas are read before the bytes"`
	Flatten        string `yaml:"flatten.singleton.unions" noeffect:"a union of one type is always read as that type"`
	Discard        string `yaml:"discard.type.doc.default" noeffect:"docs and defaults are kept"`
	Specific       string `yaml:"specific.avro.reader" noeffect:"there are no Java classes here"`
	Reflection     string `yaml:"schema.reflection" noeffect:"there are no Java classes here"`
	AllowNull      string `yaml:"avro.reflection.allow.null" noeffect:"there are no Java classes here"`
	JavaProperties string `yaml:"avro.remove.java.properties" noeffect:"schemas are written without Java's properties"`
	LogicalTypes   string `yaml:"avro.use.logical.type.converters" noeffect:"logical types are always converted"`
	Schemas        string `yaml:"schemas.enable" noeffect:"Avro always has a schema"`
	Context        string `yaml:"context.name.strategy" noeffect:"subjects are in the registry's default context; name another one in schema.registry.url, as /contexts/.NAME"`
	Rules          string `yaml:"rule.executors" noeffect:"the rules of data contracts are not carried out"`
	RuleActions    string `yaml:"rule.actions" noeffect:"the rules of data contracts are not carried out"`
	RuleLoader     string `yaml:"rule.service.loader.enable" noeffect:"the rules of data contracts are not carried out"`
	RuleMetrics    string `yaml:"rule.metrics.enable" noeffect:"the rules of data contracts are not carried out"`
	Tags           string `yaml:"propagate.schema.tags" noeffect:"tags of schemas are not kept"`

	keys   bool    // a key converter
	shared *shared // by all converters of these settings
}

// Defaults fills in Confluent's defaults, but for ignore.default.for.nullables.
func (c *Config) Defaults() {
	c.Config.Defaults()
	c.Register, c.Metadata, c.IgnoreDefault = true, true, true
	c.CacheSize, c.SchemaID = 1000, -1
	c.shared = new(shared)
}

// ForKeys names subjects as those of keys.
func (c *Config) ForKeys() { c.keys = true }

// Validate reports what does not go together.
func (c *Config) Validate(r *config.Report) {
	c.Config.Validate(r)
	for _, s := range []struct{ key, value string }{
		{"subject.name.strategy", c.Strategy}, {"key.subject.name.strategy", c.KeyStrategy}, {"value.subject.name.strategy", c.ValueStrategy},
	} {
		if _, ok := strategies[simple(s.value)]; !ok {
			r.Errorf(s.key, "%q is not a strategy; write TopicNameStrategy, RecordNameStrategy or TopicRecordNameStrategy", s.value)
		}
	}
	for key, wanted := range map[string]bool{"use.latest.version": c.Latest, "use.schema.id": c.SchemaID >= 0} {
		if wanted && c.Register {
			r.Errorf(key, "counts only without auto.register.schemas; set that to false")
		}
	}
	if c.Generalized {
		r.Errorf("generalized.sum.type.support", "is not supported; remove it, or set enhanced.avro.schema.support to keep enums")
	}
	for key, class := range map[string]string{"key.schema.id.serializer": c.KeyIDs, "value.schema.id.serializer": c.ValueIDs} {
		if class != "" && simple(class) != "PrefixSchemaIdSerializer" {
			r.Errorf(key, "%q is not supported: the id is always before the bytes; write PrefixSchemaIdSerializer, or nothing", class)
		}
	}
	if c.CacheSize < 1 {
		r.Errorf("schemas.cache.config", "%d schemas can not be remembered; write at least 1", c.CacheSize)
	}
}

// options are the choices of the mapping.
func (c *Config) options() Options {
	return Options{Metadata: c.Metadata, Enhanced: c.Enhanced, Scrub: c.Scrub, OptionalMapKeys: c.OptionalMapKeys, NullToDefault: !c.IgnoreDefault}
}

// strategy is how subjects are named.
func (c *Config) strategy() strategy {
	own := c.ValueStrategy
	if c.keys {
		own = c.KeyStrategy
	}
	if own == "" {
		own = c.Strategy
	}
	return strategies[simple(own)]
}

// strategy says what a subject's name is made of.
type strategy struct{ topic, record bool }

var strategies = map[string]strategy{
	"":                        {topic: true},
	"TopicNameStrategy":       {topic: true},
	"RecordNameStrategy":      {record: true},
	"TopicRecordNameStrategy": {topic: true, record: true},
}

// simple is the last part of the name of a Java class.
func simple(class string) string { return class[strings.LastIndexByte(class, '.')+1:] }
