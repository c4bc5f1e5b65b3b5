package sinktask

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"connectd/connect"
	"connectd/connect/connector"
	"connectd/kafka"
)

// sessionTimeout is how long the partitions of a killed process stay without an owner, unless the
// settings say otherwise. Kafka's default for consumers, 45 s, is for programs that heartbeat
// between two polls; Kafka Connect's for workers is this.
const sessionTimeout = 10 * time.Second

// fetchWait is how long a broker gathers before it answers a fetch, unless the settings say
// otherwise. A broker answers one fetch of a member at a time: while it waits for partitions that
// are at their end, one that was paused and goes on gets nothing. Kafka's default is half a second.
const fetchWait = 50 * time.Millisecond

// What one fetch gets, unless the settings say otherwise: a broker's answer is here at once, the next
// one is under way, and both are several times as large when they are decompressed, before
// memory.max.bytes can pause anything. Kafka's defaults are 50 MiB, and 1 MiB of a partition. Some
// 20,000 records are enough to decode while more comes.
const (
	fetchMax     = 2 << 20
	partitionMax = 512 << 10
)

// unset are Kafka's defaults, to know what somebody has set.
var unset = func() (s kafka.Settings) { s.Defaults(); return s }()

// groupOptions are those of the connector's own consumer group.
func (r *Runner) groupOptions(c *connector.Connector, task int) (kafka.Settings, kafka.GroupOptions, error) {
	o := kafka.GroupOptions{
		ID:            "connect-" + c.Name, // Kafka Connect's name, so that its offsets are taken over
		Topics:        c.Sink.Topics,
		Protocol:      c.Sink.Protocol,
		ReadCommitted: true,
	}
	if c.Sink.Pattern != nil {
		o.Pattern = regexp.MustCompile("^(?:" + c.Sink.Pattern.String() + ")$") // Java matches the whole name
	}
	overrides := map[string]string{}
	if r.kafka.Session == unset.Session {
		overrides["session.timeout.ms"] = strconv.FormatInt(sessionTimeout.Milliseconds(), 10)
	}
	if r.kafka.FetchWait == unset.FetchWait {
		overrides["fetch.max.wait.ms"] = strconv.FormatInt(fetchWait.Milliseconds(), 10)
	}
	if r.kafka.FetchMax == unset.FetchMax {
		overrides["fetch.max.bytes"] = strconv.Itoa(fetchMax)
	}
	if r.kafka.PartitionMax == unset.PartitionMax {
		overrides["max.partition.fetch.bytes"] = strconv.Itoa(partitionMax)
	}
	for key, value := range c.Consumer {
		switch key {
		case "group.id":
			o.ID = value
		case "group.instance.id":
			overrides[key] = fmt.Sprintf("%s-%d", value, task) // each task is a member of its own
		default:
			overrides[key] = value
		}
		if key == "isolation.level" && value == "read_uncommitted" {
			o.ReadCommitted = false
		}
		if key == "group.protocol" {
			o.Protocol = value
		}
	}
	k, err := r.kafka.With(overrides)
	if err != nil {
		return k, o, connect.Permanent(fmt.Errorf("consumer.override.*: %w", err))
	}
	return k, o, nil
}
