package kafka

import (
	"sync"
	"sync/atomic"
	"time"
)

// call is one Produce, until its records are finished.
type call struct {
	p      *Producer
	done   func(offset int64, err error)
	left   atomic.Int32 // batches that hold records of it, and one for Produce itself
	offset atomic.Int64 // of a record of the batch that was acknowledged last

	mu    sync.Mutex
	timer *time.Timer // calls late
	due   time.Time   // zero when the call is finished
}

func (c *call) begin(done func(offset int64, err error)) {
	c.done = done
	c.left.Store(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	limit := c.p.limits.Delivery
	c.due = time.Now().Add(limit)
	if c.timer == nil {
		c.timer = time.AfterFunc(limit, c.late)
	} else {
		c.timer.Reset(limit)
	}
}

// finish is called once for each batch with records of c, and by Produce. p.mu is not held.
func (c *call) finish() {
	if c.left.Add(-1) > 0 {
		return
	}
	c.mu.Lock()
	c.timer.Stop()
	c.due = time.Time{}
	c.mu.Unlock()
	p, done, offset := c.p, c.done, c.offset.Load()
	c.done = nil
	p.spare.Put(c)
	done(offset, p.Err())
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calls--; p.calls == 0 {
		p.changed.Broadcast()
	}
}

// late ends the producer when the call is over time. It runs in the timer's goroutine.
func (c *call) late() {
	c.mu.Lock()
	// Otherwise the timer fired while the call was finished, and perhaps begun anew.
	over := !c.due.IsZero() && !time.Now().Before(c.due)
	c.mu.Unlock()
	if over {
		c.p.fail(c.p.overdue())
	}
}
