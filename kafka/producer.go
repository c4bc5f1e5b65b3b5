package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// unknownTopicRetries is how often a record is tried while its topic is unknown: at metadataMin
// each, about five seconds, which is more than a cluster takes to spread a new topic.
const unknownTopicRetries = 50

// dialPatience is how long it takes at most to find out that no broker answers.
const dialPatience = 2 * time.Second

// Producer writes records with acks=all, idempotently and in order per partition.
//
// The first error ends it: a record that is given up may be followed, on its own partition or on
// others, by records that were already on their way and do arrive. So nothing that is finished
// after the first error is acknowledged, every later Produce fails at once with that error, and
// the owner starts again from what was acknowledged before, with a new Producer. Records are
// never lost that way; some may be written twice.
type Producer struct {
	client *kgo.Client
	limits Settings
	failed atomic.Pointer[error]
	closed sync.Once
	slabs  sync.Pool // of *slab
	ctx    context.Context
	cancel context.CancelFunc

	mu    sync.Mutex
	calls int        // whose done has not returned
	idle  *sync.Cond // calls has become 0
}

// NewProducer builds a producer. It connects with the first record.
func NewProducer(s Settings, log *slog.Logger) (*Producer, error) { return newProducer(s, log) }

func newProducer(s Settings, log *slog.Logger, more ...kgo.Opt) (*Producer, error) {
	compressor, err := newCompressor(s.Compression)
	if err != nil {
		return nil, fmt.Errorf("compression.type %s: %w", s.Compression, err)
	}
	client, err := newClient(s, log, append(more,
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(newPartitioner()),
		kgo.WithCompressor(compressor),
		kgo.ProducerBatchMaxBytes(int32(s.MaxRequest)),
		kgo.ProducerLinger(s.Linger),
		kgo.MaxBufferedBytes(int(s.Buffer)),
		kgo.MaxBufferedRecords(math.MaxInt32), // buffer.memory is the limit
		kgo.ProduceRequestTimeout(s.Request),
		kgo.UnknownTopicRetries(unknownTopicRetries),
	)...)
	if err != nil {
		return nil, err
	}
	p := &Producer{client: client, limits: s}
	p.idle = sync.NewCond(&p.mu)
	p.slabs.New = func() any { return p.newSlab() }
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p, nil
}

// Produce writes msgs. Their order is kept per partition, also from call to call when the calls
// come from one goroutine. The topics must exist, or be about to: see Admin.EnsureTopic.
//
// done is called exactly once: with nil when the last of msgs is durable on all in-sync replicas,
// or with an error when one of them is given up or the Producer has failed before. nil says
// nothing about earlier calls. The memory that msgs point to belongs to the producer until then;
// the slice itself is free when Produce returns.
//
// Produce blocks while buffer.memory is full. done is called from the client's goroutine, or from
// Produce itself, and must not block.
func (p *Producer) Produce(msgs []Message, done func(err error)) {
	if err := p.Err(); err != nil {
		done(err)
		return
	}
	p.begin()
	s := p.slabs.Get().(*slab)
	s.fill(msgs, done)
	for i := range s.records {
		p.client.Produce(p.ctx, &s.records[i], s.promise)
	}
	s.finish() // the one that keeps s from being recycled inside the loop
}

// Write is a Produce that waits. When ctx ends first its error is the cause of that, and the memory
// that msgs point to stays the producer's until they are finished, or until Close.
func (p *Producer) Write(ctx context.Context, msgs []Message) error {
	done := make(chan error, 1)
	p.Produce(msgs, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Err is the first error, nil while there is none.
func (p *Producer) Err() error {
	if err := p.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// Flush waits until nothing is on its way. Its error is ctx's, or the Producer's first error.
func (p *Producer) Flush(ctx context.Context) error {
	if err := p.client.Flush(ctx); err != nil {
		return err
	}
	return p.Err()
}

// Close gives up what is still on its way, whose done is called with ErrClosed before Close
// returns. Flush first to wait for it.
func (p *Producer) Close() {
	p.end(ErrClosed)
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.calls > 0 {
		p.idle.Wait() // the closed client calls the last acknowledgements from a goroutine of its own
	}
}

func (p *Producer) begin() {
	p.mu.Lock()
	p.calls++
	p.mu.Unlock()
}

// finished is called after a call's done has returned.
func (p *Producer) finished() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calls--; p.calls == 0 {
		p.idle.Broadcast()
	}
}

// end makes err the outcome of all that is on its way. Only a closed client is sure not to use
// the records' memory any more, so that done can be called.
func (p *Producer) end(err error) {
	p.fail(err)
	p.closed.Do(func() {
		p.cancel()
		p.client.Close()
	})
}

func (p *Producer) fail(err error) { p.failed.CompareAndSwap(nil, &err) }

// slab is the records of one Produce, and the count of those that are not finished.
type slab struct {
	p       *Producer
	records []kgo.Record
	headers []kgo.RecordHeader
	promise func(*kgo.Record, error) // s.acknowledge, made once
	left    atomic.Int64
	done    func(error)

	// The client's own delivery timeout counts from a record's timestamp, which is not when it
	// was produced.
	mu    sync.Mutex
	timer *time.Timer // calls late
	due   time.Time   // zero when the slab is finished
}

func (p *Producer) newSlab() *slab {
	s := &slab{p: p}
	s.promise = s.acknowledge
	return s
}

func (s *slab) fill(msgs []Message, done func(error)) {
	if cap(s.records) < len(msgs) {
		s.records = make([]kgo.Record, len(msgs))
	}
	s.records, s.headers, s.done = s.records[:len(msgs)], s.headers[:0], done
	now := time.Now()
	for i := range msgs {
		s.headers = msgs[i].fill(&s.records[i], now, s.headers)
	}
	s.left.Store(int64(len(msgs)) + 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due = now.Add(s.p.limits.Delivery)
	if s.timer == nil {
		s.timer = time.AfterFunc(s.p.limits.Delivery, s.late)
	} else {
		s.timer.Reset(s.p.limits.Delivery)
	}
}

// acknowledge is called once for each record, from one goroutine at a time.
func (s *slab) acknowledge(r *kgo.Record, err error) {
	if err != nil {
		s.p.fail(s.p.undelivered(r, err))
	}
	s.finish()
}

func (s *slab) finish() {
	if s.left.Add(-1) > 0 {
		return
	}
	s.mu.Lock()
	s.timer.Stop()
	s.due = time.Time{}
	s.mu.Unlock()
	done, p := s.done, s.p
	// Forget the caller's memory before the slab waits in the pool.
	clear(s.records)
	clear(s.headers)
	s.done = nil
	p.slabs.Put(s)
	done(p.Err())
	p.finished()
}

// late ends the producer when the slab is over time. It runs in the timer's goroutine, and ends
// soon after the client is closed.
func (s *slab) late() {
	s.mu.Lock()
	// Otherwise the timer fired while the slab was finished, and perhaps used again.
	over := !s.due.IsZero() && !time.Now().Before(s.due)
	s.mu.Unlock()
	if over {
		s.p.end(s.p.overdue())
	}
}

// overdue is what late says. Whether a broker can be reached tells which of two causes it is.
func (p *Producer) overdue() error {
	ctx, cancel := context.WithTimeout(context.Background(), dialPatience)
	defer cancel()
	limit := p.limits.Delivery.Round(time.Millisecond)
	if err := p.client.Ping(ctx); err != nil {
		return passing("produce: no acknowledgement within delivery.timeout.ms (%s): %w", limit, explain(err, p.limits.brokers()))
	}
	return passing("produce: no acknowledgement within delivery.timeout.ms (%s) from the brokers at %s; do all partitions have a leader, and enough replicas in sync (min.insync.replicas)?", limit, p.limits.brokers())
}

// undelivered says which record was given up, and which setting decides that.
func (p *Producer) undelivered(r *kgo.Record, err error) error {
	where := fmt.Sprintf("produce to topic %q partition %d (key %d bytes, value %d bytes)", r.Topic, r.Partition, len(r.Key), len(r.Value))
	if r.Partition < 0 {
		where = fmt.Sprintf("produce to topic %q (key %d bytes, value %d bytes)", r.Topic, len(r.Key), len(r.Value))
	}
	switch {
	case errors.Is(err, kgo.ErrClientClosed), errors.Is(err, context.Canceled):
		return ErrClosed
	case isFencing(err):
		return fmt.Errorf("%s: %w", where, &fencedProducer{p.limits.Transaction, err})
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		return hopeless("%s: %w; raise max.request.size (%s) and the topic's max.message.bytes", where, err, p.limits.MaxRequest)
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return fmt.Errorf("%s: the topic does not exist; create it, or let topic.creation.default.* do it: %w", where, err)
	}
	return fmt.Errorf("%s: %w", where, explain(err, p.limits.brokers()))
}
