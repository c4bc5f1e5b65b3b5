package sinktask

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"connectd/connect"
	"connectd/connect/connector"
	"connectd/connect/schemas"
	"connectd/connect/task"
	"connectd/kafka"
	"connectd/record"
)

// revokeBudget is how long a partition that moves to another member may take to flush what it has
// taken. The member that waits for it reads nothing meanwhile.
const revokeBudget = 20 * time.Second

// sinkTask is one attempt to run a task of a sink: a member of the connector's consumer group,
// with one goroutine for each partition it owns.
type sinkTask struct {
	*task.Task
	sink    connect.Sink
	group   *kafka.Group
	commit  func(context.Context, []kafka.Commit) error // the group's
	admin   *kafka.Admin
	letters *kafka.Producer // nil when there are none
	schemas *schemas.Store
	opened  func() error // waits until schemas are
	budget  *budget
	policy  connector.Policy
	reset   string // auto.offset.reset

	failed chan error // one slot: what ends the attempt

	mu        sync.Mutex
	parts     map[record.Partition]*partition
	attention map[*partition]bool // have an order for the polling goroutine
	wakePoll  context.CancelFunc
}

func (t *sinkTask) run(ctx context.Context, r *Runner) error {
	if err := connector.CheckPart(ctx, t.sink); err != nil {
		return err
	}
	c := t.Connector
	var err error
	if t.admin, err = c.NewAdmin(r.kafka); err != nil {
		return err
	}
	defer t.admin.Close()
	if err := c.EnsureDeadLetters(ctx, t.admin); err != nil {
		return err
	}
	if c.DeadLetters != "" {
		if t.letters, err = c.NewProducer(r.kafka, t.Log); err != nil {
			return err
		}
		defer t.letters.Close()
	}
	k, options, err := r.groupOptions(c, t.ID)
	if err != nil {
		return err
	}
	// A member that can not decode yet would hold partitions that another one reads.
	if err := t.opened(); err != nil {
		return err
	}
	t.reset = k.Reset
	options.Assigned, options.Revoked, options.Lost = t.assigned, t.revoked, t.lost
	if t.group, err = kafka.NewGroup(k, options, t.Log); err != nil {
		return err
	}
	t.commit = t.group.Commit
	t.Show(t.show)
	if err = t.group.Reach(ctx); err == nil {
		err = t.poll(ctx)
	}
	if ending := t.end(r.settings.Grace); err == nil {
		err = ending
	}
	return err
}

// poll gives what it polls to the partitions, until ctx is done or something fails. It never
// waits for a partition: one that has enough is paused.
func (t *sinkTask) poll(ctx context.Context) error {
	for {
		polling, wake := context.WithCancel(ctx)
		t.obey(wake)
		fetches, err := t.group.Poll(polling)
		woken := polling.Err() != nil
		wake()
		for i := range fetches {
			t.deliver(fetches[i])
		}
		select {
		case err := <-t.failed:
			return err
		case <-ctx.Done():
			return nil
		default:
		}
		switch {
		case err == nil:
			t.Degrade("group", nil)
		case woken:
		case connect.IsPermanent(err):
			return err
		default:
			t.Degrade("group", err)
			select {
			case <-time.After(100 * time.Millisecond): // the client goes on trying by itself
			case <-ctx.Done():
			}
		}
	}
}

// obey carries out what partitions have asked for, and lets the next ask end the poll by wake.
func (t *sinkTask) obey(wake context.CancelFunc) {
	t.mu.Lock()
	t.wakePoll = wake
	var asking []*partition
	for p := range t.attention {
		if t.parts[p.id] == p {
			asking = append(asking, p)
		}
	}
	clear(t.attention)
	t.mu.Unlock()
	for _, p := range asking {
		seek, seeking, paused := p.inbox.order()
		if seeking {
			t.group.Seek(p.id, seek)
		}
		if paused {
			t.group.Pause(p.id)
		} else {
			t.group.Resume(p.id)
		}
	}
}

// ask makes the polling goroutine obey p's order soon.
func (t *sinkTask) ask(p *partition) {
	t.mu.Lock()
	t.attention[p] = true
	wake := t.wakePoll
	t.mu.Unlock()
	wake()
}

// deliver puts f into its partition's inbox.
func (t *sinkTask) deliver(f kafka.Fetch) {
	t.mu.Lock()
	p := t.parts[f.Partition]
	t.mu.Unlock()
	if p == nil {
		if errors.As(f.Err, new(*kafka.NoOffset)) {
			t.fail(connect.Permanent(f.Err))
		}
		return
	}
	p.logEnd.Store(f.HighWatermark)
	n, pause := p.inbox.put(f)
	full := n > 0 && t.budget.take(p, n)
	if full || pause {
		t.group.Pause(f.Partition)
	}
	if full {
		t.hold()
	}
}

// hold pauses the other partitions when the budget is full: each would bring a fetch more before it
// finds that out.
func (t *sinkTask) hold() {
	t.mu.Lock()
	parts := slices.Collect(maps.Values(t.parts))
	t.mu.Unlock()
	var held []record.Partition
	for _, p := range parts {
		if t.budget.wait(p) {
			held = append(held, p.id)
		}
	}
	t.group.Pause(held...)
}

// fail ends the attempt with err; the first one counts.
func (t *sinkTask) fail(err error) {
	select {
	case t.failed <- err:
	default:
	}
	t.mu.Lock()
	wake := t.wakePoll
	t.mu.Unlock()
	wake()
}

// assigned starts a goroutine for each partition, at its committed offset. It runs while poll
// waits, never beside deliver.
func (t *sinkTask) assigned(ctx context.Context, ps []record.Partition) {
	commits, err := t.group.Committed(ctx, ps)
	if err == nil {
		err = t.begin(ctx, commits)
	}
	if err != nil && ctx.Err() == nil {
		t.fail(err)
	}
}

func (t *sinkTask) begin(ctx context.Context, commits []kafka.Commit) error {
	starts, err := t.starts(ctx, commits)
	if err != nil {
		return err
	}
	for _, c := range commits {
		start, ok := starts[c.Partition]
		if !ok {
			continue // auto.offset.reset is none: the group reports it
		}
		p, err := t.newPartition(c, start)
		if err != nil {
			return err
		}
		t.group.Seek(c.Partition, start)
		t.group.Resume(c.Partition) // it may have left us paused
		t.mu.Lock()
		t.parts[c.Partition] = p
		t.mu.Unlock()
		life, cancel := context.WithCancelCause(context.Background()) // outlives ctx, to flush
		p.cancel = cancel
		go p.run(life)
	}
	return nil
}

// starts is where each partition starts: at its committed offset, or where auto.offset.reset
// says.
func (t *sinkTask) starts(ctx context.Context, commits []kafka.Commit) (map[record.Partition]int64, error) {
	starts := map[record.Partition]int64{}
	topics := map[string]bool{}
	for _, c := range commits {
		if c.Offset >= 0 {
			starts[c.Partition] = c.Offset
		} else {
			topics[c.Partition.Topic] = true
		}
	}
	if len(topics) == 0 || t.reset == "none" {
		return starts, nil
	}
	var names []string
	for name := range topics {
		names = append(names, name)
	}
	logs, err := t.admin.ListOffsets(ctx, true, names...)
	if err != nil {
		return nil, err
	}
	for _, c := range commits {
		if c.Offset >= 0 {
			continue
		}
		starts[c.Partition] = logs[c.Partition].Start
		if t.reset == "latest" {
			starts[c.Partition] = logs[c.Partition].End
		}
	}
	return starts, nil
}

// revoked lets the partitions flush and commit what they have taken, within revokeBudget, and
// returns when their writers are closed: from then on they are another member's.
func (t *sinkTask) revoked(ctx context.Context, ps []record.Partition) {
	t.release(t.remove(ps), revokeBudget)
}

// lost ends the partitions at once: they may be another member's already.
func (t *sinkTask) lost(ctx context.Context, ps []record.Partition) {
	gone := t.remove(ps)
	if len(gone) > 0 {
		t.Log.Warn("partitions are lost: the group has gone on without this member; what was not durable is another one's", "partitions", len(gone))
	}
	t.release(gone, 0)
}

// remove takes partitions out of the task.
func (t *sinkTask) remove(ps []record.Partition) []*partition {
	t.mu.Lock()
	defer t.mu.Unlock()
	var gone []*partition
	for _, id := range ps {
		if p := t.parts[id]; p != nil {
			gone = append(gone, p)
			delete(t.parts, id)
		}
	}
	return gone
}

// abandon is how long a writer may take to return once its context has ended.
const abandon = 5 * time.Second

// release lets partitions flush for at most budget, ends those that take longer, and waits for
// all.
func (t *sinkTask) release(ps []*partition, budget time.Duration) {
	expired, cancel := context.WithTimeout(context.Background(), budget)
	defer cancel()
	for _, p := range ps {
		if budget == 0 {
			p.cancel(errAbandoned)
		}
		close(p.stop)
	}
	for _, p := range ps {
		select {
		case <-p.done:
			continue
		case <-expired.Done():
			p.cancel(errAbandoned)
		}
		select {
		case <-p.done:
		case <-time.After(abandon):
			// Nothing that it still writes can do harm: its range is in the intent, under an id
			// that makes the next owner's write the same one, and it commits nothing any more.
			t.Log.Error("sink does not return from a call after its context has ended", "topic", p.id.Topic, "partition", p.id.ID)
		}
	}
}

// end flushes and closes all partitions and leaves the group.
func (t *sinkTask) end(grace time.Duration) error {
	t.mu.Lock()
	var all []record.Partition
	for id := range t.parts {
		all = append(all, id)
	}
	t.mu.Unlock()
	t.release(t.remove(all), grace)
	leaving, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := t.group.Close(leaving); err != nil {
		t.Log.Warn("group is left by its session timeout", "err", err)
	}
	return nil
}

// show says how many offsets of the task's partitions are not flushed yet.
func (t *sinkTask) show(s *task.Status) {
	s.LagRecords = 0
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.parts {
		s.LagRecords += max(0, p.logEnd.Load()-p.durable.Load())
	}
}

// topicID is asked for by a sink when a partition starts; by then there is a client.
func (t *sinkTask) topicID(ctx context.Context, topic string) (string, error) {
	return t.admin.TopicID(ctx, topic)
}
