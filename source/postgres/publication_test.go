package postgres

import (
	"strings"
	"testing"
)

// TestPublicationRestricts has a publication with a row filter, a column list and a partitioned
// table: the snapshot has what the stream has.
func TestPublicationRestricts(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text, secret text)", "CREATE TABLE p (id int, region text, PRIMARY KEY (id, region)) PARTITION BY LIST (region)",
		"CREATE TABLE p_eu PARTITION OF p FOR VALUES IN ('eu')", "CREATE TABLE p_us PARTITION OF p FOR VALUES IN ('us')",
		"CREATE TABLE b (id int PRIMARY KEY)", "INSERT INTO a VALUES (1, 'x', 's'), (11, 'y', 's')", "INSERT INTO p VALUES (1, 'eu'), (2, 'us')",
		"CREATE PUBLICATION dbz_publication FOR TABLE a (id, v) WHERE (id > 10 AND v <> 'hidden'), p WITH (publish_via_partition_root = true)",
		"ALTER TABLE a REPLICA IDENTITY FULL", "ALTER PUBLICATION dbz_publication SET (publish = 'insert')")
	r := start(t, d.config(t, "table.include.list", "public.a,public.p"), nil)
	wantOps(t, r.next(3), `r public.a {"id":11}`, `r public.p {"id":1,"region":"eu"}`, `r public.p {"id":2,"region":"us"}`)
	r.streaming()
	d.exec(t, "INSERT INTO a VALUES (2, 'x', 's'), (12, 'hidden', 's'), (13, 'y', 's')", "INSERT INTO p VALUES (3, 'us')")
	wantOps(t, r.next(2), `c public.a {"id":13}`, `c public.p {"id":3,"region":"us"}`)
	if got, want := after(t, r.records[3]), strings.Replace(after(t, r.records[0]), `"id":11`, `"id":13`, 1); got != want || strings.Contains(got, "secret") {
		t.Errorf("a row of the stream %s, of the snapshot %s", got, want)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	// A table more: the others keep their filters.
	for _, table := range []string{"a", "b", "p"} {
		d.exec(t, "ALTER TABLE "+table+" OWNER TO debezium")
	}
	d.exec(t, "ALTER PUBLICATION dbz_publication OWNER TO debezium")
	r = start(t, d.config(t, "table.include.list", "public.a,public.b,public.p"), r.offset).streaming()
	d.exec(t, "INSERT INTO a VALUES (3, 'x', 's'), (14, 'y', 's')", "INSERT INTO b VALUES (1)")
	wantOps(t, r.next(2), `c public.a {"id":14}`, `c public.b {"id":1}`)
	if v := after(t, r.records[0]); strings.Contains(v, "secret") {
		t.Errorf("the column list is gone: %s", v)
	}
}

// TestPublicationOfSchema has a publication of somebody else's that has whole schemas: what it has is
// not set, and a table of another schema is added to it.
func TestPublicationOfSchema(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)", "CREATE SCHEMA more", "CREATE TABLE more.p (id int PRIMARY KEY) PARTITION BY RANGE (id)", "CREATE TABLE p_1 PARTITION OF more.p DEFAULT",
		"CREATE SCHEMA other", "CREATE TABLE other.b (id int PRIMARY KEY)", "CREATE PUBLICATION dbz_publication FOR TABLES IN SCHEMA public, more")
	settings := []string{"table.include.list", "public.*,more.*", "snapshot.mode", "no_data"}
	r := start(t, d.config(t, settings...), nil).streaming()
	d.exec(t, "INSERT INTO a VALUES (1)", "INSERT INTO more.p VALUES (2)")
	wantOps(t, r.next(2), `c public.a {"id":1}`, `c public.p_1 {"id":2}`)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	settings[1] += ",other.b"
	wantPermanent(t, start(t, d.config(t, settings...), r.offset), `let the owner of the tables run ALTER PUBLICATION "dbz_publication" ADD TABLE ONLY "other"."b"`)
	d.exec(t, `ALTER PUBLICATION "dbz_publication" ADD TABLE ONLY "other"."b"`)
	r = start(t, d.config(t, settings...), r.offset).streaming()
	d.exec(t, "INSERT INTO other.b VALUES (3)", "INSERT INTO a VALUES (4)")
	wantOps(t, r.next(2), `c other.b {"id":3}`, `c public.a {"id":4}`)
}

// TestIdentityKeys has the four kinds of replica identities, and an index without a primary key.
func TestIdentityKeys(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE f (id int PRIMARY KEY, v text)", "ALTER TABLE f REPLICA IDENTITY FULL",
		"CREATE TABLE i (id int NOT NULL, v text)", "CREATE UNIQUE INDEX i_id ON i (id)", "ALTER TABLE i REPLICA IDENTITY USING INDEX i_id",
		"CREATE TABLE n (id int PRIMARY KEY, v text)", "ALTER TABLE n REPLICA IDENTITY NOTHING",
		"CREATE TABLE d (id int PRIMARY KEY, v text)").publish(t, "f, i, n, d")
	r := start(t, d.config(t, "snapshot.mode", "no_data"), nil).streaming()
	d.exec(t, "INSERT INTO f VALUES (1, 'x')", "UPDATE f SET v = 'y'", "DELETE FROM f",
		"INSERT INTO i VALUES (1, 'x')", "UPDATE i SET v = 'y'", "DELETE FROM i",
		"INSERT INTO n VALUES (1, 'x')",
		"INSERT INTO d VALUES (1, 'x')", "UPDATE d SET v = 'y'", "DELETE FROM d")
	wantOps(t, r.next(13), `c public.f {"id":1}`, `u public.f {"id":1}`, `d public.f {"id":1}`, `tombstone public.f {"id":1}`,
		`c public.i {"id":1}`, `u public.i {"id":1}`, `d public.i {"id":1}`, `tombstone public.i {"id":1}`,
		`c public.n {"id":1}`,
		`c public.d {"id":1}`, `u public.d {"id":1}`, `d public.d {"id":1}`, `tombstone public.d {"id":1}`)
	for i, want := range map[int]string{1: `{"before":{"id":1,"v":"x"},`, 2: `{"before":{"id":1,"v":"y"},`, 5: `{"before":null,`, 6: `{"before":{"id":1,"v":null},`, 10: `{"before":null,`, 11: `{"before":{"id":1,"v":null},`} {
		if !strings.HasPrefix(r.records[i].value, want) {
			t.Errorf("record %d is %.100s, want %s", i, r.records[i].value, want)
		}
	}
}

// TestPublicationRestrictsOnDemand has a row filter and a column list: what incremental and blocking
// snapshots read is what the initial one and the stream have.
func TestPublicationRestrictsOnDemand(t *testing.T) {
	for _, kind := range []string{"INCREMENTAL", "BLOCKING"} {
		t.Run(kind, func(t *testing.T) {
			d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text, secret text)",
				"INSERT INTO a SELECT i, CASE WHEN i % 2 = 0 THEN 'even' ELSE 'odd' END, 's' FROM generate_series(1, 9) i",
				"CREATE PUBLICATION dbz_publication FOR TABLE a (id, v) WHERE (id < 8 AND v <> 'odd')", "ALTER TABLE a REPLICA IDENTITY FULL", "ALTER PUBLICATION dbz_publication SET (publish = 'insert')")
			r := start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data"), nil).streaming()
			r.must("execute-snapshot", `{"type":"`+kind+`","data-collections":["public.a"]}`)
			r.until("the rows", func() bool { return len(r.records) >= 3 }) // some may have come before the answer
			wantOps(t, r.records, `r public.a {"id":2}`, `r public.a {"id":4}`, `r public.a {"id":6}`)
			d.exec(t, "INSERT INTO a VALUES (0, 'even', 's')")
			wantOps(t, r.next(1), `c public.a {"id":0}`)
			for _, record := range r.records {
				if strings.Contains(record.value, "secret") {
					t.Errorf("a column that is not published: %s", record.value)
				}
			}
		})
	}
}
