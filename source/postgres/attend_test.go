package postgres

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"connectd/connect"
	"connectd/internal/testenv"
)

// holdBack takes nothing for a while: the source waits for a batch, and has later been busy for longer.
func holdBack(t *testing.T, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	<-ctx.Done()
}

// places are where records of the topic are among the others.
func places(records []sentRecord, topic string) (at []int) {
	for i, r := range records {
		if r.topic == topic {
			at = append(at, i)
		}
	}
	return at
}

// TestBacklogIsAttended has one read of a backlog, with heartbeats, a signal from a file, and the
// blocking snapshot that it asks for, all of them between the changes. The server would long have
// ended a replication connection that answers as late.
func TestBacklogIsAttended(t *testing.T) {
	p := testenv.OwnPostgres(t, testenv.PostgresOptions{Settings: map[string]string{"wal_sender_timeout": "1s"}})
	if err := p.CreateDatabase(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	const rows = 20000
	d := databaseOn(t, p, "db", "CREATE TABLE a (id int PRIMARY KEY, v text)", "CREATE TABLE b (id int PRIMARY KEY)", "INSERT INTO b VALUES (1), (2)",
		"CREATE TABLE beats (at timestamptz)", "GRANT INSERT ON beats TO "+testenv.Replicator).publish(t, "a, b").slotBehind(t)
	for i := range 20 {
		d.exec(t, fmt.Sprintf("INSERT INTO a SELECT %d + i, repeat('x', 300) FROM generate_series(1, %d) i", i*rows/20, rows/20))
	}
	file := filepath.Join(t.TempDir(), "signals")
	r := d.startBehind(t, 1<<20, 1<<30, nil, "table.include.list", "public.(a|b)", "max.batch.size", "100", "heartbeat.interval.ms", "50", "topic.heartbeat.name", "beat",
		"heartbeat.action.query", "INSERT INTO beats VALUES (now())", "signal.enabled.channels", "file", "signal.file", file, "signal.poll.interval.ms", "10")
	r.until("the first rows", func() bool { return len(r.records) >= 1000 })
	if got := r.phase(); got != "catching up" {
		t.Errorf("phase %q", got)
	}
	before := d.query(t, "SELECT count(*) FROM beats")
	if err := os.WriteFile(file, []byte(`{"id":"1","type":"execute-snapshot","data":{"type":"blocking","data-collections":["public.b"]}}`+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	holdBack(t, 1500*time.Millisecond)
	var early, reads int
	r.until("all rows", func() bool {
		if n := len(places(r.records, "production.public.a")); n < rows {
			reads = int(r.backlogReads.n.Load())
			early = len(places(r.records, "beat"))
		} else {
			return true
		}
		return false
	})
	if early < 1 || reads != 1 || d.query(t, "SELECT count(*) FROM beats") == before {
		t.Errorf("%d heartbeats came before the last row of the backlog, in %d reads; %s times the query was run before that", early, reads, before)
	}
	changes := places(r.records, "production.public.a")
	if distinct, doubles := keys(slices.DeleteFunc(slices.Clone(r.records), func(s sentRecord) bool { return s.topic != "production.public.a" })); len(distinct) != rows || doubles != 0 {
		t.Errorf("%d distinct keys and %d doubles, want %d and none", len(distinct), doubles, rows)
	}
	if at := places(r.records, "production.public.b"); len(at) != 2 || at[1] > changes[len(changes)-1] {
		t.Errorf("rows of the blocking snapshot are at %v, the changes end at %d", at, changes[len(changes)-1])
	}
	if r.demand().File == nil {
		t.Error("the signal is not in the offset")
	}
	r.streaming()
}

// TestBacklogSignalTopic has signals in Kafka in the middle of a backlog, and a crash there: each is
// followed once, between the changes, and its place in the topic is stored with its effect.
func TestBacklogSignalTopic(t *testing.T) {
	const rows = 20000
	topic, send := signalTopic(t)
	d := alone(t, "CREATE TABLE a (id int PRIMARY KEY, v text)", "CREATE TABLE b (id int PRIMARY KEY)", "INSERT INTO b VALUES (1), (2)").publish(t, "a, b").slotBehind(t)
	for i := range 20 {
		d.exec(t, fmt.Sprintf("INSERT INTO a SELECT %d + i, repeat('x', 300) FROM generate_series(1, %d) i", i*rows/20, rows/20))
	}
	execute := func(id string) {
		t.Helper()
		send("production", `{"id":"`+id+`","type":"execute-snapshot","data":{"type":"blocking","data-collections":["public.b"]}}`)
	}
	settings := []string{"table.include.list", "public.(a|b)", "max.batch.size", "20", "signal.enabled.channels", "kafka", "signal.kafka.topic", topic}
	// The changes come slowly, so that there is a backlog as long as that takes.
	followed := func(r *reading, what string, next int64) {
		t.Helper()
		for k := r.demand().Kafka; k == nil || k.Next != next || len(r.demand().Blocking) > 0; k = r.demand().Kafka {
			if !r.receive(patience) {
				t.Fatalf("%s: the source ended with %v", what, r.err)
			}
			holdBack(t, 5*time.Millisecond)
		}
		if got := r.phase(); got != "catching up" {
			t.Errorf("%s in phase %q, after %d records", what, got, len(r.records))
		}
	}
	r := d.startBehind(t, 1<<20, 1<<30, nil, settings...)
	followed(r, "the place in the topic is stored", 0)
	execute("1")
	followed(r, "the first signal is followed", 1)
	r.abandon()
	all := r.records
	if n := r.rows(); n != 2 {
		t.Errorf("%d rows of the first snapshot, want 2", n)
	}

	execute("2")
	r = d.startBehind(t, 1<<20, 1<<30, r.offset, settings...)
	followed(r, "the second signal is followed", 2)
	r.until("all rows", func() bool {
		return len(places(r.records, "production.public.a")) >= rows-len(places(all, "production.public.a"))
	})
	if n := r.rows(); n != 2 {
		t.Errorf("%d rows of the second snapshot, want 2", n)
	}
	changes := slices.DeleteFunc(slices.Concat(all, r.records), func(s sentRecord) bool { return s.topic != "production.public.a" })
	if distinct, doubles := keys(changes); len(distinct) != rows || doubles != 0 {
		t.Errorf("%d distinct keys and %d doubles, want %d and none", len(distinct), doubles, rows)
	}
}

// TestBacklogIncremental asks for an incremental snapshot in the middle of a backlog: it is noted at
// once, and read behind it.
func TestBacklogIncremental(t *testing.T) {
	d := alone(t, "CREATE TABLE a (id int PRIMARY KEY, v text)").publish(t, "a").slotBehind(t)
	for i := range 10 {
		d.exec(t, fmt.Sprintf("INSERT INTO a SELECT %d + i, repeat('x', 300) FROM generate_series(1, 1000) i", i*1000), fmt.Sprintf("UPDATE a SET v = 'y' WHERE id = %d", i*1000+1))
	}
	r := d.startBehind(t, 1<<20, 1<<30, nil, "max.batch.size", "100")
	r.until("the first rows", func() bool { return len(r.records) >= 500 })
	answer := make(chan error, 1)
	go func() { // ends with the answer; waited for below
		answer <- r.source.Signal(t.Context(), connect.Signal{Type: "execute-snapshot", Data: []byte(`{"data-collections":["public.a"]}`)})
	}()
	holdBack(t, 300*time.Millisecond)
	r.until("the signal in the offset", func() bool { return len(r.demand().Tables) == 1 })
	if got := r.phase(); got != "catching up" || len(r.records) > 8000 {
		t.Errorf("it was noted in phase %q after %d records", got, len(r.records))
	}
	if err := <-answer; err != nil {
		t.Errorf("the answer is %v", err)
	}
	r.until("the end of the snapshot", func() bool { return len(r.demand().Tables) == 0 })
	got := ops(r.records)
	first := slices.IndexFunc(got, func(op string) bool { return strings.HasPrefix(op, "r ") })
	last := len(got) - 1
	for strings.HasPrefix(got[last], "r ") {
		last--
	}
	if first <= last || len(got) != 20010 {
		t.Errorf("%d records, the first of the snapshot is number %d, the last change number %d", len(got), first, last)
	}
}

// TestBacklogBadBeat has a heartbeat query that the server refuses: that is said, and is not taken for
// a backlog that cannot be read.
func TestBacklogBadBeat(t *testing.T) {
	d := alone(t, "CREATE TABLE a (id int PRIMARY KEY, v text)").publish(t, "a").slotBehind(t)
	d.exec(t, "INSERT INTO a SELECT i, repeat('x', 300) FROM generate_series(1, 10000) i")
	r := d.startBehind(t, 1<<20, 1<<30, nil, "max.batch.size", "100", "heartbeat.interval.ms", "10", "heartbeat.action.query", "INSERT INTO nowhere VALUES (1)")
	holdBack(t, 300*time.Millisecond) // a heartbeat may come before the first row, or behind some
	wantPermanent(t, r, "beside the changes", "heartbeat.action.query", `"nowhere" does not exist`)
}
