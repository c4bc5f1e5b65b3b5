package postgres

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Tests with a transaction that stays open do not run in parallel to others on the shared server:
// the creation of a slot waits for its end.

// streamsSoon makes the server send transactions in blocks when they are larger than 64 kB.
func (d *database) streamsSoon(t *testing.T) *database {
	t.Helper()
	d.exec(t, "ALTER ROLE debezium IN DATABASE "+d.name+" SET logical_decoding_work_mem = '64kB'")
	return d
}

// blocks is how many transactions the server has sent in blocks.
func (d *database) blocks(t *testing.T) string {
	t.Helper()
	return d.query(t, "SELECT pg_stat_clear_snapshot()::text || stream_txns FROM pg_stat_replication_slots WHERE slot_name = '"+d.name+"'")
}

// session is a connection for a transaction that stays open.
func (d *database) session(t *testing.T) func(statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.server.DSN(d.name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return func(statements ...string) {
		t.Helper()
		for _, s := range statements {
			if _, err := conn.Exec(t.Context(), s, pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Fatalf("%.200s: %v", s, err)
			}
		}
	}
}

func insertRows(from, to int) string {
	return fmt.Sprintf("INSERT INTO a SELECT g, repeat('x', 400) FROM generate_series(%d, %d) g", from, to)
}

// idsOf are the keys of records in their order.
func idsOf(records []sentRecord) []string {
	ids := make([]string, len(records))
	for i, r := range records {
		ids[i] = r.key
	}
	return ids
}

// wantRuns wants the keys of the ranges, one after the other.
func wantRuns(t *testing.T, records []sentRecord, runs ...[2]int) {
	t.Helper()
	var want []string
	for _, run := range runs {
		for id := run[0]; id <= run[1]; id++ {
			want = append(want, fmt.Sprintf(`{"id":%d}`, id))
		}
	}
	got := idsOf(records)
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("record %d of %d is %s, want %s of %d", i, len(got), got[i], want[i], len(want))
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
}

// TestStreamed has a transaction that is sent in blocks, with subtransactions that are rolled back
// and a change of the table, while others commit; it needs a file.
func TestStreamed(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text)").publish(t, "a").streamsSoon(t)
	c := d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "status.update.interval.ms", "50", "transaction.memory.max.bytes", "1MiB")
	r := start(t, c, nil).streaming()
	large, other := d.session(t), d.session(t)
	large("BEGIN", insertRows(1, 2000), "SAVEPOINT s", insertRows(2001, 5000))
	r.until("a block in a file", func() bool {
		g := r.intake.Progress().Gauges["connectd_source_open_transactions_bytes"]
		return g > 1.5e6
	})
	other("INSERT INTO a VALUES (100001, 'between')")
	large("ROLLBACK TO s", "SAVEPOINT s2", insertRows(2001, 4000), "ROLLBACK TO s2", insertRows(4001, 6000), "ALTER TABLE a ADD m int", "INSERT INTO a SELECT g, repeat('x', 400), g FROM generate_series(6001, 7000) g")
	r.until("the other transaction", func() bool { return len(r.records) == 1 })
	if files, _ := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*")); len(files) > 0 {
		t.Errorf("the file has a name: %v", files)
	}
	large("COMMIT")
	other("INSERT INTO a VALUES (100002, 'after')")
	r.until("all", func() bool { return len(r.records) >= 5002 })
	wantRuns(t, r.records, [2]int{100001, 100001}, [2]int{1, 2000}, [2]int{4001, 7000}, [2]int{100002, 100002})
	if v := after(t, r.records[3000]); strings.Contains(v, `"m"`) {
		t.Errorf("a row from before a column was added: %s", v)
	}
	if v := after(t, r.records[5000]); !strings.Contains(v, `"m":7000`) {
		t.Errorf("a row from after a column was added: %s", v)
	}
	if n := d.blocks(t); n == "0" {
		t.Error("the server has not sent it in blocks")
	}
}

// TestStreamedAborted has transactions that come in blocks and never happen.
func TestStreamedAborted(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text)").publish(t, "a").streamsSoon(t)
	r := start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "status.update.interval.ms", "50"), nil).streaming()
	large := d.session(t)
	large("BEGIN", insertRows(1, 3000))
	r.until("a block", func() bool { return r.intake.Progress().Gauges["connectd_source_open_transactions_bytes"] > 0 })
	large("ROLLBACK", "INSERT INTO a VALUES (1, 'only')")
	r.until("what is left", func() bool { return len(r.records) > 0 })
	wantRuns(t, r.records, [2]int{1, 1})
	r.until("nothing is kept", func() bool { return r.intake.Progress().Gauges["connectd_source_open_transactions_bytes"] == 0 })
}

// TestStreamedRestart stops inside of a transaction again and again. Every other time the server is
// asked to send it in blocks: the position must mean the same for both.
func TestStreamedRestart(t *testing.T) {
	const rows = 3000
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text)").publish(t, "a").streamsSoon(t)
	config := func(run int) *Config {
		return d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "status.update.interval.ms", "50", "max.batch.size", "7", "transaction.memory.max.bytes", []string{"1MiB", "0"}[run%2])
	}
	r := start(t, config(0), nil).streaming()
	large := d.session(t)
	large("BEGIN", insertRows(1, 1000), "SAVEPOINT s", insertRows(5001, 6000), "ROLLBACK TO s")
	r.until("a block", func() bool { return r.intake.Progress().Gauges["connectd_source_open_transactions_bytes"] > 0 })
	if err := r.stop(); err != nil { // inside of an open transaction
		t.Fatal(err)
	}
	all := r.records
	// Rows of one COPY share LSNs.
	large("CREATE TEMP TABLE c AS SELECT 1", fmt.Sprintf("INSERT INTO a SELECT g, repeat('x', 400) FROM generate_series(1001, %d) g", rows), "COMMIT", "INSERT INTO a VALUES (10000, 'last')")
	offset := r.offset
	for run := 1; len(all) < rows+1; run++ {
		r := start(t, config(run), offset)
		r.until("some records", func() bool { return len(r.records) >= min(400, rows+1-len(all)) })
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		all, offset = append(all, r.records...), r.offset
		if run == 1 && !strings.Contains(string(offset), `"connectd_tx_events"`) {
			t.Fatalf("the offset %s is not inside a transaction", offset)
		}
	}
	wantRuns(t, all, [2]int{1, rows}, [2]int{10000, 10000})
}

// TestStreamedAlike reads a transaction in blocks and in one piece: the records are the same.
func TestStreamedAlike(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text)", "CREATE TABLE b (id int PRIMARY KEY)").publish(t, "a, b").streamsSoon(t)
	read := func(memory string) *reading {
		c := d.config(t, "snapshot.mode", "no_data", "slot.name", "alike_"+memory+d.name[len(d.name)-10:], "provide.transaction.metadata", "true", "transaction.memory.max.bytes", memory)
		return start(t, c, nil).streaming()
	}
	blocks, whole := read("1048576"), read("0")
	large := d.session(t)
	large("BEGIN", insertRows(1, 1500), "INSERT INTO b VALUES (1)", "SELECT pg_logical_emit_message(true, 'p', 'inside')", "SAVEPOINT s", insertRows(2001, 2500), "ROLLBACK TO s", insertRows(3001, 3500), "DELETE FROM b", "COMMIT")
	for _, r := range []*reading{blocks, whole} {
		r.until("all", func() bool { return len(r.records) > 0 && strings.Contains(r.records[len(r.records)-1].value, `"END"`) })
	}
	if len(blocks.records) != len(whole.records) {
		t.Fatalf("%d records in blocks, %d in one piece", len(blocks.records), len(whole.records))
	}
	for i, got := range blocks.records {
		want := whole.records[i]
		got.value, want.value = seenAt.ReplaceAllString(got.value, ""), seenAt.ReplaceAllString(want.value, "")
		if got.topic != want.topic || got.key != want.key || got.value != want.value {
			t.Fatalf("record %d in blocks\n%v\nin one piece\n%v", i, got, want)
		}
	}
}

// seenAt is when a change was seen.
var seenAt = regexp.MustCompile(`"ts_ms":\d+,"ts_us":\d+,"ts_ns":\d+}$|"op":"m","ts_ms":\d+`)

// TestSpools moves between memory and files.
func TestSpools(t *testing.T) {
	s := spools{limit: 3 * spoolChunk}
	defer s.reset()
	var want []string
	for i := range 20 {
		s.begin(uint32(i%2), LSN(i))
		text := fmt.Sprintf("Itransaction %d, message %d%*d", i%2, i, i*20_000, i)
		if i == 7 {
			text = "R" + text[1:] // counts although its subtransaction is aborted
		}
		if err := s.add(uint32(i), LSN(i), text[0], []byte(text[1:])); err != nil {
			t.Fatal(err)
		}
		if i%2 == 1 && i != 5 {
			want = append(want, text)
		}
	}
	s.abort(1, 5)
	s.abort(1, 7)
	s.abort(9, 9) // one that has sent nothing
	if s.held > s.limit || s.bytes() < 20*19/2*20_000 {
		t.Errorf("%d in memory, %d in all", s.held, s.bytes())
	}
	sp, err := s.take(1)
	if err != nil {
		t.Fatal(err)
	}
	defer sp.close()
	if len(sp.chunks) > 0 || s.free != nil {
		t.Error("what is handled still holds memory")
	}
	for range 2 { // it can be read again
		var got []string
		if err := sp.each(func(lsn LSN, data []byte) error { got = append(got, string(data)); return nil }); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %d messages, want %d, or others", len(got), len(want))
		}
	}
	s.abort(0, 0)
	if sp, err := s.take(1); s.held != 0 || s.bytes() != 0 || sp != nil || err != nil {
		t.Errorf("%d bytes are left, and %v, %v", s.bytes(), sp, err)
	}
}

// BenchmarkSpool is what a change costs that comes in a block: in and out of a file.
func BenchmarkSpool(b *testing.B) {
	s := spools{limit: 8 << 20}
	defer s.reset()
	message := make([]byte, 240)
	b.ReportAllocs()
	s.begin(1, 1)
	for range b.N {
		if err := s.add(1, 1, 'I', message); err != nil {
			b.Fatal(err)
		}
	}
	n := 0
	sp, err := s.take(1)
	if err != nil {
		b.Fatal(err)
	}
	defer sp.close()
	if err := sp.each(func(LSN, []byte) error { n++; return nil }); err != nil || n != b.N {
		b.Fatalf("%d of %d messages, %v", n, b.N, err)
	}
}
