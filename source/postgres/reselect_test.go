package postgres

import (
	"strings"
	"testing"

	"connectd/connect"
)

func TestReselect(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, "CREATE TABLE a (id int, part text, big text, n int, other text, PRIMARY KEY (id, part))", "ALTER TABLE a ALTER big SET STORAGE EXTERNAL, ALTER other SET STORAGE EXTERNAL",
		"CREATE TABLE gone (id int PRIMARY KEY, big text)", "ALTER TABLE gone ALTER big SET STORAGE EXTERNAL").publish(t, "a, gone")
	settings := []string{"table.include.list", "public.a,public.gone", "snapshot.mode", "no_data", "post.processors", "reselector",
		"reselector.type", "io.debezium.processors.reselect.ReselectColumnsPostProcessor",
		"reselector.reselect.columns.exclude.list", "public.a:other", "reselector.reselect.null.values", "false"}
	r := start(t, d.config(t, settings...), nil).streaming()
	big := strings.Repeat("x", 3000)
	d.exec(t, "INSERT INTO a VALUES (1, 'p', '"+big+"', 1, '"+big+"')", "UPDATE a SET n = 2")
	r.next(2)
	if v := r.records[1].value; !strings.Contains(v, `"big":"`+big+`","n":2,"other":"__debezium_unavailable_value"`) {
		t.Errorf("the large value was not read again: %s", v)
	}
	d.exec(t, "UPDATE a SET id = 7", "UPDATE a SET n = NULL WHERE id = 7")
	wantOps(t, r.next(4), `d public.a {"id":1,"part":"p"}`, `tombstone public.a {"id":1,"part":"p"}`, `c public.a {"id":7,"part":"p"}`, `u public.a {"id":7,"part":"p"}`)
	if v := r.records[4].value; !strings.Contains(v, `"after":{"id":7,"part":"p","big":"`+big) {
		t.Errorf("a changed key: %s", v)
	}
	if v := r.records[5].value; !strings.Contains(v, `"big":"`+big+`","n":null`) {
		t.Errorf("a null: %s", v)
	}

	// A row that is not there any more keeps the placeholder, or stops the task.
	gone := "BEGIN; UPDATE gone SET id = id + 1; DELETE FROM gone; COMMIT"
	d.exec(t, "INSERT INTO gone VALUES (1, '"+big+"')", gone)
	r.next(6)
	if v := r.records[9].value; !strings.Contains(v, `"after":{"id":2,"big":"__debezium_unavailable_value"}`) {
		t.Errorf("a row that is gone: %s", v)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	d.exec(t, "INSERT INTO gone VALUES (1, '"+big+"')", gone)
	r = start(t, d.config(t, append(settings, "reselector.reselect.error.handling.mode", "fail")...), r.offset)
	if err := r.wait(); !connect.IsPermanent(err) || !strings.Contains(err.Error(), "read columns of table public.gone again: the row is not there any more") {
		t.Errorf("got %v", err)
	}
}

// TestReselectNulls reads by the record's key what was null when the row was written.
func TestReselectNulls(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, "CREATE TABLE a (id int, at timestamptz NOT NULL, v text)").publish(t, "a")
	r := start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "message.key.columns", "public.a:at",
		"post.processors", "reselector", "reselector.reselect.use.event.key", "true"), nil).streaming()
	d.exec(t, "ALTER TABLE a REPLICA IDENTITY FULL", "BEGIN; INSERT INTO a VALUES (1, '2026-01-02 03:04:05.678+00'); UPDATE a SET v = 'later'; COMMIT")
	if v := r.next(2)[0].value; !strings.Contains(v, `"after":{"id":1,"at":"2026-01-02T03:04:05.678000Z","v":"later"}`) {
		t.Errorf("got %s", v)
	}
}

func TestVisible(t *testing.T) {
	for _, c := range []struct {
		snapshot string
		id       uint32
		want     bool
	}{
		{"10:20:", 19, true}, {"10:20:", 20, false}, {"10:20:", 21, false}, {"10:20:12,15", 15, false}, {"10:20:12,15", 14, true},
		{"4294967290:4294967300:4294967297", 1, false}, {"4294967290:4294967300:", 1, true}, {"4294967290:4294967300:", 4294967295, true},
	} {
		if got := visible(c.snapshot, c.id); got != c.want {
			t.Errorf("%s, %d: got %v", c.snapshot, c.id, got)
		}
	}
}
