package connector

import (
	"errors"
	"math"
	"regexp"
	"strconv"
	"time"

	"connectd/config"
	"connectd/connect"
)

// common are the runtime's own keys that sources and sinks share.
type common struct {
	Name     string `yaml:"name" doc:"connector's name, when it is not given outside of the settings"`
	Class    string `yaml:"connector.class" required:"true" doc:"class of the connector: a short name such as postgres-source, or the Java class that it stands in for"`
	TasksMax int    `yaml:"tasks.max" doc:"most tasks to run; a sink's tasks share the partitions, those of a source what it can split, such as endpoints, and no more tasks run than there are shares"`

	KeyConverter    string `yaml:"key.converter" doc:"class of the converter of keys; its settings are the keys that start with key.converter."`
	ValueConverter  string `yaml:"value.converter" doc:"class of the converter of values; its settings are the keys that start with value.converter."`
	HeaderConverter string `yaml:"header.converter" doc:"class of the converter of header values; its settings are the keys that start with header.converter."`

	Transforms []string          `yaml:"transforms" doc:"names of the transforms, in the order in which a record passes them; transforms.<name>.type is the class of each, and its settings follow the same prefix"`
	Predicates []string          `yaml:"predicates" doc:"names of the predicates that transforms may depend on"`
	Producer   map[string]string `yaml:"producer.override.*" doc:"properties of the Kafka producer for this connector"`
	Consumer   map[string]string `yaml:"consumer.override.*" doc:"properties of the Kafka consumer for this connector"`
	Admin      map[string]string `yaml:"admin.override.*" doc:"properties of the Kafka admin client for this connector"`

	Tolerance   string `yaml:"errors.tolerance" values:"none,all" doc:"what a record that can not be processed does: stop the connector, or be left out"`
	DeadLetters string `yaml:"errors.deadletterqueue.topic.name" doc:"topic for the records that errors.tolerance leaves out; without it they are only counted"`
	Replication int    `yaml:"errors.deadletterqueue.topic.replication.factor" doc:"replication factor of the dead letter topic when it is created; -1 is the broker's default"`
	Context     bool   `yaml:"errors.deadletterqueue.context.headers.enable" doc:"put the place and the cause of the failure into the headers of a dead letter"`
	LogErrors   bool   `yaml:"errors.log.enable" doc:"log each record that is left out"`
	LogContent  bool   `yaml:"errors.log.include.messages" doc:"log topic, partition, offset and key with it"`

	RetryTimeout  patience      `yaml:"errors.retry.timeout" doc:"how long, in milliseconds, a sink tries again in place what its target refuses for the moment, before the task restarts; -1 without end"`
	RetryDelayMax time.Duration `yaml:"errors.retry.delay.max.ms" doc:"longest pause between two tries"`

	RestartDelay    time.Duration `yaml:"restart.backoff.ms" doc:"pause before the first restart of a failed task; it doubles up to restart.backoff.max.ms"`
	RestartDelayMax time.Duration `yaml:"restart.backoff.max.ms" doc:"longest pause before a restart"`

	Reload        string `yaml:"config.action.reload" noeffect:"secrets are read when the connector starts; restart it after changing them"`
	EnforceTasks  string `yaml:"tasks.max.enforce" noeffect:"a connector never has more tasks than tasks.max"`
	PluginVersion string `yaml:"connector.plugin.version" noeffect:"a connectd binary has one version of each connector"`
}

func (c *common) Defaults() {
	c.TasksMax = 1
	c.Tolerance = "none"
	c.Replication = -1
	c.Context = true
	c.RetryTimeout = endless
	c.RetryDelayMax = time.Minute
	c.RestartDelay = time.Second
	c.RestartDelayMax = time.Minute
}

// patience is how long something is tried again: Kafka Connect's errors.retry.timeout is a number
// of milliseconds, or -1 for without end.
type patience time.Duration

const endless patience = -1

// UnmarshalText reads milliseconds, -1, or a duration with a unit.
func (p *patience) UnmarshalText(text []byte) error {
	if ms, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		switch {
		case ms == -1:
			*p = endless
		case ms < 0 || ms > math.MaxInt64/int64(time.Millisecond):
			return errors.New("write milliseconds, or -1 for without end")
		default:
			*p = patience(time.Duration(ms) * time.Millisecond)
		}
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 0 {
		return errors.New("write milliseconds, a duration such as 60s, or -1 for without end")
	}
	*p = patience(d)
	return nil
}

// String is -1 or the number of milliseconds.
func (p patience) String() string {
	if p == endless {
		return "-1"
	}
	return strconv.FormatInt(time.Duration(p).Milliseconds(), 10)
}

// Over says whether the time since the first try is used up.
func (p patience) Over(since time.Time) bool {
	return p != endless && time.Since(since) >= time.Duration(p)
}

func (c *common) Validate(r *config.Report) {
	if c.TasksMax < 1 {
		r.Errorf("tasks.max", "is %d; write 1 or more", c.TasksMax)
	}
	if len(c.Predicates) > 0 {
		r.Errorf("predicates", "are not supported yet; remove them, or filter at the source")
	}
	if c.RestartDelay <= 0 {
		r.Errorf("restart.backoff.ms", "is not a pause; write 1 or more")
	}
	if c.RestartDelayMax < c.RestartDelay {
		r.Errorf("restart.backoff.max.ms", "is shorter than restart.backoff.ms; write %d or more", c.RestartDelay.Milliseconds())
	}
	if c.RetryDelayMax <= 0 {
		r.Errorf("errors.retry.delay.max.ms", "is not a pause; write 1 or more")
	}
	if c.DeadLetters != "" && c.Tolerance == "none" {
		r.Warnf("errors.deadletterqueue.topic.name", "gets nothing while errors.tolerance is none; write errors.tolerance: all")
	}
}

// SourceSettings are the runtime's own keys of a source.
type SourceSettings struct {
	common
	MaxInFlight int `yaml:"max.in.flight" doc:"batches that may be on their way to Kafka; a source waits when all are"`

	TopicCreation bool              `yaml:"topic.creation.enable" doc:"create the topics that the source writes to and that do not exist"`
	TopicDefaults map[string]string `yaml:"topic.creation.default.*" doc:"partitions, replication.factor and any topic property of the topics that are created"`
	TopicGroups   []string          `yaml:"topic.creation.groups" doc:"names of further rules for created topics"`

	ExactlyOnce    string        `yaml:"exactly.once.support" values:"requested,required" doc:"required: write records and source offsets in transactions, so that readers of committed records see each record once; requested: only where the worker's exactly.once.source.support says so, and at least once otherwise"`
	Boundary       string        `yaml:"transaction.boundary" values:"poll,interval,connector" doc:"what a transaction holds: poll, a batch of the source, or several while more are ready; interval, all of transaction.boundary.interval.ms"`
	BoundaryPeriod time.Duration `yaml:"transaction.boundary.interval.ms" doc:"how long a transaction stays open with transaction.boundary: interval; readers of committed records wait as long"`
	OffsetsTopic   string        `yaml:"offsets.storage.topic" doc:"compacted topic for this connector's source offsets, instead of the worker's offset.storage.topic"`
}

const maxInFlight = 16

func (s *SourceSettings) Defaults() {
	s.common.Defaults()
	s.MaxInFlight = maxInFlight
	s.TopicCreation = true
	s.ExactlyOnce = "requested"
	s.Boundary = "poll"
	s.BoundaryPeriod = time.Minute
}

func (s *SourceSettings) Validate(r *config.Report) {
	s.common.Validate(r)
	if s.MaxInFlight < 1 {
		r.Errorf("max.in.flight", "is %d; write 1 or more", s.MaxInFlight)
	}
	if s.Boundary == "connector" {
		r.Errorf("transaction.boundary", "connector is not supported: no source decides by itself where a transaction ends; write poll or interval")
	}
	if s.BoundaryPeriod < time.Millisecond {
		r.Errorf("transaction.boundary.interval.ms", "is not a pause; write 1 or more")
	}
	if len(s.TopicGroups) > 0 {
		r.Errorf("topic.creation.groups", "is not supported yet; topic.creation.default.* applies to all topics")
	}
	if _, err := topicSpec(s.TopicDefaults); err != nil {
		r.Errorf(err.key, "%s", err.text)
	}
}

const DefaultLinger = time.Second

// SinkSettings are the runtime's own keys of a sink.
type SinkSettings struct {
	common
	Topics  []string       `yaml:"topics" doc:"topics to read"`
	Pattern *regexp.Regexp `yaml:"topics.regex" doc:"topics to read, as a regular expression of the whole name"`

	MaxRows   int           `yaml:"batch.max.rows" doc:"flush a partition after this many records; where small flushes cost little, the first flush of most partitions comes sooner, so that they do not all wait for the target at once"`
	MaxBytes  config.Size   `yaml:"batch.max.bytes" doc:"flush a partition after this much data"`
	Linger    time.Duration `yaml:"linger.ms" doc:"flush a partition when its first record has waited this long; where it is not written, a sink whose flushes cost little does not wait once Kafka has nothing more and an eighth of a batch is there"`
	OnGap     string        `yaml:"on.offset.gap" values:"fail,skip" doc:"what to do when Kafka has deleted records that were not read yet"`
	Recreated string        `yaml:"on.topic.recreated" values:"fail,reset" doc:"what to do when a topic was deleted and created again while it was read: stop, or read the new one from where auto.offset.reset says"`
	Protocol  string        `yaml:"consumer.group.protocol" values:"classic,consumer" doc:"group protocol: classic, or consumer for KIP-848; the worker's group.protocol when it is not set"`

	Spooled, Whole bool // see Batching
	Soon           bool // a flush at the log's end need not wait for Linger
}

func (s *SinkSettings) Defaults() {
	s.common.Defaults()
	s.MaxRows = 50000
	s.MaxBytes = 16 << 20
	s.Linger = DefaultLinger
	s.OnGap = "fail"
	s.Recreated = "fail"
}

func (s *SinkSettings) Validate(r *config.Report) {
	s.common.Validate(r)
	switch {
	case r.Set("topics") && r.Set("topics.regex"):
		r.Errorf("topics.regex", "is set together with topics; remove one of them")
	case len(s.Topics) == 0 && s.Pattern == nil && !r.Set("topics.regex"):
		r.Errorf("topics", "is missing; name the topics to read, or write topics.regex")
	}
	if s.MaxRows < 1 {
		r.Errorf("batch.max.rows", "is %d; write 1 or more", s.MaxRows)
	}
	if s.MaxBytes < 1 {
		r.Errorf("batch.max.bytes", "is %d; write 1 or more", s.MaxBytes)
	}
	if s.Linger < 0 {
		r.Errorf("linger.ms", "is negative; write 0 or more")
	}
}

// adopt takes over what the sink's own settings say about batching.
func (s *SinkSettings) adopt(own config.Settings, written *config.Section) {
	is := func(key string) bool { _, ok := written.Get(key); return ok }
	var says connect.Batching
	if b, ok := own.(connect.Batcher); ok {
		says = b.Batching()
	}
	s.Spooled, s.Whole = says.Spooled, says.Whole
	s.Soon = !says.Spooled && !says.Whole && !is("linger.ms")
	if says.Rows > 0 && !is("batch.max.rows") {
		s.MaxRows = says.Rows
	}
	if says.Bytes > 0 && !is("batch.max.bytes") {
		s.MaxBytes = says.Bytes
	}
	if says.Linger > 0 && !is("linger.ms") {
		s.Linger = says.Linger
	}
}
