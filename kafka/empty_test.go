package kafka

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"connectd/record"
)

// TestEmpty: an aborted record and the markers of transactions are offsets that no reader is
// given, and an offset that is still to come is neither there nor missing.
func TestEmpty(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		topic := unique(t)
		dropTopic(t, s, topic)
		admin, err := NewAdmin(s)
		if err != nil {
			t.Fatal(err)
		}
		defer admin.Close()
		if err := admin.EnsureTopic(t.Context(), topic, TopicSpec{Partitions: 1, Replication: 1}); err != nil {
			t.Fatal(err)
		}
		client, err := newClient(s, log(), kgo.TransactionalID(topic), kgo.DefaultProduceTopic(topic), kgo.RequestTimeoutOverhead(10*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		for _, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
			if err := client.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			if err := client.ProduceSync(t.Context(), kgo.StringRecord("x")).FirstErr(); err != nil {
				t.Fatal(err)
			}
			if err := client.EndTransaction(t.Context(), end); err != nil {
				t.Fatal(err)
			}
		}
		// 0 committed, 1 its marker, 2 aborted, 3 its marker.
		p := record.Partition{Topic: topic}
		for _, c := range []struct {
			from, end int64
			want      bool
		}{{0, 1, false}, {0, 4, false}, {1, 2, true}, {1, 4, true}, {2, 3, true}} {
			got, err := admin.Empty(within(t, time.Minute), p, c.from, c.end)
			if err != nil || got != c.want {
				t.Errorf("[%d,%d): %v, %v; want %v", c.from, c.end, got, err, c.want)
			}
		}
		soon, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := admin.Empty(soon, p, 4, 5); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("an offset that is still to come: %v, want it waited for", err)
		}
	})
}
