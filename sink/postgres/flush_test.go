package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectd/connect"
	"connectd/record"
)

func TestReplacedOwnerWritesNothing(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text)")
	s := g.sink(upsert)
	zombie := g.open(s)
	zombie.write(order(1, "zombie"))
	owner := g.open(s)
	if err := zombie.tryFlush(); !errors.Is(err, connect.ErrFenced) {
		t.Fatalf("flush of the replaced owner: got %v, want %v", err, connect.ErrFenced)
	}
	g.want("SELECT * FROM orders", "")
	owner.put(order(1, "owner"))
	g.want("SELECT * FROM orders", `{"id": 1, "name": "owner"}`)
}

// TestReplacedOwnerWaitsForTheClaim is measurement G2: the flush of the replaced owner is in the
// middle when its successor's claim commits.
func TestReplacedOwnerWaitsForTheClaim(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text)")
	zombie := g.open(g.sink(upsert))
	zombie.write(order(1, "zombie"))
	claim, err := g.sql.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g.exec("UPDATE _connectd_offsets SET epoch = epoch + 1")
	flushed := make(chan error, 1)
	go func() { flushed <- zombie.tryFlush() }() // ends with the claim
	g.awaitBlocked()
	if err := claim.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-flushed; !errors.Is(err, connect.ErrFenced) {
		t.Errorf("got %v, want %v", err, connect.ErrFenced)
	}
	g.want("SELECT * FROM orders", "")
}

// TestOwnerThatStandsStill has the replaced owner stop in the middle of its transaction: its successor
// does not wait for it to wake up, and the late commit writes nothing.
func TestOwnerThatStandsStill(t *testing.T) {
	defer func(was time.Duration) { claimPatience = was }(claimPatience)
	claimPatience = 100 * time.Millisecond
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text)")
	s := g.sink(upsert)
	zombie := g.open(s)
	zombie.put(order(1, "first"))
	frozen, err := s.pool.acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.pool.release(frozen)
	if _, err := frozen.Exec(t.Context(), "BEGIN; UPDATE _connectd_offsets SET next_offset = 2 WHERE next_offset = 1; INSERT INTO orders VALUES (2, 'zombie')"); err != nil {
		t.Fatal(err)
	}
	owner := g.open(g.sink(upsert)) // claims
	if _, err := frozen.Exec(t.Context(), "COMMIT"); err == nil {
		t.Error("the late commit was accepted")
	}
	zombie.write(order(2, "zombie"))
	if err := zombie.tryFlush(); !errors.Is(err, connect.ErrFenced) {
		t.Errorf("got %v, want %v", err, connect.ErrFenced)
	}
	owner.from, owner.next = 1, 1
	owner.put(order(2, "owner"))
	g.want("SELECT * FROM orders ORDER BY id", `{"id": 1, "name": "first"}`+"\n"+`{"id": 2, "name": "owner"}`)
}

// awaitBlocked waits until a session waits for a lock.
func (g *target) awaitBlocked() {
	g.Helper()
	for blocked := false; !blocked; {
		if err := g.sql.QueryRow(g.Context(), "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT granted AND a.datname = $1)", g.name).Scan(&blocked); err != nil {
			g.Fatal(err)
		}
	}
}

func TestPositionThatIsNotTheRangesIsRefused(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int, name text)")
	p := g.open(g.sink("table.name.format: ${table}"))
	p.put(order(1, "a"))
	p.from, p.next = 5, 5
	p.write(order(2, "b"))
	err := p.tryFlush()
	if err == nil || !strings.Contains(err.Error(), "continues at offset 1") || !strings.Contains(err.Error(), "SET next_offset = 5") {
		t.Errorf("got %v, want the gap and the statement that accepts it", err)
	}
	g.want("SELECT count(*) FROM orders", `{"count": 1}`)
}

// theCommit is the whole statement: that of the beginning reads "read committed".
const theCommit = "commit\x00"

// TestLostConnection cuts the connection before the server gets a statement, and after it has
// answered, at every step of a flush. Each flush must still happen exactly once.
func TestLostConnection(t *testing.T) {
	for _, mode := range []string{"append", "upsert"} {
		for _, statement := range []string{"begin", "UPDATE \"_connectd_offsets\"", "COPY", "INSERT INTO \"orders\"", theCommit} {
			for _, answered := range []bool{false, true} {
				if mode == "append" && strings.HasPrefix(statement, "INSERT") {
					continue
				}
				t.Run(fmt.Sprintf("%s %s answered=%t", mode, statement, answered), func(t *testing.T) {
					g := newTarget(t)
					settings := map[string]string{"append": appendOnly + "auto.create: true", "upsert": upsert}[mode]
					if mode == "upsert" {
						g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text)")
					}
					c := startCutter(t, fmt.Sprintf("%s:%d", g.server.Host, g.server.Port))
					s := g.sink(settings + "\nconnection.url: " + strings.Replace(g.server.DSN(g.name), fmt.Sprintf(":%d/", g.server.Port), fmt.Sprintf(":%d/", c.port()), 1))
					p := g.open(s)
					p.put(order(1, "a")) // creates what there is to create
					p.write(order(1, "b"), order(2, "c"))
					c.arm(statement, answered)
					p.flush()
					if !c.cut.Load() {
						t.Fatalf("the flush ran no %q", statement)
					}
					if mode == "append" {
						g.want("SELECT array_agg(_offset ORDER BY _offset) FROM orders", `{"array_agg": [0, 1, 2]}`)
					} else {
						g.want("SELECT * FROM orders ORDER BY id", "{\"id\": 1, \"name\": \"b\"}\n{\"id\": 2, \"name\": \"c\"}")
					}
					g.want("SELECT next_offset FROM _connectd_offsets", `{"next_offset": 3}`)
				})
			}
		}
	}
}

// cutter is a TCP proxy that cuts a connection once, at a statement.
type cutter struct {
	net.Listener
	server string
	armed  atomic.Pointer[cutPoint]
	cut    atomic.Bool
}

type cutPoint struct {
	statement []byte
	answered  bool // after the server has answered, but before the client hears of it
}

func startCutter(t *testing.T, server string) *cutter {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{Listener: l, server: server}
	done := make(chan struct{})
	go func() { // ends with the listener
		defer close(done)
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go c.serve(client) // ends with either side
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return c
}

func (c *cutter) port() int { return c.Addr().(*net.TCPAddr).Port }

func (c *cutter) arm(statement string, answered bool) {
	c.armed.Store(&cutPoint{[]byte(statement), answered})
}

func (c *cutter) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", c.server)
	if err != nil {
		return
	}
	defer server.Close()
	var mute atomic.Bool
	go func() { // ends with the server's side
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if err == nil && !mute.Load() {
				_, err = client.Write(buf[:n])
			}
			if err != nil || mute.Load() {
				client.Close()
				server.Close()
				return
			}
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if p := c.armed.Load(); p != nil && bytes.Contains(buf[:n], p.statement) && c.armed.CompareAndSwap(p, nil) {
			c.cut.Store(true)
			if !p.answered {
				return
			}
			mute.Store(true)
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

func TestIdleConnectionThatTheServerHasEnded(t *testing.T) {
	g := newTarget(t)
	p := g.open(g.sink(appendOnly + "auto.create: true"))
	p.put(order(1, "a"))
	g.exec("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'connectd' AND datname = current_database()")
	p.put(order(2, "b"))
	g.want("SELECT array_agg(_offset ORDER BY _offset) FROM orders", `{"array_agg": [0, 1]}`)
}

// TestDeadlock is the first part of case T23: the flush is chosen as the victim and runs again.
func TestDeadlock(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text)", "INSERT INTO orders VALUES (1, 'stored')")
	p := g.open(g.sink(upsert + "retry.backoff.ms: 1"))
	p.write(order(1, "sink"))
	// The other side is never the victim: it waits for longer than the flush does.
	g.exec("SET deadlock_timeout = '1h'")
	other, err := g.sql.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g.exec("UPDATE orders SET name = 'other'")
	flushed := make(chan error, 1)
	go func() { flushed <- p.tryFlush() }() // ends with the other transaction
	g.awaitBlocked()
	g.exec("UPDATE _connectd_offsets SET updated_at = now()") // goes on when the flush has lost
	if err := other.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-flushed; err != nil {
		t.Fatal(err)
	}
	g.want("SELECT * FROM orders", `{"id": 1, "name": "sink"}`)
}

func TestRefusedRecordsAreFound(t *testing.T) {
	const table = "CREATE TYPE mood AS ENUM ('happy'); CREATE TABLE orders (id int PRIMARY KEY, mood mood, name text NOT NULL CHECK (name <> 'bad'))"
	records := func() [][2]string {
		var out [][2]string
		for i := range 200 {
			mood, name := "happy", "good"
			switch {
			case i%50 == 7:
				mood = "sad"
			case i%50 == 8:
				name = "bad"
			}
			out = append(out, [2]string{key(i), fmt.Sprintf(`{"id":%d,"mood":%q,"name":%q}`, i, mood, name)})
		}
		return out
	}
	for _, settings := range []string{upsert, "table.name.format: ${table}", "table.name.format: ${table}\ninsert.mode: ignore"} {
		t.Run(settings, func(t *testing.T) {
			g := newTarget(t)
			g.exec(strings.Split(table, "; ")...)
			p := g.open(g.sink(settings))
			p.write(records()...)
			err := p.tryFlush()
			var refused *connect.RecordErrors
			if !errors.As(err, &refused) {
				t.Fatalf("got %v, want connect.RecordErrors", err)
			}
			var offsets []int64
			for _, f := range refused.Failed {
				offsets = append(offsets, f.Offset)
			}
			if got, want := fmt.Sprint(offsets), "[7 8 57 58 107 108 157 158]"; got != want {
				t.Errorf("refused offsets: got %s, want %s", got, want)
			}
			if got := refused.Error(); strings.Contains(got, "sad") || !strings.Contains(got, `column "mood"`) {
				t.Errorf("got %q, want the column and no value", got)
			}
			g.want("SELECT count(*) FROM orders", `{"count": 0}`)
			// The runtime gives the range again, without them.
			p.reopen()
			b := p.batch(records()...)
			kept := b.Records[:0]
			for i, r := range b.Records {
				if i%50 != 7 && i%50 != 8 {
					kept = append(kept, r)
				}
			}
			b.Records = kept
			if err := p.w.Write(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			p.flush()
			g.want("SELECT count(*) FROM orders", `{"count": 192}`)
		})
	}
}

func TestRefusedAtCommit(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE parents (id int PRIMARY KEY)", "INSERT INTO parents VALUES (1)",
		"CREATE TABLE orders (id int PRIMARY KEY, parent int REFERENCES parents DEFERRABLE INITIALLY DEFERRED)")
	p := g.open(g.sink(upsert))
	p.write([2]string{key(1), `{"id":1,"parent":1}`}, [2]string{key(2), `{"id":2,"parent":2}`})
	var refused *connect.RecordErrors
	if err := p.tryFlush(); !errors.As(err, &refused) || len(refused.Failed) != 1 || refused.Failed[0].Offset != 1 {
		t.Errorf("got %v, want a refusal of offset 1", err)
	}
}

// TestDuplicateInInsertMode is the second part of case T23.
func TestDuplicateInInsertMode(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text)", "INSERT INTO orders VALUES (2, 'stored')")
	p := g.open(g.sink("table.name.format: ${table}"))
	p.write(order(1, "a"), order(2, "b"), order(3, "c"))
	var refused *connect.RecordErrors
	if err := p.tryFlush(); !errors.As(err, &refused) || len(refused.Failed) != 1 || refused.Failed[0].Offset != 1 {
		t.Errorf("got %v, want a refusal of offset 1", err)
	}
}

// TestWithoutRightToCreate: the role may write to the table and create nothing.
func TestWithoutRightToCreate(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text)", "GRANT SELECT, INSERT, UPDATE, DELETE ON orders TO debezium")
	login := upsert + "connection.url: " + g.server.ReplicatorDSN(g.name)
	if _, err := g.sink(login+"\nexactlyOnce: true").Open(t.Context(), record.Partition{Topic: testTopic}); !connect.IsPermanent(err) || !strings.Contains(err.Error(), "GRANT CREATE ON SCHEMA") {
		t.Errorf("with exactlyOnce: got %v, want a permanent error with the GRANT", err)
	}
	p := g.open(g.sink(login))
	if _, ok := p.w.(connect.Starter); ok {
		t.Error("without an offsets table the writer must not be a Starter")
	}
	p.put(order(1, "a"))
	p.next, p.from = 0, 0
	p.put(order(1, "a"))
	g.want("SELECT * FROM orders", `{"id": 1, "name": "a"}`)
	// Read-only on the table: nothing heals that.
	g.exec("REVOKE INSERT ON orders FROM debezium")
	p.write(order(2, "b"))
	if err := p.tryFlush(); !connect.IsPermanent(err) {
		t.Errorf("without INSERT: got %v, want a permanent error", err)
	}
}

func TestRefusedConnection(t *testing.T) {
	g := newTarget(t)
	tests := []struct {
		settings  string
		want      string
		permanent bool
	}{
		{"connection.url: postgres://127.0.0.1:1/x\nconnection.attempts: 2\nconnection.backoff.ms: 1", "127.0.0.1:1", false},
		{"connection.url: postgres://127.0.0.1:1/x", "connection refused", false}, // the time is up between two attempts
		{"connection.url: " + strings.Replace(g.server.ReplicatorDSN(g.name), "dbz", "s3cret", 1), "check connection.user and connection.password", true},
		{"connection.url: " + g.server.DSN("nowhere_at_all"), "correct connection.url", true},
	}
	for _, test := range tests {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, err := g.sink(test.settings).Open(ctx, record.Partition{Topic: testTopic})
		cancel()
		if err == nil || !strings.Contains(err.Error(), test.want) || connect.IsPermanent(err) != test.permanent {
			t.Errorf("%s: got %v, want %q, permanent=%t", test.settings, err, test.want, test.permanent)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error has the password: %v", err)
		}
	}
}

func TestFlushEndsWithItsContext(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text)")
	p := g.open(g.sink(upsert))
	p.write(order(1, "a"))
	if _, err := g.sql.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.exec("LOCK TABLE orders")
	ctx, cancel := context.WithCancel(t.Context())
	flushed := make(chan error, 1)
	go func() { // ends with ctx
		flushed <- p.w.Flush(ctx, record.Range{Partition: p.id, Start: p.from, End: p.next})
	}()
	g.awaitBlocked()
	cancel()
	if err := <-flushed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	g.exec("ROLLBACK")
	g.want("SELECT * FROM orders", "")
}

// TestRecreatedTopic: another id for the same name is another topic.
func TestRecreatedTopic(t *testing.T) {
	for _, setting := range []string{"fail", "reset"} {
		g := newTarget(t)
		g.exec("CREATE TABLE orders (id int, name text)")
		s := g.sink("table.name.format: ${table}\non.topic.recreated: " + setting)
		p := g.open(s) // without Kafka, or from before ids were stored
		p.put(order(1, "a"))
		id := "first"
		s.topicID = func(context.Context, string) (string, error) { return id, nil }
		p.reopen()
		p.put(order(2, "b"))
		g.want("SELECT topic_id, next_offset FROM _connectd_offsets", `{"topic_id": "first", "next_offset": 2}`)
		p.reopen()
		if p.next != 2 {
			t.Fatalf("the same topic: got offset %d, want 2", p.next)
		}
		id = "second"
		w, err := s.Open(t.Context(), p.id)
		if err != nil {
			t.Fatal(err)
		}
		next, known, err := w.(connect.Starter).Start(t.Context())
		if setting == "fail" {
			if err == nil || !connect.IsPermanent(err) || !strings.Contains(err.Error(), "has offset 2 of the earlier one") {
				t.Errorf("got %v, want a permanent error with the offset", err)
			}
			continue
		}
		if err != nil || next != 0 || !known {
			t.Fatalf("got offset %d, %t, %v, want 0", next, known, err)
		}
		p.w, p.next, p.from = w, 0, 0
		p.put(order(3, "c"))
		g.want("SELECT topic_id, next_offset FROM _connectd_offsets", `{"topic_id": "second", "next_offset": 1}`)
		g.want("SELECT array_agg(id ORDER BY id) AS ids FROM orders", `{"ids": [1, 2, 3]}`)
	}
}

// TestFlushOfManyChunks: rows of a flush that is larger than one piece of memory, rows that are
// larger themselves, and keys whose rows are in different pieces.
func TestFlushOfManyChunks(t *testing.T) {
	for _, test := range []struct {
		name, table, settings string
		want                  int
	}{
		{"append", "CREATE TABLE orders (id int, name text)", "table.name.format: ${table}", 800},
		{"append as text", "CREATE TABLE orders (id int, name text, place inet)", "table.name.format: ${table}", 800},
		{"upsert", "CREATE TABLE orders (id int PRIMARY KEY, name text)", upsert, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newTarget(t)
			g.exec(test.table)
			p := g.open(g.sink(test.settings))
			for range 2 { // the second flush lives on the memory of the first
				for i := range 800 {
					size := 2000 + i
					if i%200 == 7 {
						size = 3 * chunkSize
					}
					p.write(order(i%400, strings.Repeat(string(rune('a'+i%26)), size)))
				}
				if err := p.tryFlush(); err != nil {
					t.Fatal(err)
				}
				g.want("SELECT count(*), count(DISTINCT id) AS ids FROM orders", fmt.Sprintf(`{"ids": 400, "count": %d}`, test.want))
				// Each name is one character, as often as its row says.
				g.want("SELECT id, left(name, 1), length(name) FROM orders WHERE name <> repeat(left(name, 1), length(name))"+
					" OR left(name, 1) NOT IN (chr(97 + id % 26), chr(97 + (id + 400) % 26)) OR length(name) NOT IN (2000 + id, 2400 + id, "+fmt.Sprint(3*chunkSize)+")", "")
				g.exec("TRUNCATE orders")
			}
		})
	}
}
