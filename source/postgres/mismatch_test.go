package postgres

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectd/connect"
	"connectd/internal/testenv"
)

// wantPermanent waits for the source to fail, and checks what it says.
func wantPermanent(t *testing.T, r *reading, want ...string) {
	t.Helper()
	err := r.wait()
	for _, w := range want {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("got %v, want %q", err, w)
		}
	}
	if !connect.IsPermanent(err) {
		t.Errorf("permanent is false: %v", err)
	}
}

// TestMismatch has every strategy with a slot that somebody has moved on, and with an offset that
// is ahead of the server.
func TestMismatch(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)").publish(t, "a")
	settings := []string{"table.include.list", "public.a", "snapshot.mode", "no_data"}
	r := start(t, d.config(t, settings...), nil).streaming()
	d.exec(t, "INSERT INTO a VALUES (1)")
	r.next(1)
	r.until("a commit", func() bool { return strings.Contains(string(r.offset), "COMMIT") })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	d.released(t)
	d.exec(t, "INSERT INTO a VALUES (2)", "SELECT pg_replication_slot_advance('"+d.name+"', pg_current_wal_lsn())")
	behind := r.offset
	ahead := []byte(fmt.Sprintf(`{"lsn":%[1]d,"lsn_proc":%[1]d,"lsn_commit":%[1]d,"messageType":"COMMIT"}`, uint64(1)<<60))
	row := 2
	for _, c := range []struct {
		strategy, offset string
		stored           []byte
		refused          string
	}{
		{"trust_offset", "behind the slot", behind, "what changed between them cannot be read"},
		{"no_validation", "behind the slot", behind, ""},
		{"trust_greater_lsn", "behind the slot", behind, ""},
		{"trust_slot", "behind the slot", behind, ""},
		{"trust_offset", "ahead of the server", ahead, "is ahead of the server"},
		{"no_validation", "ahead of the server", ahead, "is ahead of the server"},
		{"trust_greater_lsn", "ahead of the server", ahead, "is ahead of the server"},
		{"trust_slot", "ahead of the server", ahead, ""},
	} {
		t.Run(c.strategy+" "+c.offset, func(t *testing.T) {
			r := start(t, d.config(t, append(settings[:len(settings):len(settings)], "offset.mismatch.strategy", c.strategy)...), c.stored)
			if c.refused != "" {
				wantPermanent(t, r, c.refused, "trust_slot", "when_needed")
				return
			}
			r.streaming()
			row++
			d.exec(t, fmt.Sprintf("INSERT INTO a VALUES (%d)", row))
			r.until("the new row", func() bool { return slices.Contains(ops(r.records), fmt.Sprintf(`c public.a {"id":%d}`, row)) })
			if got := ops(r.records); slices.Contains(got, `c public.a {"id":2}`) {
				t.Errorf("what is before the slot was sent: %v", got)
			}
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestSlotMadeAnew drops the slot of a connector that runs, and makes another by the same name.
func TestSlotMadeAnew(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)").publish(t, "a")
	c := d.config(t, "table.include.list", "public.a")
	r := start(t, c, nil).streaming()
	d.exec(t, "INSERT INTO a VALUES (1)")
	r.until("a commit", func() bool { return strings.Contains(string(r.offset), "COMMIT") })
	d.exec(t, "SELECT pg_terminate_backend(active_pid, 10000), pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '"+d.name+"'")
	if err := r.wait(); err == nil || connect.IsPermanent(err) {
		t.Errorf("the error of the connection that was ended: %v", err)
	}
	wantPermanent(t, start(t, c, r.offset), "does not exist any more", "when_needed")

	d.exec(t, "INSERT INTO a VALUES (2)", "SELECT pg_create_logical_replication_slot('"+d.name+"', 'pgoutput')")
	wantPermanent(t, start(t, c, r.offset), "made anew or moved", "when_needed")
	again := start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "when_needed"), r.offset)
	wantOps(t, again.next(2), `r public.a {"id":1}`, `r public.a {"id":2}`)
}

// TestSlotLost lets PostgreSQL invalidate the slot: of a connector that runs and is held back, and
// that is stopped.
func TestSlotLost(t *testing.T) {
	t.Parallel()
	p := testenv.OwnPostgres(t, testenv.PostgresOptions{Settings: map[string]string{"max_slot_wal_keep_size": "16MB", "min_wal_size": "32MB", "max_wal_size": "32MB"}})
	if err := p.CreateDatabase(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	d := databaseOn(t, p, "db", "CREATE TABLE a (id int PRIMARY KEY)").publish(t, "a")
	settings := []string{"table.include.list", "public.a", "max.batch.size", "1"}
	r := start(t, d.config(t, settings...), nil).streaming()
	d.exec(t, "INSERT INTO a SELECT generate_series(1, 100)")
	r.next(1) // nothing more is taken: the source runs out of batches
	for range 4 {
		d.exec(t, "SELECT pg_switch_wal() FROM pg_logical_emit_message(true, 'a', 'b')")
	}
	d.exec(t, "CHECKPOINT")
	if err := r.wait(); err == nil {
		t.Error("no error of the walsender that was ended")
	}
	err := newSource(t, d.config(t, settings...)).Check(t.Context())
	if !connect.IsPermanent(err) || !strings.Contains(err.Error(), "has lost the WAL that it needs") {
		t.Errorf("check: %v", err)
	}
	wantPermanent(t, start(t, d.config(t, settings...), r.offset), "has lost the WAL that it needs", "max_slot_wal_keep_size", "when_needed")

	again := start(t, d.config(t, append(settings, "snapshot.mode", "when_needed")...), r.offset)
	again.next(100)
	again.streaming()
	d.exec(t, "INSERT INTO a VALUES (101)")
	again.until("the stream", func() bool { return len(again.records) == 101 })
}

// TestHalfOpen reads through a proxy that stops passing anything on, as a network does whose
// other side is gone without a word.
func TestHalfOpen(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)").publish(t, "a")
	// Of this database's connections only: it decides how long the server may be silent.
	d.exec(t, "ALTER ROLE debezium IN DATABASE "+d.name+" SET wal_sender_timeout = '2s'")
	proxy := newProxy(t, net.JoinHostPort(d.server.Host, strconv.Itoa(d.server.Port)))
	c := d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "database.hostname", "127.0.0.1", "database.port", proxy.port)
	r := start(t, c, nil).streaming()
	proxy.dead.Store(true)
	if err := r.wait(); err == nil || connect.IsPermanent(err) || !strings.Contains(err.Error(), "nothing heard from") {
		t.Fatalf("got %v", err)
	}
	proxy.dead.Store(false)
	d.exec(t, "INSERT INTO a VALUES (1)")
	r = start(t, c, r.offset)
	wantOps(t, r.next(1), `c public.a {"id":1}`)
}

// proxy passes bytes and ends on until it is dead; then it swallows them.
type proxy struct {
	port string
	to   atomic.Pointer[string]
	dead atomic.Bool
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	p := &proxy{port: port}
	p.to.Store(&to)
	go func() { // ends with the listener
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.DialTimeout("tcp", *p.to.Load(), 5*time.Second)
			if err != nil {
				_ = client.Close()
				continue
			}
			t.Cleanup(func() { _, _ = client.Close(), server.Close() })
			go p.pass(client, server)
			go p.pass(server, client)
		}
	}()
	return p
}

// pass ends when either side is closed.
func (p *proxy) pass(from, to net.Conn) {
	defer func() {
		if !p.dead.Load() {
			_ = to.Close()
		}
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && !p.dead.Load() {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
