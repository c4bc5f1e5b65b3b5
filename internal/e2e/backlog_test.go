package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"connectd/internal/testenv"
	"connectd/kafka"
)

// TestKilledInBacklog kills connectd while it drains a backlog: nothing is missing, and readers of
// committed records see each row once where that is asked for. The transactions are large, so that
// it dies inside of them.
func TestKilledInBacklog(t *testing.T) {
	for _, mode := range []struct {
		support string
		steps   []string
	}{
		{"requested", []string{"source.produced:3", "source.offset:2", "source.produced:7", "source.offset:5"}},
		{"required", []string{"source.tx.produced:2", "source.tx.committed:1", "source.tx.produced:4", "source.tx.committed:3"}},
	} {
		t.Run(mode.support, func(t *testing.T) {
			server, database := testenv.Database(t)
			broker := testenv.SharedKafka(t)
			name := strings.ToLower(database)
			l := publish(t, server, database, "counted", "CREATE TABLE counted (id bigserial PRIMARY KEY, note text)")
			l.must("SELECT pg_create_logical_replication_slot('" + name + "', 'pgoutput')")
			d := newDaemon(t, fmt.Sprintf(`
worker:
  bootstrap.servers: %s
  listeners: http://127.0.0.1:0
  offset.storage.topic: %s-offsets
connectors:%s
    exactly.once.support: %s
    snapshot.mode: no_data
    max.batch.size: 100
    max.in.flight: 4
    topic.creation.default.partitions: 2
    transforms: unwrap
    transforms.unwrap.type: io.debezium.transforms.ExtractNewRecordState
`, broker.Brokers, name, tableSource(server, database, "counted"), mode.support))

			// 40 MB of WAL in few and large transactions, of which each start drains a part.
			const rows = 40_000
			for range 8 {
				l.must(fmt.Sprintf("INSERT INTO counted (note) SELECT repeat('x', 800) FROM generate_series(1, %d)", rows/8))
			}
			for _, step := range mode.steps {
				d.start("CONNECTD_FAULT=" + step)
				if err := d.wait(time.Minute); !killedBySignal(err) {
					t.Fatalf("step %s: connectd ended with %v, want SIGKILL", step, err)
				}
			}
			d.start()
			read := newCounting(t, broker.Brokers, name+".public.counted")
			var seen map[int]int
			for deadline := time.Now().Add(2 * time.Minute); len(seen) < rows; pause(t, 500*time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%d of %d rows are there", len(seen), rows)
				}
				if read.admin(func(a *kafka.Admin) error { _, err := a.TopicID(t.Context(), read.topic); return err }) == nil {
					seen = read.all()
				}
			}
			d.terminate()
			if log := d.tail(1000); strings.Count(log, "reading the backlog") < len(mode.steps) {
				t.Error("the backlog was not read by SQL")
			}
			twice := 0
			for id := 1; id <= rows; id++ {
				if seen[id] == 0 {
					t.Errorf("row %d is missing", id)
				}
				if seen[id] > 1 {
					twice++
				}
			}
			if mode.support == "required" && twice > 0 {
				t.Errorf("%d rows are there more than once", twice)
			}
			t.Logf("%d rows, %d of them more than once", rows, twice)
		})
	}
}
