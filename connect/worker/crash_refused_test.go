package worker

import (
	"errors"
	"fmt"
	"testing"

	"connectd/connect"
	"connectd/internal/fault"
	"connectd/kafka"
	"connectd/record"
)

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
					"connector.class": "disk-sink", "topics": "numbers", "dir": dir, "starts": starts, "refuse.every": "7",
					"errors.tolerance": "all", "errors.deadletterqueue.topic.name": "dead",
					"batch.max.rows": "70", "linger.ms": "50", "tasks.max": "2",
					"consumer.override.group.instance.id": "crash",
				}
				crash(t, k, settings, step)
				settings["batch.max.rows"] = "45" // the next life would cut other ranges
				child := run(t, k, settings, "")
				fill(t, k, "numbers", 2, 300, 320)
				until(t, "all offsets", func() bool { return committedRecords(t, k, "child") == 320 })
				child.stop(t)
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

// refusal is what the target says of the offsets that it does not take.
func (c *diskConfig) refusal(p record.Partition, offsets []int64) error {
	refused := &connect.RecordErrors{Partition: p.String()}
	for _, offset := range offsets {
		if c.Refuse > 0 && offset%c.Refuse == 0 {
			refused.Failed = append(refused.Failed, connect.RecordError{Offset: offset, Err: errors.New("check violated")})
		}
	}
	if refused.Failed == nil {
		return nil
	}
	fault.Point("sink.refused")
	return refused
}

// committedRecords is how many records the offsets of a sink's group have passed.
func committedRecords(t *testing.T, k kafka.Settings, connector string) (n int64) {
	t.Helper()
	withAdmin(t, k, func(a *kafka.Admin) error {
		commits, err := a.GroupOffsets(t.Context(), "connect-"+connector)
		for _, c := range commits {
			n += c.Offset
		}
		return err
	})
	return n
}

func logs(t *testing.T, k kafka.Settings, topic string) (ends map[record.Partition]kafka.Offsets) {
	t.Helper()
	withAdmin(t, k, func(a *kafka.Admin) (err error) {
		ends, err = a.ListOffsets(t.Context(), false, topic)
		return err
	})
	return ends
}

func withAdmin(t *testing.T, k kafka.Settings, f func(*kafka.Admin) error) {
	t.Helper()
	admin, err := kafka.NewAdmin(k)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := f(admin); err != nil {
		t.Fatal(err)
	}
}

// letterOffsets counts dead letters by the record that each is of.
func letterOffsets(letters []kafka.Message) map[string]int {
	of := map[string]int{}
	for _, l := range letters {
		h := map[string]string{}
		for _, header := range l.Headers {
			h[header.Name] = string(header.Value)
		}
		if h["__connect.errors.stage"] != "TASK_PUT" {
			continue
		}
		of[h["__connect.errors.topic"]+"-"+h["__connect.errors.partition"]+"@"+h["__connect.errors.offset"]]++
	}
	return of
}
