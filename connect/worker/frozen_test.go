package worker

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"connectd/internal/testenv"
	"connectd/kafka"
)

// TestSinkFrozenOwner stops a process (SIGSTOP) in the middle of a flush, and lets it wake up when
// another one has finished that flush and gone on: what it still writes is the same again, and what
// it commits is refused.
func TestSinkFrozenOwner(t *testing.T) {
	var k kafka.Settings
	k.Defaults()
	k.FetchWait = 50 * time.Millisecond
	broker := testenv.OwnKafka(t, testenv.KafkaOptions{Properties: map[string]string{
		"group.consumer.session.timeout.ms": "6000", "group.consumer.min.session.timeout.ms": "6000",
		"group.consumer.heartbeat.interval.ms": "500", "group.consumer.min.heartbeat.interval.ms": "500",
	}})
	k.Brokers = strings.Split(broker.Brokers, ",")
	for _, protocol := range []string{"classic", "consumer"} {
		t.Run(protocol, func(t *testing.T) {
			dir, topic := t.TempDir(), "numbers-"+protocol
			settings := map[string]string{
				"name": topic, "connector.class": "disk-sink", "topics": topic, "dir": dir, "pause.ms": "300",
				"batch.max.rows": "25", "linger.ms": "20", "consumer.group.protocol": protocol,
				"consumer.override.session.timeout.ms": "6000", "consumer.override.heartbeat.interval.ms": "200",
			}
			fill(t, k, topic, 1, 0, 200)
			zombie := run(t, k, settings, "")
			until(t, "a flush that is half written, and not the first", func() bool {
				if !halfWritten(t, dir, 1) {
					return false
				}
				zombie.signal(t, syscall.SIGSTOP)
				if halfWritten(t, dir, 1) {
					return true
				}
				zombie.signal(t, syscall.SIGCONT) // it was over before the process stood still: the next one
				return false
			})
			settings["batch.max.rows"], settings["pause.ms"] = "40", "1" // the owner would cut other ranges
			owner := run(t, k, settings, "")
			until(t, "all rows", func() bool { return len(diskOffsets(t, dir)) == 200 })
			zombie.signal(t, syscall.SIGCONT)
			until(t, "the zombie to notice", func() bool { return noticed.MatchString(zombie.output.String()) })
			fill(t, k, topic, 1, 200, 250)
			until(t, "the rows that came later", func() bool { return len(diskOffsets(t, dir)) == 250 })
			zombie.stop(t)
			owner.stop(t)
			for offset, copies := range diskOffsets(t, dir) {
				if copies != 1 {
					t.Errorf("%s is there %d times", offset, copies)
				}
			}
			if got := committed(t, k, topic); len(got) != 1 || got[0] != topic+"-0=250" {
				t.Errorf("committed %v, want 250 without an intent", got)
			}
		})
	}
}

// noticed is what a process says that learns of it by its heartbeat, or by its commit.
var noticed = regexp.MustCompile("partitions are lost|partition is lost")

// halfWritten says whether one flush of the disk sink, after so many whole ones, has its first file
// only.
func halfWritten(t *testing.T, dir string, whole int) bool {
	t.Helper()
	first, err := filepath.Glob(filepath.Join(dir, "*-0"))
	if err != nil {
		t.Fatal(err)
	}
	half, done := 0, 0
	for _, name := range first {
		if _, err := os.Stat(strings.TrimSuffix(name, "0") + "1"); err == nil {
			done++
		} else {
			half++
		}
	}
	return half == 1 && done >= whole
}
