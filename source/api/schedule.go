package api

import (
	"fmt"
	"time"

	"github.com/robfig/cron/v3"
)

// schedule says when passes begin: at the ends of intervals, or when the clock says so.
type schedule struct {
	interval, catchUp time.Duration
	cron              cron.Schedule // nil for intervals
	last              time.Time     // begin of the last pass; of none, when the task started
	next              time.Duration // interval after it
}

func newSchedule(e *Endpoint) (schedule, error) {
	s := schedule{interval: e.Interval, catchUp: e.CatchUp}
	if e.Cron == "" {
		return s, nil
	}
	var err error
	if s.cron, err = cron.ParseStandard(e.Cron); err != nil {
		return s, fmt.Errorf("%q is not a schedule: %w; write five fields such as 0 4 * * *, or @hourly", e.Cron, err)
	}
	return s, nil
}

// resume continues after a pass that began so many milliseconds after 1970, 0 for none. A time of
// a cron schedule that passed while nothing ran is made up for, once.
func (s *schedule) resume(polled int64) {
	s.last = time.Now()
	if polled > 0 {
		s.last = time.UnixMilli(polled)
	}
}

// due is when the next pass begins.
func (s *schedule) due() time.Time {
	if s.cron != nil {
		return s.cron.Next(s.last)
	}
	return s.last.Add(s.next)
}

// began notes the begin of a pass.
func (s *schedule) began(now time.Time) { s.last = now }

// ended chooses the interval to the next pass.
func (s *schedule) ended(news bool) {
	s.next = s.interval
	if news {
		s.next = min(s.interval, s.catchUp)
	}
}
