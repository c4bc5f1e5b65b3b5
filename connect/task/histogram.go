package task

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// Histogram counts durations in buckets that grow by a quarter of a power of two, so a quantile
// is right within a fifth of its value at every scale. It costs one atomic addition, takes no
// lock and can be added to others. The zero Histogram is empty.
type Histogram struct {
	buckets [histogramBuckets]atomic.Int64
	micros  atomic.Int64 // sum
}

const (
	histogramBuckets = 160 // from 1 µs to about 12 days
	quarters         = 4   // buckets for each power of two
)

// Observe counts one duration.
func (h *Histogram) Observe(d time.Duration) { h.add(d.Microseconds(), 1) }

// observeMillis counts n equal durations of that many milliseconds.
func (h *Histogram) observeMillis(ms, n int64) { h.add(ms*1000, n) }

func (h *Histogram) add(micros, n int64) {
	micros = max(micros, 0) // clocks of two machines may differ
	h.buckets[bucketOf(micros)].Add(n)
	h.micros.Add(micros * n)
}

// bucketOf is the bucket of a duration: the position of its highest bit, and the two bits after.
func bucketOf(micros int64) int {
	if micros < quarters {
		return int(micros)
	}
	high := bits.Len64(uint64(micros)) - 1
	quarter := int(micros>>(high-2)) & (quarters - 1)
	return min((high-1)*quarters+quarter, histogramBuckets-1)
}

// upper is the smallest number of microseconds above bucket i.
func upper(i int) float64 {
	i++
	if i < quarters {
		return float64(i)
	}
	high, quarter := i/quarters+1, i%quarters
	return math.Ldexp(1+float64(quarter)/quarters, high)
}

// Merge adds what other has counted.
func (h *Histogram) Merge(other *Histogram) {
	for i := range h.buckets {
		h.buckets[i].Add(other.buckets[i].Load())
	}
	h.micros.Add(other.micros.Load())
}

// Sub takes away what earlier, an older copy of h, had counted: what is left is of the time
// between.
func (h *Histogram) Sub(earlier *Histogram) {
	for i := range h.buckets {
		h.buckets[i].Add(-earlier.buckets[i].Load())
	}
	h.micros.Add(-earlier.micros.Load())
}

// reset empties h.
func (h *Histogram) reset() {
	for i := range h.buckets {
		h.buckets[i].Store(0)
	}
	h.micros.Store(0)
}

// Count is how many durations were counted.
func (h *Histogram) Count() int64 {
	var n int64
	for i := range h.buckets {
		n += h.buckets[i].Load()
	}
	return n
}

// Sum is all durations together.
func (h *Histogram) Sum() time.Duration { return time.Duration(h.micros.Load()) * time.Microsecond }

// Quantile is the duration that the share q (0.95) of all is not above; 0 without any.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := int64(math.Ceil(q * float64(h.Count())))
	for i := range h.buckets {
		n := h.buckets[i].Load()
		if rank -= n; rank <= 0 && n > 0 {
			return time.Duration(upper(i) * float64(time.Microsecond))
		}
	}
	return 0
}
