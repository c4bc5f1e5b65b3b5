package worker

import (
	"testing"

	"connectd/connect/connector"
)

// TestFailingSinkHoldsNoMemory has one target that is away and one that is not: what the first is
// not rid of must not take the memory that the other reads with.
func TestFailingSinkHoldsNoMemory(t *testing.T) {
	k := testKafka(t)
	fill(t, k, "numbers", 4, 0, 400)
	down, up := newMemory(), newMemory()
	down.refusing = 1 << 30
	w := testWorker(t, k, littleMemory)
	w.Add(load(t, testPlugins(nil, down), "to-down", sinkOf("errors.retry.delay.max.ms", "3600000")))
	w.Add(load(t, testPlugins(nil, up), "to-up", sinkOf()))
	start(t, w)
	for n := 400; ; n += 400 { // again and again: between two tries everything is free for a moment anyhow
		until(t, "the rows of the target that is there", func() bool { return up.count() == n })
		if n == 2000 {
			break
		}
		fill(t, k, "numbers", 4, n, n+400)
	}
}

// littleMemory is less than one record takes.
func littleMemory(s *connector.WorkerSettings) { s.Memory = 100 }
