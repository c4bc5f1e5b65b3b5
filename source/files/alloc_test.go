//go:build !race

package files

import (
	"runtime"
	"testing"
)

// At steady state nothing is allocated for a row, only a few things for a batch.
func TestAllocations(t *testing.T) {
	for _, name := range []string{"rows.jsonl", "rows.csv", "rows.log"} {
		t.Run(name, func(t *testing.T) {
			path, _ := benchFile(t, name)
			c := settings(t, "topic", "rows", "include", path, "file.stable.ms", "0", "poll.interval.ms", "100", "watch", "false")
			const warm, batch = benchRows / 2, 1000
			var before, after runtime.MemStats
			started := false
			newEncoder(t).drain(t, c, func(rows int) {
				if rows >= warm && !started {
					started = true
					runtime.ReadMemStats(&before)
				}
				if rows >= benchRows-batch {
					runtime.ReadMemStats(&after)
				}
			})
			perBatch := float64(after.Mallocs-before.Mallocs) / ((benchRows - batch - warm) / batch)
			if perBatch > 40 {
				t.Errorf("%.1f allocations for a batch of %d rows, want those of its position only", perBatch, batch)
			}
			t.Logf("%.1f allocations for a batch of %d rows", perBatch, batch)
		})
	}
}
