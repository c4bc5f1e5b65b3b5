package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"connectd/record"
)

// member polls a Group in a goroutine of its own and remembers what happened.
type member struct {
	t testing.TB
	*Group
	stop    context.CancelFunc
	stopped chan struct{}

	mu      sync.Mutex
	events  []string // assigned p, revoked p, lost p
	owned   map[record.Partition]bool
	values  map[record.Partition][]string
	next    map[record.Partition]int64
	errs    map[record.Partition]error
	failure error
	changed chan struct{} // replaced and closed with every change
}

// join starts a member of a new group, or of the group that o names. What o's functions do comes
// after the member has remembered the event.
func join(t testing.TB, s Settings, o GroupOptions) *member {
	t.Helper()
	if o.ID == "" {
		o.ID = unique(t)
	}
	m := &member{t: t, stopped: make(chan struct{}), owned: map[record.Partition]bool{}, values: map[record.Partition][]string{},
		next: map[record.Partition]int64{}, errs: map[record.Partition]error{}, changed: make(chan struct{})}
	o.Assigned = m.remember("assigned", true, o.Assigned)
	o.Revoked = m.remember("revoked", false, o.Revoked)
	o.Lost = m.remember("lost", false, o.Lost)
	g, err := NewGroup(s, o, log())
	if err != nil {
		t.Fatal(err)
	}
	m.Group = g
	ctx, cancel := context.WithCancel(context.Background())
	m.stop = cancel
	go func() {
		defer close(m.stopped)
		m.run(ctx)
	}()
	t.Cleanup(m.leave)
	return m
}

func (m *member) remember(event string, owns bool, then func(context.Context, []record.Partition)) func(context.Context, []record.Partition) {
	return func(ctx context.Context, ps []record.Partition) {
		slices.SortFunc(ps, func(a, b record.Partition) int { return int(a.ID - b.ID) })
		if !owns && then != nil {
			then(ctx, ps)
		}
		m.change(func() {
			for _, p := range ps {
				m.events = append(m.events, fmt.Sprint(event, " ", p.ID))
				m.owned[p] = owns
			}
		})
		if owns && then != nil {
			then(ctx, ps)
		}
	}
}

func (m *member) run(ctx context.Context) {
	for {
		fetches, err := m.Poll(ctx)
		m.change(func() {
			for _, f := range fetches {
				m.take(f)
			}
			if err != nil && ctx.Err() == nil {
				m.failure = err
			}
		})
		if ctx.Err() != nil || errors.Is(err, ErrClosed) {
			return
		}
	}
}

func (m *member) take(f Fetch) {
	if f.Err != nil {
		m.errs[f.Partition] = f.Err
	}
	if len(f.Messages) > 0 && !m.owned[f.Partition] {
		m.t.Errorf("got records of %s, which is not owned", f.Partition)
	}
	for _, msg := range f.Messages {
		if msg.Offset < m.next[f.Partition] {
			m.t.Errorf("%s: got offset %d after %d", f.Partition, msg.Offset, m.next[f.Partition]-1)
		}
		m.next[f.Partition] = msg.Offset + 1
		m.values[f.Partition] = append(m.values[f.Partition], string(msg.Value))
	}
}

func (m *member) change(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
	close(m.changed)
	m.changed = make(chan struct{})
}

// until waits for a state of the member, which is locked while ok runs.
func (m *member) until(what string, ok func() bool) {
	m.t.Helper()
	timeout := time.After(time.Minute)
	for {
		m.mu.Lock()
		yes, changed := ok(), m.changed
		m.mu.Unlock()
		if yes {
			return
		}
		select {
		case <-changed:
		case <-time.After(20 * time.Millisecond): // for what comes without an event
		case <-timeout:
			m.mu.Lock()
			defer m.mu.Unlock()
			m.t.Fatalf("waited for %s; events %v, owned %v, positions %v, errors %v, %v", what, m.events, m.owned, m.next, m.errs, m.failure)
		}
	}
}

// owns waits until the member owns exactly n partitions.
func (m *member) owns(n int) []record.Partition {
	m.t.Helper()
	var ps []record.Partition
	m.until(fmt.Sprintf("%d partitions", n), func() bool {
		ps = ps[:0]
		for p, yes := range m.owned {
			if yes {
				ps = append(ps, p)
			}
		}
		return len(ps) == n
	})
	slices.SortFunc(ps, func(a, b record.Partition) int { return int(a.ID - b.ID) })
	return ps
}

// reads waits until the member has read p up to offset next.
func (m *member) reads(p record.Partition, next int64) []string {
	m.t.Helper()
	var values []string
	m.until(fmt.Sprintf("%s up to offset %d", p, next), func() bool {
		values = slices.Clone(m.values[p])
		return m.next[p] >= next
	})
	return values
}

// err waits for an error of the partition, and forgets it.
func (m *member) err(p record.Partition) (err error) {
	m.t.Helper()
	m.until("an error of "+p.String(), func() bool {
		err = m.errs[p]
		delete(m.errs, p)
		return err != nil
	})
	return err
}

func (m *member) log() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.events)
}

// leave stops polling and leaves the group.
func (m *member) leave() {
	m.t.Helper()
	m.stop()
	<-m.stopped
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := m.Close(ctx); err != nil {
		m.t.Error(err)
	}
}

// pausePolling runs f while nothing is polled.
func (m *member) pausePolling(f func()) {
	m.stop()
	<-m.stopped
	f()
	ctx, cancel := context.WithCancel(context.Background())
	m.stop, m.stopped = cancel, make(chan struct{})
	go func() {
		defer close(m.stopped)
		m.run(ctx)
	}()
}
