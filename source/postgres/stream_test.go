package postgres

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"

	"connectd/connect"
	"connectd/internal/testenv"
	"connectd/record"
)

func TestSchemaChangeInStream(t *testing.T) {
	d := newDatabase(t, "CREATE TYPE mood AS ENUM ('sad', 'ok')", "CREATE TABLE a (id int PRIMARY KEY, v text)").publish(t, "a")
	r := start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data"), nil).streaming()
	d.exec(t,
		"INSERT INTO a VALUES (1, 'x')",
		"ALTER TABLE a ADD n int NOT NULL DEFAULT 7, ADD m mood", "INSERT INTO a VALUES (2, 'y', 8, 'ok')",
		"ALTER TYPE mood ADD VALUE 'happy'", "INSERT INTO a VALUES (3, 'z', 9, 'happy')",
		"ALTER TABLE a DROP v", "INSERT INTO a VALUES (4, 10, 'sad')",
		"ALTER TABLE a DROP CONSTRAINT a_pkey, ADD PRIMARY KEY (n)", "INSERT INTO a VALUES (5, 11)",
		"ALTER TABLE a ALTER n TYPE bigint", "INSERT INTO a VALUES (6, 12)",
	)
	r.next(6)
	for i, want := range []string{
		`"after":{"id":1,"v":"x"`, `"after":{"id":2,"v":"y","n":8,"m":"ok"}`, `"after":{"id":3,"v":"z","n":9,"m":"happy"}`,
		`"after":{"id":4,"n":10,"m":"sad"}`, `"after":{"id":5,"n":11,"m":null}`, `"after":{"id":6,"n":12,"m":null}`,
	} {
		if !strings.Contains(r.records[i].value, want) {
			t.Errorf("record %d: got %s, want %s", i, r.records[i].value, want)
		}
	}
	if k := r.records[4].key; k != `{"n":11}` {
		t.Errorf("key after the key changed: %s", k)
	}
}

func TestTableWithoutKey(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (n int, v text)", "ALTER TABLE a REPLICA IDENTITY FULL").publish(t, "a")
	r := start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data"), nil).streaming()
	d.exec(t, "INSERT INTO a VALUES (1, 'x')", "UPDATE a SET v = 'y'", "DELETE FROM a")
	wantOps(t, r.next(3), "c public.a ", "u public.a ", "d public.a ")
	if v := r.records[1].value; !strings.HasPrefix(v, `{"before":{"n":1,"v":"x"},"after":{"n":1,"v":"y"}`) {
		t.Errorf("update: %s", v)
	}
}

func TestWhatIsCaptured(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, secret text, v text)", "ALTER TABLE a REPLICA IDENTITY FULL",
		"CREATE TABLE b (id int PRIMARY KEY)", "CREATE SCHEMA other", "CREATE TABLE other.c (id int PRIMARY KEY)",
		"INSERT INTO a VALUES (1, 's', 'x')").publish(t, "a, b, other.c")
	r := start(t, d.config(t, "schema.exclude.list", "OTHER", "table.exclude.list", "public[.]b", "column.exclude.list", ".*[.]id,.*secret",
		"message.key.columns", "(.*).a:v,id", "skipped.operations", "u,t", "tombstones.on.delete", "false", "extended.headers.enabled", "true"), nil)
	r.next(1)
	r.streaming()
	d.exec(t, "INSERT INTO b VALUES (1)", "INSERT INTO other.c VALUES (1)", "INSERT INTO a VALUES (2, 's', 'y')",
		"UPDATE a SET secret = 't' WHERE id = 2", "UPDATE a SET v = 'z' WHERE id = 2", "DELETE FROM a WHERE id = 1", "TRUNCATE a")
	r.next(4)
	wantOps(t, r.records, `r public.a {"v":"x","id":1}`, `c public.a {"v":"y","id":2}`, `d public.a {"v":"y","id":2}`,
		`c public.a {"v":"z","id":2}`, `d public.a {"v":"x","id":1}`)
	if v := r.records[0].value; !strings.HasPrefix(v, `{"before":null,"after":{"v":"x"},`) {
		t.Errorf("row: %s", v)
	}
	if h := r.records[0].headers; len(h) != 4 || h[0] != `__debezium.context.connectorLogicalName="production"` {
		t.Errorf("headers: %v", h)
	}
}

func TestPartitions(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY) PARTITION BY RANGE (id)", "CREATE TABLE a1 PARTITION OF a FOR VALUES FROM (0) TO (10)",
		"INSERT INTO a VALUES (1)", "CREATE PUBLICATION dbz_publication FOR TABLE a")
	r := start(t, d.config(t, "table.include.list", "public.a"), nil)
	wantOps(t, r.next(1), `r public.a1 {"id":1}`)
	r.streaming()
	d.exec(t, "CREATE TABLE a2 PARTITION OF a FOR VALUES FROM (10) TO (20)", "INSERT INTO a VALUES (2), (12)")
	wantOps(t, r.next(2), `c public.a1 {"id":2}`, `c public.a2 {"id":12}`)
}

// TestBackPressure lets the source wait for a batch longer than the server waits for an answer.
func TestBackPressure(t *testing.T) {
	p := testenv.OwnPostgres(t, testenv.PostgresOptions{Settings: map[string]string{"wal_sender_timeout": "1s"}})
	if err := p.CreateDatabase(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	d := databaseOn(t, p, "db", "CREATE TABLE a (id int PRIMARY KEY, v text)").publish(t, "a")
	r := start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "max.batch.size", "10"), nil).streaming()
	d.exec(t, "INSERT INTO a SELECT g, repeat('x', 2000) FROM generate_series(1, 20000) g")
	if stayed := func() bool {
		// The server ends a connection that is silent for a second.
		select {
		case r.err = <-r.done:
			return false
		case <-time.After(4 * time.Second):
			return true
		}
	}(); !stayed {
		t.Fatalf("the source ended under back-pressure: %v", r.err)
	}
	if pid := d.query(t, "SELECT count(*) FROM pg_stat_replication"); pid != "1" {
		t.Fatalf("%s walsenders, want 1", pid)
	}
	r.next(20000)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
}

// TestServerRestart crashes the server while rows are written.
func TestServerRestart(t *testing.T) {
	p := testenv.OwnPostgres(t, testenv.PostgresOptions{})
	if err := p.CreateDatabase(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	d := databaseOn(t, p, "db", "CREATE TABLE a (id int PRIMARY KEY)").publish(t, "a")
	c := d.config(t, "table.include.list", "public.a", "max.batch.size", "16")
	r := start(t, c, nil)
	r.streaming()
	d.exec(t, "INSERT INTO a SELECT generate_series(1, 1000)", "INSERT INTO a VALUES (1001)")
	r.until("some records", func() bool { return len(r.records) > 100 })
	if err := p.Restart("immediate"); err != nil {
		t.Fatal(err)
	}
	if err := r.wait(); err == nil || connect.IsPermanent(err) {
		t.Errorf("error of the crash: %v", err)
	}
	d.exec(t, "INSERT INTO a VALUES (1002)")
	all := r.records
	r = start(t, c, r.offset)
	r.next(1002 - len(all))
	if distinct, doubles := keys(append(all, r.records...)); len(distinct) != 1002 || doubles != 0 {
		t.Errorf("%d distinct keys and %d doubles, want 1002 and none", len(distinct), doubles)
	}
}

// TestIdleTableKeepsNoWAL writes only to a table that is not captured.
func TestIdleTableKeepsNoWAL(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE busy (v text)").publish(t, "a")
	r := start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "status.update.interval.ms", "50"), nil).streaming()
	d.exec(t, "INSERT INTO busy SELECT repeat('x', 1000) FROM generate_series(1, 1000)")
	end := d.query(t, "pg_current_wal_lsn()")
	r.until("the slot follows", func() bool {
		return d.query(t, fmt.Sprintf("SELECT confirmed_flush_lsn >= '%s' FROM pg_replication_slots WHERE slot_name = '%s'", end, d.name)) == "true"
	})
	if len(r.records) != 0 {
		t.Errorf("records: %v", r.records)
	}
}

func TestHeartbeat(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE beats (at timestamptz)", "GRANT INSERT ON beats TO debezium").publish(t, "a")
	r := start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "heartbeat.interval.ms", "20",
		"heartbeat.action.query", "INSERT INTO beats VALUES (now())"), nil)
	r.until("two heartbeats", func() bool { return len(r.records) >= 2 })
	got := r.records[0]
	if got.topic != "__debezium-heartbeat.production" || got.key != `{"serverName":"production"}` || !strings.HasPrefix(got.value, `{"ts_ms":`) {
		t.Errorf("got %+v", got)
	}
	if n := d.query(t, "SELECT count(*) FROM beats"); n == "0" {
		t.Error("heartbeat.action.query was not run")
	}
}

func TestDropSlotOnStop(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)").publish(t, "a")
	r := start(t, d.config(t, "table.include.list", "public.a", "slot.drop.on.stop", "true"), nil).streaming()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if n := d.query(t, "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '"+d.name+"'"); n != "0" {
		t.Errorf("%s slots are left", n)
	}
}

// TestConfirmsOnlyCommitted holds a batch back and looks at what the server was told.
func TestConfirmsOnlyCommitted(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)").publish(t, "a")
	r := start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "status.update.interval.ms", "20"), nil).streaming()
	confirmed := func() LSN {
		lsn, err := pglogrepl.ParseLSN(d.query(t, "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '"+d.name+"'"))
		if err != nil {
			t.Fatal(err)
		}
		return lsn
	}
	begun := confirmed()
	d.exec(t, "INSERT INTO a VALUES (1)")
	var held *record.Batch
	for held == nil || len(held.Records) == 0 {
		if held != nil {
			r.take(held)
		}
		select {
		case held = <-r.intake.Sent():
		case <-time.After(patience):
			t.Fatal("nothing was sent")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	<-ctx.Done() // ten status intervals
	if got := confirmed(); got >= LSN(held.Mark) && held.Mark > uint64(begun) || got > max(begun, LSN(held.Mark)) {
		t.Errorf("confirmed %s while the batch up to %s is not durable", got, LSN(held.Mark))
	}
	r.take(held)
	r.until("the confirmation", func() bool { return confirmed() > begun })
}

// TestPostgres17 has a server of another major version, and its failover slots.
func TestPostgres17(t *testing.T) {
	p := testenv.OwnPostgres(t, testenv.PostgresOptions{Version: "17"})
	if err := p.CreateDatabase(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	d := databaseOn(t, p, "db", "CREATE TABLE a (id int PRIMARY KEY, v int GENERATED ALWAYS AS (id * 2) STORED)", "INSERT INTO a VALUES (1)").publish(t, "a")
	r := start(t, d.config(t, "table.include.list", "public.a", "slot.failover", "true"), nil)
	r.next(1)
	r.streaming()
	d.exec(t, "INSERT INTO a VALUES (2)")
	wantOps(t, r.next(1), `c public.a {"id":2}`)
	for _, rec := range r.records {
		if strings.Contains(rec.value, `"v"`) {
			t.Errorf("the generated column is in %s", rec.value)
		}
	}
	if got := d.query(t, "SELECT failover FROM pg_replication_slots WHERE slot_name = 'db'"); got != "true" {
		t.Errorf("failover is %s", got)
	}
}
