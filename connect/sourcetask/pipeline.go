package sourcetask

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync/atomic"

	"connectd/connect"
	"connectd/connect/connector"
	"connectd/connect/deadletter"
	"connectd/connect/task"
	"connectd/kafka"
	"connectd/record"
)

// producer is what a source's pipeline needs of kafka.Producer.
type producer interface {
	// Produce sends msgs and calls done once, when all are acknowledged or with the first error.
	// msgs and their memory are free when it returns.
	Produce(msgs []kafka.Message, done func(error))
}

// pipeline carries the batches of one source task to Kafka: one goroutine encodes and produces
// them in order (encode), another retires them in the same order (retire). With transactions,
// encode only encodes, and the other goroutine (transact) produces and commits.
type pipeline struct {
	connector string
	id        int // the task's number
	log       *slog.Logger
	intake    *connect.Intake
	chain     connector.Chain
	conv      connector.Converters
	producer  producer      // without transactions
	tx        *transactions // nil for delivery at least once
	close     func()        // closes the one or the other's producer
	topics    *topics
	policy    connector.Policy
	offsets   *offsetWriter
	count     *task.Counters
	settled   settlement   // what is about to be counted and told to the source
	inFlight  atomic.Int64 // batches on their way to Kafka

	limit    int             // max.in.flight, or 0 for as many as there are batches
	spare    chan *shipment  // shipments that carry nothing; there are limit of them
	stopping <-chan struct{} // closed when the source is told to drain
	inflight chan *shipment  // produced, or with transactions encoded, in order
}

// shipment is a batch on its way through Kafka: the messages made of it, until they are produced,
// and what is to be said when they are acknowledged. The batch itself is free as soon as it is
// encoded.
type shipment struct {
	batch *record.Batch // while it is encoded
	*messages
	acked   chan error // one slot
	done    func(error)
	offsets []record.SourceOffset
	kept    []byte // keys and values of offsets
	mark    uint64
	tally   task.Tally
	times   task.OriginTimes
}

// messages are what is made of a batch, in memory that is kept from batch to batch.
type messages struct {
	msgs    []kafka.Message
	headers []kafka.Header
	buf     []byte // keys, values, header values
}

// show says what the source reports, and how much is on its way.
func (p *pipeline) show(s *task.Status) {
	s.Progress, s.Health, s.InFlight = p.intake.Progress(), p.intake.Health(), int(p.inFlight.Load())
}

// ready makes the shipments of p.
func (p *pipeline) ready() {
	n := p.limit
	if n == 0 {
		n = cap(p.intake.Sent())
	}
	p.spare = make(chan *shipment, n)
	p.inflight = make(chan *shipment, n)
	shared := new(messages) // they are produced as soon as they are made
	for range n {
		s := &shipment{acked: make(chan error, 1), messages: shared}
		if p.tx != nil {
			s.messages = new(messages)
		}
		s.done = func(err error) { s.acked <- err }
		p.spare <- s
	}
}

// encode turns the task's batches into messages and ships them, until quit is closed and the
// batches that were sent before are done, or ctx ends. It closes inflight, which ends retire.
func (p *pipeline) encode(ctx context.Context, quit <-chan struct{}) error {
	defer close(p.inflight)
	for {
		var b *record.Batch
		select {
		case b = <-p.intake.Sent():
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-quit:
			select {
			case b = <-p.intake.Sent():
			default:
				return nil
			}
		}
		if err := p.ship(ctx, b); err != nil {
			return err
		}
	}
}

// ship encodes one batch and, without transactions, produces it. It waits while max.in.flight
// shipments are on their way; then no batch becomes free, and the source waits too.
func (p *pipeline) ship(ctx context.Context, b *record.Batch) error {
	var s *shipment
	select {
	case s = <-p.spare:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	p.inFlight.Add(1)
	s.load(b)
	if failed := b.Failed(); len(failed) > 0 {
		if err := p.refused(s, failed); err != nil {
			return err
		}
	}
	for i := range b.Records {
		if err := p.add(ctx, s, &b.Records[i]); err != nil {
			return err
		}
	}
	s.unload()
	p.intake.Recycle(b)
	switch {
	case p.tx != nil: // see pipeline.produce
	case len(s.msgs) == 0:
		s.acked <- nil
	default:
		p.producer.Produce(s.msgs, s.done)
	}
	p.inflight <- s // never waits: there is room for all shipments
	return nil
}

// load empties s for the records of b.
func (s *shipment) load(b *record.Batch) {
	s.batch = b
	// Room at once for about what comes: growing step by step leaves garbage of twice the size.
	s.msgs, s.buf = slices.Grow(s.msgs[:0], len(b.Records)), slices.Grow(s.buf[:0], b.Size()+b.Size()/2)
	s.headers = s.headers[:0]
	s.tally = task.Tally{Read: int64(len(b.Records))}
	s.offsets, s.kept, s.mark = s.offsets[:0], s.kept[:0], b.Mark
	s.times.Reset()
}

// unload keeps what outlives the batch.
func (s *shipment) unload() {
	for i := range s.batch.Records {
		s.times.Note(task.OriginTime(&s.batch.Records[i]))
	}
	for _, o := range s.batch.Offsets {
		o.Partition, o.Offset = s.keep(o.Partition), s.keep(o.Offset)
		s.offsets = append(s.offsets, o)
	}
	s.batch = nil
}

// free makes s ready for another batch.
func (p *pipeline) free(s *shipment) {
	p.inFlight.Add(-1)
	p.spare <- s
}

// keep is a copy of p, of an offset, in the shipment's memory; nil stays nil.
func (s *shipment) keep(p []byte) []byte {
	if p == nil {
		return nil
	}
	at := len(s.kept)
	s.kept = append(s.kept, p...)
	return s.kept[at:len(s.kept):len(s.kept)]
}

// add appends the message of r to s, unless r is filtered out or left out.
func (p *pipeline) add(ctx context.Context, s *shipment, r *record.Record) error {
	if r.Topic == "" {
		return nil // refused by the source itself, see refused
	}
	keep, failed := p.chain.Apply(s.batch, r)
	if failed == nil && !keep {
		s.tally.Filtered++
		return nil
	}
	if failed == nil {
		if err := p.topics.prepare(ctx, r); err != nil {
			return err
		}
		failed = p.encodeRecord(s, r)
	}
	if failed != nil {
		return p.leaveOut(s, r, failed)
	}
	return nil
}

// encodeRecord appends the message of r to s. When it fails, s is as before.
func (p *pipeline) encodeRecord(s *shipment, r *record.Record) *connector.Failure {
	start, firstHeader := len(s.buf), len(s.headers)
	m := kafka.Message{Topic: r.Topic, Partition: r.Partition, Timestamp: r.Timestamp}
	undo := func(stage, class string, err error) *connector.Failure {
		s.buf, s.headers = s.buf[:start], s.headers[:firstHeader]
		return &connector.Failure{Stage: stage, Class: class, Err: err}
	}

	out, null, err := p.conv.Key.Encode(s.buf, r.Topic, r.Key)
	if err != nil {
		return undo(connector.StageKeyConverter, p.conv.KeyClass, fmt.Errorf("encode key: %w", err))
	}
	if !null {
		m.Key = out[start:len(out):len(out)]
		s.buf = out
	}

	at := len(s.buf)
	if r.Change != nil {
		out, err = p.conv.Value.EncodeChange(s.buf, r.Topic, r.Change)
		null = false
	} else {
		out, null, err = p.conv.Value.Encode(s.buf, r.Topic, r.Value)
	}
	if err != nil {
		return undo(connector.StageValueConverter, p.conv.ValueClass, fmt.Errorf("encode value: %w", err))
	}
	if !null {
		m.Value = out[at:len(out):len(out)]
		s.buf = out
	}

	for i := range r.Headers {
		at := len(s.buf)
		out, null, err := p.conv.Header.Encode(s.buf, r.Topic, r.Headers[i].Value)
		if err != nil {
			return undo(connector.StageHeader, p.conv.HeaderClass, fmt.Errorf("encode header %q: %w", r.Headers[i].Name, err))
		}
		h := kafka.Header{Name: r.Headers[i].Name}
		if !null {
			h.Value = out[at:len(out):len(out)]
			s.buf = out
		}
		s.headers = append(s.headers, h)
	}
	if n := len(s.headers); n > firstHeader {
		m.Headers = s.headers[firstHeader:n:n]
	}
	s.tally.Written++
	s.tally.Bytes += int64(len(m.Key) + len(m.Value))
	s.msgs = append(s.msgs, m)
	return nil
}

// refused treats the records that the source itself has reported as failed, and marks them so
// that add leaves them alone.
func (p *pipeline) refused(s *shipment, failed []record.Failure) error {
	for _, f := range failed {
		r := &s.batch.Records[f.Index]
		if err := p.leaveOut(s, r, &connector.Failure{Stage: connector.StagePoll, Class: p.policy.Class, Err: f.Err}); err != nil {
			return err
		}
		r.Topic = ""
	}
	return nil
}

// leaveOut does with a record that failed what errors.tolerance says. A dead letter goes with
// the batch, so that the batch retires only when the letter is acknowledged.
func (p *pipeline) leaveOut(s *shipment, r *record.Record, f *connector.Failure) error {
	if err := f.Blocked(); err != nil {
		return fmt.Errorf("topic %q: %w", r.Topic, err)
	}
	s.tally.Failed++
	key, value := p.asBytes(r)
	err := fmt.Errorf("record with key %s of topic %q: %w", connector.Quoted(key), r.Topic, f.Err)
	if !p.policy.TolerateAll {
		return connect.Permanent(err)
	}
	p.policy.Log(p.log, err, f)
	if p.policy.DeadLetters == "" {
		return nil
	}
	s.msgs = append(s.msgs, p.policy.Letter(deadletter.Letter{
		Connector: p.connector, Task: strconv.Itoa(p.id), Key: key, Value: value,
		Origin: deadletter.Place{Partition: record.Partition{Topic: r.Topic}, Offset: -1},
	}, f))
	s.tally.DeadLettered++
	return nil
}

// asBytes encodes as much of r as can be encoded, in memory of its own.
func (p *pipeline) asBytes(r *record.Record) (key, value []byte) {
	if out, null, err := p.conv.Key.Encode(nil, r.Topic, r.Key); err == nil && !null {
		key = out
	}
	if r.Change != nil {
		if out, err := p.conv.Value.EncodeChange(nil, r.Topic, r.Change); err == nil {
			value = out
		}
	} else if out, null, err := p.conv.Value.Encode(nil, r.Topic, r.Value); err == nil && !null {
		value = out
	}
	return key, value
}
