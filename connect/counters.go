package connect

import (
	"sync"
	"sync/atomic"
	"time"

	"connectd/record"
)

// counters are the figures of one task. They are kept over its restarts, and written once a
// batch, not once a record.
type counters struct {
	whole sync.Mutex // held while a batch or a range is counted: nobody sees half of one

	read         atomic.Int64 // records sent by the source, or read from Kafka
	written      atomic.Int64 // records acknowledged by Kafka, or durable in the target
	bytes        atomic.Int64 // keys and values of them
	filtered     atomic.Int64 // by transforms
	failed       atomic.Int64 // could not be processed
	deadLettered atomic.Int64
	batches      atomic.Int64 // produced batches, or flushes
	retries      atomic.Int64 // of a sink's target, in place
	restarts     atomic.Int64
	lastRecord   atomic.Int64 // when the newest record arrived where it goes, ms since 1970; 0 for never
	sourceTime   atomic.Int64 // the time of that record at its origin, ms since 1970; 0 when unknown

	partitions partitionCounts // of a sink

	latency Histogram // from a record's time to its arrival
	recent  recent    // the same of the last seconds
	flush   Histogram // of a sink's flushes
}

// settled counts batches that are durable with their offsets.
func (c *counters) settled(s *settlement, now time.Time) {
	t := &s.tally
	c.whole.Lock()
	defer c.whole.Unlock()
	c.read.Add(t.read)
	c.written.Add(t.read - t.filtered - t.failed)
	c.bytes.Add(t.bytes)
	c.filtered.Add(t.filtered)
	c.failed.Add(t.failed)
	c.deadLettered.Add(t.dead)
	c.batches.Add(s.batches)
	c.arrived(t.read, &s.times, now)
}

// arrived counts the latency of n records that are durable since now.
func (c *counters) arrived(n int64, times *originTimes, now time.Time) {
	ms := now.UnixMilli()
	var newest int64
	for _, r := range times.runs {
		c.latency.observeMillis(ms-r.at, r.n)
		newest = max(newest, r.at)
	}
	c.recent.observe(times.runs, now)
	if n > 0 {
		c.lastRecord.Store(ms)
	}
	if newest > 0 {
		c.sourceTime.Store(newest)
	}
}

// originTime is when a source's record came to be, in milliseconds since 1970; 0 when the record
// does not say.
func originTime(r *record.Record) int64 {
	switch {
	case r.Change != nil && r.Change.Time > 0:
		return r.Change.Time / int64(time.Millisecond)
	case r.Timestamp > 0:
		return r.Timestamp
	}
	return 0
}

// lag is how far the newest record was behind its origin when it arrived at arrived, and how far
// it is now while there is more to do.
func (c *counters) lag(arrived int64, caughtUp bool) time.Duration {
	origin := c.sourceTime.Load()
	if origin == 0 {
		return 0
	}
	if !caughtUp {
		arrived = time.Now().UnixMilli()
	}
	return time.Duration(max(0, arrived-origin)) * time.Millisecond
}
