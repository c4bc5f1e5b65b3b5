package connect

import (
	"context"
	"fmt"
	"time"

	"connectd/internal/fault"
)

// retire takes the shipments in the order in which they were produced. It waits for the oldest
// to be acknowledged, takes with it all that are acknowledged by then, makes their offsets
// durable in one write, and tells the source. While a write is on its way more batches are
// acknowledged, and the next write is for all of them: the position follows without ever
// stopping the stream, with one write in flight. It ends when inflight is closed and empty, or
// at the first error.
func (p *pipeline) retire(ctx context.Context) error {
	var ready []*shipment
	var next *shipment // taken from inflight, not yet acknowledged
	for {
		if next == nil {
			var ok bool
			if next, ok = <-p.inflight; !ok {
				return nil
			}
		}
		select {
		case err := <-next.acked:
			if err != nil {
				return fmt.Errorf("produce: %w", err)
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		ready = append(ready[:0], next)
		var failed error
		ready, next, failed = p.alsoAcked(ready)
		if err := p.retired(ctx, ready); err != nil {
			return err
		}
		if failed != nil {
			return fmt.Errorf("produce: %w", failed)
		}
	}
}

// alsoAcked appends to ready the shipments that are acknowledged already. next is the first that
// is not, if it was produced already.
func (p *pipeline) alsoAcked(ready []*shipment) (all []*shipment, next *shipment, err error) {
	for {
		select {
		case s, ok := <-p.inflight:
			if !ok {
				return ready, nil, nil
			}
			select {
			case err := <-s.acked:
				if err != nil {
					return ready, nil, err
				}
				ready = append(ready, s)
			default:
				return ready, s, nil
			}
		default:
			return ready, nil, nil
		}
	}
}

// retired ends the way of shipments whose records are all acknowledged.
func (p *pipeline) retired(ctx context.Context, ready []*shipment) error {
	// Order of truth, 1: the records are durable in Kafka.
	fault.Point("source.produced")
	if err := p.offsets.write(ctx, ready); err != nil {
		return fmt.Errorf("write source offsets: %w", err)
	}
	// Order of truth, 2: so is the position after them. Only now the source hears of it, and
	// may tell its upstream to forget.
	fault.Point("source.offset")
	for _, s := range ready {
		p.settled.add(s)
	}
	p.settle()
	for _, s := range ready {
		p.recycle(s)
	}
	return nil
}

// settlement is what became of batches that are durable with their offsets.
type settlement struct {
	tally   tally
	batches int64
	mark    uint64 // of the last one
	times   originTimes
}

// add takes s, while its batch is there.
func (t *settlement) add(s *shipment) {
	t.tally.add(&s.tally)
	t.batches++
	t.mark = s.batch.Mark
	for i := range s.batch.Records {
		t.times.note(originTime(&s.batch.Records[i]))
	}
}

// settle counts what is settled, and tells the source.
func (p *pipeline) settle() {
	if p.settled.batches == 0 {
		return
	}
	p.count.settled(&p.settled, time.Now())
	p.task.commit(p.settled.mark)
	p.settled.tally, p.settled.batches = tally{}, 0
	p.settled.times.reset()
}

// recycle gives the batch of s back to the source.
func (p *pipeline) recycle(s *shipment) {
	b := s.batch
	s.batch = nil
	p.spare <- s // before the batch, so that ship never waits for a shipment
	p.task.recycle(b)
}
