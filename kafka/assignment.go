package kafka

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"connectd/record"
)

// assignment is one stay of a partition with this member. A partition that leaves and comes back
// gets a new one, so that what was begun under the old one can be told apart.
type assignment struct {
	member string // the member id under which it was assigned
	start  int64  // where to start; -1: at the committed offset
	next   int64  // the offset after the last polled record; -1 before the first fetch
	end    int64  // the log's end at the last fetch; -1 when not known
	held   error  // why nothing is delivered until Seek
	told   bool   // held was reported
}

// accept moves the position past records, unless they do not continue it: then the client has
// moved by itself, and gap is true.
func (a *assignment) accept(records []*kgo.Record, logStart int64) (gap bool) {
	if len(records) == 0 {
		return false
	}
	// Offsets without a record are usual (compaction, markers of transactions), but not where
	// the log's start has passed the position.
	first := records[0].Offset
	if a.next >= 0 && (first < a.next || first > a.next && logStart > a.next) {
		return true
	}
	a.next = records[len(records)-1].Offset + 1
	return false
}

// assigned is the client's callback. It also comes, with nothing, when a new session of the group
// leaves everything as it was.
func (g *Group) assigned(ctx context.Context, client *kgo.Client, added map[string][]int32) {
	<-g.polled
	member, _ := client.GroupMetadata()
	fresh := partitions(added)

	// A member that the group had forgotten joins under a new id, and may be given a partition
	// that it still holds. In between the partition may have been another member's: the old stay
	// is lost, and the new one starts from what is committed now.
	var lost, moved []record.Partition
	g.mu.Lock()
	for p, a := range g.owned {
		if slices.Contains(fresh, p) {
			lost = append(lost, p)
		} else if a.member != member {
			lost, moved = append(lost, p), append(moved, p)
		}
	}
	g.mu.Unlock()
	g.lose(ctx, lost)

	fresh = append(fresh, moved...)
	if len(fresh) == 0 {
		return
	}
	g.mu.Lock()
	for _, p := range fresh {
		g.owned[p] = &assignment{member: member, start: -1, next: -1, end: -1}
		delete(g.ids, p.Topic)
	}
	g.mu.Unlock()
	if g.options.Assigned != nil {
		g.options.Assigned(ctx, fresh)
	}
	if err := g.restart(ctx, moved); err != nil {
		g.log.Warn("can not find where to start; the partitions wait for the next rebalance", "partitions", moved, "err", err)
	}
}

// restart moves partitions that the client is already reading to where their new stay starts.
func (g *Group) restart(ctx context.Context, ps []record.Partition) error {
	if len(ps) == 0 {
		return nil
	}
	commits, err := g.Committed(ctx, ps)
	if err != nil {
		return err
	}
	offsets := map[string]map[int32]kgo.Offset{}
	for _, c := range commits {
		if offsets[c.Partition.Topic] == nil {
			offsets[c.Partition.Topic] = map[int32]kgo.Offset{}
		}
		offsets[c.Partition.Topic][c.Partition.ID] = kgo.NewOffset().At(max(c.Offset, noCommit))
	}
	offsets, err = g.startAt(ctx, offsets)
	if err != nil {
		return err
	}
	for topic, ps := range offsets {
		for id, o := range ps {
			g.seek(record.Partition{Topic: topic, ID: id}, o.EpochOffset().Offset)
		}
	}
	return nil
}

// noCommit is the offset that startAt is given where nothing is committed: the client's code for
// "at the start", as configured with ConsumeStartOffset.
const noCommit = -2

// startAt is called by the client after Assigned, and before the first fetch, with the committed
// offsets. It returns where each partition starts, always as an exact offset: so every partition
// has a position that Seek can move, and none is moved silently.
func (g *Group) startAt(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	<-g.polled
	starts := map[record.Partition]int64{}
	var without []string // topics with partitions that have neither
	g.mu.Lock()
	for topic, ps := range offsets {
		for id, o := range ps {
			p := record.Partition{Topic: topic, ID: id}
			starts[p] = o.EpochOffset().Offset
			if a := g.owned[p]; a != nil && a.start >= 0 {
				starts[p] = a.start
			}
			if starts[p] < 0 && !slices.Contains(without, topic) {
				without = append(without, topic)
			}
		}
	}
	g.mu.Unlock()
	logs, err := g.admin.ListOffsets(ctx, g.options.ReadCommitted, without...)
	if err != nil {
		return nil, fmt.Errorf("find where partitions without a committed offset start: %w", err)
	}

	g.mu.Lock()
	defer g.mu.Unlock()
	for p, start := range starts {
		a := g.owned[p]
		if start < 0 {
			start = logs[p].Start
			if g.options.Reset == "latest" {
				start = logs[p].End
			} else if g.options.Reset == "none" && a != nil {
				a.held = &NoOffset{p}
				if g.wake != nil {
					g.wake()
				}
			}
		}
		if a != nil {
			a.start, a.next = start, start
		}
		offsets[p.Topic][p.ID] = kgo.NewOffset().At(start)
	}
	return offsets, nil
}

// Seek moves the position of an owned partition, and delivers it again if it was held because of
// a NoOffset or OutOfRange. Records of other positions that were fetched already are dropped.
func (g *Group) Seek(p record.Partition, offset int64) {
	g.mu.Lock()
	a := g.owned[p]
	if a != nil {
		a.start, a.next, a.held, a.told = offset, offset, nil, false
	}
	g.mu.Unlock()
	if a != nil {
		g.seek(p, offset)
	}
}

// seek moves the client, which knows the partition only after its first startAt; before that,
// start is what counts.
func (g *Group) seek(p record.Partition, offset int64) {
	g.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{p.Topic: {p.ID: {Epoch: -1, Offset: offset}}})
}

// revoked is the client's callback. It also comes, with nothing, at the end of every session.
func (g *Group) revoked(ctx context.Context, _ *kgo.Client, m map[string][]int32) {
	<-g.polled
	ps := g.still(partitions(m))
	if len(ps) == 0 {
		return
	}
	if g.options.Revoked != nil {
		g.options.Revoked(ctx, ps)
	}
	g.disown(ps)
}

// lost is the client's callback for a member that is no longer in the group: everything is lost,
// whatever the client lists.
func (g *Group) lost(ctx context.Context, _ *kgo.Client, _ map[string][]int32) {
	<-g.polled
	g.mu.Lock()
	ps := slices.Collect(maps.Keys(g.owned))
	g.mu.Unlock()
	g.lose(ctx, ps)
}

// lose disowns first: nothing can be committed from here on.
func (g *Group) lose(ctx context.Context, ps []record.Partition) {
	if len(ps) == 0 {
		return
	}
	g.disown(ps)
	if g.options.Lost != nil {
		g.options.Lost(ctx, ps)
	}
}

func (g *Group) disown(ps []record.Partition) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range ps {
		delete(g.owned, p)
	}
}

// still is those of ps that are owned.
func (g *Group) still(ps []record.Partition) []record.Partition {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.DeleteFunc(ps, func(p record.Partition) bool { return g.owned[p] == nil })
}

func partitions(m map[string][]int32) []record.Partition {
	var ps []record.Partition
	for topic, ids := range m {
		for _, id := range ids {
			ps = append(ps, record.Partition{Topic: topic, ID: id})
		}
	}
	return ps
}
