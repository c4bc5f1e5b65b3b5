package worker

import (
	"strings"
	"testing"

	"connectd/connect/task"
)

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
	t.Run("stays left out when the target could take it by now", func(t *testing.T) {
		for _, dead := range []string{"", "dead"} {
			k := testKafka(t)
			fill(t, k, "numbers", 1, 0, 20)
			store := newMemory()
			store.refusing, store.grows = 1, true
			w := testWorker(t, k)
			w.Add(load(t, testPlugins(nil, store), "to-memory", sinkOf("reject", "5", "errors.retry.delay.max.ms", "1", "errors.tolerance", "all", "errors.deadletterqueue.topic.name", dead)))
			start(t, w)
			until(t, "the rows", func() bool { return taskState(w).Read == 20 })
			if s := taskState(w); store.count() != 19 || s.Written != 19 || s.Failed != 1 {
				t.Errorf("%d rows, written %d, failed %d; want 19, 19, 1", store.count(), s.Written, s.Failed)
			}
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
}
