// Package deadletter writes and reads dead letters, the records that a connector could not process,
// and sends them back to where they came from. They are in the topics that
// errors.deadletterqueue.topic.name names, in Kafka Connect's format, so that letters of a Kafka
// Connect are read as well. A connector's tasks make messages of Letter values; out of messages come
// Letter values, or records of the topics of origin.
package deadletter

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"connectd/kafka"
	"connectd/record"
)

// headerPrefix begins the names of the headers that say what has happened to a record.
const headerPrefix = "__connect.errors."

// Letter is a dead letter.
type Letter struct {
	Place   Place     // of the letter
	Written time.Time // the letter
	Origin  Place     // of the record; its Offset is -1 when it is not known, as for a source's

	Connector, Task string
	Stage           string // Kafka Connect's name of the step that has failed
	Class           string // of the connector, converter or transform
	Exception       string
	Cause           string
	Trace           string

	Key, Value []byte
	Headers    []kafka.Header // of the record itself
}

// Place is a record in Kafka.
type Place struct {
	record.Partition
	Offset int64
}

// String is, for example, orders-0@17.
func (p Place) String() string { return p.Partition.String() + "@" + strconv.FormatInt(p.Offset, 10) }

// ParsePlace reads what Place.String writes.
func ParsePlace(text string) (p Place, err error) {
	wrong := fmt.Errorf("%q is not the place of a record; write TOPIC-PARTITION@OFFSET, such as dead-letters-0@17", text)
	at := strings.LastIndexByte(text, '@')
	dash := strings.LastIndexByte(text[:max(at, 0)], '-')
	if at < 0 || dash < 1 {
		return p, wrong
	}
	id, err := strconv.ParseInt(text[dash+1:at], 10, 32)
	if err == nil {
		p.Offset, err = strconv.ParseInt(text[at+1:], 10, 64)
	}
	if err != nil || id < 0 || p.Offset < 0 {
		return p, wrong
	}
	p.Partition = record.Partition{Topic: text[:dash], ID: int32(id)}
	return p, nil
}

// Message is the letter as it is written to topic, in the order in which Kafka Connect has its
// headers; without context it is the record alone. Its offset is the record's, for the caller.
func (l *Letter) Message(topic string, context bool) kafka.Message {
	m := kafka.Message{Topic: topic, Partition: kafka.ByKey, Offset: l.Origin.Offset, Timestamp: record.NoTimestamp, Key: l.Key, Value: l.Value}
	m.Headers = append(m.Headers, l.Headers...)
	if !context {
		return m
	}
	add := func(name, value string) {
		m.Headers = append(m.Headers, kafka.Header{Name: headerPrefix + name, Value: []byte(value)})
	}
	add("topic", l.Origin.Topic)
	if l.Known() {
		add("partition", strconv.FormatInt(int64(l.Origin.ID), 10))
		add("offset", strconv.FormatInt(l.Origin.Offset, 10))
	}
	add("connector.name", l.Connector)
	add("task.id", l.Task)
	add("stage", l.Stage)
	add("class.name", l.Class)
	add("exception.class.name", l.Exception)
	add("exception.message", l.Cause)
	add("exception.stacktrace", l.Trace)
	return m
}

// Parse reads a letter. A message without the headers, as errors.deadletterqueue.context.headers.enable:
// false writes it, is a letter of which only the record is known.
func Parse(m *kafka.Message) Letter {
	l := Letter{
		Place:   Place{record.Partition{Topic: m.Topic, ID: m.Partition}, m.Offset},
		Written: time.UnixMilli(m.Timestamp).UTC(),
		Origin:  Place{Offset: -1},
		Key:     m.Key, Value: m.Value,
	}
	partition, offset := int64(-1), int64(-1)
	for _, h := range m.Headers {
		name, ours := strings.CutPrefix(h.Name, headerPrefix)
		if !ours {
			l.Headers = append(l.Headers, h)
			continue
		}
		value := string(h.Value)
		switch name { // of a name that is there twice the last one counts: it was added last
		case "topic":
			l.Origin.Topic = value
		case "partition":
			partition = number(value)
		case "offset":
			offset = number(value)
		case "connector.name":
			l.Connector = value
		case "task.id":
			l.Task = value
		case "stage":
			l.Stage = value
		case "class.name":
			l.Class = value
		case "exception.class.name":
			l.Exception = value
		case "exception.message":
			l.Cause = value
		case "exception.stacktrace":
			l.Trace = value
		}
	}
	if partition >= 0 && offset >= 0 && l.Origin.Topic != "" {
		l.Origin.ID, l.Origin.Offset = int32(partition), offset
	}
	return l
}

// number is text as a number, -1 when it is none.
func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// Known says whether the place of the record is known: whether it can be sent back.
func (l *Letter) Known() bool { return l.Origin.Offset >= 0 }

// Record is the record as it was in its topic, to be written there again: in the same partition,
// which its key need not have chosen.
func (l *Letter) Record() kafka.Message {
	return kafka.Message{
		Topic: l.Origin.Topic, Partition: l.Origin.ID, Timestamp: record.NoTimestamp,
		Key: l.Key, Value: l.Value, Headers: l.Headers,
	}
}
