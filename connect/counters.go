package connect

import (
	"sync"
	"time"

	"connectd/record"
)

// Tally counts what became of records. Read is Written + Filtered + Failed when all are accounted for.
type Tally struct {
	Read         int64 // sent by the source, or read from Kafka
	Written      int64 // acknowledged by Kafka, or durable in the target
	Filtered     int64 // by transforms, or left out by the sink's settings
	Failed       int64 // could not be processed
	DeadLettered int64 // of these, those with a dead letter
	Bytes        int64 // of keys and values
}

// Add adds other.
func (t *Tally) Add(other *Tally) {
	t.Read += other.Read
	t.Written += other.Written
	t.Filtered += other.Filtered
	t.Failed += other.Failed
	t.DeadLettered += other.DeadLettered
	t.Bytes += other.Bytes
}

// counters are the figures of one task. They are kept over its restarts, and written once a
// batch, not once a record.
type counters struct {
	mu         sync.Mutex // held while a batch or a range is counted: nobody sees half of one
	tally      Tally
	partitions map[record.Partition]Tally // of a sink; tally is the sum of them
	batches    int64                      // produced batches, or flushes
	retries    int64                      // of a sink's target, in place
	restarts   int64
	lastRecord int64 // when the newest record arrived where it goes, ms since 1970; 0 for never
	sourceTime int64 // the time of that record at its origin, ms since 1970; 0 when unknown

	latency Histogram // from a record's time to its arrival
	recent  recent    // the same of the last seconds
	flush   Histogram // of a sink's flushes
}

// settled counts so many batches that are durable with their offsets.
func (c *counters) settled(t *Tally, batches int64, times *originTimes, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tally.Add(t)
	c.batches += batches
	c.arrived(t.Read, times, now)
}

// flushed counts a range of p that is durable in the target.
func (c *counters) flushed(p record.Partition, t *Tally, times *originTimes, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tally.Add(t)
	if c.partitions == nil {
		c.partitions = map[record.Partition]Tally{}
	}
	sum := c.partitions[p]
	sum.Add(t)
	c.partitions[p] = sum
	c.arrived(t.Read, times, now)
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
		c.lastRecord = ms
	}
	if newest > 0 {
		c.sourceTime = newest
	}
}

// flushTook counts a flush.
func (c *counters) flushTook(d time.Duration) {
	c.flush.Observe(d)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.batches++
}

// retried counts a try in place.
func (c *counters) retried() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retries++
}

// restarted counts a restart.
func (c *counters) restarted() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.restarts++
}

// read adds the figures to s. caughtUp says that there is nothing more to do at the moment.
func (c *counters) read(s *TaskStatus, caughtUp bool) {
	now := time.Now()
	c.mu.Lock()
	s.Tally, s.Batches, s.Retries, s.Restarts = c.tally, c.batches, c.retries, c.restarts
	arrived, origin := c.lastRecord, c.sourceTime
	c.mu.Unlock()
	s.Latency, s.Recent = &c.latency, c.recent.histogram(now)
	if arrived == 0 {
		return
	}
	s.LastRecord = time.UnixMilli(arrived)
	if !caughtUp {
		arrived = now.UnixMilli()
	}
	if origin > 0 {
		s.Lag = time.Duration(max(0, arrived-origin)) * time.Millisecond
	}
}
