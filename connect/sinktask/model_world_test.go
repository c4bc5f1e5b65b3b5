package sinktask

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"connectd/connect"
	"connectd/connect/task"
	"connectd/kafka"
	"connectd/record"
)

// modelSeeds are bugs of broker and target, for the search to find.
type modelSeeds struct {
	unfenced       bool // the broker takes commits of older generations
	forgetful      bool // the broker does not store metadata
	rangeTokens    bool // an insert's token is made of its offsets
	blind          bool // an owner is not told of metadata
	noTokens       bool // the target forgets tokens at once
	unfencedTarget bool // the target lets earlier owners move its offset
}

// modelTarget is one of three: inserts that are deduplicated by a token (ClickHouse), objects whose
// keys are made of their first offsets (S3), and offsets in the rows' transaction (PostgreSQL).
type modelTarget struct {
	name    string
	byKey   bool
	offsets bool
}

// world is one state of broker, target and owners. The partition has limits.records records.
type world struct {
	task   *task.Task
	limits modelLimits
	seeds  modelSeeds
	target modelTarget

	topic      int // how often it was created anew
	committed  kafka.Commit
	generation int
	owners     []*owner

	rows    map[modelRow]int
	tokens  map[string]bool
	objects map[int64][]modelRow
	moved   int64 // the offset in the target
	epoch   int

	problem string
}

// modelRow is a record in the target.
type modelRow struct {
	topic  int
	offset int64
}

var modelPartition = record.Partition{Topic: "numbers"}

func newWorld(task *task.Task, limits modelLimits, seeds modelSeeds, target modelTarget) *world {
	w := &world{task: task, limits: limits, seeds: seeds, target: target, rows: map[modelRow]int{}, tokens: map[string]bool{}, objects: map[int64][]modelRow{}}
	w.forget()
	return w
}

// forget is what a broker does with the offsets of a deleted topic.
func (w *world) forget() { w.committed = kafka.Commit{Partition: modelPartition, Offset: -1} }

// messages are n messages from offset on, whose values say which topic they are of.
func messages(topic int, offset int64, n int) []kafka.Message {
	msgs := make([]kafka.Message, n)
	for i := range msgs {
		msgs[i] = kafka.Message{Topic: modelPartition.Topic, Offset: offset + int64(i), Timestamp: record.NoTimestamp, Value: fmt.Appendf(nil, "%d", topic)}
	}
	return msgs
}

// actions are what may happen next.
func (w *world) actions() (all []action) {
	living := 0
	for i, o := range w.owners {
		if o.ended {
			continue
		}
		living++
		for choice := range o.at.choices {
			all = append(all, action{o.at.name, i, choice})
		}
		if w.limits.crashes > 0 {
			all = append(all, action{"is killed", i, 0})
		}
	}
	if w.limits.joins > 0 {
		all = append(all, action{name: "another owner joins", owner: -1})
	}
	// The tool of Kafka refuses while the group has members, and what an owner that stands still has
	// begun is not to be had back.
	if w.limits.rewinds > 0 && living == 0 && w.committed.Offset > 0 {
		all = append(all, action{name: "the rows are deleted, and the group is rewound", owner: -1})
	}
	if w.limits.recreations > 0 {
		all = append(all, action{name: "the topic is created anew", owner: -1})
	}
	return all
}

func (w *world) do(a action) {
	switch a.name {
	case "is killed":
		w.limits.crashes--
		w.owners[a.owner].stop()
		w.owners[a.owner].ended, w.owners[a.owner].killed = true, true
	case "another owner joins":
		w.limits.joins--
		w.generation++
		o := &owner{w: w, generation: w.generation, topic: w.topic}
		o.next, o.stop = iter.Pull(func(yield func(pause) bool) { o.yield = yield; o.live() })
		w.owners = append(w.owners, o)
		o.step(0)
	case "the rows are deleted, and the group is rewound":
		w.limits.rewinds--
		clear(w.rows)
		clear(w.objects)
		w.committed = kafka.Commit{Partition: modelPartition, Offset: 0}
	case "the topic is created anew":
		w.limits.recreations--
		w.topic++
		w.generation++ // the members are told; an owner that reads the new topic has joined anew
		w.forget()
	default:
		w.owners[a.owner].step(a.choice)
	}
}

// close ends the owners.
func (w *world) close() {
	for _, o := range w.owners {
		o.stop()
	}
}

// commit is the broker's side.
func (w *world) commit(generation int, c kafka.Commit) error {
	if generation != w.generation && !w.seeds.unfenced {
		return &kafka.Fenced{Partitions: []record.Partition{c.Partition}}
	}
	if w.seeds.forgetful {
		c.Metadata = ""
	}
	w.committed = c
	return nil
}

func (w *world) fail(format string, args ...any) { w.problem = fmt.Sprintf(format, args...) }

// copies is how often the target has a row.
func (w *world) copies(r modelRow) int {
	n := w.rows[r]
	for _, rows := range w.objects {
		for _, have := range rows {
			if have == r {
				n++
			}
		}
	}
	return n
}

// check says what is wrong: a row that is there twice, or one that is missing though an offset
// behind it is committed.
func (w *world) check() string {
	if w.problem != "" {
		return w.problem
	}
	done := w.committed.Offset
	if w.target.offsets {
		done = w.moved
	}
	for topic := range w.topic + 1 {
		for offset := range int64(w.limits.records) {
			n := w.copies(modelRow{topic, offset})
			switch {
			case n > 1:
				return fmt.Sprintf("offset %d is there twice", offset)
			case n == 0 && topic == w.topic && offset < done:
				return fmt.Sprintf("offset %d is lost: %d is committed", offset, done)
			}
		}
	}
	for _, o := range w.owners {
		// A claim that comes late makes the target refuse the owner, which then joins anew.
		if o.ended && !o.killed && o.generation == w.generation && int(o.p.start) < w.limits.records && !w.target.offsets {
			return fmt.Sprintf("the owner of generation %d has ended at %d", o.generation, o.p.start)
		}
	}
	return ""
}

// String is the state, with ids by the order in which they come.
func (w *world) String() string {
	names := map[string]string{}
	id := func(i *intent) string {
		if i == nil {
			return "-"
		}
		if names[i.ID] == "" {
			names[i.ID] = fmt.Sprint("id", len(names))
		}
		return fmt.Sprintf("%s<%d,%t", names[i.ID], i.End, i.committed)
	}
	var s strings.Builder
	stored, _ := parseIntent(w.committed.Metadata, w.committed.Offset)
	fmt.Fprintf(&s, "%+v topic %d at %d %s generation %d moved %d epoch %d\n", w.limits, w.topic, w.committed.Offset, id(stored), w.generation, w.moved, w.epoch)
	for _, o := range w.owners {
		if o.ended {
			continue
		}
		fmt.Fprintf(&s, "%d of %d %+v ", o.generation, o.topic, o.at)
		if p := o.p; p != nil {
			fmt.Fprintf(&s, "%d-%d known %d owed %t %s", p.start, p.next, p.known, p.owed, id(p.intent))
		}
		s.WriteByte('\n')
	}
	fmt.Fprintln(&s, w.rows, w.objects) // maps are printed in order
	var tokens []string
	for token := range w.tokens {
		if of, half, _ := strings.Cut(token, "/"); names[of] != "" {
			tokens = append(tokens, names[of]+"/"+half)
		} else if w.seeds.rangeTokens {
			tokens = append(tokens, token)
		} // no flush of another id can come again
	}
	slices.Sort(tokens)
	fmt.Fprintln(&s, tokens)
	return s.String()
}

// modelWriter writes a range in two steps.
type modelWriter struct {
	owner *owner
	rows  []modelRow
	epoch int
}

func (m *modelWriter) Write(_ context.Context, b *record.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		m.rows = append(m.rows, modelRow{int(r.RawValue[0] - '0'), r.Offset})
	}
	return nil
}

func (m *modelWriter) Flush(_ context.Context, r record.Range) error {
	w := m.owner.w
	for half := range int64(2) {
		var rows []modelRow
		for _, row := range m.rows {
			if row.offset%2 == half {
				rows = append(rows, row)
			}
		}
		m.owner.wait(1, "write half %d of %d-%d", half, r.Start, r.End)
		switch {
		case len(rows) == 0:
		case w.target.byKey:
			w.objects[rows[0].offset] = rows
		default:
			w.insert(r, half, rows)
		}
	}
	m.rows = nil
	return m.owner.lose(nil)
}

func (w *world) insert(r record.Range, half int64, rows []modelRow) {
	token := fmt.Sprintf("%s/%d", r.ID, half)
	if w.seeds.rangeTokens {
		token = fmt.Sprintf("%d-%d/%d", r.Start, r.End, half)
	}
	if w.tokens[token] {
		return
	}
	w.tokens[token] = !w.seeds.noTokens
	for _, row := range rows {
		w.rows[row]++
	}
}

func (m *modelWriter) Close() error { return nil }

// modelStarter keeps its offset with the rows.
type modelStarter struct{ modelWriter }

func (m *modelStarter) Start(context.Context) (int64, bool, error) {
	w := m.owner.w
	m.owner.wait(1, "claim")
	w.epoch++
	m.epoch = w.epoch
	return w.moved, true, nil
}

func (m *modelStarter) Flush(_ context.Context, r record.Range) error {
	w := m.owner.w
	m.owner.wait(1, "transaction %d-%d", r.Start, r.End)
	if (w.moved != r.Start || w.epoch != m.epoch) && !w.seeds.unfencedTarget {
		return fmt.Errorf("move the offset: %w", connect.ErrFenced)
	}
	w.moved = r.End
	for _, row := range m.rows {
		w.rows[row]++
	}
	m.rows = nil
	return m.owner.lose(nil)
}
