package task

import (
	"sync"
	"time"
)

// recentSlots is how many seconds recent looks back.
const recentSlots = 10

// recent is the latency of the records that arrived in the last ten seconds, for those who watch:
// the histogram of a process's whole life does not move any more after an hour.
type recent struct {
	mu    sync.Mutex
	slots [recentSlots]slot
}

// slot counts what arrived in one second.
type slot struct {
	second  int64 // since 1970
	latency Histogram
}

// observe counts records that arrived at now.
func (r *recent) observe(runs []timeRun, now time.Time) {
	if len(runs) == 0 {
		return
	}
	second, ms := now.Unix(), now.UnixMilli()
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.slots[second%recentSlots]
	if s.second != second {
		s.second = second
		s.latency.reset()
	}
	for _, run := range runs {
		s.latency.observeMillis(ms-run.at, run.n)
	}
}

// histogram is what has arrived in the ten seconds before now.
func (r *recent) histogram(now time.Time) *Histogram {
	sum := new(Histogram)
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.slots {
		if age := now.Unix() - r.slots[i].second; age < recentSlots {
			sum.Merge(&r.slots[i].latency)
		}
	}
	return sum
}
