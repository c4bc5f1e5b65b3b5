package task

import (
	"math"
	"testing"
	"time"
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
