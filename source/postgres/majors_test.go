package postgres

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"connectd/connect"
	"connectd/internal/testenv"
)

// TestMajors runs what matters most on a server of every major version: snapshot, stream, a restart
// inside of a transaction, the values of types, and every query of the catalog.
func TestMajors(t *testing.T) {
	t.Parallel()
	for _, major := range testenv.PostgresVersions() {
		if major == "15" {
			continue // all other tests run on it
		}
		t.Run(major, func(t *testing.T) {
			n, err := strconv.Atoi(major)
			if err != nil {
				t.Fatal(err)
			}
			onMajor(t, n, newMajor(t, major, nil))
		})
	}
}

// newMajor is a database on a small server of its own.
func newMajor(t *testing.T, major string, settings map[string]string) *database {
	t.Helper()
	all := map[string]string{"fsync": "off", "shared_buffers": "16MB", "max_connections": "30"}
	for k, v := range settings {
		all[k] = v
	}
	p := testenv.OwnPostgres(t, testenv.PostgresOptions{Version: major, Settings: all})
	if err := p.CreateDatabase(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	return databaseOn(t, p, "db")
}

func onMajor(t *testing.T, major int, d *database) {
	types := []string{"n numeric(10,2)", "t timestamptz", "d date", "j jsonb", "a text[]", "u uuid", "b bytea", "i interval", "r int4range", "e mood", "g int GENERATED ALWAYS AS (id * 2) STORED"}
	values := []string{"12.50", "'2026-01-02 03:04:05.678+00'", "'0044-03-15 BC'", `'{"a": 1}'`, `'{x,NULL,"y z"}'`, "'6b0d1f3a-0000-4000-8000-000000000001'", `'\xdeadbeef'`, "'1 mon 2 days'", "'[1,5)'", "'ok'"}
	if major >= 14 {
		types, values = append(types, "m int4multirange"), append(values, "'{[1,3),[5,7)}'")
	}
	d.exec(t, "CREATE TYPE mood AS ENUM ('sad', 'ok')", "CREATE TABLE a (id int PRIMARY KEY, "+strings.Join(types, ", ")+")")
	if major >= 18 {
		d.exec(t, "ALTER TABLE a ADD v int GENERATED ALWAYS AS (id * 3) VIRTUAL")
	}
	columns := "id"
	for _, c := range types {
		if name, _, _ := strings.Cut(c, " "); name != "g" {
			columns += ", " + name
		}
	}
	insert := func(id int) string {
		return fmt.Sprintf("INSERT INTO a (%s) VALUES (%d, %s)", columns, id, strings.Join(values, ", "))
	}
	d.exec(t, insert(1))
	d.publish(t, "a")

	settings := []string{"table.include.list", "public.a", "max.batch.size", "3"}
	r := start(t, d.config(t, settings...), nil)
	wantOps(t, r.next(1), `r public.a {"id":1}`)
	r.streaming()
	d.exec(t, insert(2))
	wantOps(t, r.next(1), `c public.a {"id":2}`)
	snapshot, stream := after(t, r.records[0]), after(t, r.records[1])
	if want := strings.Replace(snapshot, `"id":1`, `"id":2`, 1); stream != want {
		t.Errorf("a row of the stream\n%s\nof the snapshot\n%s", stream, want)
	}
	if strings.Contains(stream, `"g"`) || strings.Contains(stream, `"v"`) {
		t.Errorf("a generated column is in %s", stream)
	}

	d.exec(t, "UPDATE a SET n = 1 WHERE id = 1", "DELETE FROM a WHERE id = 1", "TRUNCATE a")
	wantOps(t, r.next(4), `u public.a {"id":1}`, `d public.a {"id":1}`, `tombstone public.a {"id":1}`, `t public.a `)
	d.exec(t, "INSERT INTO a (id, n) SELECT g, 1 FROM generate_series(3, 1002) g")
	r.until("some of a transaction", func() bool { return len(r.records) > 100 })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	d.exec(t, insert(1003))
	all := r.records[6:]
	if len(all) == 1000 {
		t.Error("the restart is not inside of the transaction")
	}
	r = start(t, d.config(t, settings...), r.offset)
	r.next(1001 - len(all))
	if distinct, doubles := keys(append(all, r.records...)); len(distinct) != 1001 || doubles != 0 {
		t.Errorf("%d distinct keys and %d doubles, want 1001 and none", len(distinct), doubles)
	}
	r.until("the guard's look", func() bool { return r.intake.Health() != nil })
	if h := r.intake.Health(); h.Warning != nil || h.Gauges["connectd_slot_limit_bytes"] != 10<<30 {
		t.Errorf("health: %v", h)
	}
	for _, kind := range []string{"incremental", "blocking"} {
		from := len(r.records)
		r.must("execute-snapshot", `{"type":"`+kind+`","data-collections":["public.a"]}`)
		r.until("all rows in the snapshot", func() bool { return len(snapshotMarks(r.records[from:])) == 1001 })
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if major >= 18 {
		publishedGenerated(t, d)
	}
	for _, f := range examined(t, d.with(settings...)) {
		if f.Grade == connect.Problem || f.Grade == connect.Warning {
			t.Errorf("doctor: %s", f)
		}
	}
}

// publishedGenerated has a publication with stored generated columns.
func publishedGenerated(t *testing.T, d *database) {
	d.exec(t, "CREATE TABLE g (id int PRIMARY KEY, s int GENERATED ALWAYS AS (id * 2) STORED, v int GENERATED ALWAYS AS (id * 3) VIRTUAL)", "INSERT INTO g VALUES (1)",
		"CREATE PUBLICATION generated FOR TABLE g WITH (publish_generated_columns = stored)")
	r := start(t, d.config(t, "table.include.list", "public.g", "slot.name", "generated", "publication.name", "generated"), nil)
	r.next(1)
	r.streaming()
	d.exec(t, "INSERT INTO g VALUES (2)")
	r.next(1)
	for i, want := range []string{`{"id":1,"s":2}`, `{"id":2,"s":4}`} {
		if got := after(t, r.records[i]); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
}

// after is the row of an insert.
func after(t *testing.T, r sentRecord) string {
	t.Helper()
	return string(member(fieldsOf(t, []byte(r.value)), "after"))
}
