package worker

import (
	"slices"
	"testing"

	"connectd/kafka"
	"connectd/record"
)

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
