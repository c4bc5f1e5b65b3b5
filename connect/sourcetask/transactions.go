package sourcetask

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"connectd/internal/fault"
	"connectd/kafka"
	"connectd/record"
)

// coalesce is how long one transaction takes in batches while more of them are ready. A commit
// costs a few milliseconds whatever is in it, so a busy source shares it among many batches, and
// one that has a batch now and then commits each at once.
const coalesce = 50 * time.Millisecond

// transactor is what a pipeline needs of kafka.TxProducer.
type transactor interface {
	producer
	Begin() error
	// Commit makes durable what was produced since Begin, all of it or nothing.
	Commit(ctx context.Context) error
}

// transactions carries the batches of a source to Kafka in transactions, each of which holds
// records and the position after them: exactly.once.support. It takes the place of retire and
// belongs to one goroutine.
type transactions struct {
	kafka    transactor
	topic    string        // of the source offsets
	interval time.Duration // of transaction.boundary: interval; 0 for poll

	open    bool
	batches int               // of this transaction
	unacked []*shipment       // produced, in order
	offsets map[string][]byte // by the key in the offsets topic; the newest of the transaction
	msgs    []kafka.Message   // of offsets
	buf     []byte            // keys of msgs
}

// transact takes the shipments in the order in which they were encoded and carries them, one
// transaction after the other. It ends when inflight is closed and empty, or at the first error;
// what is not committed then is aborted when the producer is closed, and read again.
func (p *pipeline) transact(ctx context.Context) error {
	for more := true; more; {
		select {
		case s, ok := <-p.inflight:
			if !ok {
				return nil
			}
			var err error
			if more, err = p.transaction(ctx, s); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// transaction makes s and what follows on it durable. more is false when nothing will follow.
func (p *pipeline) transaction(ctx context.Context, s *shipment) (more bool, err error) {
	x := p.tx
	limit := coalesce
	if x.interval > 0 {
		limit = x.interval
	}
	end := time.NewTimer(limit)
	defer end.Stop()
	more = true
	for s != nil {
		if err := p.produce(s); err != nil {
			return false, err
		}
		if s, more, err = p.another(ctx, end.C); err != nil {
			return false, err
		}
	}
	return more, p.conclude(ctx)
}

// produce adds s to the transaction.
func (p *pipeline) produce(s *shipment) error {
	x := p.tx
	for _, o := range s.offsets {
		x.keep(p.offsets.key(o), o)
	}
	x.batches++
	x.unacked = append(x.unacked, s)
	if len(s.msgs) == 0 {
		s.acked <- nil
		return nil
	}
	if err := x.begin(); err != nil {
		return err
	}
	x.kafka.Produce(s.msgs, s.done)
	return nil
}

// keep notes an offset of the transaction. Its memory is the shipment's, which may be used again
// before the transaction ends.
func (x *transactions) keep(key string, o record.SourceOffset) {
	x.offsets[key] = bytes.Clone(o.Offset) // nil stays nil: it forgets the partition
}

func (x *transactions) begin() error {
	if x.open {
		return nil
	}
	x.open = true
	return x.kafka.Begin()
}

// another is the next shipment of this transaction, nil when the transaction is to end: when
// nothing more is ready, or at its limit. Batches that are acknowledged go back to the source
// meanwhile, so that a transaction may be larger than what may be in flight.
func (p *pipeline) another(ctx context.Context, end <-chan time.Time) (s *shipment, more bool, err error) {
	x := p.tx
	stopping := p.stopping // the source waits for the commit
	if x.interval == 0 {
		stopping = nil
	}
	for {
		select {
		case <-end:
			return nil, true, nil
		default:
		}
		select {
		case s, ok := <-p.inflight:
			return s, ok, nil
		default:
		}
		// One batch that nothing waits behind is a transaction of its own. Where batches have
		// piled up there are more to come while these are on their way.
		if x.interval == 0 && (x.batches == 1 || len(x.unacked) == 0) {
			return nil, true, nil
		}
		select {
		case s, ok := <-p.inflight:
			return s, ok, nil
		case err := <-x.oldest():
			if err := p.acked(err); err != nil {
				return nil, false, err
			}
		case <-end:
			return nil, true, nil
		case <-stopping:
			return nil, true, nil
		case <-ctx.Done():
			return nil, false, context.Cause(ctx)
		}
	}
}

// oldest is where the oldest shipment is acknowledged; nil when all are.
func (x *transactions) oldest() <-chan error {
	if len(x.unacked) == 0 {
		return nil
	}
	return x.unacked[0].acked
}

// acked counts the oldest shipment as acknowledged, and frees it.
func (p *pipeline) acked(err error) error {
	if err != nil {
		return err
	}
	x := p.tx
	s := x.unacked[0]
	x.unacked = append(x.unacked[:0], x.unacked[1:]...)
	p.settled.add(s)
	p.free(s)
	return nil
}

// conclude writes the offsets behind the records and commits.
func (p *pipeline) conclude(ctx context.Context) error {
	x := p.tx
	written := make(chan error, 1)
	if len(x.offsets) == 0 {
		written <- nil
	} else {
		if err := x.begin(); err != nil {
			return err
		}
		x.kafka.Produce(x.offsetMessages(), func(err error) { written <- err })
	}
	for len(x.unacked) > 0 {
		select {
		case err := <-x.oldest():
			if err := p.acked(err); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	select {
	case err := <-written:
		if err != nil {
			return fmt.Errorf("write source offsets: %w", err)
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if x.open {
		fault.Point("source.tx.produced")
		// Order of truth, 1 and 2 in one step: the commit makes the records and the position
		// after them durable together, or neither.
		if err := x.kafka.Commit(ctx); err != nil {
			return err
		}
		fault.Point("source.tx.committed")
	}
	// Only now the source hears of it, and may tell its upstream to forget.
	if p.settled.batches > 0 {
		p.settled.count(p.count)
		p.intake.Commit(p.settled.mark)
	}
	x.open, x.batches = false, 0
	clear(x.offsets)
	return nil
}

// offsetMessages are the records of the offsets topic, in Kafka Connect's format.
func (x *transactions) offsetMessages() []kafka.Message {
	x.msgs, x.buf = x.msgs[:0], x.buf[:0]
	for key, offset := range x.offsets {
		at := len(x.buf)
		x.buf = append(x.buf, key...)
		x.msgs = append(x.msgs, kafka.Message{
			Topic: x.topic, Partition: kafka.ByKey, Timestamp: record.NoTimestamp,
			Key: x.buf[at:len(x.buf):len(x.buf)], Value: offset,
		})
	}
	return x.msgs
}
