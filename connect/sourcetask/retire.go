package sourcetask

import (
	"context"
	"time"

	"connectd/connect/task"
)

// retire takes the shipments in the order in which they were produced. One that is acknowledged is
// free for the next batch, and its offsets go with the next write of the position. Neither
// waits for the other: the position follows without ever stopping the stream. It ends when
// inflight is closed and everything is written, or at the first error; what is acknowledged by
// then is written all the same.
func (p *pipeline) retire(ctx context.Context) (err error) {
	w := newPositions(p.offsets)
	defer func() {
		if failed := w.finish(ctx, p.intake.Commit); err == nil {
			err = failed
		}
	}()
	from, stopping := (<-chan *shipment)(p.inflight), p.stopping
	var next *shipment // taken from inflight, not yet acknowledged
	for from != nil || next != nil {
		in, acked := from, (<-chan error)(nil)
		if next != nil {
			in, acked = nil, next.acked
		}
		select {
		case s, ok := <-in:
			if next = s; !ok {
				from = nil
			}
		case err := <-acked:
			if err != nil {
				return err
			}
			p.retired(next, w)
			next = nil
		case err := <-w.written:
			if err := w.ended(err, p.intake.Commit); err != nil {
				return err
			}
		case <-w.pause.C:
			w.rested = true
		case <-stopping: // the source waits for Committed
			w.hurry, stopping = true, nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		w.write(ctx)
	}
	return nil
}

// retired ends the way of a shipment whose records are all acknowledged.
func (p *pipeline) retired(s *shipment, w *positions) {
	// Order of truth, 1: the records are durable in Kafka.
	p.settled.add(s)
	p.settled.count(p.count)
	w.take(s)
	p.free(s)
}

// settlement is what became of batches that are durable.
type settlement struct {
	tally   task.Tally
	batches int64
	mark    uint64 // of the last one
	times   task.OriginTimes
}

func (t *settlement) add(s *shipment) {
	t.tally.Add(&s.tally)
	t.batches++
	t.mark = s.mark
	t.times.Join(&s.times)
}

// count counts what is settled, and forgets it.
func (t *settlement) count(c *task.Counters) {
	c.Settled(&t.tally, t.batches, &t.times, time.Now())
	t.tally, t.batches = task.Tally{}, 0
	t.times.Reset()
}
