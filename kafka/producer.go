package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// dialPatience is how long it takes at most to find out that no broker answers.
const dialPatience = 2 * time.Second

// Producer writes records with acks=all, idempotently and in order per partition.
//
// The first error ends it: a record that is given up may be followed, on its own partition or on
// others, by records that were already on their way and do arrive. So nothing that is finished
// after the first error is acknowledged, every later Produce fails at once with that error, and
// the owner starts again from what was acknowledged before, with a new Producer. Records are
// never lost that way; some may be written twice.
//
// The client library sends the requests and knows the brokers. The record batches in them are
// made here: a record is encoded into the batch of its partition as soon as it comes, and nothing
// is kept for it. See batch, partitionLog, sender.
type Producer struct {
	client     *kgo.Client
	limits     Settings
	compressor kgo.Compressor
	tx         *transaction // nil without transactions
	who        producerID   // set before the first sender starts
	failed     atomic.Pointer[error]
	spare      sync.Pool // of *call
	batches    sync.Pool // of *batch
	buffers    sync.Pool // of *[]byte, for the records of batches

	ctx    context.Context // until the first error
	cancel context.CancelFunc
	wire   context.Context // of requests with records: a little longer in a transaction
	cut    context.CancelFunc
	work   sync.WaitGroup // what uses ctx
	ended  chan struct{}  // closed when all calls are finished, after the first error
	added  chan struct{}  // one slot: a topic is new
	moved  chan struct{}  // one slot: a partition may have another leader

	mu       sync.Mutex
	changed  *sync.Cond // calls or buffered has fallen, or the producer has failed
	topics   map[string]*topicLog
	latest   *topicLog // of the record before
	senders  map[int32]*sender
	calls    int // whose done has not returned
	buffered int // bytes of records that are not acknowledged
	hurried  int // who wait for calls or buffered to fall: nothing lingers
}

// producerID is what the broker knows a producer by.
type producerID struct {
	id    int64
	epoch int16
}

// NewProducer builds a producer. It connects with the first record.
func NewProducer(s Settings, log *slog.Logger) (*Producer, error) {
	p, err := newProducer(s, log)
	if err != nil {
		return nil, err
	}
	p.start()
	return p, nil
}

// newProducer is a producer that does not send yet.
func newProducer(s Settings, log *slog.Logger, more ...kgo.Opt) (*Producer, error) {
	compressor, err := newCompressor(s.Compression)
	if err != nil {
		return nil, fmt.Errorf("compression.type %s: %w", s.Compression, err)
	}
	client, err := newClient(s, log, more...)
	if err != nil {
		return nil, err
	}
	p := &Producer{
		client: client, limits: s, compressor: compressor,
		who:   producerID{id: -1},
		ended: make(chan struct{}), added: make(chan struct{}, 1), moved: make(chan struct{}, 1),
		topics: map[string]*topicLog{}, senders: map[int32]*sender{},
	}
	p.changed = sync.NewCond(&p.mu)
	p.spare.New = func() any { return &call{p: p} }
	p.batches.New = func() any { return new(batch) }
	p.buffers.New = func() any { return new([]byte) }
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.wire, p.cut = context.WithCancel(context.Background())
	return p, nil
}

// start begins to send.
func (p *Producer) start() {
	p.work.Go(p.lookUp)
	go p.end()
}

// end gives up, after the first error, what is on its way.
func (p *Producer) end() {
	<-p.ctx.Done()
	p.wake()
	if p.tx == nil {
		p.cut()
	}
	// What is written after a transaction is aborted may stay open for ever: older brokers take it.
	defer time.AfterFunc(abortLimit, p.cut).Stop()
	p.work.Wait()
	p.cut()
	p.mu.Lock()
	var left []*call
	for _, t := range p.topics {
		left = append(left, t.drain()...)
	}
	p.mu.Unlock()
	for _, c := range left {
		c.finish()
	}
	p.mu.Lock()
	for p.calls > 0 { // a Produce may be adding records still
		p.changed.Wait()
	}
	p.mu.Unlock()
	close(p.ended)
}

// Produce writes msgs. Their order is kept per partition, also from call to call when the calls
// come from one goroutine. The topics must exist, or be about to: see Admin.EnsureTopic.
//
// done is called exactly once: with nil when the last of msgs is durable on all in-sync replicas,
// or with an error when one of them is given up or the Producer has failed before. nil says
// nothing about earlier calls. msgs and the memory that they point to are free when Produce returns.
//
// Produce blocks while buffer.memory is full. done is called from a goroutine of the producer, or
// from Produce itself, and must not block.
func (p *Producer) Produce(msgs []Message, done func(err error)) {
	p.produce(msgs, func(_ int64, err error) { done(err) })
}

// produce is Produce whose done hears the offset of a message that comes alone.
func (p *Producer) produce(msgs []Message, done func(offset int64, err error)) {
	p.mu.Lock()
	if err := p.Err(); err != nil {
		p.mu.Unlock()
		done(-1, err)
		return
	}
	p.calls++
	c := p.spare.Get().(*call)
	c.begin(done)
	now := time.Now()
	for i := range msgs {
		p.waitForRoom(msgs[i].size())
		p.add(c, &msgs[i], now)
	}
	p.mu.Unlock()
	c.finish()
}

// waitForRoom blocks while n more bytes are too many for buffer.memory. p.mu is held.
func (p *Producer) waitForRoom(n int) {
	if p.hasRoom(n) {
		return
	}
	p.hurry()
	for !p.hasRoom(n) && p.Err() == nil {
		p.changed.Wait()
	}
	p.hurried--
}

// hasRoom says whether n more bytes fit. What is larger than buffer.memory waits to be alone.
func (p *Producer) hasRoom(n int) bool {
	return p.buffered == 0 || p.buffered+n <= int(p.limits.Buffer)
}

// hurry makes the senders send what lingers, until hurried is counted down. p.mu is held.
func (p *Producer) hurry() {
	p.hurried++
	for _, s := range p.senders {
		s.stir()
	}
}

// add takes m to its partition, or keeps it while the partitions of its topic are not known. p.mu
// is held.
func (p *Producer) add(c *call, m *Message, now time.Time) {
	if p.Err() != nil {
		return // c is told
	}
	t := p.topic(m.Topic)
	if len(t.partitions) == 0 {
		t.keep(c, m, now)
		return
	}
	t.add(c, m, now)
}

// topic is the topic of that name, which is looked up when it is new.
func (p *Producer) topic(name string) *topicLog {
	if t := p.latest; t != nil && t.name == name {
		return t
	}
	t, ok := p.topics[name]
	if !ok {
		t = newTopicLog(p, name)
		p.topics[name] = t
		signal(p.added)
	}
	p.latest = t
	return t
}

// Write is a Produce that waits. When ctx ends first its error is the cause of that, and msgs may
// be written all the same.
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
	defer context.AfterFunc(ctx, p.wake)()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hurry()
	for p.calls > 0 && ctx.Err() == nil {
		p.changed.Wait()
	}
	p.hurried--
	if p.calls > 0 {
		return ctx.Err()
	}
	return p.Err()
}

// wake lets those who wait for something look again.
func (p *Producer) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changed.Broadcast()
}

// Close gives up what is still on its way, whose done is called with ErrClosed before Close
// returns. Flush first to wait for it.
func (p *Producer) Close() {
	p.stop()
	p.client.Close()
}

// stop is Close that leaves the client open.
func (p *Producer) stop() {
	p.fail(ErrClosed)
	<-p.ended
}

// fail makes err the outcome of all that is not acknowledged, unless there was an error before.
func (p *Producer) fail(err error) {
	p.failed.CompareAndSwap(nil, &err)
	p.cancel()
}

// overdue is what late says. Whether a broker can be reached tells which of two causes it is.
func (p *Producer) overdue() error {
	ctx, cancel := context.WithTimeout(p.ctx, dialPatience)
	defer cancel()
	limit := p.limits.Delivery.Round(time.Millisecond)
	if err := p.client.Ping(ctx); err != nil {
		return passing("produce: no acknowledgement within delivery.timeout.ms (%s): %w", limit, explain(err, p.limits.brokers()))
	}
	return passing("produce: no acknowledgement within delivery.timeout.ms (%s) from the brokers at %s; do all partitions have a leader, and enough replicas in sync (min.insync.replicas)?", limit, p.limits.brokers())
}

// undelivered says which record was given up, and which setting decides that.
func (p *Producer) undelivered(place string, err error) error {
	where := "produce to " + place
	switch {
	case isFencing(err):
		return fmt.Errorf("%s: %w", where, &fencedProducer{p.limits.Transaction, err})
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		return hopeless("%s: %w; raise max.request.size (%s) and the topic's max.message.bytes", where, err, p.limits.MaxRequest)
	case errors.Is(err, kerr.InvalidRecord):
		return hopeless("%s: the broker refuses a record: %w", where, err)
	case errors.Is(err, kerr.InvalidTimestamp):
		return hopeless("%s: the topic does not take records as old or as new as one of these: %w; see its message.timestamp.before.max.ms and message.timestamp.after.max.ms", where, err)
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return fmt.Errorf("%s: the topic does not exist; create it, or let topic.creation.default.* do it: %w", where, err)
	}
	return fmt.Errorf("%s: %w", where, explain(err, p.limits.brokers()))
}

// place is where a record was to go. Of a batch it is the largest one, which is what a broker
// refuses.
func place(topic string, partition int32, key, value int) string {
	return fmt.Sprintf("topic %q partition %d (key %d bytes, value %d bytes)", topic, partition, key, value)
}
