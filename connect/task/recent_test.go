package task

import (
	"testing"
	"time"
)

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
