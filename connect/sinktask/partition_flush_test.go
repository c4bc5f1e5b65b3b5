package sinktask

import (
	"testing"
	"time"

	"connectd/connect/connector"
	"connectd/kafka"
	"connectd/record"
)

// A range that the log makes full is not cut by the clock, but for a while only.
func TestLingeredWhole(t *testing.T) {
	for _, test := range []struct {
		name   string
		whole  bool
		logEnd int64
		waited time.Duration
		want   bool // flushed
	}{
		{"behind", true, 1000, 0, false},
		{"behind for too long", true, 1000, wholeLingers * time.Second, true},
		{"not so far behind", true, 999, 0, true},
		{"flushes cost little", false, 1000, 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := benchPartition(t, "batch.max.rows", "1000", "linger.ms", "1000")
			p.config.Whole = test.whole
			p.logEnd.Store(test.logEnd)
			msgs := make([]kafka.Message, 10)
			for i := range msgs {
				msgs[i] = kafka.Message{Topic: "numbers", Offset: int64(i), Value: []byte(`{"n":1}`)}
			}
			if err := p.takeAll(t.Context(), msgs); err != nil {
				t.Fatal(err)
			}
			p.began = p.began.Add(-test.waited)
			if err := p.lingered(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := p.start == 10; got != test.want {
				t.Errorf("flushed: %t, want %t", got, test.want)
			}
		})
	}
}

// TestFirstRows: partitions that begin together do not flush together, where small flushes cost little.
func TestFirstRows(t *testing.T) {
	for _, c := range []struct {
		soon bool
		max  int
		id   int32
		want int64
	}{
		{true, 50_000, 0, 12_500}, {true, 50_000, 1, 25_000}, {true, 50_000, 3, 50_000}, {true, 50_000, 4, 12_500},
		{true, 1, 0, 1}, {false, 50_000, 0, 50_000},
	} {
		p := &partition{id: record.Partition{ID: c.id}, config: &connector.SinkSettings{MaxRows: c.max, Soon: c.soon}}
		if got := p.firstRows(); got != c.want {
			t.Errorf("soon %v, batch.max.rows %d, partition %d: %d, want %d", c.soon, c.max, c.id, got, c.want)
		}
	}
}
