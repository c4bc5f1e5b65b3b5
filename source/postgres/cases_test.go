package postgres

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The cases of Debezium's own tests that concern tables, columns, keys, publications and names.

func TestColumnIncludeList(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, "CREATE TABLE a (id int, part int, v text, w text, PRIMARY KEY (part, id))", "INSERT INTO a VALUES (1, 2, 'x', 'y')").publish(t, "a")
	r := start(t, d.config(t, "column.include.list", `public\.a\.(id|V)`), nil)
	r.next(1)
	r.streaming()
	d.exec(t, "UPDATE a SET v = 'z'", "DELETE FROM a")
	r.next(3)
	for i, want := range []string{`{"before":null,"after":{"id":1,"v":"x"},`, `{"before":null,"after":{"id":1,"v":"z"},`, `{"before":{"id":1,"v":null},"after":null,`} {
		if got := r.records[i]; got.key != `{"part":2,"id":1}` || !strings.HasPrefix(got.value, want) {
			t.Errorf("got %+v, want %s", got, want)
		}
	}
}

// confirmed is the slot's confirmed position.
func (d *database) confirmed(t testing.TB) string {
	return d.query(t, "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '"+d.name+"'")
}

func TestFlushModes(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"connector", "connector_and_driver", "manual"} {
		d := newDatabase(t, "CREATE TABLE a (id serial PRIMARY KEY)").publish(t, "a")
		r := start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "lsn.flush.mode", mode, "status.update.interval.ms", "10"), nil).streaming()
		seen := map[string]bool{d.confirmed(t): true}
		for n := 1; n <= 8; n++ {
			d.exec(t, "INSERT INTO a DEFAULT VALUES")
			r.next(1)
			if mode == "manual" {
				continue
			}
			r.until("a confirmed position", func() bool { return !seen[d.confirmed(t)] })
			seen[d.confirmed(t)] = true
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		if seen[d.confirmed(t)] = true; mode == "manual" && len(seen) != 1 {
			t.Errorf("the slot has moved: %v", seen)
		}
	}
}

func TestFilteredPublication(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)", "CREATE TABLE c (id int PRIMARY KEY)")
	for _, table := range []string{"a", "b", "c"} {
		d.exec(t, "ALTER TABLE "+table+" OWNER TO debezium")
	}
	tables := func() string {
		return d.query(t, "SELECT (SELECT oid FROM pg_publication) || ' ' || string_agg(tablename, ' ' ORDER BY tablename) FROM pg_publication_tables")
	}
	first := start(t, d.config(t, "table.include.list", "public.[ab]", "skipped.operations", "t,d"), nil).streaming()
	before := tables()
	if !strings.HasSuffix(before, " a b") || d.query(t, "SELECT pubinsert AND pubupdate AND NOT pubdelete AND NOT pubtruncate FROM pg_publication") != "true" {
		t.Errorf("publication: %s", before)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	r := start(t, d.config(t, "table.include.list", "public.[abc]", "skipped.operations", "t,d"), first.offset).streaming()
	if after := tables(); after != before+" c" {
		t.Errorf("with one more table: %s, before %s", after, before)
	}
	d.exec(t, "INSERT INTO c VALUES (1)", "TRUNCATE a")
	wantOps(t, r.next(1), `c public.c {"id":1}`)
	d.exec(t, "DROP PUBLICATION dbz_publication")
	r.stop()
	r = start(t, d.config(t, "table.include.list", "public.a", "publication.autocreate.mode", "disabled"), r.offset)
	if err := r.wait(); err == nil || !strings.Contains(err.Error(), `publication "dbz_publication" does not exist`) {
		t.Errorf("got %v", err)
	}
}

// TestSequence follows the chain of commits through source.sequence.
func TestSequence(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)").publish(t, "a")
	r := start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "provide.transaction.metadata", "true"), nil).streaming()
	d.exec(t, "INSERT INTO a VALUES (1), (2)", "INSERT INTO a VALUES (3)")
	commits := map[string]bool{}
	for i, rec := range r.next(7) {
		f := fieldsOf(t, []byte(rec.value))
		if strings.Contains(rec.value, `"END"`) {
			commits[strings.Split(string(member(f, "id")), ":")[1]] = true
		}
		source := fieldsOf(t, member(f, "source"))
		sequence := strings.Split(string(member(source, "sequence")), `\"`)
		if i == 5 && !commits[sequence[1]+`"`] {
			t.Errorf("the change after a commit has the sequence %v, commits %v", sequence, commits)
		}
		if source != nil && sequence[len(sequence)-2] != string(member(source, "lsn")) {
			t.Errorf("the change has the sequence %v and the LSN %s", sequence, member(source, "lsn"))
		}
	}
}

func TestReplicaIdentities(t *testing.T) {
	t.Parallel()
	for identity, want := range map[string][2]string{
		"DEFAULT":       {`null`, `{"id":1,"k":0,"v":null}`},
		"FULL":          {`{"id":1,"k":7,"v":"x"}`, `{"id":1,"k":7,"v":"y"}`},
		"USING INDEX u": {`null`, `{"id":0,"k":7,"v":null}`},
	} {
		d := newDatabase(t, "CREATE TABLE a (id int NOT NULL, k int NOT NULL, v text)", "CREATE UNIQUE INDEX u ON a (k)", "CREATE UNIQUE INDEX i ON a (id)",
			"ALTER TABLE a ADD PRIMARY KEY USING INDEX i", "ALTER TABLE a REPLICA IDENTITY "+identity).publish(t, "a")
		r := start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data"), nil).streaming()
		d.exec(t, "INSERT INTO a VALUES (1, 7, 'x')", "UPDATE a SET v = 'y'", "DELETE FROM a")
		r.next(4)
		for i, want := range want {
			if got := string(member(fieldsOf(t, []byte(r.records[i+1].value)), "before")); got != want {
				t.Errorf("%s: before of record %d: got %s, want %s", identity, i+1, got, want)
			}
		}
	}
}

func TestTruncateOfSeveralTables(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a)", "CREATE TABLE out (id int PRIMARY KEY)").publish(t, "a, b, out")
	r := start(t, d.config(t, "table.exclude.list", "public.out", "snapshot.mode", "no_data"), nil).streaming()
	d.exec(t, "TRUNCATE a, b, out")
	wantOps(t, r.next(2), "t public.a ", "t public.b ")
	var places []string
	for _, rec := range r.records {
		source := fieldsOf(t, member(fieldsOf(t, []byte(rec.value)), "source"))
		places = append(places, fmt.Sprintf("%s %s", member(source, "lsn"), member(source, "txId")))
		if !strings.HasPrefix(rec.value, `{"before":null,"after":null,`) {
			t.Errorf("got %s", rec.value)
		}
	}
	if places[0] != places[1] {
		t.Errorf("LSN and transaction: %v", places)
	}
}

// TestNames has columns that differ in case only, and names of many bytes.
func TestNames(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, `CREATE TABLE "größe 表" (a int PRIMARY KEY, "A" text, "b.c" int, "ü ""q""" text)`, `INSERT INTO "größe 表" VALUES (1, 'one', 2, 'x')`).publish(t, `"größe 表"`)
	r := start(t, d.config(t, "table.include.list", "public.größe 表"), nil)
	r.next(1)
	r.streaming()
	d.exec(t, `UPDATE "größe 表" SET "A" = 'two'`)
	r.next(1)
	for i, v := range []string{"one", "two"} {
		want := `"after":{"a":1,"A":"` + v + `","b.c":2,"ü \"q\"":"x"}`
		if got := r.records[i]; got.topic != "production.public.gr__e__" || got.key != `{"a":1}` || !strings.Contains(got.value, want) || !strings.Contains(got.value, `"table":"größe 表"`) {
			t.Errorf("got %+v, want %s", got, want)
		}
	}
}

// TestPartitionRoot publishes partitions under the name of their root.
func TestPartitionRoot(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY) PARTITION BY RANGE (id)", "CREATE TABLE a1 PARTITION OF a FOR VALUES FROM (0) TO (10)",
		"INSERT INTO a VALUES (1)", "ALTER TABLE a OWNER TO debezium", "ALTER TABLE a1 OWNER TO debezium")
	r := start(t, d.config(t, "table.include.list", "public.a", "publish.via.partition.root", "true"), nil)
	wantOps(t, r.next(1), `r public.a {"id":1}`)
	r.streaming()
	d.exec(t, "INSERT INTO a VALUES (2)")
	wantOps(t, r.next(1), `c public.a {"id":2}`)
	if got := d.query(t, "SELECT pubviaroot FROM pg_publication"); got != "true" {
		t.Errorf("pubviaroot is %s", got)
	}
}

// TestHeartbeatOfQuietTables changes only what is not captured.
func TestHeartbeatOfQuietTables(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE other (id int PRIMARY KEY)").publish(t, "a, other")
	r := start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "heartbeat.interval.ms", "10", "topic.heartbeat.prefix", "beat"), nil).streaming()
	d.exec(t, "INSERT INTO other VALUES (1)")
	r.until("heartbeats", func() bool { return len(r.records) >= 3 })
	var last int64
	for _, rec := range r.records {
		at, err := strconv.ParseInt(strings.Trim(strings.TrimPrefix(rec.value, `{"ts_ms":`), "}"), 10, 64)
		if err != nil || at < last || time.Since(time.UnixMilli(at)) > time.Hour || rec.topic != "beat.production" || rec.key != `{"serverName":"production"}` {
			t.Errorf("got %+v", rec)
		}
		last = at
	}
	if slices.ContainsFunc(r.records, func(s sentRecord) bool { return strings.Contains(s.topic, "other") }) {
		t.Error("a table that is not captured was written")
	}
}
