package kafka

import "github.com/twmb/franz-go/pkg/kgo"

// newPartitioner chooses as the Java client's default partitioner does: by the key (murmur2 without
// the sign bit, modulo the number of partitions), and without one the same partition until
// OnNewBatch.
func newPartitioner(topic string) kgo.TopicPartitioner {
	return kgo.StickyKeyPartitioner(nil).ForTopic(topic)
}
