package postgres

import (
	"strings"
	"testing"
)

func TestSnapshotThenStream(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text)", "INSERT INTO a VALUES (1, 'one'), (2, E'tab\\t\\\\ back')").publish(t, "a")
	r := start(t, d.config(t, "table.include.list", "public.a"), nil)
	wantOps(t, r.next(2), `r public.a {"id":1}`, `r public.a {"id":2}`)
	if v := r.records[1].value; !strings.Contains(v, `"after":{"id":2,"v":"tab\t\\ back"}`) || !strings.Contains(v, `"snapshot":"last"`) {
		t.Errorf("second row: %s", v)
	}
	r.streaming()
	d.exec(t, "INSERT INTO a VALUES (3, 'three')", "UPDATE a SET v = 'x' WHERE id = 1", "DELETE FROM a WHERE id = 2", "UPDATE a SET id = 4 WHERE id = 3", "TRUNCATE a")
	wantOps(t, r.next(8), `c public.a {"id":3}`, `u public.a {"id":1}`, `d public.a {"id":2}`, `tombstone public.a {"id":2}`,
		`d public.a {"id":3}`, `tombstone public.a {"id":3}`, `c public.a {"id":4}`, `t public.a `)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", r.offset)

	d.exec(t, "INSERT INTO a VALUES (5, 'five')")
	r = start(t, d.config(t, "table.include.list", "public.a"), r.offset)
	wantOps(t, r.next(1), `c public.a {"id":5}`)
}
