package postgres

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"connectd/connect"
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

// TestSnapshotModes starts in each mode without an offset, with one, and with one in the middle of
// a snapshot.
func TestSnapshotModes(t *testing.T) {
	based := func(data, stream string) []string {
		return []string{"snapshot.mode", "configuration_based", "snapshot.mode.configuration.based.snapshot.data", data, "snapshot.mode.configuration.based.start.stream", stream}
	}
	for _, c := range []struct {
		name       string
		set        []string
		fresh      string // what comes of the rows 1 and 2
		restarted  string // and of 3, inserted before the restart, and 4, inserted after it
		unfinished string // the same after a start in the middle of a snapshot
	}{
		{"initial", []string{"snapshot.mode", "initial"}, "r1 r2", "c3 c4", "r1 r2 r3 c3 c4"},
		{"exported", []string{"snapshot.mode", "exported"}, "r1 r2", "c3 c4", "r1 r2 r3 c3 c4"},
		{"always", []string{"snapshot.mode", "always"}, "r1 r2", "r1 r2 r3 c3 c4", "r1 r2 r3 c3 c4"},
		{"initial_only", []string{"snapshot.mode", "initial_only"}, "r1 r2", "", "r1 r2 r3"},
		{"no_data", []string{"snapshot.mode", "no_data"}, "", "c3 c4", middle},
		{"never", []string{"snapshot.mode", "never"}, "", "c3 c4", middle},
		{"when_needed", []string{"snapshot.mode", "when_needed"}, "r1 r2", "c3 c4", "r1 r2 r3 c3 c4"},
		{"rows and stream", based("true", "true"), "r1 r2", "r1 r2 r3 c3 c4", "r1 r2 r3 c3 c4"},
		{"rows only", based("true", "false"), "r1 r2", "r1 r2 r3", "r1 r2 r3"},
		{"stream only", based("false", "true"), "", "c3 c4", middle},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, second := range []struct {
				name, want string
			}{{"restarted", c.restarted}, {"unfinished", c.unfinished}} {
				d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1), (2)").publish(t, "a")
				cfg := d.config(t, append(c.set, "table.include.list", "public.a", "snapshot.max.threads", "1")...)
				last := "idle"
				if cfg.streams() {
					last = "streaming"
				}
				r := start(t, cfg, nil).reach(last)
				wantShort(t, r, c.fresh)
				if err := r.stop(); err != nil {
					t.Fatal(err)
				}
				slot := d.query(t, "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '"+d.name+"'")
				if (slot == "1") != cfg.streams() {
					t.Errorf("there are %s slots", slot)
				}
				lsn := d.query(t, "SELECT coalesce((SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '"+d.name+"'), pg_current_wal_lsn()) - '0/0'")
				offset := r.offset
				if second.name == "unfinished" {
					offset = []byte(`{"lsn":` + lsn + `,"lsn_commit":` + lsn + `,"snapshot":"INITIAL","snapshot_completed":false}`)
				} else if offset == nil { // there was nothing to note
					offset = []byte(`{"lsn":` + lsn + `,"lsn_commit":` + lsn + `}`)
				}
				d.exec(t, "INSERT INTO a VALUES (3)")
				r = start(t, cfg, offset)
				if second.want == middle {
					if err := r.wait(); err == nil || !strings.Contains(err.Error(), middle) {
						t.Errorf("%s: got error %v", second.name, err)
					}
					continue
				}
				r.reach(last)
				d.exec(t, "INSERT INTO a VALUES (4)")
				wantShort(t, r, second.want)
				if err := r.stop(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// middle is what a start says that finds an interrupted snapshot and takes none.
const middle = "the stored offset is in the middle of a snapshot"

// wantShort waits for records such as "r1 c2": operation and id.
func wantShort(t *testing.T, r *reading, want string) {
	t.Helper()
	short := func() string {
		var all []string
		for _, op := range ops(r.records) {
			f := strings.Fields(op)
			all = append(all, f[0]+strings.Trim(f[2], `{"id:}`))
		}
		return strings.Join(all, " ")
	}
	if want == "" {
		if got := short(); got != "" {
			t.Errorf("got %q, want nothing", got)
		}
		return
	}
	r.until(want+" instead of "+short(), func() bool { return len(r.records) >= len(strings.Fields(want)) })
	if got := short(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestSnapshotOnDataError has lost its slot, in the mode whose behaviour is configured.
func TestSnapshotOnDataError(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1)").publish(t, "a")
	based := []string{"table.include.list", "public.a", "snapshot.mode", "configuration_based", "snapshot.mode.configuration.based.start.stream", "true"}
	offset := []byte(`{"lsn":1,"lsn_commit":1}`)
	if err := start(t, d.config(t, based...), offset).wait(); err == nil || !strings.Contains(err.Error(), "does not exist any more") {
		t.Errorf("got error %v", err)
	}
	r := start(t, d.config(t, append(based, "snapshot.mode.configuration.based.snapshot.on.data.error", "true")...), offset).streaming()
	wantShort(t, r, "r1")
}

// TestSnapshotOfSome reads some of the captured tables, one by a SELECT of its own, by size.
func TestSnapshotOfSome(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text)", "INSERT INTO a SELECT g, 'v' || g FROM generate_series(1, 5) g",
		"CREATE TABLE b (id int PRIMARY KEY, v text)", "INSERT INTO b SELECT generate_series(1, 2)",
		"CREATE TABLE c (id int PRIMARY KEY)", "INSERT INTO c SELECT generate_series(1, 3)",
		"CREATE TABLE none (id int PRIMARY KEY)", "INSERT INTO none SELECT generate_series(1, 3)", "ANALYZE").publish(t, "a, b, c, none")
	set := []string{"snapshot.include.collection.list", "public.[abc]", "snapshot.max.threads", "1",
		"snapshot.select.statement.overrides", "public.a, public.b", "snapshot.select.statement.overrides.public.a", "SELECT * FROM a WHERE id > 3 ORDER BY id DESC;",
		"snapshot.select.statement.overrides.public.b", "SELECT id + 10 AS id, NULL AS v FROM b"}
	for order, want := range map[string][]string{
		"ascending":  {`r public.b {"id":11}`, `r public.b {"id":12}`, `r public.c {"id":1}`, `r public.c {"id":2}`, `r public.c {"id":3}`, `r public.a {"id":5}`, `r public.a {"id":4}`},
		"descending": {`r public.a {"id":5}`, `r public.a {"id":4}`, `r public.c {"id":1}`, `r public.c {"id":2}`, `r public.c {"id":3}`, `r public.b {"id":11}`, `r public.b {"id":12}`},
		"disabled":   {`r public.a {"id":5}`, `r public.a {"id":4}`, `r public.b {"id":11}`, `r public.b {"id":12}`, `r public.c {"id":1}`, `r public.c {"id":2}`, `r public.c {"id":3}`},
	} {
		t.Run(order, func(t *testing.T) {
			r := start(t, d.config(t, append(set, "snapshot.mode", "initial_only", "snapshot.tables.order.by.row.count", order)...), nil).complete()
			wantOps(t, r.records, want...)
		})
	}
	t.Run("then all", func(t *testing.T) {
		r := start(t, d.config(t, set...), nil).complete().streaming()
		from := len(r.records)
		d.exec(t, "INSERT INTO none VALUES (7)")
		r.until("the change", func() bool { return len(r.records) > from })
		wantOps(t, r.records[from:], `c public.none {"id":7}`)
	})
	t.Run("without its columns", func(t *testing.T) {
		c := d.config(t, append(set, "snapshot.select.statement.overrides.public.a", "SELECT id FROM a")...)
		if err := start(t, c, nil).wait(); err == nil || !strings.Contains(err.Error(), "must give the columns") || !connect.IsPermanent(err) {
			t.Errorf("got error %v", err)
		}
	})
}

// TestSnapshotKinds has what is like a table and what is not: a materialized view has no rows of
// its own, the rows of a partitioned table come once, and a domain's values are those of its type.
func TestSnapshotKinds(t *testing.T) {
	d := newDatabase(t, "CREATE DOMAIN size AS int", "CREATE DOMAIN small AS size CHECK (VALUE < 10)", "CREATE DOMAIN price AS numeric(6,2)",
		"CREATE TABLE a (id int PRIMARY KEY, s small, p price, t numeric(6,2))", "INSERT INTO a VALUES (1, 5, 1.5, 1.5)",
		"CREATE MATERIALIZED VIEW m AS SELECT * FROM a", "CREATE VIEW v AS SELECT * FROM a",
		"CREATE TABLE p (id int PRIMARY KEY, x text) PARTITION BY RANGE (id)", "CREATE TABLE p1 (gone int, x text, id int NOT NULL)", "ALTER TABLE p1 DROP gone",
		"ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (10)", "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20)", "INSERT INTO p VALUES (1, 'a'), (11, 'b')",
		"CREATE PUBLICATION roots FOR TABLE a, p WITH (publish_via_partition_root = true)").publish(t, "a, p")
	r := start(t, d.config(t, "snapshot.max.threads", "1"), nil).complete()
	wantOps(t, r.records, `r public.a {"id":1}`, `r public.p1 {"id":1}`, `r public.p2 {"id":11}`)
	after := string(member(fieldsOf(t, []byte(r.records[0].value)), "after"))
	if after != `{"id":1,"s":5,"p":"AJY=","t":"AJY="}` {
		t.Errorf("domains: %s", after)
	}
	r = start(t, d.config(t, "snapshot.max.threads", "1", "publication.name", "roots", "publish.via.partition.root", "true", "slot.name", d.name+"_r"), nil).complete()
	wantOps(t, r.records, `r public.a {"id":1}`, `r public.p {"id":1}`, `r public.p {"id":11}`)
	if after := string(member(fieldsOf(t, []byte(r.records[1].value)), "after")); after != `{"id":1,"x":"a"}` {
		t.Errorf("the row of a partition whose columns have another order: %s", after)
	}
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
	table := newSnapshotTable(c, built, tables[0], "", nil)
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
