package postgres

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestParallelSnapshot(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text)", "INSERT INTO a SELECT g, repeat('x', 100) FROM generate_series(1, 20000) g",
		"CREATE TABLE b (id int PRIMARY KEY)", "INSERT INTO b SELECT generate_series(1, 3)", "CREATE TABLE c (id int PRIMARY KEY)",
		"ANALYZE").publish(t, "a, b, c")
	r := start(t, d.config(t, "snapshot.max.threads", "3"), nil)
	r.next(20003)
	markers := map[string]int{}
	for _, rec := range r.records {
		marker := string(member(fieldsOf(t, member(fieldsOf(t, []byte(rec.value)), "source")), "snapshot"))
		markers[marker]++
	}
	if markers[`"first"`] != 1 || markers[`"last"`] != 1 || markers[`"first_in_data_collection"`] != 1 {
		t.Errorf("markers: %v", markers)
	}
	if distinct, _ := keys(slices.DeleteFunc(slices.Clone(r.records), func(s sentRecord) bool { return s.topic != "production.public.a" })); len(distinct) != 20000 {
		t.Errorf("%d rows of a, want 20000", len(distinct))
	}
	p := r.intake.Progress()
	if p.Phase == "snapshot" && len(p.Tables) != 3 {
		t.Errorf("progress: %+v", p)
	}
}

func TestSnapshotModes(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1)").publish(t, "a")
	only := start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "initial_only"), nil)
	only.next(1)
	only.phase("idle")
	if err := only.stop(); err != nil {
		t.Fatal(err)
	}
	if n := d.query(t, "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '"+d.name+"'"); n != "0" {
		t.Errorf("initial_only made %s slots", n)
	}
	c := d.config(t, "table.include.list", "public.a", "snapshot.mode", "always")
	r := start(t, c, nil).streaming()
	d.exec(t, "INSERT INTO a VALUES (2)")
	r.until("both", func() bool { return len(r.records) == 2 })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	d.exec(t, "INSERT INTO a VALUES (3)")
	again := start(t, c, r.offset)
	wantOps(t, again.next(4), `r public.a {"id":1}`, `r public.a {"id":2}`, `r public.a {"id":3}`, `c public.a {"id":3}`)
}

// measured is the one table of d, ready to be read.
func measured(t *testing.T, d *database) (*catalog, *snapshotTable) {
	t.Helper()
	s := newSource(t, d.config(t))
	c := newCatalog(s)
	t.Cleanup(c.Close)
	tables, err := c.captured(t.Context(), s.capture)
	if err != nil {
		t.Fatal(err)
	}
	built, err := c.build(t.Context(), tables[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	table := newSnapshotTable(c, built, tables[0])
	if err := c.measure(t.Context(), []*snapshotTable{table}, true); err != nil {
		t.Fatal(err)
	}
	return c, table
}

// TestRanges reads a table in ranges that are smaller than those of real snapshots.
func TestRanges(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text)", "INSERT INTO a SELECT g, repeat('x', 1000) FROM generate_series(1, 500) g")
	c, table := measured(t, d)
	part := table.parts[0]
	part.bytes = part.pages * rangeBytes / 9
	d.exec(t, "INSERT INTO a SELECT g, repeat('x', 1000) FROM generate_series(501, 600) g") // grown since it was measured
	part.state.done, part.begun = pageRanges{{3, 20}, {40, 41}}, true
	ranges := part.divide(true)
	part.left = len(ranges)
	if len(ranges) < 8 {
		t.Fatalf("%d ranges of %d pages", len(ranges), part.pages)
	}
	db, err := c.db(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range ranges {
		rows, err := db.Query(t.Context(), strings.NewReplacer("COPY (", "", ") TO STDOUT (FORMAT binary)", "", `"id", "v"`, "id::text, ctid::text").Replace(r.sql(1)), pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			t.Fatalf("%s: %v", r.sql(1), err)
		}
		for rows.Next() {
			var id, at string
			if err := rows.Scan(&id, &at); err != nil {
				t.Fatal(err)
			}
			if seen[id] {
				t.Errorf("row %s at %s is in two ranges", id, at)
			}
			seen[id] = true
		}
		part.finish(r, 0)
	}
	if len(seen) != 600 {
		t.Errorf("%d rows in all ranges, want 600", len(seen))
	}
	if !part.state.done.all() {
		t.Errorf("done is %v", part.state.done)
	}
}
