package connector

import (
	"time"

	"connectd/config"
)

// WorkerSettings are the runtime's keys of the worker section, by Kafka Connect's names.
type WorkerSettings struct {
	OffsetsTopic string `yaml:"offset.storage.topic" doc:"compacted topic for the offsets of sources, in Kafka Connect's format"`
	GroupID      string `yaml:"group.id" doc:"first part of the transactional ids of sources (<group.id>-<connector>-<task>), as in Kafka Connect"`
	ExactlyOnce  string `yaml:"exactly.once.source.support" values:"disabled,preparing,enabled" doc:"enabled: every source writes in transactions; otherwise those with exactly.once.support: required"`
	SchemasTopic string `yaml:"schemas.storage.topic" doc:"compacted topic for the schemas of what sources write, which sinks use for JSON without schemas"`

	KeyConverter    string            `yaml:"key.converter" doc:"converter of keys for connectors that name none"`
	KeySettings     map[string]string `yaml:"key.converter.*" doc:"settings of that converter"`
	ValueConverter  string            `yaml:"value.converter" doc:"converter of values for connectors that name none"`
	ValueSettings   map[string]string `yaml:"value.converter.*" doc:"settings of that converter"`
	HeaderConverter string            `yaml:"header.converter" doc:"converter of header values for connectors that name none"`
	HeaderSettings  map[string]string `yaml:"header.converter.*" doc:"settings of that converter"`

	TopicCreation bool          `yaml:"topic.creation.enable" doc:"let sources create the topics that they write to"`
	Memory        config.Size   `yaml:"memory.max.bytes" doc:"most data that all sinks together hold before their targets have it; above it partitions are paused"`
	Grace         time.Duration `yaml:"task.shutdown.graceful.timeout.ms" doc:"how long a task that is told to stop may take to finish what it has begun"`

	FlushInterval   string `yaml:"offset.flush.interval.ms" noeffect:"source offsets follow each acknowledged batch at once"`
	FlushTimeout    string `yaml:"offset.flush.timeout.ms" noeffect:"source offsets follow each acknowledged batch at once"`
	ConfigsTopic    string `yaml:"config.storage.topic" noeffect:"connectors come from files"`
	StatusTopic     string `yaml:"status.storage.topic" noeffect:"the status is read over REST"`
	OffsetsFactor   string `yaml:"offset.storage.replication.factor" noeffect:"the topic is created with the broker's default"`
	ConfigsFactor   string `yaml:"config.storage.replication.factor" noeffect:"connectors come from files"`
	StatusFactor    string `yaml:"status.storage.replication.factor" noeffect:"the status is read over REST"`
	OffsetsParts    string `yaml:"offset.storage.partitions" noeffect:"the topic is small and has one partition"`
	StatusParts     string `yaml:"status.storage.partitions" noeffect:"the status is read over REST"`
	OffsetsFile     string `yaml:"offset.storage.file.filename" noeffect:"offsets live in Kafka"`
	PluginPath      string `yaml:"plugin.path" noeffect:"all connectors are inside connectd"`
	PluginDiscovery string `yaml:"plugin.discovery" noeffect:"all connectors are inside connectd"`
}

const jsonConverter = "org.apache.kafka.connect.json.JsonConverter"

// Defaults are JSON without schemas, which sinks read with the schemas that sources have
// published; Kafka Connect has no default here.
func (w *WorkerSettings) Defaults() {
	w.OffsetsTopic = "connect-offsets"
	w.GroupID = "connectd"
	w.ExactlyOnce = "disabled"
	w.SchemasTopic = "connectd-schemas"
	w.HeaderConverter = "org.apache.kafka.connect.storage.SimpleHeaderConverter"
	w.TopicCreation = true
	w.Memory = 64 << 20
	w.Grace = 5 * time.Second
}

// Validate checks ranges.
func (w *WorkerSettings) Validate(r *config.Report) {
	if w.Memory < 1<<20 {
		r.Errorf("memory.max.bytes", "is %s; write 1MiB or more", w.Memory)
	}
	if w.Grace < 0 {
		r.Errorf("task.shutdown.graceful.timeout.ms", "is negative; write 0 or more")
	}
}
