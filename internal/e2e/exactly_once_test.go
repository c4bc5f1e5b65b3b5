package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"connectd/connect/connector/connectortest"
	"connectd/internal/testenv"
	"connectd/kafka"
	"connectd/record"
)

// TestExactlyOnce streams from PostgreSQL in transactions, with connectd killed at the steps of
// the protocol and at random: readers of committed records see each row once. What several
// processes see of one another is in the tests of connect/worker.
func TestExactlyOnce(t *testing.T) {
	server, database := testenv.Database(t)
	broker := testenv.SharedKafka(t)
	prefix := strings.ToLower(database)
	l := publish(t, server, database, "counted", "CREATE TABLE counted (id bigserial PRIMARY KEY, note text)")
	d := newDaemon(t, fmt.Sprintf(`
worker:
  bootstrap.servers: %s
  listeners: http://127.0.0.1:0
connectors:%s
    exactly.once.support: required
    snapshot.mode: no_data
    topic.creation.default.partitions: 2
    transforms: unwrap
    transforms.unwrap.type: io.debezium.transforms.ExtractNewRecordState
`, broker.Brokers, tableSource(server, database, "counted")))

	rows := 0
	insert := func(n int) {
		l.must(fmt.Sprintf("INSERT INTO counted (note) SELECT 'row ' || i FROM generate_series(1, %d) i", n))
		rows += n
	}
	read := newCounting(t, broker.Brokers, prefix+".public.counted")
	// The slot is there from the first record on.
	d.start()
	deadline := time.Now().Add(patience)
	for read.admin(func(a *kafka.Admin) error { _, err := a.TopicID(t.Context(), read.topic); return err }) != nil {
		if time.Now().After(deadline) {
			t.Fatal("the first record does not come")
		}
		insert(1)
		pause(t, 100*time.Millisecond)
	}
	first := read.smallest()
	d.kill()

	for _, step := range []string{"source.tx.produced:2", "source.tx.committed:2", "source.confirmed:1", "source.tx.produced:9", "source.tx.committed:7"} {
		d.start("CONNECTD_FAULT=" + step)
		for deadline := time.Now().Add(patience); ; {
			insert(1 + rand.IntN(300))
			select {
			case err := <-d.gone:
				if d.cmd = nil; !killedBySignal(err) {
					t.Fatalf("step %s: connectd ended with %v, want SIGKILL", step, err)
				}
			case <-time.After(20 * time.Millisecond):
				if time.Now().After(deadline) {
					t.Fatalf("step %s was not reached", step)
				}
				continue
			}
			break
		}
	}
	for range 5 {
		d.start()
		for end := time.Now().Add(time.Duration(200+rand.IntN(1500)) * time.Millisecond); time.Now().Before(end); {
			insert(1 + rand.IntN(500))
			pause(t, 10*time.Millisecond)
		}
		d.kill()
	}
	d.start()
	for deadline := time.Now().Add(patience); ; pause(t, 100*time.Millisecond) {
		seen := read.all()
		if seen[rows] > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("row %d does not come; %d of %d are there", rows, len(seen), rows)
		}
	}
	d.terminate()
	seen := read.all()
	for id := first; id <= rows; id++ {
		if seen[id] != 1 {
			t.Errorf("row %d is there %d times", id, seen[id])
		}
	}
	t.Logf("%d rows, from %d on", rows, first)
}

// counting reads the ids of a topic's committed records.
type counting struct {
	t        *testing.T
	settings kafka.Settings
	topic    string
}

func newCounting(t *testing.T, brokers, topic string) *counting {
	return &counting{t: t, topic: topic, settings: connectortest.Kafka(brokers)}
}

func (c *counting) admin(f func(*kafka.Admin) error) error {
	a, err := kafka.NewAdmin(c.settings)
	if err != nil {
		return err
	}
	defer a.Close()
	return f(a)
}

// smallest waits for the first committed records, and is the smallest id among them.
func (c *counting) smallest() int {
	c.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); pause(c.t, 100*time.Millisecond) {
		least := 0
		for id := range c.all() {
			if least == 0 || id < least {
				least = id
			}
		}
		if least > 0 {
			return least
		}
	}
	c.t.Fatal("no record is committed")
	return 0
}

// all is how often each id is there.
func (c *counting) all() map[int]int {
	c.t.Helper()
	seen := map[int]int{}
	if err := c.admin(func(a *kafka.Admin) error { return c.read(a, seen) }); err != nil {
		c.t.Fatal(err)
	}
	return seen
}

func (c *counting) read(a *kafka.Admin, seen map[int]int) error {
	return c.each(a, func(m *kafka.Message) error {
		var v struct{ ID int }
		if err := json.Unmarshal(m.Value, &v); err != nil {
			return fmt.Errorf("value %s: %w", m.Value, err)
		}
		seen[v.ID]++
		return nil
	})
}

// each calls f with each committed record.
func (c *counting) each(a *kafka.Admin, f func(*kafka.Message) error) error {
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	logs, err := a.ListOffsets(ctx, true, c.topic)
	if err != nil {
		return err
	}
	g, err := kafka.NewGroup(c.settings, kafka.GroupOptions{ID: fmt.Sprintf("count-%d", rand.Uint64()), Topics: []string{c.topic}, Reset: "earliest", ReadCommitted: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer g.Close(context.WithoutCancel(ctx))
	next := map[record.Partition]int64{}
	for p, o := range logs {
		next[p] = o.Start
	}
	for {
		done := true
		for p, o := range logs {
			empty, err := a.Empty(ctx, p, next[p], o.End) // nothing left but markers
			if err != nil {
				return err
			}
			done = done && empty
		}
		if done {
			return nil
		}
		fetches, err := g.Poll(ctx)
		if err != nil {
			return err
		}
		for _, got := range fetches {
			for i := range got.Messages {
				m := &got.Messages[i]
				if m.Offset < logs[got.Partition].End {
					if err := f(m); err != nil {
						return err
					}
				}
				next[got.Partition] = m.Offset + 1
			}
		}
	}
}
