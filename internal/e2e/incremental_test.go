package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"connectd/internal/testenv"
)

// TestIncrementalSnapshotKilled asks for an incremental snapshot with `connectd snapshot`, and kills connectd
// in the middle of it, at the steps of a transaction: it goes on by itself, and readers of
// committed records see each row once.
func TestIncrementalSnapshotKilled(t *testing.T) {
	const rows = 30_000
	server, database := testenv.Database(t)
	broker := testenv.SharedKafka(t)
	name := strings.ToLower(database)
	l := publish(t, server, database, "counted", "CREATE TABLE counted (id bigserial PRIMARY KEY, note text)",
		fmt.Sprintf("INSERT INTO counted (note) SELECT 'row ' || i FROM generate_series(1, %d) i", rows))
	d := newDaemon(t, fmt.Sprintf(`
worker:
  bootstrap.servers: %s
  listeners: http://127.0.0.1:0
connectors:%s
    exactly.once.support: required
    snapshot.mode: no_data
    incremental.snapshot.chunk.size: 50
    max.batch.size: 25
    transforms: unwrap
    transforms.unwrap.type: io.debezium.transforms.ExtractNewRecordState
`, broker.Brokers, tableSource(server, database, "counted")))
	d.start()
	if got := d.snapshot("start", "nobody", "public.counted"); !strings.Contains(got, "Connector nobody not found") {
		t.Errorf("an unknown connector: %s", got)
	}
	if got := d.snapshot("start", name); !strings.Contains(got, "name the tables") {
		t.Errorf("no table: %s", got)
	}
	for deadline := time.Now().Add(time.Minute); !strings.Contains(d.snapshot("status", name), "RUNNING, streaming"); pause(t, 50*time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not stream: %s", d.snapshot("status", name))
		}
	}
	// Nothing can be read before the connector has stopped with the signal in its position.
	l.must("BEGIN")
	l.must("LOCK TABLE counted")
	if got := d.snapshot("start", name, "public.counted", "--filter", "public.counted=id > 0"); !strings.Contains(got, "execute-snapshot: taken") {
		t.Fatalf("start: %s", got)
	}
	d.terminate()
	l.must("COMMIT")
	read := newCounting(t, broker.Brokers, name+".public.counted")
	for _, step := range []string{"source.tx.produced:2", "source.tx.committed:2", "source.tx.produced:2"} {
		d.start("CONNECTD_FAULT=" + step)
		if err := d.wait(time.Minute); !killedBySignal(err) {
			t.Fatalf("step %s: connectd ended with %v, want SIGKILL", step, err)
		}
	}
	if n := len(read.all()); n >= rows {
		t.Fatalf("all %d rows were there before the last start: nothing was tested", n)
	}
	d.start()
	var seen map[int]int
	for deadline := time.Now().Add(time.Minute); len(seen) < rows; pause(t, 100*time.Millisecond) {
		if seen = read.all(); time.Now().After(deadline) {
			t.Fatalf("%d of %d rows are there", len(seen), rows)
		}
	}
	if got := d.snapshot("status", name); !strings.Contains(got, "RUNNING, streaming") {
		t.Errorf("status: %s", got)
	}
	d.terminate()
	for id, n := range read.all() {
		if n != 1 {
			t.Errorf("row %d is there %d times", id, n)
		}
	}
}

// snapshot runs `connectd snapshot` against the daemon and returns what it says.
func (d *daemon) snapshot(args ...string) string {
	d.t.Helper()
	var url string
	for deadline := time.Now().Add(30 * time.Second); url == ""; pause(d.t, 20*time.Millisecond) {
		text, _ := os.ReadFile(d.log)
		if at := strings.LastIndex(string(text), "connectd listening on "); at >= 0 {
			url, _, _ = strings.Cut(string(text[at+len("connectd listening on "):]), "\n")
		}
		if time.Now().After(deadline) {
			d.t.Fatal("the REST API does not listen")
		}
	}
	out, _ := exec.Command(binary, append(append([]string{"snapshot"}, args...), "--url", url)...).CombinedOutput() // it says what is wrong
	return string(out)
}
