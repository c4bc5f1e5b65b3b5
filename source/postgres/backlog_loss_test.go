package postgres

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"connectd/connect"
	"connectd/internal/testenv"
)

// behindOf is a source in the middle of the first of several reads of a backlog of so many rows.
func behindOf(t *testing.T, d *database, rows int, changes ...string) *reading {
	t.Helper()
	return behindFrom(t, d, rows, 64<<10, changes...)
}

// behindFrom is behindOf to which so many octets are a backlog.
func behindFrom(t *testing.T, d *database, rows int, from LSN, changes ...string) *reading {
	t.Helper()
	for i := range 10 {
		d.exec(t, fmt.Sprintf("INSERT INTO a SELECT %d + i, repeat('x', 300) FROM generate_series(1, %d) i", i*rows/10, rows/10))
	}
	r := d.startBehind(t, from, 1<<20, nil, append(changes, "max.batch.size", "50")...)
	r.until("the first rows", func() bool { return len(r.records) >= 100 })
	return r
}

// wantAgain waits for the source to end with an error that the next start may mend.
func wantAgain(t *testing.T, r *reading, want string) {
	t.Helper()
	if err := r.wait(); err == nil || connect.IsPermanent(err) || !strings.Contains(err.Error(), want) {
		t.Fatalf("got %v, want %q, and that it is tried again", err, want)
	}
}

// TestBacklogSlotMoved moves the slot on while it is free between two reads: what lies between is
// never left out in silence.
func TestBacklogSlotMoved(t *testing.T) {
	t.Parallel()
	d := alone(t, "CREATE TABLE a (id int PRIMARY KEY, v text)").publish(t, "a").slotBehind(t)
	r := behindOf(t, d, 10000)
	d.exec(t, "SELECT pg_replication_slot_advance('"+d.name+"', pg_current_wal_lsn())")
	wantAgain(t, r, "was moved to")
	for i, got := range r.records {
		if want := fmt.Sprintf(`{"id":%d}`, i+1); got.key != want {
			t.Fatalf("record %d is %s, want %s", i, got.key, want)
		}
	}
	if len(r.records) >= 10000 {
		t.Fatal("the slot was moved too late")
	}
	wantPermanent(t, d.startBehind(t, 64<<10, 1<<20, r.offset), "what changed between them cannot be read")
}

// TestBacklogSlotMadeAnew drops the slot in the middle of a backlog and makes it again.
func TestBacklogSlotMadeAnew(t *testing.T) {
	t.Parallel()
	d := alone(t, "CREATE TABLE a (id int PRIMARY KEY, v text)").publish(t, "a").slotBehind(t)
	r := behindOf(t, d, 10000)
	d.exec(t, "SELECT pg_drop_replication_slot('"+d.name+"')", "SELECT pg_create_logical_replication_slot('"+d.name+"', 'pgoutput')")
	wantAgain(t, r, "was moved to")
}

// TestBacklogSlotDropped drops the slot in the middle of a backlog.
func TestBacklogSlotDropped(t *testing.T) {
	t.Parallel()
	d := alone(t, "CREATE TABLE a (id int PRIMARY KEY, v text)").publish(t, "a").slotBehind(t)
	r := behindOf(t, d, 10000)
	d.exec(t, "SELECT pg_drop_replication_slot('"+d.name+"')")
	wantAgain(t, r, "does not exist any more")
	wantPermanent(t, d.startBehind(t, 64<<10, 1<<20, r.offset), "does not exist any more")
}

// TestSlotMovedBeforeStream has another reader, who takes changes while this one waits for the slot.
func TestSlotMovedBeforeStream(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)").publish(t, "a").slotBehind(t)
	settings := []string{"snapshot.mode", "no_data", "catch.up.mode", "off", "slot.retry.delay.ms", "100", "slot.max.retries", "100"}
	other := start(t, d.config(t, settings...), nil).streaming()
	offset := other.offset
	r := start(t, d.config(t, settings...), offset)
	wait(t, "a start that waits for the slot", func() bool { p := r.intake.Progress(); return p != nil && p.Phase == "starting" })
	holdBack(t, 300*time.Millisecond)
	d.exec(t, "INSERT INTO a SELECT generate_series(1, 100)")
	other.next(100)
	if err := other.stop(); err != nil {
		t.Fatal(err)
	}
	wantAgain(t, r, "was moved to")
	r = start(t, d.config(t, settings...), other.offset).streaming()
	d.exec(t, "INSERT INTO a VALUES (101)")
	wantOps(t, r.next(1), `c public.a {"id":101}`)
}

// TestBacklogServerRestarts restarts the server in the middle of a backlog, in good order and by a
// crash.
func TestBacklogServerRestarts(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"fast", "immediate"} {
		t.Run(mode, func(t *testing.T) {
			d := alone(t, "CREATE TABLE a (id int PRIMARY KEY, v text)").publish(t, "a").slotBehind(t)
			r := behindOf(t, d, 10000)
			if err := d.server.Restart(mode); err != nil {
				t.Fatal(err)
			}
			if err := r.wait(); err == nil || connect.IsPermanent(err) {
				t.Fatalf("got %v, want an error after which it is tried again", err)
			}
			all := r.records
			r = d.startBehind(t, 64<<10, 1<<20, r.offset)
			r.streaming()
			d.exec(t, "INSERT INTO a VALUES (0)")
			r.until("the end", func() bool { return len(r.records) > 0 && r.records[len(r.records)-1].key == `{"id":0}` })
			if distinct, doubles := keys(append(all, r.records...)); len(distinct) != 10001 || doubles != 0 {
				t.Errorf("%d distinct keys and %d doubles, want 10001 and none", len(distinct), doubles)
			}
		})
	}
}

// TestBacklogInvalidated lets the slot lose its WAL while it is free between two reads.
func TestBacklogInvalidated(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"no_data", "when_needed"} {
		t.Run(mode, func(t *testing.T) {
			p := testenv.OwnPostgres(t, testenv.PostgresOptions{Settings: map[string]string{"max_slot_wal_keep_size": "1MB", "min_wal_size": "32MB", "max_wal_size": "64MB"}})
			if err := p.CreateDatabase(t.Context(), "db"); err != nil {
				t.Fatal(err)
			}
			d := databaseOn(t, p, "db", "CREATE TABLE a (id int PRIMARY KEY, v text)", "CREATE TABLE other (v text)").publish(t, "a").slotBehind(t)
			r := behindOf(t, d, 10000, "table.include.list", "public.a")
			wait(t, "the slot is lost", func() bool {
				d.exec(t, "INSERT INTO other SELECT repeat('x', 1000) FROM generate_series(1, 5000)", "SELECT pg_switch_wal()", "CHECKPOINT")
				return d.query(t, "SELECT wal_status FROM pg_replication_slots") == "lost"
			})
			wantAgain(t, r, "has lost the WAL that it needs")
			if len(r.records) >= 10000 {
				t.Fatal("the slot was lost too late")
			}
			again := start(t, d.config(t, "snapshot.mode", mode, "table.include.list", "public.a"), r.offset)
			if mode == "no_data" {
				wantPermanent(t, again, "has lost the WAL that it needs")
				return
			}
			again.until("all rows", func() bool { return reads(again.records) == 10000 })
		})
	}
}

// address is where the server listens.
func (d *database) address() string {
	return net.JoinHostPort(d.server.Host, strconv.Itoa(d.server.Port))
}

// TestBacklogHalfOpen has a network that swallows everything in the middle of a backlog.
func TestBacklogHalfOpen(t *testing.T) {
	t.Parallel()
	d := alone(t, "CREATE TABLE a (id int PRIMARY KEY, v text)").publish(t, "a").slotBehind(t)
	d.exec(t, "ALTER ROLE debezium IN DATABASE "+d.name+" SET wal_sender_timeout = '2s'") // how long the server may be silent
	proxy := newProxy(t, d.address())
	// What it waits for then, the next message or a query of the catalog, depends on the moment.
	r := behindOf(t, d, 10000, "database.hostname", "127.0.0.1", "database.port", proxy.port, "database.query.timeout.ms", "2000")
	proxy.dead.Store(true)
	wantAgain(t, r, "deadline exceeded")
	proxy.dead.Store(false)
	all := r.records
	r = d.startBehind(t, 64<<10, 1<<20, r.offset)
	r.until("the rest", func() bool { return len(all)+len(r.records) >= 10000 })
	if distinct, doubles := keys(append(all, r.records...)); len(distinct) != 10000 || doubles != 0 {
		t.Errorf("%d distinct keys and %d doubles, want 10000 and none", len(distinct), doubles)
	}
}

// TestBacklogFailsOver leads new connections to another server in the middle of a backlog. One that
// has less WAL would give nothing up to where the first one was, and one that has more is known by its
// system identifier only.
func TestBacklogFailsOver(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		from  LSN
		ahead bool
	}{
		{"to the second reader", 64 << 10, false}, {"to the stream", 600 << 10, false},
		{"to the second reader of one that is ahead", 64 << 10, true}, {"to the stream of one that is ahead", 600 << 10, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			first := alone(t, "CREATE TABLE a (id int PRIMARY KEY, v text)").publish(t, "a").slotBehind(t)
			second := alone(t, "CREATE TABLE a (id int PRIMARY KEY, v text)").publish(t, "a").slotBehind(t)
			if c.ahead {
				second.exec(t, "SELECT pg_switch_wal()", "SELECT pg_logical_emit_message(false, 'a', 'b')", "SELECT pg_switch_wal()")
			}
			proxy := newProxy(t, first.address())
			r := behindFrom(t, first, 10000, c.from, "database.hostname", "127.0.0.1", "database.port", proxy.port)
			to := second.address()
			proxy.to.Store(&to)
			wantAgain(t, r, "another")
			wantPermanent(t, first.startBehind(t, 64<<10, 1<<20, r.offset, "database.port", strconv.Itoa(second.server.Port)), "the server is another one")
		})
	}
}
