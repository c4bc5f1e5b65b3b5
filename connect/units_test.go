package connect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"connectd/kafka"
)

func TestHistogramQuantile(t *testing.T) {
	var h Histogram
	for n := range 1000 {
		h.Observe(time.Duration(n+1) * time.Millisecond)
	}
	for _, c := range []struct {
		q    float64
		want time.Duration
	}{{0.5, 500 * time.Millisecond}, {0.95, 950 * time.Millisecond}, {1, time.Second}} {
		got := h.Quantile(c.q)
		if off := math.Abs(float64(got-c.want)) / float64(c.want); off > 0.2 || got < c.want {
			t.Errorf("quantile %v is %s, want %s or up to a fifth more", c.q, got, c.want)
		}
	}
	var other, difference Histogram
	other.Observe(-time.Hour) // clocks differ
	difference.Merge(&h)
	difference.Merge(&other)
	if n := difference.Count(); n != 1001 {
		t.Errorf("count %d after merge", n)
	}
	difference.Sub(&h)
	if n, q := difference.Count(), difference.Quantile(0.5); n != 1 || q != time.Microsecond {
		t.Errorf("count %d, median %s; want the one that was added", n, q)
	}
}

func TestHistogramBucketsMeet(t *testing.T) {
	for i := range histogramBuckets - 1 {
		edge := int64(upper(i))
		if bucketOf(edge-1) != i || bucketOf(edge) != i+1 {
			t.Fatalf("%d µs is the upper end of bucket %d, but %d and %d are in %d and %d", edge, i, edge-1, edge, bucketOf(edge-1), bucketOf(edge))
		}
	}
}

func TestRecentForgets(t *testing.T) {
	var r recent
	now := time.Unix(1_000_000, 0)
	arrive := func(after, latency time.Duration) {
		at := now.Add(after)
		r.observe([]timeRun{{at.Add(-latency).UnixMilli(), 1}}, at)
	}
	arrive(0, 10*time.Second)
	arrive(5*time.Second, time.Second)
	for _, c := range []struct {
		after time.Duration
		n     int64
		p95   time.Duration
	}{{5 * time.Second, 2, 10 * time.Second}, {12 * time.Second, 1, time.Second}, {20 * time.Second, 0, 0}} {
		h := r.histogram(now.Add(c.after))
		if got := h.Quantile(0.95); h.Count() != c.n || got < c.p95 || got > c.p95+c.p95/5 {
			t.Errorf("after %s: %d records, p95 %s; want %d and %s", c.after, h.Count(), got, c.n, c.p95)
		}
	}
	arrive(10*time.Second, time.Minute) // takes the first one's slot
	if n := r.histogram(now.Add(10 * time.Second)).Count(); n != 2 {
		t.Errorf("%d records, want those of this second and of five seconds ago", n)
	}
}

func TestTaskBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Connector{Name: "c", common: &common{RestartDelay: time.Second, RestartDelayMax: time.Minute}}
		var starts []time.Time
		permanent := errors.New("no such table")
		task := newTask(c, 0, slog.New(slog.NewTextHandler(io.Discard, nil)), func(ctx context.Context, _ *task) error {
			starts = append(starts, time.Now())
			switch len(starts) {
			case 9:
				time.Sleep(healthy) // then the pauses begin anew
			case 11:
				return Permanent(permanent)
			}
			return errors.New("connection refused")
		})
		task.start(t.Context())
		task.wait()
		for i := 1; i < len(starts); i++ {
			pause := starts[i].Sub(starts[i-1])
			bound := min(time.Second<<(i-1), time.Minute)
			switch i {
			case 9:
				pause, bound = pause-healthy, time.Second
			case 10:
				bound = 2 * time.Second
			}
			if pause <= 0 || pause > bound {
				t.Errorf("pause %d is %s, want up to %s", i, pause, bound)
			}
		}
		s := task.status()
		if s.State != Failed || !errors.Is(s.Cause, permanent) || s.Restarts != 10 || len(starts) != 11 {
			t.Errorf("state %s, cause %v, restarts %d, starts %d", s.State, s.Cause, s.Restarts, len(starts))
		}
	})
}

func TestIntent(t *testing.T) {
	i := newIntent(42, "01234567")
	text := i.metadata()
	if len(text) > 130 {
		t.Errorf("%d bytes: %s", len(text), text)
	}
	back, err := parseIntent(text, 41)
	if err != nil || back.End != 42 || back.ID != i.ID || back.Config != "01234567" || back.Time != i.Time {
		t.Errorf("%s is read as %+v, %v", text, back, err)
	}
	for _, foreign := range []string{"", "hello", "{}", `{"v":1}`, "[1]"} {
		if back, err := parseIntent(foreign, 0); back != nil || err != nil {
			t.Errorf("%q is read as %+v, %v", foreign, back, err)
		}
	}
	for _, wrong := range []string{`{"v":2,"end":5,"id":"ab"}`, `{"v":1,"end":5,"id":"ab"}`} {
		if _, err := parseIntent(wrong, 5); err == nil {
			t.Errorf("%s at offset 5 is accepted", wrong)
		}
	}
}

func TestSinkFetches(t *testing.T) {
	for _, test := range []struct {
		name      string
		worker    kafka.Consuming
		connector map[string]string
		want      string // fetch.max.wait.ms, fetch.max.bytes, max.partition.fetch.bytes
	}{
		{"not written", unset.Consuming, nil, "50ms 2MiB 512KiB"},
		{"of the worker", kafka.Consuming{FetchWait: 2 * time.Second, FetchMax: 1 << 20, PartitionMax: 2 << 20}, nil, "2s 1MiB 2MiB"},
		{"of the connector", unset.Consuming, map[string]string{"consumer.override.fetch.max.wait.ms": "700", "consumer.override.fetch.max.bytes": "3MiB",
			"consumer.override.max.partition.fetch.bytes": "4MiB"}, "700ms 3MiB 4MiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var s WorkerSettings
			s.Defaults()
			k := unset
			k.Brokers = []string{"127.0.0.1:1"}
			k.FetchWait, k.FetchMax, k.PartitionMax = test.worker.FetchWait, test.worker.FetchMax, test.worker.PartitionMax
			settings := sinkOf()
			maps.Copy(settings, test.connector)
			o, _, err := NewWorker(&s, k, testLog(t)).groupOptions(load(t, testPlugins(nil, newMemory()), "to-memory", settings), 0)
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(o.FetchWait, o.FetchMax, o.PartitionMax); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

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
			p.config.whole = test.whole
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
