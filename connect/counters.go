package connect

import (
	"sync/atomic"
	"time"

	"connectd/record"
)

// counters are the figures of one task. They are kept over its restarts, and written once a
// batch, not once a record.
type counters struct {
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

	latency Histogram // from a record's time to its arrival
	flush   Histogram // of a sink's flushes
}

// settled counts shipments that are durable with their offsets.
func (c *counters) settled(ready []*shipment, now time.Time) {
	var sum tally
	var newest int64
	ms := now.UnixMilli()
	for _, s := range ready {
		sum.read += s.tally.read
		sum.filtered += s.tally.filtered
		sum.failed += s.tally.failed
		sum.dead += s.tally.dead
		sum.bytes += s.tally.bytes
		newest = max(newest, c.arrived(s.batch.Records, ms))
	}
	c.read.Add(sum.read)
	c.written.Add(sum.read - sum.filtered - sum.failed)
	c.bytes.Add(sum.bytes)
	c.filtered.Add(sum.filtered)
	c.failed.Add(sum.failed)
	c.deadLettered.Add(sum.dead)
	c.batches.Add(int64(len(ready)))
	if sum.read > 0 {
		c.lastRecord.Store(ms)
	}
	if newest > 0 {
		c.sourceTime.Store(newest)
	}
}

// arrived counts the latency of records that are durable since now and returns the newest origin
// time among them. Neighbours mostly have the same time and are counted together.
func (c *counters) arrived(records []record.Record, now int64) (newest int64) {
	var at, n int64
	for i := range records {
		t := originTime(&records[i])
		if t != at {
			if at > 0 {
				c.latency.observeMillis(now-at, n)
			}
			at, n = t, 0
			newest = max(newest, t)
		}
		n++
	}
	if at > 0 {
		c.latency.observeMillis(now-at, n)
	}
	return newest
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
