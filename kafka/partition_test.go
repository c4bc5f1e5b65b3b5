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
	p := newPartitioner("t")
	for _, c := range cases {
		for _, n := range []int{1, 2, 3, 6, 12, 25, 1000} {
			r := &kgo.Record{Key: []byte(c.key)}
			want := int(c.hash&0x7fffffff) % n
			if got := p.Partition(r, n); got != want {
				t.Errorf("key %q of %d partitions: got %d, want %d", c.key, n, got, want)
			}
		}
	}
}
