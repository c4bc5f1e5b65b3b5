package worker

import (
	"slices"
	"strings"
	"testing"

	"connectd/connect/connector/connectortest"
	"connectd/connect/task"
	"connectd/kafka"
)

// recreate deletes the topic and creates it again, with records n = from … to-1.
func recreate(t *testing.T, k kafka.Settings, topic string, from, to int) {
	t.Helper()
	admin := connectortest.Admin(t, k)
	if err := admin.DeleteTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	fill(t, k, topic, 1, from, to)
}

// TestSinkTopicRecreated deletes a topic under a running sink, and creates it with more records
// than it has read: neither may it stand still without a word, nor go on at the offset of the
// earlier topic.
func TestSinkTopicRecreated(t *testing.T) {
	for _, c := range []struct{ policy, protocol string }{{"fail", "classic"}, {"reset", "classic"}, {"reset", "consumer"}} {
		t.Run(c.policy+"/"+c.protocol, func(t *testing.T) {
			t.Parallel() // the client waits for some twelve seconds before it believes it
			eachKafka(t, func(t *testing.T, k kafka.Settings, prefix string) {
				topic, name := prefix+"numbers", prefix+"to-memory"
				fill(t, k, topic, 1, 0, 100)
				store := newMemory()
				w := testWorker(t, k)
				settings := sinkOf("topics", topic, "on.topic.recreated", c.policy, "consumer.group.protocol", c.protocol, "restart.backoff.ms", "10")
				w.Add(load(t, testPlugins(nil, store), name, settings))
				stop := start(t, w)
				until(t, "the offset", func() bool { return slices.Equal(committed(t, k, name), []string{topic + "-0=100"}) })
				recreate(t, k, topic, 1000, 1150)
				if c.policy == "fail" {
					until(t, "the failure", func() bool { return taskState(w).State == task.Failed })
					if got := taskState(w).Cause.Error(); !strings.Contains(got, "deleted and created again while it was read, and partition 0 was at offset 100") || !strings.Contains(got, "on.topic.recreated: reset") {
						t.Errorf("cause %s", got)
					}
					stop()
					w = testWorker(t, k)
					w.Add(load(t, testPlugins(nil, store), name, settings))
					start(t, w)
				}
				until(t, "all rows of the new topic", func() bool { return store.count() == 150 })
				if first := store.values()[0]; first != `{"n":1000,"text":"1000"}` {
					t.Errorf("offset 0 is %s, want that of the new topic", first)
				}
			})
		})
	}
}

// TestSinkTopicDeleted makes sure that a sink says that its topic is gone.
func TestSinkTopicDeleted(t *testing.T) {
	t.Parallel()
	k := testKafka(t)
	fill(t, k, "numbers", 1, 0, 100)
	store := newMemory()
	w := testWorker(t, k)
	w.Add(load(t, testPlugins(nil, store), "to-memory", sinkOf()))
	start(t, w)
	until(t, "the offset", func() bool { return slices.Equal(committed(t, k, "to-memory"), []string{"numbers-0=100"}) })
	admin := connectortest.Admin(t, k)
	if err := admin.DeleteTopic(t.Context(), "numbers"); err != nil {
		t.Fatal(err)
	}
	until(t, "the news", func() bool { return taskState(w).Degraded != nil })
	if got := taskState(w).Degraded.Error(); !strings.Contains(got, "partition numbers-0: the topic with the id") {
		t.Errorf("degraded: %s", got)
	}
}
