package task

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

// Counters are the figures of one task. They are kept over its restarts, and written once a
// batch, not once a record.
type Counters struct {
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

// Settled counts so many batches that are durable with their offsets.
func (c *Counters) Settled(t *Tally, batches int64, times *OriginTimes, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tally.Add(t)
	c.batches += batches
	c.arrived(t.Read, times, now)
}

// Flushed counts a range of p that is durable in the target.
func (c *Counters) Flushed(p record.Partition, t *Tally, times *OriginTimes, now time.Time) {
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
func (c *Counters) arrived(n int64, times *OriginTimes, now time.Time) {
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

// FlushTook counts a flush.
func (c *Counters) FlushTook(d time.Duration) {
	c.flush.Observe(d)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.batches++
}

// Retried counts a try in place.
func (c *Counters) Retried() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retries++
}

// restarted counts a restart.
func (c *Counters) restarted() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.restarts++
}

// Read adds the figures to s. caughtUp says that there is nothing more to do at the moment.
func (c *Counters) Read(s *Status, caughtUp bool) {
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
