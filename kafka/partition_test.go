package kafka

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestPartitionByKey compares with what org.apache.kafka.common.utils.Utils.murmur2 of Kafka
// 4.3.1 returns, made positive and reduced as the Java client does.
func TestPartitionByKey(t *testing.T) {
	cases := []struct {
		key  string
		hash int32
	}{
		{"", 275646681},
		{"a", -1563381124},
		{"ab", 316155434},
		{"abc", 479470107},
		{"21", -973932308},
		{"foobar", -790332482},
		{"a-little-bit-long-string", -985981536},
		{"a-little-bit-longer-string", -1486304829},
		{"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
		{`{"id":1}`, -56768732},
		{`{"id":42}`, 486015037},
		{`{"schema":null,"payload":{"id":7}}`, -1984693182},
		{"Zürich", -1551140815},
		{"鍵", 1131375336},
		{"\xff\x80\x00\x81\xfe", 1393842072},
	}
	p := newPartitioner().ForTopic("t")
	for _, c := range cases {
		for _, n := range []int{1, 2, 3, 6, 12, 25, 1000} {
			r := &kgo.Record{Key: []byte(c.key), Partition: ByKey}
			if r.Key == nil {
				r.Key = []byte{}
			}
			want := int(c.hash&0x7fffffff) % n
			if got := p.Partition(r, n); got != want {
				t.Errorf("key %q of %d partitions: got %d, want %d", c.key, n, got, want)
			}
			if !p.RequiresConsistency(r) {
				t.Errorf("key %q may move to another partition", c.key)
			}
		}
	}
}

func TestPartitionNamed(t *testing.T) {
	p := newPartitioner().ForTopic("t")
	r := &kgo.Record{Key: []byte("a"), Partition: 3}
	if got := p.Partition(r, 6); got != 3 {
		t.Errorf("got partition %d, want the named one, 3", got)
	}
	if !p.RequiresConsistency(r) {
		t.Error("a record for a named partition may move to another one")
	}
}

func TestPartitionWithoutKey(t *testing.T) {
	p := newPartitioner().ForTopic("t")
	r := &kgo.Record{Partition: ByKey}
	if p.RequiresConsistency(r) {
		t.Error("a record without a key waits for one partition")
	}
	first := p.Partition(r, 6)
	for range 10 {
		if got := p.Partition(r, 6); got != first {
			t.Fatalf("changed from partition %d to %d within a batch", first, got)
		}
	}
	p.(kgo.TopicPartitionerOnNewBatch).OnNewBatch()
	if got := p.Partition(r, 6); got == first {
		t.Errorf("stayed on partition %d with a new batch", got)
	}
}
