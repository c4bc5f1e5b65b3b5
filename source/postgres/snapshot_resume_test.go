package postgres

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// manyPages is a table of about 56 MB, which is seven ranges.
func manyPages(t *testing.T) *database {
	return newDatabase(t, `CREATE TABLE a (id int PRIMARY KEY, n int, pad text, large text)`,
		"ALTER TABLE a ALTER pad SET STORAGE PLAIN, ALTER large SET STORAGE EXTERNAL",
		"INSERT INTO a SELECT g, 0, repeat('x', 2500), CASE WHEN g % 100 = 0 THEN repeat('y', 3000) END FROM generate_series(1, 20000) g").publish(t, "a")
}

// stateOf is what records leave of table a by key, as a consumer sees it that keeps a value which
// an update does not have.
func stateOf(t *testing.T, records []sentRecord) map[string]string {
	t.Helper()
	type row struct {
		ID    int
		N     int
		Pad   string
		Large *string
	}
	rows := map[int]row{}
	for _, r := range records {
		if r.value == "" {
			continue
		}
		var v struct {
			Op            string
			Before, After *row
		}
		if err := json.Unmarshal([]byte(r.value), &v); err != nil {
			t.Fatal(err)
		}
		if v.Op == "d" {
			delete(rows, v.Before.ID)
			continue
		}
		if v.After.Large != nil && *v.After.Large == "__debezium_unavailable_value" {
			v.After.Large = rows[v.After.ID].Large
		}
		rows[v.After.ID] = *v.After
	}
	state := map[string]string{}
	for id, r := range rows {
		large := 0
		if r.Large != nil {
			large = len(*r.Large)
		}
		state[fmt.Sprint(id)] = fmt.Sprintf("%d %d %d", r.N, len(r.Pad), large)
	}
	return state
}

// state is the same of the table itself.
func (d *database) state(t *testing.T) map[string]string {
	t.Helper()
	state := map[string]string{}
	text := d.query(t, "SELECT string_agg(id || '=' || n || ' ' || length(pad) || ' ' || coalesce(length(large), 0), ',') FROM a")
	for pair := range strings.SplitSeq(text, ",") {
		id, row, _ := strings.Cut(pair, "=")
		state[id] = row
	}
	return state
}

func wantState(t *testing.T, got, want map[string]string) {
	t.Helper()
	var wrong []string
	for id, row := range want {
		if got[id] != row {
			wrong = append(wrong, fmt.Sprintf("%s: got %q, want %q", id, got[id], row))
		}
	}
	for id := range got {
		if _, ok := want[id]; !ok {
			wrong = append(wrong, id+": is not in the table")
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		t.Errorf("%d keys differ: %s", len(wrong), strings.Join(wrong[:min(5, len(wrong))], "; "))
	}
}

// interrupted runs the source until so many ranges of a are noted in the offset, and breaks off:
// what was sent and not received is lost, as in a crash.
func interrupted(t *testing.T, c *Config, offset []byte, ranges int) *reading {
	t.Helper()
	r := start(t, c, offset)
	r.until("some ranges", func() bool { return len(tablesDone(t, r.offset)) > 0 && pagesDone(t, r.offset) >= int64(ranges)*1000 })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(r.offset), `"snapshot_completed":false`) {
		t.Fatalf("the snapshot was complete before it could be interrupted: %s", r.offset)
	}
	return r
}

func tablesDone(t *testing.T, offset []byte) map[uint32]partState {
	t.Helper()
	if offset == nil {
		return nil
	}
	p, err := parsePosition(offset)
	if err != nil {
		t.Fatal(err)
	}
	s, err := parseSnapshotState(p.tables)
	if err != nil {
		t.Fatal(err)
	}
	return s.parts
}

func pagesDone(t *testing.T, offset []byte) (n int64) {
	t.Helper()
	for _, p := range tablesDone(t, offset) {
		for _, r := range p.done {
			n += r.to - r.from
		}
	}
	return n
}

// TestSnapshotGoesOn interrupts a snapshot twice while the table changes: rows move out of ranges
// that are not read and into ranges that are, by updates that do not carry their large values.
func TestSnapshotGoesOn(t *testing.T) {
	for _, threads := range []int{1, 3} {
		t.Run(fmt.Sprint(threads, " threads"), func(t *testing.T) {
			d := manyPages(t)
			c := d.config(t, "table.include.list", "public.a", "snapshot.max.threads", fmt.Sprint(threads))
			first := interrupted(t, c, nil, 2)
			noted := d.idsOf(t, first.offset)
			// Room in the pages that are read, into which rows of all pages then move.
			d.exec(t, "DELETE FROM a WHERE id BETWEEN 100 AND 4000 AND id % 3 = 1", "VACUUM a",
				"UPDATE a SET n = 1 WHERE id % 50 = 0 AND id > 4000", "UPDATE a SET n = 2 WHERE id IN (10, 19990)",
				"INSERT INTO a SELECT g, 3, 'new', NULL FROM generate_series(30001, 30100) g", "DELETE FROM a WHERE id = 19999")
			second := interrupted(t, c, first.offset, 4)
			d.exec(t, "UPDATE a SET n = 4 WHERE id % 200 = 0", "DELETE FROM a WHERE id = 30001", "INSERT INTO a VALUES (30001, 5, 'again', NULL)")
			last := start(t, c, second.offset).streaming()
			d.exec(t, "INSERT INTO a VALUES (99999, 6, 'end', NULL)")
			last.until("the end", func() bool {
				return len(last.records) > 0 && strings.Contains(last.records[len(last.records)-1].value, `"pad":"end"`)
			})
			all := slices.Concat(first.records, second.records, last.records)
			wantState(t, stateOf(t, all), d.state(t))
			if n := reads(all); n > 20000+2*(threads+1)*20000/7 {
				t.Errorf("%d rows were read in all; what was read before was read again", n)
			}
			// Rows of ranges that were noted came once, unless they have changed.
			again := keysOf(slices.Concat(second.records, last.records))
			for _, id := range noted {
				if again[fmt.Sprintf(`{"id":%d}`, id)] > 0 && id%50 != 0 && id != 10 && id != 19990 {
					t.Fatalf("row %d of a range that was done came again", id)
				}
			}
			if len(noted) < 5000 {
				t.Errorf("%d rows were in ranges that are done", len(noted))
			}
		})
	}
}

// keysOf counts the reads of each key.
func keysOf(records []sentRecord) map[string]int {
	n := map[string]int{}
	for _, r := range records {
		if strings.Contains(r.value, `"op":"r"`) {
			n[r.key]++
		}
	}
	return n
}

func reads(records []sentRecord) (n int) {
	for _, k := range keysOf(records) {
		n += k
	}
	return n
}

// idsOf are the rows of a in the pages that the offset notes.
func (d *database) idsOf(t *testing.T, offset []byte) (ids []int) {
	t.Helper()
	for _, p := range tablesDone(t, offset) {
		for _, r := range p.done {
			text := d.query(t, fmt.Sprintf("SELECT json_agg(id) FROM a WHERE ctid >= '(%d,0)' AND ctid < '(%d,0)'", r.from, min(r.to, 1<<30)))
			var some []int
			if err := json.Unmarshal([]byte(text), &some); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, some...)
		}
	}
	return ids
}

// TestRewrittenTable rewrites the table between two attempts, and during one.
func TestRewrittenTable(t *testing.T) {
	d := manyPages(t)
	c := d.config(t, "table.include.list", "public.a", "snapshot.max.threads", "1")
	first := interrupted(t, c, nil, 3)
	d.exec(t, "DELETE FROM a WHERE id % 2 = 0 AND id < 10000", "VACUUM FULL a")
	second := start(t, c, first.offset)
	second.until("half of it", func() bool { return pagesDone(t, second.offset) >= 2000 })
	// The reader waits for a batch, with its range locked; the rewrite gets its turn after it.
	rewritten := make(chan struct{})
	go func() { // ends when the reader has let go of the table; waited for below
		defer close(rewritten)
		d.exec(t, "CLUSTER a USING a_pkey")
	}()
	second.until("the rewrite", func() bool {
		return d.query(t, "SELECT count(*) FROM pg_locks WHERE relation = 'a'::regclass AND mode = 'AccessExclusiveLock'") != "0"
	})
	second.streaming()
	<-rewritten
	d.exec(t, "INSERT INTO a VALUES (99999, 6, 'end', NULL)")
	second.until("the end", func() bool { return strings.Contains(second.records[len(second.records)-1].value, `"pad":"end"`) })
	wantState(t, stateOf(t, slices.Concat(first.records, second.records)), d.state(t))
	for key, n := range keysOf(second.records) {
		if n > 2 {
			t.Fatalf("row %s came %d times", key, n)
		}
	}
	if got := len(keysOf(second.records)); got < 15000 {
		t.Errorf("%d rows were read after the rewrite, want all", got)
	}
}

// TestTruncatedTable empties the table between two attempts.
func TestTruncatedTable(t *testing.T) {
	d := manyPages(t)
	c := d.config(t, "table.include.list", "public.a", "snapshot.max.threads", "1")
	first := interrupted(t, c, nil, 3)
	d.exec(t, "TRUNCATE a", "INSERT INTO a VALUES (1, 7, 'only', NULL)")
	second := start(t, c, first.offset)
	got := second.next(3) // the row, the truncate, and the row's insert
	wantOps(t, got, `r public.a {"id":1}`, `t public.a `, `c public.a {"id":1}`)
}

// TestSlotOfInterruptedSnapshot drops the slot between two attempts: the deletes since are in no
// stream, so that nothing of the first attempt counts.
func TestSlotOfInterruptedSnapshot(t *testing.T) {
	d := manyPages(t)
	c := d.config(t, "table.include.list", "public.a")
	first := interrupted(t, c, nil, 3)
	d.exec(t, "SELECT pg_drop_replication_slot('"+d.name+"')")
	second := start(t, c, first.offset)
	second.until("all rows", func() bool { return reads(second.records) == 20000 })
}

// TestChangedShape gives the table another column between two attempts.
func TestChangedShape(t *testing.T) {
	d := manyPages(t)
	c := d.config(t, "table.include.list", "public.a", "snapshot.mode", "initial_only")
	first := interrupted(t, c, nil, 3)
	d.exec(t, "ALTER TABLE a ADD more int")
	second := start(t, c, first.offset)
	second.until("all rows", func() bool { return reads(second.records) == 20000 })
}

// TestOnlySnapshotGoesOn has no stream that tells of rows which move into ranges that are done.
func TestOnlySnapshotGoesOn(t *testing.T) {
	d := manyPages(t)
	c := d.config(t, "table.include.list", "public.a", "snapshot.mode", "initial_only", "snapshot.max.threads", "1")
	first := interrupted(t, c, nil, 3)
	d.exec(t, "DELETE FROM a WHERE id BETWEEN 100 AND 4000 AND id % 3 = 1", "VACUUM a", "UPDATE a SET n = 1 WHERE id % 50 = 0 AND id > 4000")
	second := start(t, c, first.offset)
	second.complete()
	got, want := stateOf(t, slices.Concat(first.records, second.records)), d.state(t)
	maps.DeleteFunc(got, func(id, _ string) bool { _, ok := want[id]; return !ok }) // nothing tells of deletes
	wantState(t, got, want)
	if n := reads(second.records); n > 15000 {
		t.Errorf("%d rows were read after the interruption", n)
	}
}

func TestPageRanges(t *testing.T) {
	var s pageRanges
	for _, r := range []pageRange{{10, 20}, {0, 5}, {30, endless}, {5, 10}} {
		s = s.add(r)
	}
	if got := string(s.append(nil)); got != "0-20,30-" {
		t.Errorf("done %s", got)
	}
	if got := string(s.missing().append(nil)); got != "20-30" {
		t.Errorf("missing %s", got)
	}
	if s = s.add(pageRange{20, 30}); !s.all() || len(s.missing()) != 0 {
		t.Errorf("done %s", s.append(nil))
	}
	for _, c := range []struct {
		of          pageRanges
		size, pages int64
		want        string
	}{
		{pageRanges{{0, endless}}, 10, 25, "0-10,10-20,20-"},
		{pageRanges{{0, endless}}, 10, 20, "0-10,10-"},
		{pageRanges{{0, endless}}, 10, 0, "0-"},
		{pageRanges{{5, 12}, {40, endless}}, 5, 25, "5-10,10-12,40-"},
	} {
		if got := string(c.of.cut(c.size, c.pages).append(nil)); got != c.want {
			t.Errorf("%s in pieces of %d of %d pages: got %s, want %s", c.of.append(nil), c.size, c.pages, got, c.want)
		}
	}
}

func TestSnapshotState(t *testing.T) {
	const text = "735 16390.16391.9ae0daaf.52000:0-1024,2048- 16402.16402.1.3:0-"
	s, err := parseSnapshotState(text)
	if err != nil {
		t.Fatal(err)
	}
	if s.xid != 735 || len(s.parts) != 2 || !s.parts[16402].done.all() || s.parts[16390].rows != 52000 {
		t.Errorf("%+v", s)
	}
	p := s.parts[16390]
	if got := string(p.append(nil, 16390)); got != " 16390.16391.9ae0daaf.52000:0-1024,2048-" {
		t.Errorf("written as %q", got)
	}
	for _, wrong := range []string{"x", "7 1.2.3.4", "7 1.2.3.4:", "7 1.2.3:0-", "7 1.2.3.4:5-3", "7 1.2.3.4:0-5,5-6", "7 1.2.3.4:0-,7-8"} {
		if s, err := parseSnapshotState(wrong); err == nil {
			t.Errorf("%q is read as %+v", wrong, s)
		}
	}
}

// TestProgressOfSnapshot shows the rows of an earlier attempt, and how long the rest takes.
func TestProgressOfSnapshot(t *testing.T) {
	d := manyPages(t)
	d.exec(t, "ANALYZE a")
	c := d.config(t, "table.include.list", "public.a", "snapshot.max.threads", "1")
	first := interrupted(t, c, nil, 3)
	second := start(t, c, first.offset)
	second.until("a report with a rate", func() bool { p := second.intake.Progress(); return p != nil && p.Rate > 1 && p.Phase == "snapshot" })
	p := second.intake.Progress()
	if len(p.Tables) != 1 || p.Tables[0].Table != "public.a" || p.Tables[0].Rows < 8000 || p.Tables[0].Estimated < 19000 {
		t.Errorf("progress %+v", p)
	}
	if left, ok := p.Left(); p.Tables[0].Rows < 20000 && (!ok || left > time.Hour) {
		t.Errorf("%s left, %v", left, ok)
	}
}
