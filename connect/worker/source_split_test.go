package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"connectd/connect"
	"connectd/connect/connector/connectortest"
	"connectd/connect/task"
	"connectd/kafka"
	"connectd/record"
)

// lanesConfig is a source that counts in several lanes, which tasks can share. Lane a has the
// records {"n":0,"text":"a"} …, and a source partition of its own.
type lanesConfig struct {
	Topic string        `yaml:"topic" required:"true" doc:"topic to write to"`
	Lanes []string      `yaml:"lanes" doc:"names of the lanes"`
	Count int           `yaml:"count" doc:"records of each lane"`
	Bad   string        `yaml:"bad" doc:"lane whose task fails"`
	Pace  time.Duration `yaml:"pace.ms" doc:"time for each batch"`
}

func (*lanesConfig) Defaults() {}

func (c *lanesConfig) Split(most int) int { return min(most, len(c.Lanes)) }

var lanesPlugins = func() connect.Plugins {
	all := testPlugins(nil, nil)
	all.Sources = append(all.Sources, connect.SourcePlugin("lanes-source", newLanes))
	return all
}()

type lanes struct {
	c  *lanesConfig
	my []string // lanes of this task
}

func newLanes(c *lanesConfig, e connect.Env) (connect.Source, error) {
	s := &lanes{c: c}
	for i, name := range c.Lanes {
		if i%e.Tasks == e.Task {
			s.my = append(s.my, name)
		}
	}
	return s, nil
}

func (s *lanes) Run(ctx context.Context, t *connect.SourceTask) error {
	if slices.Contains(s.my, s.c.Bad) {
		return connect.Permanent(errors.New("lane " + s.c.Bad + " is closed"))
	}
	partition := func(lane string) []byte { return []byte(`{"lane":"` + lane + `"}`) }
	next := map[string]int{}
	for _, lane := range s.my {
		if o := t.Offset(string(partition(lane))); o != nil {
			var at struct{ N int }
			if err := json.Unmarshal(o, &at); err != nil {
				return connect.Permanent(err)
			}
			next[lane] = at.N
		}
	}
	for more := true; more; {
		more = false
		for _, lane := range s.my {
			n := next[lane]
			if n == s.c.Count {
				continue
			}
			more = true
			select {
			case <-time.After(s.c.Pace):
			case <-ctx.Done():
				return nil
			}
			b, err := t.Batch(ctx)
			if err != nil {
				return nil
			}
			for ; n < min(next[lane]+10, s.c.Count); n++ {
				r := b.Add()
				r.Topic = s.c.Topic
				cells := b.Cells(2)
				cells[0], cells[1] = record.OfInt(int64(n)), record.OfString(b.Copy([]byte(lane)))
				r.Value = record.Datum{Schema: valueSchema, Value: record.OfStruct(cells)}
			}
			next[lane] = n
			b.Offsets = append(b.Offsets, record.SourceOffset{Partition: partition(lane), Offset: fmt.Appendf(nil, `{"n":%d}`, n)})
			t.Send(b)
		}
	}
	<-ctx.Done()
	return nil
}

// wantLanes fails unless each lane has each number once and in order.
func wantLanes(t *testing.T, got []string, count int, lanes ...string) {
	t.Helper()
	byLane := map[string][]string{}
	for _, text := range got {
		var v struct{ Text string }
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		byLane[v.Text] = append(byLane[v.Text], text)
	}
	for _, lane := range lanes {
		var want []string
		for n := range count {
			want = append(want, fmt.Sprintf(`{"n":%d,"text":"%s"}`, n, lane))
		}
		if !slices.Equal(byLane[lane], want) {
			t.Errorf("lane %s has %d records, want %d, in order", lane, len(byLane[lane]), count)
		}
	}
	if len(byLane) != len(lanes) {
		t.Errorf("%d lanes, want %d", len(byLane), len(lanes))
	}
}

// follower reads what is committed to a topic, as it comes.
type follower struct {
	t      *testing.T
	group  *kafka.Group
	values []string
}

func follow(t *testing.T, k kafka.Settings, topic string) *follower {
	t.Helper()
	until(t, "the topic", func() bool { return logEnd(t, k, topic) > 0 })
	g, err := kafka.NewGroup(k, kafka.GroupOptions{ID: fmt.Sprintf("follow-%d", rand.Uint64()), Topics: []string{topic}, Reset: "earliest", ReadCommitted: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close(context.Background()) })
	return &follower{t: t, group: g}
}

// until waits for so many records.
func (f *follower) until(what string, count int) {
	f.t.Helper()
	until(f.t, what, func() bool {
		ctx, cancel := context.WithTimeout(f.t.Context(), 100*time.Millisecond)
		defer cancel()
		fetches, err := f.group.Poll(ctx)
		if err != nil && ctx.Err() == nil {
			f.t.Fatal(err)
		}
		for _, fetch := range fetches {
			for _, m := range fetch.Messages {
				f.values = append(f.values, string(m.Value))
			}
		}
		return len(f.values) >= count
	})
}

func lanesSettings(topic string, tasks, count int, more ...string) map[string]string {
	m := map[string]string{
		"connector.class": "lanes-source", "topic": topic, "lanes": "a,b,c", "tasks.max": strconv.Itoa(tasks), "count": strconv.Itoa(count),
		"restart.backoff.ms": "10", "restart.backoff.max.ms": "500",
		"offsets.storage.topic": topic + "-offsets", // a short one: each attempt reads it
	}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

// TestSplit runs as many tasks as can share the work, with a state each: one that fails does not
// stop the others.
func TestSplit(t *testing.T) {
	for _, c := range []struct{ most, want int }{{1, 1}, {2, 2}, {7, 3}} {
		k := testKafka(t)
		w := testWorker(t, k)
		w.Add(load(t, lanesPlugins, "lanes", lanesSettings("numbers", c.most, 100)))
		stop := start(t, w)
		until(t, "all records", func() bool { return logEnd(t, k, "numbers") == 300 })
		if s := w.Status()[0]; len(s.Tasks) != c.want {
			t.Errorf("tasks.max %d: %d tasks, want %d", c.most, len(s.Tasks), c.want)
		}
		stop()
	}
	k := testKafka(t)
	w := testWorker(t, k)
	w.Add(load(t, lanesPlugins, "lanes", lanesSettings("numbers", 3, 100, "bad", "b")))
	start(t, w)
	until(t, "all records of two lanes, and the failure", func() bool {
		tasks := w.Status()[0].Tasks
		return logEnd(t, k, "numbers") == 200 && tasks[0].State == task.Running && tasks[1].State == task.Failed && tasks[2].State == task.Running
	})
	if cause := w.Status()[0].Tasks[1].Cause; cause == nil || cause.Error() != "lane b is closed" {
		t.Errorf("task 1 failed with %v", cause)
	}
}

// TestSplitOtherwise gives the work to another number of tasks with each start.
func TestSplitOtherwise(t *testing.T) {
	for _, support := range []string{"requested", "required"} {
		t.Run(support, func(t *testing.T) {
			k := testKafka(t)
			var seen *follower
			for i, tasks := range []int{3, 1, 2, 3} {
				w := testWorker(t, k)
				count := 100 * (i + 1)
				w.Add(load(t, lanesPlugins, "lanes", lanesSettings("numbers", tasks, count, "pace.ms", "1", "exactly.once.support", support)))
				stop := start(t, w)
				if seen == nil {
					seen = follow(t, k, "numbers")
				}
				seen.until("half of the records", 3*(count-50))
				stop() // somewhere
			}
			w := testWorker(t, k)
			w.Add(load(t, lanesPlugins, "lanes", lanesSettings("numbers", 2, 400, "exactly.once.support", support)))
			start(t, w)
			seen.until("the rest", 1200)
			wantLanes(t, seen.values, 400, "a", "b", "c")
		})
	}
}

// TestSplitCrash kills a process whose tasks are in the middle of transactions, and gives the work
// to fewer tasks: they do not have the transactional ids of all that was begun.
func TestSplitCrash(t *testing.T) {
	for _, step := range []string{"source.tx.produced:4", "source.tx.committed:3"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			eachKafka(t, func(t *testing.T, k kafka.Settings, prefix string) {
				settings := lanesSettings(prefix+"numbers", 3, 1000, "name", prefix+"child", "exactly.once.support", "required", "pace.ms", "2")
				crash(t, k, settings, step)
				for _, tasks := range []string{"1", "2"} {
					settings["tasks.max"] = tasks
					crash(t, k, settings, step)
				}
				child := connectortest.Start(t, k, settings, "")
				follow(t, k, prefix+"numbers").until("the end", 3000)
				child.Stop()
				wantLanes(t, readCommitted(t, k, prefix+"numbers"), 1000, "a", "b", "c")
			})
		})
	}
}

// TestSplitTakeover stops a process in its work and has another one, with fewer tasks, take over:
// when it wakes none of its tasks writes anything more.
func TestSplitTakeover(t *testing.T) {
	eachKafka(t, func(t *testing.T, k kafka.Settings, prefix string) {
		topic := prefix + "numbers"
		// So many that no task has sent all of its own before it is stopped: it would not notice.
		settings := lanesSettings(topic, 3, 3000, "name", prefix+"child", "exactly.once.support", "required", "pace.ms", "4")
		zombie := connectortest.Start(t, k, settings, "")
		seen := follow(t, k, topic)
		seen.until("work", 300)
		zombie.Signal(syscall.SIGSTOP)
		settings["tasks.max"] = "1"
		owner := connectortest.Start(t, k, settings, "")
		seen.until("the owner's work", len(seen.values)+300)
		zombie.Signal(syscall.SIGCONT)
		until(t, "all three of its tasks to notice", func() bool { return strings.Count(zombie.Output(), "fenced") >= 3 })
		seen.until("the end", 9000)
		owner.Stop()
		zombie.Stop()
		wantLanes(t, readCommitted(t, k, topic), 3000, "a", "b", "c")
	})
}
