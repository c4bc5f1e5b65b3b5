package e2e

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"connectd/internal/testenv"
)

// patience is how long a test waits for what comes within seconds on a machine that is not busy.
const patience = 5 * time.Minute

// TestKilledAtRandom kills connectd 20 times at random moments of the load.
func TestKilledAtRandom(t *testing.T) {
	w := newWorld(t)
	l := newLoad(w)
	l.must("ALTER TABLE accounts ADD COLUMN note text")
	l.fill(20_000)
	d := newDaemon(t, w.config())
	r := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		d.start()
		// The load goes on all the time; how long until the kill is random.
		for end := time.Now().Add(time.Duration(300+r.IntN(2200)) * time.Millisecond); time.Now().Before(end); {
			l.transaction(150)
			pause(t, 40*time.Millisecond)
		}
		d.kill()
		l.transaction(300)
	}
	d.start()
	t.Logf("%d changes", l.changes)
	w.await()
	d.terminate()
	w.offsetsOnce()
}

// steps are the named steps of the delivery protocols, each with how often it passes before the
// kill: the first pass is in the snapshot's beginning, a later one in the middle of things.
var steps = []string{
	"source.produced:2", "source.offset:2", "source.confirmed:1",
	"sink.intent:1", "sink.intent:7", "sink.writing:2", "sink.writing:9", "sink.written:1", "sink.written:6", "sink.committed:3",
	"postgres.sink.precommit:2", "postgres.sink.precommit:5", "postgres.sink.commit:2", "postgres.sink.commit:4",
}

// TestKilledAtEachStep kills connectd at every named step of the delivery protocols, one after
// the other, while the load goes on.
func TestKilledAtEachStep(t *testing.T) {
	w := newWorld(t)
	l := newLoad(w)
	l.must("ALTER TABLE accounts ADD COLUMN note text")
	l.fill(5_000)
	d := newDaemon(t, w.config())
	for _, step := range steps {
		d.start("CONNECTD_FAULT=" + step)
		began := time.Now()
		for dead := false; !dead; {
			l.transaction(90)
			select {
			case err := <-d.gone:
				if d.cmd = nil; !killedBySignal(err) {
					t.Fatalf("step %s: connectd ended with %v, want SIGKILL; its log ends with:\n%s", step, err, d.tail(20))
				}
				dead = true
			case <-time.After(50 * time.Millisecond):
				if time.Since(began) > patience {
					t.Fatalf("step %s was not reached in %s; the log ends with:\n%s", step, patience, d.tail(20))
				}
			}
		}
		t.Logf("killed at %s after %s", step, time.Since(began).Round(time.Millisecond))
	}
	d.start()
	t.Logf("%d changes", l.changes)
	w.await()
	d.terminate()
	w.offsetsOnce()
}

// TestServersGoAway stops each server under the load and brings it back.
func TestServersGoAway(t *testing.T) {
	cases := []struct {
		name   string
		outage func(w *world, l *load)
	}{
		{"broker killed", func(w *world, l *load) {
			must(w.t, w.kafka.Kill())
			l.transaction(300)
			must(w.t, w.kafka.Restart())
		}},
		{"source restarted with -m immediate", func(w *world, l *load) {
			must(w.t, w.source.Restart("immediate"))
			l.connect()
		}},
		{"clickhouse gone for 30 s", func(w *world, l *load) {
			must(w.t, w.clickhouse.Kill())
			for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
				l.transaction(100)
				pause(w.t, 500*time.Millisecond)
			}
			must(w.t, w.clickhouse.Restart())
		}},
	}
	w := &world{t: t, kafka: testenv.OwnKafka(t, testenv.KafkaOptions{}), source: testenv.OwnPostgres(t, testenv.PostgresOptions{}),
		clickhouse: testenv.OwnClickHouse(t, testenv.ClickHouseOptions{}), sourceDB: "away", database: "default", prefix: "away"}
	must(t, w.source.CreateDatabase(t.Context(), w.sourceDB))
	w.target, w.targetDB = testenv.Database(t)
	w.s3, w.bucket = testenv.Bucket(t)
	l := newLoad(w)
	l.must("ALTER TABLE accounts ADD COLUMN note text")
	l.fill(5_000)
	d := newDaemon(t, w.config())
	d.start()
	for _, c := range cases {
		// Subtests share the daemon: the outages come one after the other to the same process.
		ok := t.Run(c.name, func(t *testing.T) {
			w.t = t
			for range 20 {
				l.transaction(300)
			}
			c.outage(w, l)
			for range 20 {
				l.transaction(300)
			}
			w.await()
		})
		if w.t = t; !ok {
			break
		}
	}
	d.terminate()
	w.offsetsOnce()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pause waits between two changes of a paced load.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		t.Fatal(fmt.Errorf("test ended while the load was paused: %w", t.Context().Err()))
	}
}
