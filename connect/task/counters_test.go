package task

import (
	"testing"
	"time"

	"connectd/record"
)

// TestCountersAreWhole reads the counters while ranges are counted as fast as it goes.
func TestCountersAreWhole(t *testing.T) {
	var counted Task
	done := make(chan struct{})
	go func() {
		defer close(done)
		tally, times := Tally{Read: 3, Written: 1, Filtered: 1, Failed: 1, DeadLettered: 1}, OriginTimes{}
		for range 200_000 {
			counted.Count.Flushed(record.Partition{Topic: "numbers"}, &tally, &times, time.Now())
		}
	}()
	for {
		if s := counted.Status(); s.Read != s.Written+s.Filtered+s.Failed || s.DeadLettered != s.Failed {
			t.Fatalf("read %d, written %d, filtered %d, failed %d, dead-lettered %d", s.Read, s.Written, s.Filtered, s.Failed, s.DeadLettered)
		}
		select {
		case <-done:
			return
		default:
		}
	}
}
