package worker

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"connectd/connect/connector"
	"connectd/connect/task"
	"connectd/kafka"
	"connectd/record"
)

// fill writes records n = from … to-1 into topic, which it creates with partitions.
func fill(t testing.TB, k kafka.Settings, topic string, partitions, from, to int) {
	t.Helper()
	admin, err := kafka.NewAdmin(k)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.EnsureTopic(t.Context(), topic, kafka.TopicSpec{Partitions: partitions, Replication: 1}); err != nil {
		t.Fatal(err)
	}
	p, err := kafka.NewProducer(k, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var msgs []kafka.Message
	for n := from; n < to; n++ {
		msgs = append(msgs, kafka.Message{
			Topic: topic, Partition: kafka.ByKey, Timestamp: record.NoTimestamp,
			Key: fmt.Appendf(nil, `{"n":%d}`, n), Value: fmt.Appendf(nil, `{"n":%d,"text":"%d"}`, n, n),
		})
	}
	done := make(chan error, 1)
	p.Produce(msgs, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// sinkOf are the settings of a memory sink of numbers.
func sinkOf(more ...string) map[string]string {
	m := map[string]string{"connector.class": "memory-sink", "topics": "numbers", "linger.ms": "20"}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

// committed are the offsets of a sink's group, as partition=offset or partition=offset+intent.
func committed(t testing.TB, k kafka.Settings, connector string) []string {
	t.Helper()
	admin, err := kafka.NewAdmin(k)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	commits, err := admin.GroupOffsets(t.Context(), "connect-"+connector)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, c := range commits {
		s := fmt.Sprintf("%s=%d", c.Partition, c.Offset)
		if c.Metadata != "" {
			s += "+intent"
		}
		all = append(all, s)
	}
	return all
}

func taskState(w *Worker) (s task.Status) {
	if c := w.Status()[0]; len(c.Tasks) > 0 {
		s = c.Tasks[0]
	}
	return s
}

// sorted is numbers in the order of their text, as memory.values are.
func sorted(all []string) []string {
	slices.Sort(all)
	return all
}

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

// TestSinkRotates makes sure that a writer's own rules end ranges: exactly before the record that it
// names, over a fetch that holds several such records, and in time when nothing follows. What it has
// taken does not count as memory, so a full budget does not cut its ranges.
func TestSinkRotates(t *testing.T) {
	k := testKafka(t)
	fill(t, k, "numbers", 1, 0, 2500)
	store := newMemory()
	w := testWorker(t, k, littleMemory)
	w.Add(load(t, testPlugins(nil, store), "to-memory", sinkOf("linger.ms", "3600000", "rotate.every", "1200", "reject", "1200", "errors.tolerance", "all")))
	start(t, w)
	until(t, "all rows", func() bool { return store.count() == 2499 })
	var got [][2]int64
	for _, r := range store.flushes {
		got = append(got, [2]int64{r.Start, r.End})
	}
	if want := [][2]int64{{0, 1200}, {1200, 2400}, {2400, 2500}}; !slices.Equal(got, want) {
		t.Errorf("flushed the ranges %v, want %v", got, want)
	}
}

// TestSinkRotatesNothing makes sure that the offset moves on also where a writer with rules of its own
// has got nothing.
func TestSinkRotatesNothing(t *testing.T) {
	k := testKafka(t)
	fill(t, k, "numbers", 1, 0, 1)
	store := newMemory()
	w := testWorker(t, k)
	w.Add(load(t, testPlugins(nil, store), "to-memory", sinkOf("linger.ms", "3600000", "rotate.every", "10", "reject", "0", "errors.tolerance", "all")))
	start(t, w)
	until(t, "the offset after the only record", func() bool { return slices.Contains(committed(t, k, "to-memory"), "numbers-0=1") })
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

// TestSinkYieldsWhenFenced has a target that knows of another owner: the task must not claim the
// partition back, which is what opening another writer would do.
func TestSinkYieldsWhenFenced(t *testing.T) {
	k := testKafka(t)
	fill(t, k, "numbers", 1, 0, 50)
	store := newMemory()
	store.fencing = 1
	zombie := testWorker(t, k)
	zombie.Add(load(t, testPlugins(nil, store), "to-memory", sinkOf("starts", "true", "errors.retry.delay.max.ms", "1")))
	stop := start(t, zombie)
	until(t, "the refusal", func() bool { store.mu.Lock(); defer store.mu.Unlock(); return store.fencing == 0 && store.open == 0 })
	fill(t, k, "numbers", 1, 50, 60)
	stop()
	if s := taskState(zombie); store.opened != 1 || s.Retries != 0 || s.Restarts != 0 || store.count() != 0 {
		t.Errorf("%d writers, %d retries, %d restarts, %d rows; want one writer and nothing more", store.opened, s.Retries, s.Restarts, store.count())
	}
	owner := testWorker(t, k)
	owner.Add(load(t, testPlugins(nil, store), "to-memory", sinkOf("starts", "true")))
	start(t, owner)
	until(t, "the rows", func() bool { return store.count() == 60 })
	if twice := store.doubled(); len(twice) > 0 {
		t.Errorf("written twice: %v", twice)
	}
}

func TestSinkFinishesPendingIntent(t *testing.T) {
	k := testKafka(t)
	fill(t, k, "numbers", 1, 0, 100)
	setOffset(t, k, "to-memory", kafka.Commit{
		Partition: record.Partition{Topic: "numbers"}, Offset: 10,
		Metadata: `{"v":1,"end":37,"id":"00112233445566778899aabbccddeeff","cfg":"01234567","t":1700000000000}`,
	})
	store := newMemory()
	w := testWorker(t, k)
	w.Add(load(t, testPlugins(nil, store), "to-memory", sinkOf("batch.max.rows", "5")))
	stop := start(t, w)
	until(t, "the rows", func() bool { return store.count() == 90 })
	stop()
	first := store.flushes[0]
	want := record.Range{Partition: record.Partition{Topic: "numbers"}, Start: 10, End: 37, ID: "00112233445566778899aabbccddeeff", Time: 1700000000000, Changed: true}
	if first != want {
		t.Errorf("first flush %+v, want %+v", first, want)
	}
	if second := store.flushes[1]; second.Start != 37 || second.End != 42 || second.ID == want.ID {
		t.Errorf("second flush %+v, want [37,42) under another id", second)
	}
}

// setOffset commits for a group that does not run.
func setOffset(t testing.TB, k kafka.Settings, connector string, c kafka.Commit) {
	t.Helper()
	admin, err := kafka.NewAdmin(k)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.SetGroupOffsets(t.Context(), "connect-"+connector, []kafka.Commit{c}); err != nil {
		t.Fatal(err)
	}
}

func TestSinkIntentStaysWhenItCanNotBeFinished(t *testing.T) {
	k := testKafka(t)
	fill(t, k, "numbers", 1, 0, 20)
	metadata := `{"v":1,"end":37,"id":"00112233445566778899aabbccddeeff","cfg":"01234567","t":1700000000000}`
	setOffset(t, k, "to-memory", kafka.Commit{Partition: record.Partition{Topic: "numbers"}, Offset: 10, Metadata: metadata})
	store := newMemory()
	w := testWorker(t, k)
	w.Add(load(t, testPlugins(nil, store), "to-memory", sinkOf()))
	stop := start(t, w)
	until(t, "a writer", func() bool { store.mu.Lock(); defer store.mu.Unlock(); return store.open == 1 })
	stop()
	if got := committed(t, k, "to-memory"); !slices.Equal(got, []string{"numbers-0=10+intent"}) {
		t.Errorf("committed %v, want the intent as it was", got)
	}
	if len(store.flushes) > 0 {
		t.Errorf("flushes %v of an incomplete range", store.flushes)
	}
}

func TestSinkFailedRecord(t *testing.T) {
	t.Run("stops", func(t *testing.T) {
		k := testKafka(t)
		fill(t, k, "numbers", 1, 0, 20)
		store := newMemory()
		w := testWorker(t, k)
		w.Add(load(t, testPlugins(nil, store), "to-memory", sinkOf("reject", "7")))
		start(t, w)
		until(t, "the failure", func() bool { return taskState(w).State == task.Failed })
		want := `record numbers-0@7 with key "{\"n\":7}": no room for this one`
		if got := taskState(w).Cause.Error(); got != want {
			t.Errorf("cause %s\nwant  %s", got, want)
		}
		if n := store.count(); n > 0 {
			t.Errorf("%d rows", n)
		}
	})
	t.Run("refused at the flush, stops", func(t *testing.T) {
		k := testKafka(t)
		fill(t, k, "numbers", 1, 0, 20)
		w := testWorker(t, k)
		w.Add(load(t, testPlugins(nil, newMemory()), "to-memory", sinkOf("refuse", "7")))
		start(t, w)
		until(t, "the failure", func() bool { return taskState(w).State == task.Failed })
		if got, want := taskState(w).Cause.Error(), "record numbers-0@7: check violated"; got != want {
			t.Errorf("cause %s, want %s", got, want)
		}
	})
	t.Run("refused at the flush, dead letter", func(t *testing.T) {
		k := testKafka(t)
		fill(t, k, "numbers", 1, 0, 20)
		store := newMemory()
		w := testWorker(t, k)
		w.Add(load(t, testPlugins(nil, store), "to-memory", sinkOf("refuse", "7", "errors.tolerance", "all", "errors.deadletterqueue.topic.name", "dead")))
		start(t, w)
		until(t, "the rows", func() bool { return store.count() == 19 })
		if dead := readTopic(t, k, "dead"); len(dead) != 1 || string(dead[0].Key) != `{"n":7}` {
			t.Errorf("dead letters %v", dead)
		}
		if s := taskState(w); s.Retries != 0 || s.Degraded != nil {
			t.Errorf("retries %d, degraded %v: a refused record is not an outage", s.Retries, s.Degraded)
		}
	})
	t.Run("one dead letter, however often the range is tried", func(t *testing.T) {
		k := testKafka(t)
		fill(t, k, "numbers", 1, 0, 20)
		store := newMemory()
		store.refusing = 2
		w := testWorker(t, k)
		w.Add(load(t, testPlugins(nil, store), "to-memory", sinkOf("reject", "5", "refuse", "7", "errors.retry.delay.max.ms", "1", "errors.tolerance", "all", "errors.deadletterqueue.topic.name", "dead")))
		start(t, w)
		until(t, "the rows", func() bool { return taskState(w).Read == 20 })
		if got := letterOffsets(readTopic(t, k, "dead")); len(got) != 2 || got["numbers-0@5"] != 1 || got["numbers-0@7"] != 1 {
			t.Errorf("dead letters of %v, want one of offset 5 and one of offset 7", got)
		}
		if s := taskState(w); s.DeadLettered != 2 || s.Written != 18 {
			t.Errorf("dead-lettered %d, written %d; want 2, 18", s.DeadLettered, s.Written)
		}
	})
	t.Run("dead letter", func(t *testing.T) {
		k := testKafka(t)
		fill(t, k, "numbers", 1, 0, 20)
		store := newMemory()
		w := testWorker(t, k)
		w.Add(load(t, testPlugins(nil, store), "to-memory", sinkOf("reject", "7", "errors.tolerance", "all",
			"errors.deadletterqueue.topic.name", "dead", "transforms", "few", "transforms.few.type", "picky", "transforms.few.fail", "9", "transforms.few.drop", "4")))
		start(t, w)
		until(t, "the offsets", func() bool { return taskState(w).Read == 20 })
		if s := taskState(w); s.Written != 13 || s.Filtered != 5 || s.Failed != 2 || s.DeadLettered != 2 {
			t.Errorf("written %d, filtered %d, failed %d, dead-lettered %d; want 13, 5, 2, 2", s.Written, s.Filtered, s.Failed, s.DeadLettered)
		}
		headers := map[string]string{}
		dead := readTopic(t, k, "dead")
		for _, m := range dead {
			for _, h := range m.Headers {
				headers[h.Name] += string(h.Value) + ";"
			}
		}
		if got := headers["__connect.errors.offset"]; len(dead) != 2 || got != "9;7;" && got != "7;9;" {
			t.Errorf("%d dead letters of the offsets %s, want 7 and 9", len(dead), got)
		}
		if got := headers["__connect.errors.stage"]; !strings.Contains(got, "TASK_PUT") || !strings.Contains(got, "TRANSFORMATION") {
			t.Errorf("stages %s", got)
		}
	})
	for _, c := range []struct{ name, setting, at, cause string }{
		{"lost by the sink", "lose", "3", "the sink has changed a batch of 20 records to one of 19"},
		{"added by a transform", "transforms.few.add", "19", "20 records were read, but 21 written + 0 filtered + 0 left out are 21"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := testKafka(t)
			fill(t, k, "numbers", 1, 0, 20)
			w := testWorker(t, k)
			w.Add(load(t, testPlugins(nil, newMemory()), "to-memory", sinkOf("transforms", "few", "transforms.few.type", "picky", c.setting, c.at)))
			start(t, w)
			until(t, "the failure", func() bool { return taskState(w).State == task.Failed || taskState(w).Written > 0 })
			if s := taskState(w); s.State != task.Failed || !strings.Contains(s.Cause.Error(), c.cause) {
				t.Errorf("state %s, cause %v, written %d", s.State, s.Cause, s.Written)
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

func deleteBefore(t testing.TB, k kafka.Settings, topic string, offset int64) {
	t.Helper()
	admin, err := kafka.NewAdmin(k)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.DeleteRecords(context.Background(), record.Partition{Topic: topic}, offset); err != nil {
		t.Fatal(err)
	}
}
