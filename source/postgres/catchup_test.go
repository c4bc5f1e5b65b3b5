package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"connectd/internal/testenv"
)

// startBehind starts a source to which already from octets of WAL are a backlog, and which reads
// span of them at once.
func (d *database) startBehind(t *testing.T, from, span LSN, offset []byte, changes ...string) *reading {
	t.Helper()
	s := newSource(t, d.config(t, append([]string{"snapshot.mode", "no_data"}, changes...)...))
	s.backlogFrom, s.backlogSpan = from, span
	reads := &backlogReads{Handler: s.log.Handler()}
	s.log = slog.New(reads)
	r := startSource(t, s, offset, false)
	r.backlogReads = reads
	return r
}

// backlogReads counts the reads of the backlog by what is logged of them.
type backlogReads struct {
	slog.Handler
	n atomic.Int64
}

func (b *backlogReads) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "reading the backlog" {
		b.n.Add(1)
	}
	return b.Handler.Handle(ctx, r)
}

// alone is a database on a server of its own: elsewhere open transactions of other tests hold the
// slot's restart_lsn, and a backlog is then left to the stream.
func alone(t *testing.T, statements ...string) *database {
	t.Helper()
	p := testenv.OwnPostgres(t, testenv.PostgresOptions{})
	if err := p.CreateDatabase(t.Context(), "alone"); err != nil {
		t.Fatal(err)
	}
	return databaseOn(t, p, "alone", statements...)
}

// slotBehind makes the slot, so that what is written from here on is its backlog.
func (d *database) slotBehind(t *testing.T) *database {
	t.Helper()
	d.exec(t, "SELECT pg_create_logical_replication_slot('"+d.name+"', 'pgoutput')")
	return d
}

// phase is what the source says it is doing.
func (r *reading) phase() string {
	if p := r.intake.Progress(); p != nil {
		return p.Phase
	}
	return ""
}

var processed = regexp.MustCompile(`,"ts_ms":\d+,"ts_us":\d+,"ts_ns":\d+}$`)

// TestBacklogIsTheStream reads the same changes by SQL and from the walsender: the same records with
// the same values, positions and source blocks, in the same order.
func TestBacklogIsTheStream(t *testing.T) {
	d := alone(t, "CREATE TABLE a (id int PRIMARY KEY, v text, n numeric(10,2))", "ALTER TABLE a ALTER v SET STORAGE EXTERNAL",
		"CREATE TABLE b (x int, y jsonb, at timestamptz)", "ALTER TABLE b REPLICA IDENTITY FULL").publish(t, "a, b").slotBehind(t)
	d.exec(t, "SELECT pg_create_logical_replication_slot('other_"+d.name+"', 'pgoutput')",
		"INSERT INTO a SELECT i, repeat(md5(i::text), 1 + i % 90), i * 0.25 FROM generate_series(1, 1000) i",
		"UPDATE a SET n = n + 1 WHERE id % 3 = 0", "UPDATE a SET id = id + 10000 WHERE id % 50 = 0", "DELETE FROM a WHERE id % 7 = 0",
		"BEGIN; INSERT INTO b SELECT i, jsonb_build_object('i', i), now() FROM generate_series(1, 100) i; UPDATE b SET x = x + 1; TRUNCATE b; COMMIT",
		"ALTER TABLE a ADD more int DEFAULT 7", "INSERT INTO a VALUES (20001, 'x', 1, 2)", "BEGIN; DELETE FROM a; ROLLBACK",
		"INSERT INTO a VALUES (20002, NULL, NULL, NULL)")
	read := func(slot, mode string) (values []string, offset string) {
		r := d.startBehind(t, 1, 4<<20, nil, "slot.name", slot, "catch.up.mode", mode)
		r.until("the last row", func() bool {
			return len(r.records) > 0 && strings.Contains(r.records[len(r.records)-1].key, "20002")
		})
		if bySQL := r.backlogReads.n.Load() > 0; bySQL != (mode == "auto") {
			t.Errorf("catch.up.mode %s: by SQL %t", mode, bySQL)
		}
		r.until("the stream", func() bool { return r.phase() == "streaming" && strings.Contains(string(r.offset), "COMMIT") })
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		for _, rec := range r.records {
			values = append(values, rec.topic+" "+rec.key+" "+processed.ReplaceAllString(rec.value, ""))
		}
		return values, string(r.offset)
	}
	want, _ := read("other_"+d.name, "off")
	got, offset := read(d.name, "auto")
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("record %d by SQL:\n%s\nof the stream:\n%s", i, got[i], want[i])
		}
	}
	if len(got) != len(want) || len(want) < 1500 {
		t.Errorf("%d records by SQL, %d of the stream", len(got), len(want))
	}
	p, err := parsePosition([]byte(offset))
	if err != nil || p.txEnd != 0 || p.txID == 0 && p.message == "" {
		t.Errorf("position after it: %s, %v", offset, err)
	}
}

// TestBacklogChangeOver has transactions that overlap while the reader goes from the backlog to the
// stream: every row once.
func TestBacklogChangeOver(t *testing.T) {
	const writers, each = 3, 400
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text)").publish(t, "a").slotBehind(t)
	d.exec(t, "INSERT INTO a SELECT -i, repeat('x', 100) FROM generate_series(1, 5000) i")
	r := d.startBehind(t, 32<<10, 128<<10, nil, "max.batch.size", "50")
	ctx, stop := context.WithCancel(t.Context())
	var done sync.WaitGroup
	defer done.Wait()
	defer stop()
	for w := range writers {
		done.Go(func() {
			conn, err := pgx.Connect(ctx, d.server.DSN(d.name))
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close(context.Background())
			for i := range each {
				// Five rows each, one statement after the other, so that transactions interleave.
				err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
					for k := range 5 {
						if _, err := tx.Exec(ctx, "INSERT INTO a VALUES ($1, repeat('y', 50))", w*each*5+i*5+k); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	r.until("all rows", func() bool { return len(r.records) >= 5000+writers*each*5 })
	r.until("the stream", func() bool { return r.phase() == "streaming" })
	if distinct, doubles := keys(r.records); len(distinct) != 5000+writers*each*5 || doubles != 0 {
		t.Errorf("%d distinct keys and %d doubles, want %d and none", len(distinct), doubles, 5000+writers*each*5)
	}
}

// TestFallenBehind holds a stream back until there is a backlog, which it then reads by SQL.
func TestFallenBehind(t *testing.T) {
	d := alone(t, "CREATE TABLE a (id int PRIMARY KEY, v text)").publish(t, "a").slotBehind(t)
	r := d.startBehind(t, 256<<10, 1<<20, nil, "max.batch.size", "100").streaming()
	for i := range 20 {
		d.exec(t, fmt.Sprintf("INSERT INTO a SELECT %d + i, repeat('x', 200) FROM generate_series(1, 1000) i", i*1000))
	}
	late := time.Now().Add(behindBy + 200*time.Millisecond)
	ctx, cancel := context.WithDeadline(t.Context(), late)
	defer cancel()
	<-ctx.Done() // nothing is taken meanwhile, so what comes next is old
	r.until("all rows", func() bool { return len(r.records) >= 20000 })
	d.exec(t, "INSERT INTO a VALUES (30000)")
	r.next(1)
	bySQL := r.backlogReads.n.Load() > 0
	if distinct, doubles := keys(r.records); len(distinct) != 20001 || doubles != 0 || !bySQL {
		t.Errorf("%d distinct keys and %d doubles, by SQL %t; want 20001, none, and so", len(distinct), doubles, bySQL)
	}
}

// TestBacklogStopped stops in the middle of a backlog again and again, inside of transactions whose
// rows share LSNs, with the slot behind the position.
func TestBacklogStopped(t *testing.T) {
	const rows = 3000
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text)").publish(t, "a").slotBehind(t)
	copyInto(t, d, rows-10)
	for i := range 10 {
		d.exec(t, fmt.Sprintf("INSERT INTO a VALUES (%d, 'one')", rows-9+i))
	}
	var all []sentRecord
	var offset []byte
	for len(all) < rows {
		r := d.startBehind(t, 1, 1<<20, offset, "max.batch.size", "7")
		r.until("some records", func() bool { return len(r.records) >= min(300, rows-len(all)) })
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		all = append(all, r.records...)
		offset = r.offset
	}
	if distinct, doubles := keys(all); len(distinct) != rows || doubles != 0 {
		t.Errorf("%d distinct keys and %d doubles, want %d and none", len(distinct), doubles, rows)
	}
}

// TestBacklogOfOneTransaction has a transaction that is larger than what is read at once, between
// small ones.
func TestBacklogOfOneTransaction(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text)").publish(t, "a").slotBehind(t)
	d.exec(t, "INSERT INTO a VALUES (0, 'before')",
		"INSERT INTO a SELECT i, repeat('x', 200) FROM generate_series(1, 20000) i", "INSERT INTO a VALUES (20001, 'after')")
	r := d.startBehind(t, 1, 256<<10, nil)
	r.until("all rows", func() bool { return len(r.records) >= 20002 })
	if distinct, doubles := keys(r.records); len(distinct) != 20002 || doubles != 0 {
		t.Errorf("%d distinct keys and %d doubles, want 20002 and none", len(distinct), doubles)
	}
	r.streaming()
}

// TestBacklogOfOthers has a backlog of tables that are not published: the slot goes on over it.
func TestBacklogOfOthers(t *testing.T) {
	d := alone(t, "CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE busy (v text)").publish(t, "a").slotBehind(t)
	d.exec(t, "INSERT INTO a VALUES (1)")
	for range 20 {
		d.exec(t, "INSERT INTO busy SELECT repeat('x', 1000) FROM generate_series(1, 500)", "CHECKPOINT") // lets restart_lsn follow
	}
	end := d.query(t, "pg_current_wal_lsn()")
	d.exec(t, "INSERT INTO a VALUES (2)")
	r := d.startBehind(t, 64<<10, 1<<20, nil, "table.include.list", "public.a").streaming()
	if d.query(t, fmt.Sprintf("SELECT confirmed_flush_lsn >= '%s'::pg_lsn - 3000000 FROM pg_replication_slots WHERE slot_name = '%s'", end, d.name)) != "true" {
		t.Error("the stream began before the backlog was read")
	}
	r.until("the slot follows", func() bool {
		return d.query(t, fmt.Sprintf("SELECT confirmed_flush_lsn >= '%s' FROM pg_replication_slots WHERE slot_name = '%s'", end, d.name)) == "true"
	})
	wantOps(t, r.records, `c public.a {"id":1}`, `c public.a {"id":2}`)
}

// TestBacklogRefused has a server that does not let the slot be read by SQL.
func TestBacklogRefused(t *testing.T) {
	for _, function := range []string{"pg_logical_slot_peek_binary_changes(name, pg_lsn, int, text[])", "pg_replication_slot_advance(name, pg_lsn)"} {
		t.Run(function[:strings.IndexByte(function, '(')], func(t *testing.T) {
			d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text)").publish(t, "a").slotBehind(t)
			d.exec(t, "REVOKE EXECUTE ON FUNCTION "+function+" FROM PUBLIC",
				"INSERT INTO a SELECT i, repeat('x', 100) FROM generate_series(1, 3000) i", "INSERT INTO a SELECT i, 'y' FROM generate_series(3001, 6000) i")
			r := d.startBehind(t, 1, 256<<10, nil)
			r.next(6000)
			if distinct, doubles := keys(r.records); len(distinct) != 6000 || doubles != 0 {
				t.Errorf("%d distinct keys and %d doubles, want 6000 and none", len(distinct), doubles)
			}
			r.streaming()
		})
	}
}

// TestBacklogWaitsForSlot finds the slot in use by another reader, who then goes.
func TestBacklogWaitsForSlot(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)").publish(t, "a").slotBehind(t)
	other := start(t, d.config(t, "snapshot.mode", "no_data", "catch.up.mode", "off"), nil).streaming()
	d.exec(t, "INSERT INTO a SELECT generate_series(1, 100)")
	r := d.startBehind(t, 1, 1<<20, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	<-ctx.Done()
	other.abandon() // and has taken nothing: what it had is still to be read
	d.exec(t, "INSERT INTO a VALUES (101)")
	if got := r.next(101); got[0].key != `{"id":1}` || got[100].key != `{"id":101}` {
		t.Errorf("got %s to %s", got[0].key, got[100].key)
	}
}

// TestPeeked takes apart what COPY sends in any division into header and rows.
func TestPeeked(t *testing.T) {
	header := append([]byte("PGCOPY\n\xff\r\n\x00"), make([]byte, 8)...)
	row := []byte("\x00\x02\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x2a\x00\x00\x00\x01B")
	trailer := []byte("\xff\xff")
	for _, parts := range [][][]byte{{append(slices.Clone(header), row...), row, trailer}, {header, row, row, trailer}} {
		n := 0
		p := peeked{first: func() error { return nil }, handle: func(_ context.Context, lsn LSN, data []byte) error {
			if n++; lsn != 42 || string(data) != "B" {
				t.Errorf("got %d %q", lsn, data)
			}
			return nil
		}}
		for _, part := range parts {
			if err := p.take(t.Context(), part); err != nil {
				t.Errorf("take(%q): %v", part, err)
			}
		}
		if n != 2 {
			t.Errorf("%d rows", n)
		}
	}
	for cut := range row {
		p := peeked{begun: true, handle: func(context.Context, LSN, []byte) error { t.Errorf("a row cut at %d was handled", cut); return nil }}
		if err := p.take(t.Context(), row[:cut]); err == nil && cut > 0 {
			t.Errorf("a row cut at %d is no error", cut)
		}
	}
}
