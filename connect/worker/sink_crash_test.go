package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"connectd/connect/connector/connectortest"
	"connectd/internal/testenv"
)

func TestSinkCrash(t *testing.T) {
	for _, starts := range []string{"false", "true"} {
		for _, step := range []string{"sink.intent", "sink.intent:3", "sink.writing", "sink.writing:4", "sink.written", "sink.written:3", "sink.committed", "sink.committed:4"} {
			if starts == "true" && (strings.HasPrefix(step, "sink.intent") || step == "sink.committed:4") {
				continue // no intents, and commits only when it is idle
			}
			t.Run("starts="+starts+"/"+step, func(t *testing.T) {
				t.Parallel()
				k := testKafka(t)
				dir := t.TempDir()
				fill(t, k, "numbers", 2, 0, 600)
				settings := map[string]string{
					"name": "child", "connector.class": "disk-sink", "topics": "numbers", "dir": dir, "starts": starts,
					"batch.max.rows": "70", "linger.ms": "50", "tasks.max": "2",
					// A static member takes its place back at once; another one would wait for the
					// session of the killed member to end.
					"consumer.override.group.instance.id": "crash",
				}
				crash(t, k, settings, step)
				settings["batch.max.rows"] = "45" // the next life would cut other ranges
				child := connectortest.Start(t, k, settings, "")
				until(t, "all offsets", func() bool { return len(diskOffsets(t, dir)) >= 600 })
				fill(t, k, "numbers", 2, 600, 650)
				until(t, "the offsets that came later", func() bool { return len(diskOffsets(t, dir)) >= 650 })
				child.Stop()
				for offset, copies := range diskOffsets(t, dir) {
					if copies != 1 {
						t.Errorf("%s is there %d times", offset, copies)
					}
				}
				for _, c := range committed(t, k, "child") {
					if strings.HasSuffix(c, "+intent") {
						t.Errorf("committed %s", c)
					}
				}
			})
		}
	}
}

// TestSinkRebalanceCrash has partitions move between two processes in the middle of flushes, and
// kills one of the two in the middle of others.
func TestSinkRebalanceCrash(t *testing.T) {
	broker := testenv.OwnKafka(t, testenv.KafkaOptions{Properties: map[string]string{
		"group.consumer.session.timeout.ms": "6000", "group.consumer.min.session.timeout.ms": "6000",
		"group.consumer.heartbeat.interval.ms": "500", "group.consumer.min.heartbeat.interval.ms": "500",
	}})
	k := connectortest.Kafka(broker.Brokers)
	for _, protocol := range []string{"classic", "consumer"} {
		for _, starts := range []string{"false", "true"} {
			t.Run(protocol+"/starts="+starts, func(t *testing.T) {
				dir := t.TempDir()
				topic := "numbers-" + protocol + "-" + starts
				settings := map[string]string{
					"name": topic, "connector.class": "disk-sink", "topics": topic, "dir": dir, "starts": starts, "pause.ms": "20",
					"batch.max.rows": "25", "linger.ms": "20", "consumer.group.protocol": protocol,
					"consumer.override.session.timeout.ms": "6000", "consumer.override.heartbeat.interval.ms": "200",
				}
				n := 0
				more := func() {
					fill(t, k, topic, 6, n, n+120)
					n += 120
				}
				more()
				first := connectortest.Start(t, k, settings, "")
				until(t, "the first rows", func() bool { more(); return len(diskOffsets(t, dir)) > 0 })
				settings["mark"] = filepath.Join(t.TempDir(), "mark")
				second := connectortest.Start(t, k, settings, "")
				until(t, "the second process's rows", func() bool {
					more()
					_, err := os.Stat(settings["mark"])
					return err == nil
				})
				more()
				first.Kill()
				more()
				until(t, "all rows", func() bool { return len(diskOffsets(t, dir)) >= n })
				second.Stop()
				for offset, copies := range diskOffsets(t, dir) {
					if copies != 1 {
						t.Errorf("%s is there %d times", offset, copies)
					}
				}
				for _, c := range committed(t, k, topic) {
					if strings.HasSuffix(c, "+intent") {
						t.Errorf("committed %s", c)
					}
				}
			})
		}
	}
}

// TestSinkRefusedCrash has the target refuse records when they are flushed, and the process die at
// each step from then on: what is good is in the target once, what is bad never, and each bad
// record is a dead letter, perhaps more than once.
func TestSinkRefusedCrash(t *testing.T) {
	for _, starts := range []string{"false", "true"} {
		for _, step := range []string{"sink.refused", "sink.letters", "sink.intent:2", "sink.writing", "sink.writing:2", "sink.written", "sink.committed"} {
			t.Run("starts="+starts+"/"+step, func(t *testing.T) {
				t.Parallel()
				k := testKafka(t)
				dir := t.TempDir()
				fill(t, k, "numbers", 2, 0, 300)
				settings := map[string]string{
					"name": "child", "connector.class": "disk-sink", "topics": "numbers", "dir": dir, "starts": starts, "refuse.every": "7",
					"errors.tolerance": "all", "errors.deadletterqueue.topic.name": "dead",
					"batch.max.rows": "70", "linger.ms": "50", "tasks.max": "2",
					"consumer.override.group.instance.id": "crash",
				}
				crash(t, k, settings, step)
				settings["batch.max.rows"] = "45" // the next life would cut other ranges
				child := connectortest.Start(t, k, settings, "")
				fill(t, k, "numbers", 2, 300, 320)
				until(t, "all offsets", func() bool { return committedRecords(t, k, "child") == 320 })
				child.Stop()
				there, dead := diskOffsets(t, dir), letterOffsets(readTopic(t, k, "dead"))
				for p, l := range logs(t, k, "numbers") {
					for offset := range l.End {
						name := fmt.Sprintf("%s@%d", p, offset)
						switch bad := offset%7 == 0; {
						case bad && (there[name] != 0 || dead[name] == 0):
							t.Errorf("%s is bad: %d times in the target, %d dead letters; want none and one", name, there[name], dead[name])
						case !bad && (there[name] != 1 || dead[name] != 0):
							t.Errorf("%s is good: %d times in the target, %d dead letters; want one and none", name, there[name], dead[name])
						}
					}
				}
			})
		}
	}
}
