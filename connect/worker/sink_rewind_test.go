package worker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"connectd/connect/connector/connectortest"
	"connectd/kafka"
	"connectd/record"
)

// TestSinkRewind sets a stopped connector's group back as kafka-consumer-groups --reset-offsets does,
// also while a flush of an earlier life is pending: what is read again is written again, under ids
// that no target has seen.
func TestSinkRewind(t *testing.T) {
	for _, pending := range []bool{false, true} {
		t.Run(fmt.Sprintf("pending=%t", pending), func(t *testing.T) {
			eachKafka(t, func(t *testing.T, k kafka.Settings, prefix string) {
				topic, name := prefix+"numbers", prefix+"to-memory"
				p := record.Partition{Topic: topic}
				fill(t, k, topic, 1, 0, 100)
				store := newMemory()
				run := func(done func() bool) {
					w := testWorker(t, k)
					w.Add(load(t, testPlugins(nil, store), name, sinkOf("topics", topic, "batch.max.rows", "30")))
					stop := start(t, w)
					until(t, "all rows", done)
					stop()
				}
				run(func() bool { return store.count() == 100 })
				ids := map[string]bool{}
				for _, r := range store.flushes {
					ids[r.ID] = true
				}
				if pending {
					last := store.flushes[len(store.flushes)-1]
					setOffset(t, k, name, kafka.Commit{Partition: p, Offset: last.Start,
						Metadata: fmt.Sprintf(`{"v":1,"end":%d,"id":"%s","cfg":"01234567","t":1700000000000}`, last.End, last.ID)})
				}
				setOffset(t, k, name, kafka.Commit{Partition: p, Offset: 40})
				before := len(store.flushes)
				run(func() bool { store.mu.Lock(); defer store.mu.Unlock(); return store.copies[p][99] == 2 })
				for offset := range int64(100) {
					if got, want := store.copies[p][offset], 1+int(min(1, offset/40)); got != want {
						t.Errorf("offset %d was written %d times, want %d", offset, got, want)
					}
				}
				for _, r := range store.flushes[before:] {
					if ids[r.ID] {
						t.Errorf("offsets %d to %d were written again under an old id", r.Start, r.End)
					}
				}
				if got := committed(t, k, name); !slices.Equal(got, []string{topic + "-0=100"}) {
					t.Errorf("committed %v", got)
				}
			})
		})
	}
}

// TestSinkRewindWhileItRuns is refused, as Kafka's tool does: a member would not know of it, and
// commit over it.
func TestSinkRewindWhileItRuns(t *testing.T) {
	for _, protocol := range []string{"classic", "consumer"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			k, topic := sharedKafka(t), fmt.Sprintf("rewind-%s-%d", protocol, rand.Uint64())
			fill(t, k, topic, 1, 0, 100)
			store := newMemory()
			w := testWorker(t, k)
			w.Add(load(t, testPlugins(nil, store), topic, sinkOf("topics", topic, "consumer.group.protocol", protocol)))
			start(t, w)
			until(t, "the offset", func() bool { return slices.Equal(committed(t, k, topic), []string{topic + "-0=100"}) })
			admin := connectortest.Admin(t, k)
			err := admin.SetGroupOffsets(t.Context(), "connect-"+topic, []kafka.Commit{{Partition: record.Partition{Topic: topic}}})
			if err == nil || !strings.Contains(err.Error(), "stop its connector first") {
				t.Errorf("rewound a running connector: %v", err)
			}
			fill(t, k, topic, 1, 100, 110)
			until(t, "the rows that came later", func() bool { return store.count() == 110 })
			if twice := store.doubled(); len(twice) > 0 {
				t.Errorf("written twice: %v", twice)
			}
		})
	}
}

// TestSinkRewindOfTarget: the offset in the target counts, and a rewound group changes nothing.
func TestSinkRewindOfTarget(t *testing.T) {
	k := testKafka(t)
	fill(t, k, "numbers", 1, 0, 100)
	store := newMemory()
	for _, want := range []int{100, 110} {
		w := testWorker(t, k)
		w.Add(load(t, testPlugins(nil, store), "to-memory", sinkOf("starts", "true")))
		stop := start(t, w)
		until(t, "all rows", func() bool { return store.count() == want })
		stop()
		setOffset(t, k, "to-memory", kafka.Commit{Partition: record.Partition{Topic: "numbers"}, Offset: 0})
		if want == 100 {
			fill(t, k, "numbers", 1, 100, 110)
		}
	}
	if twice := store.doubled(); len(twice) > 0 {
		t.Errorf("written twice: %v", twice)
	}
}
