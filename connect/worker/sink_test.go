package worker

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"connectd/connect/connector"
	"connectd/connect/task"
	"connectd/kafka"
	"connectd/record"
)

func TestSinkWritesEachOffsetOnce(t *testing.T) {
	for _, c := range []struct{ starts, protocol string }{{"false", "classic"}, {"false", "consumer"}, {"true", "classic"}} {
		t.Run("starts="+c.starts+"/"+c.protocol, func(t *testing.T) {
			eachKafka(t, func(t *testing.T, k kafka.Settings, prefix string) {
				testSinkWritesEachOffsetOnce(t, k, prefix, "starts", c.starts, "consumer.group.protocol", c.protocol)
			})
		})
	}
}

func testSinkWritesEachOffsetOnce(t *testing.T, k kafka.Settings, prefix string, more ...string) {
	topic, name := prefix+"numbers", prefix+"to-memory"
	more = append(more, "topics", topic)
	fill(t, k, topic, 3, 0, 1000)
	store := newMemory()
	w := testWorker(t, k)
	w.Add(load(t, testPlugins(nil, store), name, sinkOf(append(more, "batch.max.rows", "100", "tasks.max", "2")...)))
	stop := start(t, w)
	until(t, "the first rows", func() bool { return store.count() == 1000 })
	fill(t, k, topic, 3, 1000, 1234)
	until(t, "the rows that came later", func() bool { return store.count() == 1234 })
	stop()
	if got, want := store.values(), sorted(numbers(1234, nil)); !slices.Equal(got, want) {
		t.Errorf("%d rows, want %d", len(got), len(want))
	}
	if twice := store.doubled(); len(twice) > 0 {
		t.Errorf("written twice: %v", twice)
	}
	sum := int64(0)
	for _, c := range committed(t, k, name) {
		var offset int64
		if _, err := fmt.Sscanf(c[strings.LastIndexByte(c, '=')+1:], "%d", &offset); err != nil || strings.HasSuffix(c, "+intent") {
			t.Errorf("committed %s", c)
		}
		sum += offset
	}
	if sum != 1234 {
		t.Errorf("committed offsets are %d together, want 1234", sum)
	}
	// A second life writes nothing again.
	flushes := len(store.flushes)
	w = testWorker(t, k)
	w.Add(load(t, testPlugins(nil, store), name, sinkOf(more...)))
	start(t, w)
	fill(t, k, topic, 3, 1234, 1235)
	until(t, "the last row", func() bool { return store.count() == 1235 })
	if n := len(store.flushes); n != flushes+1 {
		t.Errorf("%d flushes for one row", n-flushes)
	}
}

func TestSinkTriesAgainInPlace(t *testing.T) {
	for _, starts := range []string{"false", "true"} {
		t.Run("starts="+starts, func(t *testing.T) {
			k := testKafka(t)
			fill(t, k, "numbers", 1, 0, 50)
			store := newMemory()
			store.refusing = 2
			w := testWorker(t, k)
			w.Add(load(t, testPlugins(nil, store), "to-memory", sinkOf("starts", starts, "errors.retry.delay.max.ms", "20")))
			stop := start(t, w)
			until(t, "the rows", func() bool { return store.count() == 50 })
			until(t, "health", func() bool { return taskState(w).Degraded == nil })
			s := taskState(w)
			if s.Retries != 2 || s.Restarts != 0 || s.State != task.Running {
				t.Errorf("retries %d, restarts %d, state %s; want 2, 0, RUNNING", s.Retries, s.Restarts, s.State)
			}
			stop()
			if starts == "true" {
				return
			}
			if len(store.flushes) != 1 {
				t.Fatalf("flushes %v, want one", store.flushes)
			}
			if got := committed(t, k, "to-memory"); !slices.Equal(got, []string{"numbers-0=50"}) {
				t.Errorf("committed %v", got)
			}
		})
	}
}

func TestSinkStopsWhileFull(t *testing.T) {
	k := testKafka(t)
	fill(t, k, "numbers", 2, 0, 3000)
	store := newMemory()
	store.blocked = make(chan struct{})
	var s connector.WorkerSettings
	s.Defaults()
	s.Memory = 1 << 20
	s.Grace = 100_000_000
	w := New(&s, k, testLog(t))
	w.Add(load(t, testPlugins(nil, store), "to-memory", sinkOf("batch.max.rows", "100")))
	stop := start(t, w)
	until(t, "flushes under way", func() bool {
		commits := committed(t, k, "to-memory")
		return len(commits) == 2 && strings.HasSuffix(commits[0], "+intent") && strings.HasSuffix(commits[1], "+intent")
	})
	stop()
	for _, c := range committed(t, k, "to-memory") {
		if !strings.HasSuffix(c, "=0+intent") {
			t.Errorf("committed %s, want the intents of the first flushes", c)
		}
	}
	if store.open != 0 || store.count() != 0 {
		t.Errorf("%d open writers, %d rows", store.open, store.count())
	}
	close(store.blocked)
	w = testWorker(t, k)
	w.Add(load(t, testPlugins(nil, store), "to-memory", sinkOf("batch.max.rows", "1000")))
	start(t, w)
	until(t, "all rows", func() bool { return store.count() == 3000 })
	if twice := store.doubled(); len(twice) > 0 {
		t.Errorf("written twice: %v", twice)
	}
}

func TestSinkMovesPartitionsBetweenMembers(t *testing.T) {
	for _, protocol := range []string{"classic", "consumer"} {
		t.Run(protocol, func(t *testing.T) {
			eachKafka(t, func(t *testing.T, k kafka.Settings, prefix string) {
				testSinkMovesPartitions(t, k, prefix, "consumer.group.protocol", protocol)
			})
		})
	}
}

func testSinkMovesPartitions(t *testing.T, k kafka.Settings, prefix string, more ...string) {
	topic, name := prefix+"numbers", prefix+"to-memory"
	fill(t, k, topic, 6, 0, 600)
	store := newMemory()
	settings := sinkOf(append(more, "topics", topic, "batch.max.rows", "50", "consumer.override.session.timeout.ms", "6000", "consumer.override.heartbeat.interval.ms", "50")...)
	first := testWorker(t, k)
	first.Add(load(t, testPlugins(nil, store), name, settings))
	start(t, first)
	until(t, "the first rows", func() bool { return store.count() == 600 })
	second := testWorker(t, k)
	second.Add(load(t, testPlugins(nil, store), name, settings))
	stopSecond := start(t, second)
	n := 600
	until(t, "rows through the second worker", func() bool {
		fill(t, k, topic, 6, n, n+60)
		n += 60
		return taskState(second).Written > 0
	})
	stopSecond()
	fill(t, k, topic, 6, n, n+60)
	n += 60
	until(t, "the rows that came after", func() bool { return store.count() == n })
	if twice := store.doubled(); len(twice) > 0 {
		t.Errorf("written twice: %v", twice)
	}
	if got, want := store.values(), sorted(numbers(n, nil)); !slices.Equal(got, want) {
		t.Errorf("%d rows, want %d", len(got), len(want))
	}
}

func TestSinkOffsetGap(t *testing.T) {
	setup := func(t *testing.T) (kafka.Settings, *memory) {
		k := testKafka(t)
		fill(t, k, "numbers", 1, 0, 100)
		setOffset(t, k, "to-memory", kafka.Commit{Partition: record.Partition{Topic: "numbers"}, Offset: 10})
		deleteBefore(t, k, "numbers", 40)
		return k, newMemory()
	}
	t.Run("fail", func(t *testing.T) {
		k, store := setup(t)
		w := testWorker(t, k)
		w.Add(load(t, testPlugins(nil, store), "to-memory", sinkOf()))
		start(t, w)
		until(t, "the failure", func() bool { return taskState(w).State == task.Failed })
		if got := taskState(w).Cause.Error(); !strings.Contains(got, "offset 10 is gone, the log starts at 40: 30 offsets") || !strings.Contains(got, "on.offset.gap: skip") {
			t.Errorf("cause %s", got)
		}
	})
	t.Run("skip", func(t *testing.T) {
		k, store := setup(t)
		w := testWorker(t, k)
		w.Add(load(t, testPlugins(nil, store), "to-memory", sinkOf("on.offset.gap", "skip")))
		start(t, w)
		until(t, "the rows", func() bool { return store.count() == 60 })
	})
}

func TestSinkUsesPublishedSchemas(t *testing.T) {
	k := testKafka(t)
	store := newMemory()
	w := testWorker(t, k)
	w.Add(load(t, testPlugins(nil, nil), "numbers", map[string]string{"connector.class": "counter-source", "topic": "numbers", "count": "10"}))
	stop := start(t, w)
	until(t, "the records", func() bool { return taskState(w).Written == 10 })
	stop()
	// Another process, later.
	w = testWorker(t, k)
	w.Add(load(t, testPlugins(nil, store), "to-memory", sinkOf()))
	start(t, w)
	until(t, "the rows", func() bool { return store.count() == 10 })
	store.mu.Lock()
	defer store.mu.Unlock()
	for offset, r := range store.rows[record.Partition{Topic: "numbers"}] {
		if r.schema != "Value" {
			t.Errorf("offset %d has the schema %q, want the published one", offset, r.schema)
		}
	}
}

func TestSinkReadsNewTopicsOfPattern(t *testing.T) {
	k := testKafka(t)
	k.Metadata = 100_000_000
	store := newMemory()
	w := testWorker(t, k)
	settings := sinkOf("topics.regex", "num.*")
	delete(settings, "topics")
	w.Add(load(t, testPlugins(nil, store), "to-memory", settings))
	start(t, w)
	fill(t, k, "numbers", 1, 0, 10)
	fill(t, k, "not-numbers", 1, 0, 10)
	until(t, "the rows", func() bool { return store.count() == 10 })
}
