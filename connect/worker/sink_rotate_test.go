package worker

import (
	"slices"
	"testing"

	"connectd/connect/connector"
)

// TestSinkRotates makes sure that a writer's own rules end ranges: exactly before the record that it
// names, over a fetch that holds several such records, and in time when nothing follows. What it has
// taken does not count as memory, so a full budget does not cut its ranges.
func TestSinkRotates(t *testing.T) {
	k := testKafka(t)
	fill(t, k, "numbers", 1, 0, 2500)
	store := newMemory()
	w := testWorker(t, k, func(s *connector.WorkerSettings) { s.Memory = 100 })
	w.Add(load(t, testPlugins(nil, store), "to-memory", sinkOf("linger.ms", "3600000", "rotate.every", "1200", "reject", "1200", "errors.tolerance", "all")))
	start(t, w)
	until(t, "all rows", func() bool { return store.count() == 2499 })
	var got [][2]int64
	for _, r := range store.flushes {
		got = append(got, [2]int64{r.Start, r.End})
	}
	if want := [][2]int64{{0, 1200}, {1200, 2400}, {2400, 2500}}; !slices.Equal(got, want) {
		t.Errorf("flushed the ranges %v, want %v", got, want)
	}
}

// TestSinkRotatesNothing makes sure that the offset moves on also where a writer with rules of its own
// has got nothing.
func TestSinkRotatesNothing(t *testing.T) {
	k := testKafka(t)
	fill(t, k, "numbers", 1, 0, 1)
	store := newMemory()
	w := testWorker(t, k)
	w.Add(load(t, testPlugins(nil, store), "to-memory", sinkOf("linger.ms", "3600000", "rotate.every", "10", "reject", "0", "errors.tolerance", "all")))
	start(t, w)
	until(t, "the offset after the only record", func() bool { return slices.Contains(committed(t, k, "to-memory"), "numbers-0=1") })
}
