package connect

import (
	"context"
)

// TopicRead says what a source reads of a topic, beside what it writes: Env.ReadTopic.
type TopicRead struct {
	Topic      string            // with one partition, or only partition 0 is read
	Properties map[string]string // of the consumer, over the worker's own
	Next       int64             // first offset; -1: where Group has committed, or at the end
	Group      string            // of another program that has read the topic before
}

// ReadTopic calls began with the first offset and then each with every record, the old ones and
// those to come, from one goroutine, until ctx is done, either returns an error, or the topic can
// not be read. It creates a topic that is missing.
type ReadTopic func(ctx context.Context, from TopicRead, began func(next int64) error, each func(offset int64, key, value []byte) error) error
