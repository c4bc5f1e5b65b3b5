package kafka

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"connectd/config"
)

// Settings is how to reach a cluster and how to produce to and consume from it, by Kafka's own
// property names. One Settings serves every client that this package builds; With derives the
// one of a connector from the one of the worker.
type Settings struct {
	Brokers  []string      `yaml:"bootstrap.servers" doc:"brokers to ask first, host:port with commas between"`
	ClientID string        `yaml:"client.id" doc:"name of this client in the broker's logs and quotas"`
	Rack     string        `yaml:"client.rack" doc:"where this client is; brokers may let it read from a replica in the same rack"`
	Request  time.Duration `yaml:"request.timeout.ms" doc:"how long one request may take before it is sent again"`
	Metadata time.Duration `yaml:"metadata.max.age.ms" doc:"how often topics and partitions are looked up again; a new topic that matches topics.regex is found within this time"`

	Security
	Producing
	Consuming
	WithoutEffect
}

// Producing is what is configured with Kafka's producer properties.
type Producing struct {
	Acks        string        `yaml:"acks" values:"all,-1" doc:"who must have a record before it counts as written; sources need all in-sync replicas"`
	Idempotent  bool          `yaml:"enable.idempotence" doc:"whether the broker drops repeated sends; always true for sources"`
	Compression string        `yaml:"compression.type" values:"none,gzip,snappy,lz4,zstd" doc:"how batches are compressed"`
	Linger      time.Duration `yaml:"linger.ms" doc:"how long a record waits for others to share its batch; 0 sends at once, and batches form while earlier ones are on their way"`
	MaxRequest  config.Size   `yaml:"max.request.size" doc:"largest batch, and so the largest record, before compression"`
	Buffer      config.Size   `yaml:"buffer.memory" doc:"bytes of records that may wait for their acknowledgement; more blocks the source"`
	Delivery    time.Duration `yaml:"delivery.timeout.ms" doc:"how long a record may wait for its acknowledgement before the task fails"`
	Transaction time.Duration `yaml:"transaction.timeout.ms" doc:"how long the broker leaves a transaction open whose producer is silent; readers of committed records wait as long behind one that died"`
}

// Consuming is what is configured with Kafka's consumer properties.
type Consuming struct {
	FetchMin       config.Size   `yaml:"fetch.min.bytes" doc:"bytes that a broker gathers before it answers a fetch"`
	FetchMax       config.Size   `yaml:"fetch.max.bytes" doc:"most bytes in one fetch answer; sinks take 8MiB where this is left at its default"`
	PartitionMax   config.Size   `yaml:"max.partition.fetch.bytes" doc:"most bytes of one partition in one fetch answer; sinks take 512KiB where this is left at its default"`
	FetchWait      time.Duration `yaml:"fetch.max.wait.ms" doc:"longest time that a broker gathers before it answers a fetch; sinks take 50 where this is left at its default"`
	MaxPoll        int           `yaml:"max.poll.records" doc:"most records that are handed over at once"`
	Isolation      string        `yaml:"isolation.level" values:"read_uncommitted,read_committed" doc:"whether records of open and aborted transactions are read"`
	Reset          string        `yaml:"auto.offset.reset" values:"earliest,latest,none" doc:"where to start a partition without a committed offset; none fails the task"`
	Session        time.Duration `yaml:"session.timeout.ms" doc:"how long the group waits for a silent member before it gives its partitions away"`
	Heartbeat      time.Duration `yaml:"heartbeat.interval.ms" doc:"how often a member tells the group that it lives"`
	RebalanceLimit time.Duration `yaml:"max.poll.interval.ms" doc:"how long a rebalance waits for a member to finish its partitions"`
	GroupProtocol  string        `yaml:"group.protocol" values:"classic,consumer" doc:"rebalance protocol: classic, or consumer for KIP-848 (Kafka 4.0 and later)"`
	InstanceID     string        `yaml:"group.instance.id" doc:"name of a static member, which may restart within session.timeout.ms without a rebalance"`
	Assignors      []string      `yaml:"partition.assignment.strategy" doc:"how the classic protocol spreads partitions: cooperative-sticky, sticky, range or roundrobin, or their Java classes"`
}

// WithoutEffect are the properties of the Java clients that need no setting here.
type WithoutEffect struct {
	_ int    `yaml:"batch.size" noeffect:"batches grow as far as max.request.size while earlier ones are on their way"`
	_ int    `yaml:"max.in.flight.requests.per.connection" noeffect:"one request at a time goes to a broker, with a batch of each partition; what comes meanwhile makes the next one"`
	_ int    `yaml:"retries" noeffect:"records are sent again until delivery.timeout.ms"`
	_ int    `yaml:"retry.backoff.ms" noeffect:"retries back off from 100 ms to 1 s by themselves"`
	_ bool   `yaml:"enable.auto.commit" noeffect:"offsets are committed when the target has the records"`
	_ string `yaml:"key.serializer" noeffect:"key.converter decides"`
	_ string `yaml:"value.serializer" noeffect:"value.converter decides"`
	_ string `yaml:"key.deserializer" noeffect:"key.converter decides"`
	_ string `yaml:"value.deserializer" noeffect:"value.converter decides"`
}

// Defaults are Kafka's own, but for: lz4, batches formed without lingering, and topics looked up
// every five seconds.
func (s *Settings) Defaults() {
	*s = Settings{
		ClientID: "connectd",
		Request:  30 * time.Second,
		Metadata: 5 * time.Second,
		Security: Security{
			Protocol:       "PLAINTEXT",
			Mechanism:      "PLAIN",
			TruststoreType: "PEM",
			KeystoreType:   "PEM",
			CheckHost:      "https",
		},
		Producing: Producing{
			Acks:        "all",
			Idempotent:  true,
			Compression: "lz4",
			MaxRequest:  1 << 20,
			Buffer:      32 << 20,
			Delivery:    2 * time.Minute,
			Transaction: time.Minute,
		},
		Consuming: Consuming{
			FetchMin:       1,
			FetchMax:       50 << 20,
			PartitionMax:   1 << 20,
			FetchWait:      500 * time.Millisecond,
			MaxPoll:        10_000,
			Isolation:      "read_uncommitted",
			Reset:          "earliest",
			Session:        45 * time.Second,
			Heartbeat:      3 * time.Second,
			RebalanceLimit: 5 * time.Minute,
			GroupProtocol:  "classic",
			Assignors:      []string{"cooperative-sticky"},
		},
	}
}

// Validate checks ranges and combinations, and reads the key and certificate files.
func (s *Settings) Validate(r *config.Report) {
	if !s.Idempotent {
		r.Errorf("enable.idempotence", "must be true: without it a retry can write a record twice or out of order")
	}
	positive(r, "request.timeout.ms", s.Request)
	positive(r, "metadata.max.age.ms", s.Metadata)
	positive(r, "delivery.timeout.ms", s.Delivery)
	positive(r, "transaction.timeout.ms", s.Transaction)
	positive(r, "session.timeout.ms", s.Session)
	positive(r, "heartbeat.interval.ms", s.Heartbeat)
	positive(r, "max.poll.interval.ms", s.RebalanceLimit)
	if s.Linger < 0 || s.Linger > time.Minute {
		r.Errorf("linger.ms", "%s is out of range; write 0 to 60000", s.Linger)
	}
	if s.Delivery < s.Request+s.Linger {
		r.Errorf("delivery.timeout.ms", "%s is shorter than request.timeout.ms and linger.ms together (%s)", s.Delivery, s.Request+s.Linger)
	}
	if s.Heartbeat >= s.Session {
		r.Errorf("heartbeat.interval.ms", "%s must be shorter than session.timeout.ms (%s); a third of it is usual", s.Heartbeat, s.Session)
	}
	if s.MaxRequest < 512 || s.MaxRequest > 1<<30 {
		r.Errorf("max.request.size", "%d is out of range; write 512 to 1GiB", s.MaxRequest)
	}
	if s.Buffer < s.MaxRequest {
		r.Errorf("buffer.memory", "%s is smaller than max.request.size (%s)", s.Buffer, s.MaxRequest)
	}
	sizes(r, "fetch.min.bytes", s.FetchMin)
	sizes(r, "fetch.max.bytes", s.FetchMax)
	sizes(r, "max.partition.fetch.bytes", s.PartitionMax)
	if s.MaxPoll < 1 {
		r.Errorf("max.poll.records", "%d is out of range; write 1 or more", s.MaxPoll)
	}
	if _, err := balancers(s.Assignors); err != nil {
		r.Errorf("partition.assignment.strategy", "%s", err)
	}
	s.Security.validate(r)
}

func positive(r *config.Report, key string, d time.Duration) {
	if d <= 0 {
		r.Errorf(key, "%s is out of range; write a time above zero", d)
	}
}

func sizes(r *config.Report, key string, n config.Size) {
	if n < 1 || n > 1<<30 {
		r.Errorf(key, "%d is out of range; write 1 to 1GiB", n)
	}
}

// With is s with the overrides of one connector (producer.override.*, consumer.override.*), whose
// keys are property names without that prefix. A property that is not known, or whose value is
// wrong, is an error that names it.
func (s Settings) With(overrides map[string]string) (Settings, error) {
	if len(overrides) == 0 {
		return s, nil
	}
	section := &config.Section{}
	for _, key := range slices.Sorted(maps.Keys(overrides)) {
		section.Entries = append(section.Entries, config.Entry{Key: key, Raw: overrides[key], Value: overrides[key]})
	}
	o := &overridden{base: s}
	if err := config.Decode(section, o).Err(); err != nil {
		return Settings{}, fmt.Errorf("override of a Kafka client property: %w", err)
	}
	return o.Settings, nil
}

// overridden is a Settings that starts from another one instead of the defaults.
type overridden struct {
	Settings
	base Settings
}

func (o *overridden) Defaults() {
	o.Settings = o.base
	o.Brokers = slices.Clone(o.base.Brokers)
	o.Assignors = slices.Clone(o.base.Assignors)
}

// errNoBrokers is what every constructor says without bootstrap.servers.
var errNoBrokers = errors.New("kafka: bootstrap.servers is empty; write host:port of one or more brokers")
