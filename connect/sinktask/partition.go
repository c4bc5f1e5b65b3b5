package sinktask

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"connectd/connect"
	"connectd/connect/connector"
	"connectd/connect/task"
	"connectd/kafka"
	"connectd/record"
)

// errAbandoned ends a partition that has no time left: what is not durable belongs to its next
// owner.
var errAbandoned = errors.New("the partition is another member's now")

// settlePause is how long the offset after a flush waits to be committed together with the next
// flush's intent.
const settlePause = 200 * time.Millisecond

// partition is one partition that a sink task owns. Its goroutine (run) does everything from
// decoding to committing, so its writer is called from one goroutine only. It ends when stop is
// closed, after a last flush, or at once when its context ends.
type partition struct {
	task   *sinkTask
	id     record.Partition
	config *connector.SinkSettings
	log    *slog.Logger
	inbox  inbox
	stop   chan struct{}
	done   chan struct{}
	early  chan struct{}           // one slot: flush, memory is short
	cancel context.CancelCauseFunc // ends run at once

	writer  connect.Writer
	starter bool            // the writer keeps its offset itself
	rotator connect.Rotator // the writer, when it has rules of its own; nil without
	asked   bool            // the rotator knows of the range
	began   time.Time       // when the range was
	chain   connector.Chain
	conv    connector.Converters
	batch   *record.Batch // of take, while it runs
	origin  []int         // of the records in batch: their places among the messages
	times   task.OriginTimes

	// [start, next) is taken and not durable in the target.
	start, next int64
	rows        int64           // with so many the range is full
	known       int64           // the committed offset; never commit a lower one. -1 for none
	owed        bool            // start is above known, or not committed yet
	intent      *intent         // the flush that is under way, perhaps since an earlier life
	refused     map[int64]error // records of the range that the target has refused
	tally       rangeTally
	leaving     []int64         // records that this try leaves out
	letters     []kafka.Message // theirs
	left        map[int64]bool  // records that every try of the range leaves out: their letters are durable

	linger, settle *time.Timer
	backoff        task.Backoff
	failing        time.Time // since when the target refuses; zero while it does not

	durable atomic.Int64 // start, for the lag
	logEnd  atomic.Int64
}

// rangeTally counts what became of the records of [start, next).
type rangeTally struct {
	task.Tally
	held int64 // of the budget
}

// consume counts m.
func (t *rangeTally) consume(m *kafka.Message) {
	t.Read++
	t.Bytes += int64(len(m.Key) + len(m.Value))
	t.held += size(m)
}

// newPartition makes the partition of c, which starts at start: the committed offset, if there
// is one.
func (t *sinkTask) newPartition(c kafka.Commit, start int64) (*partition, error) {
	p := &partition{
		task: t, id: c.Partition, config: t.Connector.Sink,
		log:  t.Log.With("topic", c.Partition.Topic, "partition", c.Partition.ID),
		stop: make(chan struct{}), done: make(chan struct{}), early: make(chan struct{}, 1),
		start: start, next: start, known: c.Offset, owed: c.Offset < 0,
		linger: stopped(), settle: stopped(),
		backoff: task.Backoff{First: time.Second, Most: t.Connector.RetryDelayMax},
	}
	p.inbox.ready = make(chan struct{}, 1)
	p.rows = p.firstRows()
	p.durable.Store(start)
	p.logEnd.Store(start)
	var err error
	if p.intent, err = parseIntent(c.Metadata, c.Offset); err != nil {
		return nil, connect.Permanent(fmt.Errorf("partition %s: %w", p.id, err))
	}
	if p.intent != nil && p.intent.Config != t.Connector.Hash {
		p.log.Warn("finishing a flush that was begun with other settings", "start", start, "end", p.intent.End)
	}
	if p.chain, err = t.Connector.NewChain(); err != nil {
		return nil, err
	}
	p.conv, err = t.Connector.NewConverters()
	return p, err
}

// firstRows are those of the first range. Partitions that begin together would fill their ranges
// together, and the target and this process would wait for each other in turns; so the first range is
// a quarter, half, three quarters or all of the others, where many small flushes cost little.
func (p *partition) firstRows() int64 {
	const steps = 4
	rows := int64(p.config.MaxRows)
	if !p.config.Soon {
		return rows
	}
	return max(1, rows*int64(p.id.ID%steps+1)/steps)
}

// stopped is a timer that is not running.
func stopped() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// run is the partition's goroutine. What the target refuses for the moment is tried again in
// place, with a new writer and the same range.
func (p *partition) run(ctx context.Context) {
	defer close(p.done)
	defer p.leave()
	for {
		err := task.Guarded(func() error { return p.serve(ctx) })
		if closing := p.close(); err == nil {
			err = closing
		}
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			return
		case connect.IsFenced(err):
			// The group is about to say so as well, see fenced.
			p.log.Warn("partition is lost; nothing more is written for it", "err", err)
			p.fenced(ctx, err)
			return
		case errors.Is(err, errRecreated):
			p.task.fail(err)
			return
		}
		var refused *connect.RecordErrors
		if errors.As(err, &refused) {
			if err = p.refuse(refused); err == nil {
				continue
			}
		}
		if connect.IsPermanent(err) {
			p.task.fail(err)
			return
		}
		if !p.retry(ctx, err) {
			return
		}
	}
}

// refuse takes note of the records that the target has refused at the flush, so that the range is
// given again without them.
func (p *partition) refuse(refused *connect.RecordErrors) error {
	if p.refused == nil {
		p.refused = map[int64]error{}
	}
	before := len(p.refused)
	for _, f := range refused.Failed {
		if !p.task.policy.TolerateAll {
			return connect.Permanent(fmt.Errorf("record %s@%d: %w", p.id, f.Offset, f.Err))
		}
		p.refused[f.Offset] = f.Err
	}
	if len(p.refused) == before {
		return connect.Permanent(fmt.Errorf("partition %s: the target refuses records that it was not given: %w", p.id, refused))
	}
	p.rewind(p.start)
	return nil
}

// retry waits before another try. It says no when the partition is to end, or when
// errors.retry.timeout is over, which fails the task.
func (p *partition) retry(ctx context.Context, err error) bool {
	if p.failing.IsZero() {
		p.failing = time.Now()
	}
	if p.config.RetryTimeout.Over(p.failing) {
		p.task.fail(fmt.Errorf("partition %s: %w", p.id, err))
		return false
	}
	pause := p.backoff.Next()
	p.log.Warn("partition can not go on; trying again", "in", pause.Round(time.Millisecond), "err", err)
	p.task.Degrade(p.id.String(), err)
	p.task.Count.Retried()
	p.rewind(nowhere) // nothing is fetched while it waits: its memory would be missing elsewhere
	select {
	case <-time.After(pause):
		return true
	case <-p.stop:
	case <-ctx.Done():
	}
	return false
}

// fencedPatience is how long the group may take to tell of a partition that it, or the target, has
// refused for another owner.
const fencedPatience = time.Minute

// fenced waits for the group to take the partition away. When it does not, the task joins anew.
func (p *partition) fenced(ctx context.Context, cause error) {
	p.task.budget.give(p, p.inbox.rewind(nowhere, 0))
	select {
	case <-p.stop:
	case <-ctx.Done():
	case <-time.After(fencedPatience):
		// Not wrapped: the group has had its time, and whose partition it is shows in joining.
		p.task.fail(fmt.Errorf("partition %s: the group does not take it away; joining again: %v", p.id, cause))
	}
}

// rewind drops what was taken and not flushed, and reads on from offset; not at all from nowhere.
func (p *partition) rewind(offset int64) {
	p.next = offset
	p.tally, p.leaving, p.letters, p.asked = rangeTally{}, nil, nil, false
	p.times.Reset()
	p.linger.Stop()
	p.task.budget.give(p, p.inbox.rewind(offset, 0))
	p.task.ask(p)
}

// leave gives back what the partition holds.
func (p *partition) leave() {
	p.task.Degrade(p.id.String(), nil)
	p.task.budget.leave(p)
	p.task.budget.give(p, p.inbox.rewind(nowhere, 0))
	p.linger.Stop()
	p.settle.Stop()
}

// close closes the writer, which drops what is not flushed.
func (p *partition) close() error {
	if p.writer == nil {
		return nil
	}
	w := p.writer
	p.writer = nil
	return w.Close()
}

// open opens a writer. One that keeps its own offset decides where to start.
func (p *partition) open(ctx context.Context) error {
	w, err := p.task.sink.Open(ctx, p.id)
	if err != nil {
		return fmt.Errorf("open partition %s: %w", p.id, err)
	}
	p.writer = w
	p.rotator, _ = w.(connect.Rotator)
	s, ok := w.(connect.Starter)
	if p.starter = ok; !ok {
		return nil
	}
	p.intent = nil
	next, found, err := s.Start(ctx)
	if err != nil {
		return fmt.Errorf("start partition %s: %w", p.id, err)
	}
	if found && next != p.start {
		if p.known >= 0 {
			// Somebody who has rewound the group sees why nothing comes again.
			p.log.Info("the group's offset is another one than the target's, which counts", "group", p.known, "target", next)
		}
		p.start, p.owed = next, next > p.known
		p.durable.Store(next)
		p.rewind(next)
	}
	return nil
}

// serve opens a writer and writes until the partition ends or something fails.
func (p *partition) serve(ctx context.Context) error {
	if err := p.open(ctx); err != nil {
		return err
	}
	if !p.failing.IsZero() {
		p.rewind(p.start)
	}
	if p.owed {
		p.settle.Reset(settlePause)
	}
	check := time.NewTimer(recoveryCheck)
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.stop:
			return p.drain(ctx)
		default:
		}
		var err error
		select {
		case <-ctx.Done():
		case <-p.stop:
		case <-p.inbox.ready:
			err = p.receive(ctx)
		case <-p.linger.C:
			err = p.lingered(ctx)
		case <-p.early:
			err = p.flush(ctx)
		case <-p.settle.C:
			err = p.settleUp(ctx)
		case <-check.C:
			if p.intent != nil {
				err = p.checkRecovery(ctx)
			} else {
				p.checkEnd(ctx)
			}
			check.Reset(recoveryCheck)
		}
		if err != nil {
			return err
		}
	}
}

// drain flushes what is taken and commits. A flush of an earlier life that can not be finished
// now stays in the group's offset, for the next owner.
func (p *partition) drain(ctx context.Context) error {
	if err := p.flush(ctx); err != nil {
		return err
	}
	return p.settleUp(ctx)
}

// full, room and flushEarly are called by the budget.
func (p *partition) full() { p.inbox.setBroke(true) }

func (p *partition) room() {
	if p.inbox.setBroke(false) {
		p.task.ask(p)
	}
}

func (p *partition) flushEarly() {
	if p.config.Spooled {
		return // what is taken holds no memory, and the rest is taken anyway
	}
	select {
	case p.early <- struct{}{}:
	default:
	}
}

// fetchFailed treats what is wrong with fetching the partition.
func (p *partition) fetchFailed(ctx context.Context, err error) error {
	var gap *kafka.OutOfRange
	switch {
	case errors.As(err, &gap):
		return p.gap(gap)
	case errors.As(err, new(*kafka.NoOffset)), connect.IsPermanent(err):
		return connect.Permanent(err)
	}
	if gone := (*kafka.TopicGone)(nil); errors.As(err, &gone) {
		return p.gone(ctx, gone)
	}
	p.log.Warn("fetch", "err", err) // the client goes on trying
	return nil
}

// gap is called when Kafka has deleted offsets before they were read.
func (p *partition) gap(gap *kafka.OutOfRange) error {
	if gap.Offset > gap.End || p.config.OnGap == "fail" {
		return connect.Permanent(fmt.Errorf("%w; to go on without them write on.offset.gap: skip, or reset the group's offset", gap))
	}
	p.log.Error("offsets are skipped: Kafka has deleted them", "from", p.next, "to", gap.Start)
	// What is taken stays taken: the range goes over the gap.
	p.task.budget.give(p, p.inbox.rewind(gap.Start, p.tally.held))
	p.next = max(p.next, gap.Start)
	p.task.ask(p)
	return nil
}
