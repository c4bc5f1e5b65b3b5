package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"connectd/connect/connector/connectortest"
	"connectd/internal/testenv"
	"connectd/kafka"
	"connectd/record"
)

// readCommitted reads the values that a reader of committed transactions sees in a topic of one
// partition.
func readCommitted(t testing.TB, k kafka.Settings, topic string) []string {
	t.Helper()
	admin := connectortest.Admin(t, k)
	p := record.Partition{Topic: topic}
	logs, err := admin.ListOffsets(t.Context(), false, topic)
	if err != nil {
		t.Fatal(err)
	}
	g, err := kafka.NewGroup(k, kafka.GroupOptions{ID: fmt.Sprintf("read-%d", rand.Uint64()), Topics: []string{topic}, Reset: "earliest", ReadCommitted: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close(context.Background())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var all []string
	for next, end := logs[p].Start, logs[p].End; next < end; {
		empty, err := admin.Empty(ctx, p, next, end) // markers and what was aborted
		if err != nil {
			t.Fatal(err)
		}
		if empty {
			break
		}
		fetches, err := g.Poll(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range fetches {
			for _, m := range f.Messages {
				all = append(all, string(m.Value))
				next = m.Offset + 1
			}
		}
	}
	return all
}

// wantNumbers fails unless got is each number below count, once and in order.
func wantNumbers(t testing.TB, got []string, count int) {
	t.Helper()
	times := make([]int, count)
	last := -1
	for _, text := range got {
		var v struct{ N int }
		if err := json.Unmarshal([]byte(text), &v); err != nil || v.N < 0 || v.N >= count {
			t.Fatalf("value %s: %v", text, err)
		}
		if v.N < last {
			t.Errorf("%d follows on %d", v.N, last)
		}
		times[v.N]++
		last = v.N
	}
	for n, seen := range times {
		if seen != 1 {
			t.Fatalf("%d is there %d times; %d records of %d", n, seen, len(got), count)
		}
	}
}

// exactly are the settings of a told-source that writes in transactions.
func exactly(t *testing.T, prefix string, count int, more ...string) map[string]string {
	m := map[string]string{
		"name": prefix + "child", "connector.class": "told-source", "exactly.once.support": "required",
		"topic": prefix + "numbers", "count": fmt.Sprint(count), "told": filepath.Join(t.TempDir(), "told"),
	}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

func TestTransactionsCrash(t *testing.T) {
	for boundary, steps := range map[string][]string{
		"poll":     {"source.tx.produced", "source.tx.produced:7", "source.tx.committed", "source.tx.committed:5", "source.confirmed:2"},
		"interval": {"source.tx.produced:3", "source.tx.committed:3"},
	} {
		for _, step := range steps {
			t.Run(boundary+"/"+step, func(t *testing.T) {
				t.Parallel()
				eachKafka(t, func(t *testing.T, k kafka.Settings, prefix string) {
					settings := exactly(t, prefix, 2000, "transaction.boundary", boundary, "transaction.boundary.interval.ms", "20", "pace.ms", "2")
					crash(t, k, settings, step)
					child := connectortest.Start(t, k, settings, "")
					until(t, "the end", func() bool { return readTold(t, settings["told"]) == 2000 })
					child.Stop()
					wantNumbers(t, readCommitted(t, k, settings["topic"]), 2000)
				})
			})
		}
	}
}

// TestTransactionsRandomCrash kills the process at moments that it does not choose.
func TestTransactionsRandomCrash(t *testing.T) {
	eachKafka(t, func(t *testing.T, k kafka.Settings, prefix string) {
		const count = 12_000
		settings := exactly(t, prefix, count, "pace.ms", "1")
		for range 8 {
			child := connectortest.Start(t, k, settings, "")
			before := readTold(t, settings["told"])
			until(t, "progress", func() bool { return readTold(t, settings["told"]) > before })
			select {
			case <-time.After(rand.N(200 * time.Millisecond)):
			case <-child.Ended():
				t.Fatal("the process ended by itself")
			}
			child.Kill()
		}
		settings["pace.ms"] = "0"
		child := connectortest.Start(t, k, settings, "")
		until(t, "the end", func() bool { return readTold(t, settings["told"]) == count })
		child.Stop()
		wantNumbers(t, readCommitted(t, k, settings["topic"]), count)
	})
}

// TestTransactionsZombie wakes a process that was stopped in its work after another one has taken
// over: it writes nothing more, and stays out of the way.
func TestTransactionsZombie(t *testing.T) {
	eachKafka(t, func(t *testing.T, k kafka.Settings, prefix string) {
		const count = 8000
		settings := exactly(t, prefix, count, "pace.ms", "2", "restart.backoff.max.ms", "1500", "restart.backoff.ms", "10")
		zombie := connectortest.Start(t, k, settings, "")
		until(t, "work", func() bool { return readTold(t, settings["told"]) > 500 })
		zombie.Signal(syscall.SIGSTOP)
		stopped := readTold(t, settings["told"])

		settings["told"] += ".owner"
		owner := connectortest.Start(t, k, settings, "")
		until(t, "the owner's work", func() bool { return readTold(t, settings["told"]) > stopped+500 })
		zombie.Signal(syscall.SIGCONT)
		until(t, "the zombie to notice", func() bool { return strings.Contains(zombie.Output(), "fenced") })
		until(t, "the end", func() bool { return readTold(t, settings["told"]) == count })
		if text := owner.Output(); strings.Contains(text, "fenced") {
			t.Error("the owner was fenced")
		}
		if text := zombie.Output(); !strings.Contains(text, "its position goes on") {
			t.Error("the zombie does not say why it stays out of the way")
		}
		zombie.Stop()
		owner.Stop()
		wantNumbers(t, readCommitted(t, k, settings["topic"]), count)
	})
}

// TestTransactionsRivals runs the same connector twice: one of them does the work, and the other
// one waits for its position to stand still instead of fencing it again and again.
func TestTransactionsRivals(t *testing.T) {
	eachKafka(t, func(t *testing.T, k kafka.Settings, prefix string) {
		const count = 5000
		settings := exactly(t, prefix, count, "pace.ms", "2", "restart.backoff.max.ms", "1000", "restart.backoff.ms", "10")
		rivals := []*connectortest.Process{connectortest.Start(t, k, settings, ""), connectortest.Start(t, k, settings, "")}
		until(t, "the end", func() bool { return readTold(t, settings["told"]) == count })
		for i, p := range rivals {
			if n := strings.Count(p.Output(), "claimed the transactional id"); n > 2 {
				t.Errorf("process %d was fenced %d times", i, n)
			}
			p.Stop()
		}
		wantNumbers(t, readCommitted(t, k, settings["topic"]), count)
	})
}

// TestTransactionsBrokerKilled kills the broker under open transactions and under commits, whose
// outcome the source then does not know.
func TestTransactionsBrokerKilled(t *testing.T) {
	const count = 8000
	broker := testenv.OwnKafka(t, testenv.KafkaOptions{})
	var k kafka.Settings
	k.Defaults()
	k.Brokers, k.FetchWait = strings.Split(broker.Brokers, ","), 50*time.Millisecond
	w := testWorker(t, k)
	up := &confirmations{}
	w.Add(load(t, testPlugins(up, nil), "child", map[string]string{
		"connector.class": "counter-source", "topic": "numbers", "count": strconv.Itoa(count), "exactly.once.support": "required",
		"pace.ms": "2", "restart.backoff.ms": "10", "restart.backoff.max.ms": "500",
	}))
	start(t, w)
	for range 3 {
		before := taskState(w).Read
		until(t, "progress", func() bool { return taskState(w).Read > before })
		if err := broker.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the end", func() bool {
		up.mu.Lock()
		defer up.mu.Unlock()
		return len(up.marks) > 0 && up.marks[len(up.marks)-1] == count
	})
	wantNumbers(t, readCommitted(t, k, "numbers"), count)
}

func TestTransactionsGoOnAfterFailure(t *testing.T) {
	eachKafka(t, func(t *testing.T, k kafka.Settings, prefix string) {
		w := testWorker(t, k)
		settings := map[string]string{
			"connector.class": "counter-source", "topic": prefix + "numbers", "count": "500", "exactly.once.support": "required",
			"fail.at": "255", "restart.backoff.ms": "1",
		}
		w.Add(load(t, testPlugins(&confirmations{}, nil), prefix+"child", settings))
		stop := start(t, w)
		until(t, "all records", func() bool { s := taskState(w); return s.Restarts == 1 && s.Read == 500 })
		stop()
		wantNumbers(t, readCommitted(t, k, prefix+"numbers"), 500)
	})
}

// TestTransactionsStopCommits stops a source in the middle of a transaction that would stay open
// for ten minutes, with more batches than may be in flight.
func TestTransactionsStopCommits(t *testing.T) {
	eachKafka(t, func(t *testing.T, k kafka.Settings, prefix string) {
		up := &confirmations{}
		w := testWorker(t, k)
		settings := map[string]string{
			"connector.class": "counter-source", "topic": prefix + "numbers", "count": "500", "exactly.once.support": "required",
			"transaction.boundary": "interval", "transaction.boundary.interval.ms": "600000", "max.in.flight": "2",
		}
		w.Add(load(t, testPlugins(up, nil), prefix+"child", settings))
		stop := start(t, w)
		until(t, "the topic", func() bool { return logEnd(t, k, prefix+"numbers") == 500 })
		if s := taskState(w); s.Read != 0 {
			t.Errorf("%d records are counted before the commit", s.Read)
		}
		stop()
		wantNumbers(t, readCommitted(t, k, prefix+"numbers"), 500)
		up.mu.Lock()
		defer up.mu.Unlock()
		if len(up.marks) == 0 || up.marks[len(up.marks)-1] != 500 {
			t.Errorf("upstream was told %v, want 500", up.marks)
		}
	})
}

// logEnd is the end of a topic of one partition, 0 while it is not there.
func logEnd(t testing.TB, k kafka.Settings, topic string) int64 {
	t.Helper()
	admin, err := kafka.NewAdmin(k)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	logs, err := admin.ListOffsets(t.Context(), false, topic)
	if err != nil {
		return 0
	}
	return logs[record.Partition{Topic: topic}].End
}

// TestTransactionsEndLeavesNoLag has a sink read what was written in transactions, whose markers
// are the last offsets of the log.
func TestTransactionsEndLeavesNoLag(t *testing.T) {
	eachKafka(t, func(t *testing.T, k kafka.Settings, prefix string) {
		w := testWorker(t, k)
		store := newMemory()
		plugins := testPlugins(nil, store)
		w.Add(load(t, plugins, prefix+"to-memory", sinkOf("topics", prefix+"numbers", "starts", "true")))
		w.Add(load(t, plugins, prefix+"child", map[string]string{
			"connector.class": "counter-source", "topic": prefix + "numbers", "count": "100", "exactly.once.support": "required", "pace.ms": "5",
		}))
		start(t, w)
		until(t, "the rows", func() bool { return store.count() == 100 })
		if end := logEnd(t, k, prefix+"numbers"); end <= 100 {
			t.Fatalf("the log ends at %d, want markers in it", end)
		}
		until(t, "no lag", func() bool { return taskState(w).LagRecords == 0 })
		if got, want := store.values(), sorted(numbers(100, nil)); !slices.Equal(got, want) {
			t.Errorf("%d rows, want %d", len(got), len(want))
		}
	})
}

// TestTransactionsDeadLetters has a dead letter in the transaction of the records around it, and
// a record that stops the connector: nothing of its transaction is seen.
func TestTransactionsDeadLetters(t *testing.T) {
	eachKafka(t, func(t *testing.T, k kafka.Settings, prefix string) {
		settings := map[string]string{
			"connector.class": "counter-source", "topic": prefix + "numbers", "count": "30", "exactly.once.support": "required",
			"transforms": "few", "transforms.few.type": "picky", "transforms.few.fail": "17",
			"errors.tolerance": "all", "errors.deadletterqueue.topic.name": prefix + "dead", "batch.size": "30",
		}
		w := testWorker(t, k)
		w.Add(load(t, testPlugins(nil, nil), prefix+"child", settings))
		stop := start(t, w)
		until(t, "all records", func() bool { return taskState(w).Read == 30 })
		stop()
		if got, want := readCommitted(t, k, prefix+"numbers"), numbers(30, func(n int) bool { return n == 17 }); !slices.Equal(got, want) {
			t.Errorf("%d records, want %d", len(got), len(want))
		}
		if got := readCommitted(t, k, prefix+"dead"); len(got) != 1 || got[0] != `{"n":17,"text":"17"}` {
			t.Errorf("dead letters %v", got)
		}
	})
}
