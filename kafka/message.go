package kafka

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"connectd/record"
)

// ByKey as a Message's partition lets the key choose: the same partition that the Java client's
// default partitioner picks. Without a key, records go to one partition after the other, a batch
// at a time.
const ByKey int32 = -1

// Header is a header of a Kafka record. Names may repeat.
type Header struct {
	Name  string
	Value []byte
}

// Message is one Kafka record.
type Message struct {
	Topic     string
	Partition int32 // ByKey: by key
	Offset    int64 // of a consumed message
	Timestamp int64 // milliseconds since 1970; record.NoTimestamp: when it is produced
	Key       []byte
	Value     []byte // nil is null: a tombstone
	Headers   []Header
}

// timestamp is the message's own, or that of now.
func (m *Message) timestamp(now time.Time) int64 {
	if m.Timestamp == record.NoTimestamp {
		return now.UnixMilli()
	}
	return m.Timestamp
}

// read makes m the message of r, and shares r's memory.
func (m *Message) read(r *kgo.Record, headers []Header) []Header {
	*m = Message{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value}
	if len(r.Headers) > 0 {
		at := len(headers)
		for _, h := range r.Headers {
			headers = append(headers, Header{Name: h.Key, Value: h.Value})
		}
		m.Headers = headers[at:len(headers):len(headers)]
	}
	return headers
}

// messages are the messages of records, nil for none.
func messages(records []*kgo.Record) []Message {
	if len(records) == 0 {
		return nil
	}
	ms := make([]Message, len(records))
	var headers []Header
	size := 0
	for i, r := range records {
		headers = ms[i].read(r, headers)
		if alone(r) {
			size += ms[i].size()
		}
	}
	if size == 0 {
		return ms
	}
	own := make([]byte, 0, size)
	for i, r := range records {
		if alone(r) {
			own = ms[i].detach(own)
		}
	}
	return ms
}

// alone says whether r was not compressed: it then points into the broker's answer and would keep
// all of that, which may be megabytes of other partitions.
func alone(r *kgo.Record) bool { return r.Attrs.CompressionType() == 0 }

// size is how much detach appends.
func (m *Message) size() int {
	n := len(m.Key) + len(m.Value)
	for i := range m.Headers {
		n += len(m.Headers[i].Value)
	}
	return n
}

// detach moves what m points to into own.
func (m *Message) detach(own []byte) []byte {
	move := func(p []byte) []byte {
		if p == nil {
			return nil
		}
		at := len(own)
		own = append(own, p...)
		return own[at:len(own):len(own)]
	}
	m.Key, m.Value = move(m.Key), move(m.Value)
	for i := range m.Headers {
		m.Headers[i].Value = move(m.Headers[i].Value)
	}
	return own
}
