package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"connectd/record"
)

// GroupOptions say which group to join, what to read, and who is told of partitions.
//
// The three functions are called from the client's goroutine, one at a time, and never between
// the return of one Poll and the call of the next: a rebalance waits until the owner polls again.
// They must not call Poll or Close. They may take as long as max.poll.interval.ms; a member that
// takes longer is thrown out of the group. Their ctx ends with Close.
type GroupOptions struct {
	ID            string
	Topics        []string
	Pattern       *regexp.Regexp // topics whose whole name matches, instead of by name; new ones are found within metadata.max.age.ms
	Protocol      string         // classic or consumer; "": group.protocol
	Reset         string         // earliest, latest or none; "": auto.offset.reset
	ReadCommitted bool           // or isolation.level: read_committed
	Overrides     map[string]string

	// Assigned tells of partitions that this member owns from now on, before their first record.
	// It may Seek them; where it does not, they start at their committed offset, or as Reset says.
	Assigned func(ctx context.Context, ps []record.Partition)
	// Revoked tells of partitions that move to another member, which waits until Revoked returns:
	// this is the last moment to finish writes and to Commit for them.
	Revoked func(ctx context.Context, ps []record.Partition)
	// Lost tells of partitions that may belong to another member already. Nothing can be
	// committed for them; nothing may be written for them after it returns.
	Lost func(ctx context.Context, ps []record.Partition)
}

// Group is a member of a consumer group that commits by hand.
//
// One goroutine polls and closes; Commit, Committed, Pause, Resume and Lag may be called from
// any, Seek from the polling one or from Assigned.
type Group struct {
	client   *kgo.Client
	admin    *Admin
	options  GroupOptions
	settings Settings
	log      *slog.Logger
	cancel   context.CancelFunc
	polled   chan struct{} // closed with the first Poll: callbacks of the client may come before
	polling  sync.Once
	closed   bool

	mu    sync.Mutex
	owned map[record.Partition]*assignment
	ids   map[string]kadm.TopicID // of topics with owned partitions
	wake  context.CancelFunc      // ends the waiting of the running Poll
}

// Fetch is what a Poll got of one partition, in offset order. Its memory is the caller's.
type Fetch struct {
	Partition     record.Partition
	Messages      []Message
	HighWatermark int64 // the end of the partition's log
	// Err is what is wrong with the partition: *OutOfRange and *NoOffset need a Seek, *TopicGone
	// another member; all others are reported while the client goes on trying.
	Err error
}

// NewGroup builds a member. It joins in the background, and gets partitions while it polls.
func NewGroup(s Settings, o GroupOptions, log *slog.Logger) (*Group, error) {
	s, err := s.With(o.Overrides)
	if err != nil {
		return nil, err
	}
	if o.Protocol == "" {
		o.Protocol = s.GroupProtocol
	}
	if o.Reset == "" {
		o.Reset = s.Reset
	}
	o.ReadCommitted = o.ReadCommitted || s.Isolation == "read_committed"
	g := &Group{options: o, settings: s, log: log, owned: map[record.Partition]*assignment{}, ids: map[string]kadm.TopicID{}, polled: make(chan struct{})}
	opts, err := g.clientOptions()
	if err != nil {
		return nil, err
	}
	if g.client, err = newClient(s, log, opts...); err != nil {
		g.cancel()
		return nil, err
	}
	g.admin = newAdmin(g.client, s)
	return g, nil
}

func (g *Group) clientOptions() ([]kgo.Opt, error) {
	s, o := g.settings, g.options
	spread, err := balancers(s.Assignors)
	if err != nil {
		return nil, fmt.Errorf("partition.assignment.strategy %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	g.cancel = cancel
	opts := []kgo.Opt{
		kgo.WithContext(ctx),
		kgo.ConsumerGroup(o.ID),
		kgo.Balancers(spread...),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(g.assigned),
		kgo.OnPartitionsRevoked(g.revoked),
		kgo.OnPartitionsLost(g.lost),
		kgo.AdjustFetchOffsetsFn(g.startAt),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), // seen by startAt as "nothing committed"
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),       // out of range is reported, see Poll
		kgo.SessionTimeout(s.Session),
		kgo.HeartbeatInterval(s.Heartbeat),
		kgo.RebalanceTimeout(s.RebalanceLimit),
		kgo.FetchMinBytes(int32(s.FetchMin)),
		kgo.FetchMaxBytes(int32(s.FetchMax)),
		kgo.FetchMaxPartitionBytes(int32(s.PartitionMax)),
		kgo.FetchMaxWait(s.FetchWait),
	}
	if o.Pattern != nil {
		opts = append(opts, kgo.ConsumeRegex(), kgo.ConsumeTopics("^(?:"+o.Pattern.String()+")$"))
	} else {
		opts = append(opts, kgo.ConsumeTopics(o.Topics...))
	}
	if o.Protocol == "consumer" {
		opts = append(opts, kgo.ServerSideBalancer())
	}
	if s.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(s.InstanceID))
	}
	if o.ReadCommitted {
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	return opts, nil
}

// Reach asks the brokers whether they let this member in. Poll does not tell: the client joins in
// the background, and tries again for ever.
func (g *Group) Reach(ctx context.Context) error {
	_, err := g.admin.ClusterID(ctx)
	return err
}

// Poll waits for records and returns at most max.poll.records of them, several fetches of one
// partition in offset order. While it waits, and only then, the functions of GroupOptions run.
//
// An error is ctx's, ErrClosed, or what keeps the member out of the group; the caller may poll
// again, and the client goes on trying.
func (g *Group) Poll(ctx context.Context) ([]Fetch, error) {
	g.polling.Do(func() { close(g.polled) })
	g.client.AllowRebalance()
	waking := g.waking(ctx)
	if held := g.unstarted(); len(held) > 0 {
		return held, nil
	}
	polled := g.client.PollRecords(waking, g.settings.MaxPoll)
	if err := ctx.Err(); err != nil && polled.Empty() {
		return nil, err
	}
	if polled.IsClientClosed() {
		// This poll counts as one that holds rebalances back; the client's leave, which may still be
		// about to begin in a goroutine of its own, would wait for it for ever.
		g.client.AllowRebalance()
		return nil, ErrClosed
	}
	var (
		fetches []Fetch
		joining error
	)
	for i := range polled {
		for _, topic := range polled[i].Topics {
			for _, p := range topic.Partitions {
				if topic.Topic == "" {
					// Not about a partition: what keeps us out of the group.
					if p.Err != nil && !errors.Is(p.Err, context.Canceled) {
						joining = fmt.Errorf("join group %q: %w", g.options.ID, explain(p.Err, g.admin.brokers))
					}
					continue
				}
				if f, ok := g.fetched(ctx, topic.Topic, topic.TopicID, p); ok {
					fetches = append(fetches, f)
				}
			}
		}
	}
	return append(fetches, g.unstarted()...), joining
}

// waking is a context that startAt ends too, when it has something to tell.
func (g *Group) waking(ctx context.Context) context.Context {
	ctx, wake := context.WithCancel(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.wake != nil {
		g.wake() // frees the context of the last Poll
	}
	g.wake = wake
	return ctx
}

// fetched makes a Fetch of what was polled of one partition. ok is false when there is nothing to
// tell, or nobody to tell it to.
func (g *Group) fetched(ctx context.Context, topic string, id kadm.TopicID, t kgo.FetchPartition) (f Fetch, ok bool) {
	p := record.Partition{Topic: topic, ID: t.Partition}
	f = Fetch{Partition: p, HighWatermark: t.HighWatermark}
	var loss *kgo.ErrDataLoss
	g.mu.Lock()
	a := g.owned[p]
	if a == nil || a.held != nil {
		g.mu.Unlock()
		return f, false
	}
	gap := a.accept(t.Records, t.LogStartOffset) || errors.Is(t.Err, kerr.OffsetOutOfRange) || errors.As(t.Err, &loss)
	if t.HighWatermark > 0 {
		a.end = t.HighWatermark
	}
	g.mu.Unlock()

	switch {
	case gap:
		f.Err = g.outOfRange(ctx, p, a, loss)
		return f, true
	case errors.Is(t.Err, kerr.UnknownTopicID):
		f.Err = &TopicGone{Partition: p, ID: id.String()}
	case t.Err != nil:
		f.Err = fmt.Errorf("fetch from partition %s: %w", p, explain(t.Err, g.admin.brokers))
	}
	f.Messages = messages(t.Records)
	return f, len(f.Messages) > 0 || f.Err != nil
}

// outOfRange holds the partition until it is sought, and says what its log has.
func (g *Group) outOfRange(ctx context.Context, p record.Partition, a *assignment, loss *kgo.ErrDataLoss) error {
	// Whoever wakes a poll ends ctx, and would have the partition held without knowing why.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.settings.Request)
	defer cancel()
	logs, err := g.admin.ListOffsets(ctx, g.options.ReadCommitted, p.Topic)
	g.mu.Lock()
	defer g.mu.Unlock()
	e := &OutOfRange{Partition: p, Offset: a.next, Start: logs[p].Start, End: logs[p].End}
	if loss != nil { // the log was cut, and may have grown again since
		e.End = min(e.End, loss.ResetTo)
	}
	a.held, a.told = e, true
	if err != nil {
		return fmt.Errorf("partition %s: offset %d is out of range: %w", p, e.Offset, err)
	}
	return e
}

// unstarted are the partitions that startAt has held.
func (g *Group) unstarted() []Fetch {
	g.mu.Lock()
	defer g.mu.Unlock()
	var fetches []Fetch
	for p, a := range g.owned {
		if a.held != nil && !a.told {
			a.told = true
			fetches = append(fetches, Fetch{Partition: p, HighWatermark: a.end, Err: a.held})
		}
	}
	return fetches
}

// Pause stops fetching partitions, of which no record is polled from now on. They stay this
// member's, also through a rebalance that leaves them here.
func (g *Group) Pause(ps ...record.Partition) { g.client.PauseFetchPartitions(byTopic(ps)) }

// Resume undoes Pause.
func (g *Group) Resume(ps ...record.Partition) { g.client.ResumeFetchPartitions(byTopic(ps)) }

// Lag is how many offsets the partition's log has beyond what was polled, as of the last fetch;
// -1 when that is not known.
func (g *Group) Lag(p record.Partition) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	a := g.owned[p]
	if a == nil || a.end < 0 || a.next < 0 {
		return -1
	}
	return max(0, a.end-a.next)
}

// Close leaves the group: Revoked is called for what is still owned, and may commit. A static
// member (group.instance.id) keeps its place in the group until session.timeout.ms. A second
// Close does nothing.
func (g *Group) Close(ctx context.Context) error {
	if g.closed {
		return nil
	}
	g.closed = true
	g.polling.Do(func() { close(g.polled) })
	g.client.AllowRebalance()
	err := g.client.LeaveGroupContext(ctx)
	if g.options.Protocol == "consumer" && g.settings.InstanceID != "" && ctx.Err() == nil {
		err = g.stepOut(ctx)
	}
	if ctx.Err() != nil {
		g.cancel() // Revoked, which may still run, is told to end
	}
	g.client.CloseAllowingRebalance()
	g.client.AllowRebalance() // a poll that began meanwhile; see Poll
	g.cancel()
	g.lost(ctx, nil, nil) // what a leave in time would have revoked
	if g.wake != nil {
		g.wake()
	}
	if err != nil {
		return fmt.Errorf("leave group %q: %w", g.options.ID, explain(err, g.admin.brokers))
	}
	return nil
}

// stepOut tells the group that a static member with group.protocol consumer is away for a while.
// The client's own message lacks the instance id, so that a broker refuses it.
func (g *Group) stepOut(ctx context.Context) error {
	const away = -2
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.InstanceID, req.MemberEpoch = g.options.ID, &g.settings.InstanceID, away
	if req.MemberID, _ = g.client.GroupMetadata(); req.MemberID == "" {
		return nil // it never joined
	}
	resp, err := req.RequestWith(ctx, g.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.GroupIDNotFound) {
		return nil // the client's own message did it, or the group had forgotten the member
	}
	return err
}

func byTopic(ps []record.Partition) map[string][]int32 {
	m := make(map[string][]int32)
	for _, p := range ps {
		m[p.Topic] = append(m[p.Topic], p.ID)
	}
	return m
}
