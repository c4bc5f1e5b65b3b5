package record

import "strconv"

// Partition is one partition of a topic.
type Partition struct {
	Topic string
	ID    int32
}

// String is "topic-id", as Kafka's own tools write it.
func (p Partition) String() string { return p.Topic + "-" + strconv.Itoa(int(p.ID)) }

// Range is the run of offsets [Start, End) of one partition that one flush makes durable.
type Range struct {
	Partition Partition
	Start     int64  // first offset
	End       int64  // offset after the last
	ID        string // names this flush, the same on every attempt: 32 hex digits
	Time      int64  // when the first attempt was decided on, milliseconds since 1970
	Changed   bool   // the first attempt was made with other settings
}

// SourceOffset is a position in an external system in Kafka Connect's form: two JSON objects,
// which part of the system (such as {"server":"shop"}) and where in it. Offset nil forgets it.
type SourceOffset struct {
	Partition []byte
	Offset    []byte
}
