package kafka

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectd/record"
)

// eachProtocol runs test against both brokers with both rebalance protocols.
func eachProtocol(t *testing.T, test func(t *testing.T, s Settings)) {
	eachBroker(t, func(t *testing.T, s Settings) {
		for _, protocol := range []string{"classic", "consumer"} {
			t.Run(protocol, func(t *testing.T) {
				t.Parallel()
				s := s
				s.GroupProtocol = protocol
				test(t, s)
			})
		}
	})
}

func values(from, n int) []string {
	vs := make([]string, n)
	for i := range vs {
		vs[i] = fmt.Sprint(from + i)
	}
	return vs
}

// TestGroup: records come in order, a commit with its metadata is read back, and the next member
// goes on from it.
func TestGroup(t *testing.T) {
	eachProtocol(t, func(t *testing.T, s Settings) {
		topic, id := makeTopic(t, s, 2), unique(t)
		produce(t, s, append(numbered(topic, 0, 0, 300), numbered(topic, 1, 1000, 200)...)...)
		p0, p1 := record.Partition{Topic: topic, ID: 0}, record.Partition{Topic: topic, ID: 1}
		m := join(t, s, GroupOptions{ID: id, Topics: []string{topic}})
		if got := m.reads(p0, 300); !reflect.DeepEqual(got, values(0, 300)) {
			t.Errorf("%s: got %v", p0, got)
		}
		if got := m.reads(p1, 200); !reflect.DeepEqual(got, values(1000, 200)) {
			t.Errorf("%s: got %v", p1, got)
		}
		if lag := m.Lag(p0); lag != 0 {
			t.Errorf("lag is %d, want 0", lag)
		}
		ps := []record.Partition{p1, p0}
		commits, err := m.Committed(t.Context(), ps)
		if want := []Commit{{p1, -1, ""}, {p0, -1, ""}}; err != nil || !reflect.DeepEqual(commits, want) {
			t.Errorf("before a commit: got %v, %v; want %v", commits, err, want)
		}
		want := []Commit{{p1, 150, `{"v":1,"end":200,"id":"0123456789abcdef0123456789abcdef"}`}, {p0, 250, ""}}
		if err := m.Commit(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if commits, err = m.Committed(t.Context(), ps); err != nil || !reflect.DeepEqual(commits, want) {
			t.Errorf("got %v, %v; want %v", commits, err, want)
		}
		m.leave()
		if events := m.log(); !slices.Contains(events, "revoked 0") || !slices.Contains(events, "revoked 1") {
			t.Errorf("leaving: got %v, want both partitions revoked", events)
		}
		m = join(t, s, GroupOptions{ID: id, Topics: []string{topic}})
		if got := m.reads(p0, 300); !reflect.DeepEqual(got, values(250, 50)) {
			t.Errorf("%s of the next member: got %v, want 250 to 299", p0, got)
		}
		if got := m.reads(p1, 200); !reflect.DeepEqual(got, values(1150, 50)) {
			t.Errorf("%s of the next member: got %v, want 1150 to 1199", p1, got)
		}
	})
}

// TestGroupSeek: Assigned decides where a partition starts, and Seek moves it later.
func TestGroupSeek(t *testing.T) {
	eachProtocol(t, func(t *testing.T, s Settings) {
		topic, id := makeTopic(t, s, 1), unique(t)
		p := record.Partition{Topic: topic}
		produce(t, s, numbered(topic, 0, 0, 500)...)
		if err := testAdmin(t, s).SetGroupOffsets(t.Context(), id, []Commit{{p, 100, "intent"}}); err != nil {
			t.Fatal(err)
		}
		var g atomic.Pointer[Group]
		seen := make(chan []Commit, 1)
		m := join(t, s, GroupOptions{ID: id, Topics: []string{topic}, Assigned: func(ctx context.Context, ps []record.Partition) {
			for g.Load() == nil {
				time.Sleep(time.Millisecond) // until join has returned
			}
			commits, err := g.Load().Committed(ctx, ps)
			if err != nil {
				t.Error(err)
			}
			seen <- commits
			g.Load().Seek(p, 321)
		}})
		g.Store(m.Group)
		if got := m.reads(p, 500); !reflect.DeepEqual(got, values(321, 179)) {
			t.Errorf("got %v, want from 321", got)
		}
		if got, want := <-seen, []Commit{{p, 100, "intent"}}; !reflect.DeepEqual(got, want) {
			t.Errorf("in Assigned: got %v, want %v", got, want)
		}
		m.pausePolling(func() {
			m.Seek(p, 450)
			m.next[p], m.values[p] = 0, nil
		})
		if got := m.reads(p, 500); !reflect.DeepEqual(got, values(450, 50)) {
			t.Errorf("after Seek: got %v, want from 450", got)
		}
	})
}

// TestGroupRebalance: a second member takes over where the first one, inside Revoked, committed;
// every record is read once.
func TestGroupRebalance(t *testing.T) {
	eachProtocol(t, func(t *testing.T, s Settings) {
		topic, id := makeTopic(t, s, 4), unique(t)
		for p := range int32(4) {
			produce(t, s, numbered(topic, p, 0, 100)...)
		}
		// Both commit what they have read when a partition goes.
		start := func() *member {
			var m *member
			ready := make(chan struct{})
			m = join(t, s, GroupOptions{ID: id, Topics: []string{topic}, Revoked: func(ctx context.Context, ps []record.Partition) {
				<-ready
				var commits []Commit
				m.mu.Lock()
				for _, p := range ps {
					commits = append(commits, Commit{p, m.next[p], ""})
				}
				m.mu.Unlock()
				if err := m.Commit(ctx, commits); err != nil {
					t.Errorf("commit in Revoked: %v", err)
				}
			}})
			close(ready)
			return m
		}
		first := start()
		for _, p := range first.owns(4) {
			first.reads(p, 100)
		}
		second := start()
		moved := second.owns(2)
		kept := first.owns(2)
		for p := range int32(4) {
			produce(t, s, numbered(topic, p, 100, 100)...)
		}
		for _, p := range moved {
			if got := second.reads(p, 200); !reflect.DeepEqual(got, values(100, 100)) {
				t.Errorf("%s at the second member: got %d records from %s, want 100 to 199", p, len(got), got[0])
			}
			if err := first.Commit(t.Context(), []Commit{{p, 1, ""}}); !errors.Is(err, ErrFenced) {
				t.Errorf("first member commits %s, which has moved: got %v, want ErrFenced", p, err)
			}
		}
		for _, p := range kept {
			if got := first.reads(p, 200); !reflect.DeepEqual(got, values(0, 200)) {
				t.Errorf("%s at the first member: got %d records, want 0 to 199", p, len(got))
			}
			if err := first.Commit(t.Context(), []Commit{{p, 200, "kept"}}); err != nil {
				t.Errorf("first member commits %s, which it keeps: %v", p, err)
			}
		}
		// A commit of a kept and a moved partition: the kept one is stored.
		var fenced *Fenced
		err := first.Commit(t.Context(), []Commit{{moved[0], 1, "zombie"}, {kept[0], 200, "again"}})
		if !errors.As(err, &fenced) || !reflect.DeepEqual(fenced.Partitions, moved[:1]) {
			t.Errorf("got %v, want only %s fenced", err, moved[0])
		}
		commits, err := second.Committed(t.Context(), []record.Partition{moved[0], kept[0]})
		if want := []Commit{{moved[0], 100, ""}, {kept[0], 200, "again"}}; err != nil || !reflect.DeepEqual(commits, want) {
			t.Errorf("got %v, %v; want %v", commits, err, want)
		}
		second.leave()
		for _, p := range first.owns(4) {
			if err := first.Commit(t.Context(), []Commit{{p, 200, ""}}); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestGroupRevokedBlocks: the partition does not start at the next member before Revoked returns.
func TestGroupRevokedBlocks(t *testing.T) {
	eachProtocol(t, func(t *testing.T, s Settings) {
		topic, id := makeTopic(t, s, 2), unique(t)
		inside, release := make(chan struct{}, 10), make(chan struct{})
		first := join(t, s, GroupOptions{ID: id, Topics: []string{topic}, Revoked: func(context.Context, []record.Partition) {
			inside <- struct{}{}
			<-release
		}})
		first.owns(2)
		second := join(t, s, GroupOptions{ID: id, Topics: []string{topic}})
		<-inside
		time.Sleep(300 * time.Millisecond) // several heartbeats of both
		if events := second.log(); len(events) > 0 {
			t.Errorf("second member got %v while Revoked runs", events)
		}
		close(release)
		second.owns(1)
	})
}

// TestGroupThrownOut: a member that the group has removed can not commit, and is told that all is
// lost; then it joins again and goes on from what is committed.
func TestGroupThrownOut(t *testing.T) {
	eachProtocol(t, func(t *testing.T, s Settings) {
		topic, id := makeTopic(t, s, 2), unique(t)
		produce(t, s, append(numbered(topic, 0, 0, 100), numbered(topic, 1, 0, 100)...)...)
		m := join(t, s, GroupOptions{ID: id, Topics: []string{topic}})
		ps := m.owns(2)
		m.reads(ps[0], 100)
		m.reads(ps[1], 100) // what is on its way would come after the member is thrown out
		if err := m.Commit(t.Context(), []Commit{{ps[0], 60, "stored"}}); err != nil {
			t.Fatal(err)
		}
		m.pausePolling(func() {
			removeMember(t, m.Group)
			if err := m.Commit(t.Context(), []Commit{{ps[0], 100, "zombie"}}); !errors.Is(err, ErrFenced) {
				t.Errorf("got %v, want ErrFenced", err)
			}
			m.next, m.values = map[record.Partition]int64{}, map[record.Partition][]string{}
		})
		if got := m.reads(ps[0], 100); !reflect.DeepEqual(got, values(60, 40)) {
			t.Errorf("after joining again: got %v, want 60 to 99", got)
		}
		want := []string{"assigned 0", "assigned 1", "lost 0", "lost 1", "assigned 0", "assigned 1"}
		if got := m.log(); !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if err := m.Commit(t.Context(), []Commit{{ps[0], 100, ""}}); err != nil {
			t.Errorf("under the new assignment: %v", err)
		}
	})
}

// TestGroupStart is auto.offset.reset.
func TestGroupStart(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		topic := makeTopic(t, s, 1)
		p := record.Partition{Topic: topic}
		produce(t, s, numbered(topic, 0, 0, 10)...)
		deleteRecords(t, s, p, 4)
		if got := join(t, s, GroupOptions{Topics: []string{topic}, Reset: "earliest"}).reads(p, 10); !reflect.DeepEqual(got, values(4, 6)) {
			t.Errorf("earliest: got %v", got)
		}
		none := join(t, s, GroupOptions{Topics: []string{topic}, Reset: "none"})
		var missing *NoOffset
		if err := none.err(p); !errors.As(err, &missing) || missing.Partition != p || !strings.Contains(err.Error(), "auto.offset.reset is none") {
			t.Errorf("none: got %v, want *NoOffset", err)
		}
		none.pausePolling(func() { none.Seek(p, 7) })
		if got := none.reads(p, 10); !reflect.DeepEqual(got, values(7, 3)) {
			t.Errorf("none, after Seek: got %v", got)
		}
		latest := join(t, s, GroupOptions{Topics: []string{topic}, Reset: "latest"})
		latest.owns(1)
		latest.until("the start at the end", func() bool { return latest.started(p) })
		produce(t, s, numbered(topic, 0, 10, 5)...)
		if got := latest.reads(p, 15); !reflect.DeepEqual(got, values(10, 5)) {
			t.Errorf("latest: got %v", got)
		}
	})
}

// TestGroupNoOffsetOfEmptyLog: Poll tells it although there is no record to wake it.
func TestGroupNoOffsetOfEmptyLog(t *testing.T) {
	_, addr := fake(t)
	s := settingsOf(addr)
	topic := makeTopic(t, s, 1)
	m := join(t, s, GroupOptions{Topics: []string{topic}, Reset: "none"})
	if err := m.err(record.Partition{Topic: topic}); !errors.As(err, new(*NoOffset)) {
		t.Errorf("got %v, want *NoOffset", err)
	}
}

// TestGroupOutOfRange: a position that the log does not have is reported, and nothing is
// delivered until Seek.
func TestGroupOutOfRange(t *testing.T) {
	eachProtocol(t, func(t *testing.T, s Settings) {
		topic, id := makeTopic(t, s, 2), unique(t)
		gone, beyond := record.Partition{Topic: topic, ID: 0}, record.Partition{Topic: topic, ID: 1}
		produce(t, s, append(numbered(topic, 0, 0, 100), numbered(topic, 1, 0, 50)...)...)
		deleteRecords(t, s, gone, 40)
		if err := testAdmin(t, s).SetGroupOffsets(t.Context(), id, []Commit{{gone, 10, ""}, {beyond, 70, ""}}); err != nil {
			t.Fatal(err)
		}
		m := join(t, s, GroupOptions{ID: id, Topics: []string{topic}})
		for p, want := range map[record.Partition]OutOfRange{
			gone:   {Partition: gone, Offset: 10, Start: 40, End: 100},
			beyond: {Partition: beyond, Offset: 70, Start: 0, End: 50},
		} {
			var got *OutOfRange
			if err := m.err(p); !errors.As(err, &got) || *got != want {
				t.Fatalf("%s: got %v, want %v", p, err, &want)
			}
			t.Log(got)
			m.pausePolling(func() {
				if len(m.values[p]) > 0 {
					t.Errorf("%s: got %v before Seek", p, m.values[p])
				}
				m.Seek(p, got.Start)
			})
		}
		if got := m.reads(gone, 100); !reflect.DeepEqual(got, values(40, 60)) {
			t.Errorf("%s after Seek: got %v", gone, got)
		}
		if got := m.reads(beyond, 50); !reflect.DeepEqual(got, values(0, 50)) {
			t.Errorf("%s after Seek: got %v", beyond, got)
		}
	})
}

// TestGroupFallsBehind: retention overtakes a reader that is paused.
func TestGroupFallsBehind(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		topic := makeTopic(t, s, 1)
		p := record.Partition{Topic: topic}
		produce(t, s, numbered(topic, 0, 0, 10)...)
		m := join(t, s, GroupOptions{Topics: []string{topic}})
		m.reads(p, 10)
		m.Pause(p)
		produce(t, s, numbered(topic, 0, 10, 50)...)
		deleteRecords(t, s, p, 30)
		m.pausePolling(func() { m.Seek(p, 10) }) // a fetch that was under way may have what is deleted now
		m.Resume(p)
		var got *OutOfRange
		if err := m.err(p); !errors.As(err, &got) || got.Offset != 10 || got.Start != 30 {
			t.Fatalf("got %v, want offset 10 out of range, start 30", err)
		}
		m.pausePolling(func() { m.Seek(p, 30) })
		if got := m.reads(p, 60); !reflect.DeepEqual(got[10:], values(30, 30)) {
			t.Errorf("got %v, want 0 to 9 and 30 to 59", got)
		}
	})
}

func TestGroupPause(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		topic := makeTopic(t, s, 2)
		p0, p1 := record.Partition{Topic: topic, ID: 0}, record.Partition{Topic: topic, ID: 1}
		m := join(t, s, GroupOptions{Topics: []string{topic}})
		m.owns(2)
		m.Pause(p0)
		produce(t, s, numbered(topic, 0, 0, 10)...)
		produce(t, s, numbered(topic, 1, 0, 10)...)
		m.reads(p1, 10)
		m.mu.Lock()
		if len(m.values[p0]) > 0 {
			t.Errorf("got %v of a paused partition", m.values[p0])
		}
		m.mu.Unlock()
		m.Resume(p0)
		m.reads(p0, 10)
	})
}

// TestGroupPattern: a topic that is created later is found.
func TestGroupPattern(t *testing.T) {
	eachProtocol(t, func(t *testing.T, s Settings) {
		prefix := unique(t)
		a := testAdmin(t, s)
		name := func(n int) string { return fmt.Sprintf("%s.cdc.t%d", prefix, n) }
		create := func(n int) record.Partition {
			dropTopic(t, s, name(n))
			if err := a.EnsureTopic(t.Context(), name(n), TopicSpec{Partitions: 1}); err != nil {
				t.Fatal(err)
			}
			produce(t, s, numbered(name(n), 0, 0, 5)...)
			return record.Partition{Topic: name(n)}
		}
		dropTopic(t, s, "not-"+name(1))
		if err := a.EnsureTopic(t.Context(), "not-"+name(1), TopicSpec{Partitions: 1}); err != nil {
			t.Fatal(err)
		}
		one := create(1)
		m := join(t, s, GroupOptions{Pattern: regexp.MustCompile(regexp.QuoteMeta(prefix) + `\.cdc\..*`)})
		m.reads(one, 5)
		m.reads(create(2), 5)
		// The whole name must match, as in Kafka Connect.
		m.mu.Lock()
		defer m.mu.Unlock()
		for p := range m.owned {
			if strings.HasPrefix(p.Topic, "not-") {
				t.Errorf("got %s, of which only a part matches", p)
			}
		}
	})
}

func TestGroupReadCommitted(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		topic := makeTopic(t, s, 1)
		abortTransaction(t, s, topic)
		produce(t, s, numbered(topic, 0, 0, 3)...)
		p := record.Partition{Topic: topic}
		m := join(t, s, GroupOptions{Topics: []string{topic}, ReadCommitted: true})
		if got := m.reads(p, 5); !reflect.DeepEqual(got, values(0, 3)) {
			t.Errorf("got %v, want only the records outside of the aborted transaction", got)
		}
	})
}

// TestGroupStatic: a static member that restarts gets its partitions back without a rebalance.
func TestGroupStatic(t *testing.T) {
	eachProtocol(t, func(t *testing.T, s Settings) {
		topic, id := makeTopic(t, s, 2), unique(t)
		one := GroupOptions{ID: id, Topics: []string{topic}, Overrides: map[string]string{"group.instance.id": "one"}}
		first := join(t, s, one)
		first.owns(2)
		other := join(t, s, GroupOptions{ID: id, Topics: []string{topic}})
		other.owns(1)
		ps := first.owns(1)
		if err := first.Commit(t.Context(), []Commit{{ps[0], 0, "static"}}); err != nil {
			t.Fatal(err)
		}
		before := len(other.log())
		first.leave()
		first = join(t, s, one)
		if got := first.owns(1); !reflect.DeepEqual(got, ps) {
			t.Errorf("got %v back, want %v", got, ps)
		}
		if err := first.Commit(t.Context(), []Commit{{ps[0], 0, "static again"}}); err != nil {
			t.Error(err)
		}
		if events := other.log(); len(events) > before {
			t.Errorf("the other member saw %v", events[before:])
		}
	})
}

func TestGroupWithoutBroker(t *testing.T) {
	addr := nobody(t)
	g, err := NewGroup(settingsOf(addr), GroupOptions{ID: "g", Topics: []string{"t"}}, log())
	if err != nil {
		t.Fatal(err)
	}
	_, err = g.Poll(within(t, 300*time.Millisecond))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
	if err := g.Close(within(t, time.Minute)); err != nil {
		t.Error(err)
	}
	if _, err := g.Poll(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: got %v, want ErrClosed", err)
	}
}

// started says whether the partition has a position.
func (m *member) started(p record.Partition) bool {
	m.Group.mu.Lock()
	defer m.Group.mu.Unlock()
	a := m.Group.owned[p]
	return a != nil && a.next >= 0
}

// deleteRecords moves the start of p's log.
func deleteRecords(t *testing.T, s Settings, p record.Partition, before int64) {
	t.Helper()
	if err := testAdmin(t, s).DeleteRecords(t.Context(), p, before); err != nil {
		t.Fatal(err)
	}
}
