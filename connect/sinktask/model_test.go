package sinktask

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"connectd/connect"
	"connectd/connect/schemas"
	"connectd/connect/task"
	"connectd/kafka"
	"connectd/record"
)

// The model check runs the delivery protocol of one partition through every order of events that
// its limits allow: owners that are killed, or stand still and wake up late, between any two steps;
// commits whose answer is lost; rewinds; topics that are created anew. The owners are the real
// thing, from parseIntent to commit; broker and target are in model_world_test.go.

// modelLimits bound the search.
type modelLimits struct{ records, joins, crashes, losses, rewinds, recreations int }

// action is one thing that may happen next: to an owner, or to the world when owner is -1.
type action struct {
	name   string
	owner  int
	choice int // of the owner's step
}

func (a action) String() string {
	if a.owner < 0 {
		return a.name
	}
	return fmt.Sprintf("owner %d: %s %d", a.owner, a.name, a.choice)
}

// pause is where an owner waits to be let on.
type pause struct {
	name    string
	choices int
}

// owner is one life of a process that owns the partition. It is a coroutine, which stands still at
// each pause.
type owner struct {
	w          *world
	generation int
	topic      int // that it reads
	p          *partition
	at         pause
	choice     int
	ended      bool
	killed     bool
	yield      func(pause) bool
	next       func() (pause, bool)
	stop       func()
}

var errKilled = errors.New("killed")

// wait lets the world go on, and returns the choice that was made.
func (o *owner) wait(choices int, format string, args ...any) int {
	if !o.yield(pause{fmt.Sprintf(format, args...), choices}) {
		panic(errKilled)
	}
	return o.choice
}

// step lets the owner go on to its next pause.
func (o *owner) step(choice int) {
	o.choice = choice
	at, ok := o.next()
	o.at, o.ended = at, !ok
}

// live is what an owner does: what partition.run does, with the choices of the search in place of
// timers and channels.
func (o *owner) live() {
	defer func() {
		if r := recover(); r != nil && r != errKilled {
			panic(r)
		}
		if o.p != nil {
			o.p.leave()
		}
	}()
	ctx := context.Background()
	o.wait(1, "assigned")
	c := o.w.committed
	if o.w.seeds.blind {
		c.Metadata = ""
	}
	p, err := o.sinkTask().newPartition(c, max(c.Offset, 0))
	if err != nil {
		o.w.fail("start at %+v: %v", c, err)
		return
	}
	o.p = p
	for err = p.open(ctx); ; {
		if err == nil {
			err = o.work(ctx)
		}
		if connect.IsFenced(err) || err == nil {
			return
		}
		if connect.IsPermanent(err) {
			o.w.fail("owner of generation %d fails: %v", o.generation, err)
			return
		}
		// As partition.retry does.
		if err = p.close(); err == nil {
			p.rewind(p.start)
			err = p.open(ctx)
		}
	}
}

// sinkTask is the one that the owner's partition belongs to.
func (o *owner) sinkTask() *sinkTask {
	return &sinkTask{
		Task: o.w.task, schemas: &schemas.Store{}, budget: newBudget(1 << 30), policy: o.w.task.Connector.Policy(),
		parts: map[record.Partition]*partition{}, attention: map[*partition]bool{}, wakePoll: func() {},
		sink: o, commit: o.commit,
	}
}

// work takes and flushes until everything is committed. How much a flush takes is the search's
// choice, and 0 is to commit the offset alone.
func (o *owner) work(ctx context.Context) error {
	p := o.p
	for {
		n := o.w.limits.records - int(p.next)
		switch {
		case o.topic != o.w.topic:
			return nil // every fetch says that the topic is gone
		case p.intent != nil:
			n = int(p.intent.End - p.next)
		case n == 0 && !p.owed:
			return nil
		case p.owed:
			n = o.wait(n+1, "flush")
		default:
			n = o.wait(n, "flush from 1") + 1
		}
		if n == 0 {
			if err := p.settleUp(ctx); err != nil {
				return err
			}
			continue
		}
		if err := p.takeAll(ctx, messages(o.topic, p.next, n)); err != nil {
			return err
		}
		if err := p.flush(ctx); err != nil {
			return err
		}
	}
}

// commit is the group's commit.
func (o *owner) commit(_ context.Context, cs []kafka.Commit) error {
	o.wait(1, "commit %d", cs[0].Offset)
	err := o.w.commit(o.generation, cs[0])
	if lost := o.lose(err); lost != nil {
		return lost
	}
	return err
}

// lose is an error when the answer to something that is done gets lost.
func (o *owner) lose(answer error) error {
	if o.w.limits.losses == 0 || o.wait(2, "answer %v", answer) == 0 || o.w.limits.losses == 0 {
		return nil
	}
	o.w.limits.losses--
	return errors.New("the connection is lost")
}

// Open makes the owner a Sink.
func (o *owner) Open(context.Context, record.Partition) (connect.Writer, error) {
	w := modelWriter{owner: o}
	if o.w.target.offsets {
		return &modelStarter{modelWriter: w}, nil
	}
	return &w, nil
}

func (o *owner) Close() error { return nil }

// search visits every state once, and says how many there are. It ends at the first violation,
// with the way that leads there.
func search(task *task.Task, limits modelLimits, seeds modelSeeds, target modelTarget) (states int, violation string) {
	seen := map[string]bool{}
	for ways := [][]action{nil}; len(ways) > 0; {
		way := slices.Clone(ways[len(ways)-1])
		ways = ways[:len(ways)-1]
		w := newWorld(task, limits, seeds, target)
		for _, a := range way {
			w.do(a)
		}
		for {
			if problem := w.check(); problem != "" {
				var text strings.Builder
				for i, a := range way {
					fmt.Fprintf(&text, "%3d. %s\n", i+1, a)
				}
				w.close()
				return len(seen), text.String() + "then: " + problem
			}
			state := w.String()
			actions := w.actions()
			if seen[state] || len(actions) == 0 {
				seen[state] = true
				break
			}
			seen[state] = true
			for _, a := range actions[1:] {
				ways = append(ways, append(slices.Clone(way), a))
			}
			way = append(way, actions[0])
			w.do(actions[0])
		}
		w.close()
	}
	return len(seen), ""
}

func modelTask(t *testing.T) *task.Task {
	return task.New(connectorOf(t), 0, slog.New(slog.DiscardHandler), nil)
}

var modelTargets = []modelTarget{{name: "tokens"}, {name: "objects", byKey: true}, {name: "offsets", offsets: true}}

// TestProtocolModel finds nothing that is lost or double.
func TestProtocolModel(t *testing.T) {
	for _, target := range modelTargets {
		for _, limits := range []modelLimits{
			{records: 3, joins: 2, crashes: 1},
			{records: 2, joins: 3},
			{records: 2, joins: 2, crashes: 1, losses: 1},
			{records: 3, joins: 2, crashes: 1, rewinds: 1},
			{records: 2, joins: 2, crashes: 1, recreations: 1},
		} {
			switch {
			case limits.rewinds > 0 && target.offsets:
				continue // the table wins over the group
			case limits.recreations > 0 && target.name != "tokens":
				continue // the sink knows the topic's id, or its keys come again
			}
			t.Run(fmt.Sprintf("%s/%+v", target.name, limits), func(t *testing.T) {
				t.Parallel()
				states, violation := search(modelTask(t), limits, modelSeeds{}, target)
				if violation != "" {
					t.Errorf("%s", violation)
				}
				if states < 100 {
					t.Errorf("%d states: too few to have seen anything", states)
				}
				t.Logf("%d states", states)
			})
		}
	}
}

// TestProtocolModelFindsBugs breaks what the protocol stands on, one thing at a time: the search has
// to find what goes wrong then.
func TestProtocolModelFindsBugs(t *testing.T) {
	for _, c := range []struct {
		name   string
		target int
		limits modelLimits
		seeds  modelSeeds
		want   string
	}{
		{"the broker does not fence", 0, modelLimits{records: 3, joins: 2}, modelSeeds{unfenced: true}, "twice"},
		{"the intent is not stored", 0, modelLimits{records: 3, joins: 2, crashes: 1}, modelSeeds{forgetful: true}, "twice"},
		{"the intent of objects is not stored", 1, modelLimits{records: 3, joins: 2}, modelSeeds{forgetful: true}, "lost"},
		{"tokens are made of offsets", 0, modelLimits{records: 3, joins: 2, crashes: 1, recreations: 1}, modelSeeds{rangeTokens: true}, "lost"},
		{"the owner does not look for an intent", 0, modelLimits{records: 3, joins: 2, crashes: 1}, modelSeeds{blind: true}, "twice"},
		{"tokens are forgotten before the flush is finished", 0, modelLimits{records: 3, joins: 2, crashes: 1}, modelSeeds{noTokens: true}, "twice"},
		{"the target does not fence", 2, modelLimits{records: 3, joins: 2}, modelSeeds{unfencedTarget: true}, "twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			states, violation := search(modelTask(t), c.limits, c.seeds, modelTargets[c.target])
			if violation == "" || !strings.Contains(violation, c.want) {
				t.Errorf("%d states, and %q; want something that is %s", states, violation, c.want)
			}
		})
	}
}
