package postgres

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"connectd/config"
)

// Signals says how a running connector is asked for snapshots, how those are taken, and whom it
// tells of them.
type Signals struct {
	SignalTable    string            `yaml:"signal.data.collection" doc:"table schema.table whose inserted rows (id, type, data) are signals; it is captured also when no list names it"`
	SignalChannels []string          `yaml:"signal.enabled.channels" doc:"where signals come from beside REST, which is always open: source (the signal table), kafka, file"`
	SignalPoll     time.Duration     `yaml:"signal.poll.interval.ms" doc:"how often the signal file is looked at, and a signal topic that can not be read is tried again; every twelfth time the catalog is looked at for new tables"`
	SignalTopic    string            `yaml:"signal.kafka.topic" doc:"topic whose records with the key topic.prefix are signals; <topic.prefix>-signal when empty"`
	SignalBrokers  string            `yaml:"signal.kafka.bootstrap.servers" doc:"brokers of that topic; the worker's when empty"`
	SignalGroup    string            `yaml:"signal.kafka.groupId" doc:"consumer group whose committed offset is where the topic is read from when the connector has not read it before"`
	SignalConsumer map[string]string `yaml:"signal.consumer.*" doc:"further properties of that consumer, such as security.protocol"`
	SignalFile     string            `yaml:"signal.file" doc:"file whose lines are signals, one JSON object each; append a line to it"`
	ReadOnly       bool              `yaml:"read.only" doc:"never write to the database: incremental snapshots mark their chunks by pg_current_snapshot() alone; also so without a signal.data.collection"`
	ChunkSize      int               `yaml:"incremental.snapshot.chunk.size" doc:"most rows that an incremental snapshot reads at once; wide rows make smaller chunks"`
	Watermarks     string            `yaml:"incremental.snapshot.watermarking.strategy" values:"insert_insert,insert_delete" doc:"how a chunk is marked in the signal table: two rows, or one that is deleted again"`
	NewTables      string            `yaml:"snapshot.new.tables" values:"off,incremental" doc:"what becomes of the rows that a table has when it joins the captured tables later: nothing, or an incremental snapshot"`
	Notifications  []string          `yaml:"notification.enabled.channels" doc:"where snapshots are told of: sink (a topic), log"`
	NotifyTopic    string            `yaml:"notification.sink.topic.name" doc:"topic of the notifications"`
}

// maxChunk bounds what a chunk holds in memory.
const maxChunk = 1 << 20

// defaults are Debezium's, but for the size of a chunk.
func (s *Signals) defaults() {
	s.SignalChannels = []string{"source"}
	s.SignalPoll = 5 * time.Second
	s.SignalGroup = "kafka-signal"
	s.SignalFile = "file-signals.txt"
	s.ChunkSize = 8192
	s.Watermarks = "insert_insert"
	s.NewTables = "off"
}

func (s *Signals) validate(r *config.Report) {
	if s.SignalTable != "" {
		if _, err := parseName(s.SignalTable); err != nil {
			r.Errorf("signal.data.collection", "%v", err)
		}
	}
	channels(r, "signal.enabled.channels", s.SignalChannels, "source", "kafka", "file")
	channels(r, "notification.enabled.channels", s.Notifications, "sink", "log")
	if s.SignalPoll <= 0 {
		r.Errorf("signal.poll.interval.ms", "is not an interval; write 1 or more")
	}
	if s.SignalTopic != "" && !validTopic(s.SignalTopic) {
		r.Errorf("signal.kafka.topic", "%q is not a topic; write letters, digits, dots, hyphens and underscores", s.SignalTopic)
	}
	if s.ChunkSize < 1 || s.ChunkSize > maxChunk {
		r.Errorf("incremental.snapshot.chunk.size", "is %d; write 1 to %d", s.ChunkSize, maxChunk)
	}
	if s.NotifyTopic != "" && !validTopic(s.NotifyTopic) {
		r.Errorf("notification.sink.topic.name", "%q is not a topic; write letters, digits, dots, hyphens and underscores", s.NotifyTopic)
	}
	if slices.Contains(s.Notifications, "sink") && s.NotifyTopic == "" {
		r.Errorf("notification.sink.topic.name", "is missing, and notification.enabled.channels has sink; write the name of a topic")
	}
}

// channels checks a list of channels. Those that Debezium keeps inside its JVM have no counterpart.
func channels(r *config.Report, key string, list []string, known ...string) {
	for _, name := range list {
		switch {
		case slices.Contains(known, name):
		case name == "jmx" || name == "in-process":
			r.Warnf(key, "%s belongs to the JVM and has no effect; connectd has REST and `connectd snapshot` instead", name)
		default:
			r.Errorf(key, "%q is not a channel; write %s", name, strings.Join(known, " or "))
		}
	}
}

// readOnly says whether incremental snapshots leave the database as it is.
func (s *Signals) readOnly() bool { return s.ReadOnly || s.SignalTable == "" }

// signalTopic is the topic of the kafka channel.
func (c *Config) signalTopic() string {
	if c.SignalTopic != "" {
		return c.SignalTopic
	}
	return topicName(c.Prefix + "-signal")
}

// parseName parses schema.table, or database.schema.table as some write it.
func parseName(text string) (name, error) {
	parts := strings.Split(text, ".")
	if len(parts) == 3 {
		parts = parts[1:]
	}
	if len(parts) != 2 || parts[0] == "" || parts[1] == "" {
		return name{}, fmt.Errorf("%q is not a table; write schema.table", text)
	}
	return name{parts[0], parts[1]}, nil
}
