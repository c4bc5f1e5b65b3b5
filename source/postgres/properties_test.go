package postgres

import (
	"strings"
	"testing"

	"connectd/config"
	"connectd/connect"
)

func TestSkipWithoutChange(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text, secret text)", "ALTER TABLE a REPLICA IDENTITY FULL",
		"CREATE TABLE plain (id int PRIMARY KEY, v text)").publish(t, "a, plain")
	r := start(t, d.config(t, "snapshot.mode", "no_data", "skip.messages.without.change", "true", "column.exclude.list", "public.a.secret"), nil).streaming()
	d.exec(t, "INSERT INTO a VALUES (1, repeat('x', 3000), 's')", "UPDATE a SET secret = 't'", "UPDATE a SET v = v", "UPDATE a SET v = NULL", "UPDATE a SET id = 2",
		"INSERT INTO plain VALUES (1, 'x')", "UPDATE plain SET v = v") // without the old row nobody knows
	wantOps(t, r.next(7), `c public.a {"id":1}`, `u public.a {"id":1}`, `d public.a {"id":1}`, `tombstone public.a {"id":1}`, `c public.a {"id":2}`,
		`c public.plain {"id":1}`, `u public.plain {"id":1}`)
}

func TestSetReplicaIdentities(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text)", "CREATE TABLE b (id int PRIMARY KEY, v int NOT NULL)", "CREATE UNIQUE INDEX b_v ON b (v)",
		"CREATE TABLE c (id int PRIMARY KEY)", "CREATE TABLE theirs (id int PRIMARY KEY)", "ALTER TABLE c REPLICA IDENTITY FULL").publish(t, "a, b, c, theirs")
	for _, table := range []string{"a", "b", "c"} {
		d.exec(t, "ALTER TABLE "+table+" OWNER TO debezium")
	}
	identities := func() string {
		return d.query(t, "SELECT string_agg(relname || relreplident::text, ' ' ORDER BY relname) FROM pg_class WHERE relname IN ('a', 'b', 'c', 'theirs')")
	}
	settings := []string{"table.include.list", "public.[abc]", "replica.identity.autoset.values", "public.a:FULL, PUBLIC.B:index b_v,public.c:DEFAULT,public.theirs:FULL"}
	r := start(t, d.config(t, settings...), nil).streaming()
	if got := identities(); got != "af bi cd theirsd" {
		t.Errorf("identities: %s", got)
	}
	d.exec(t, "INSERT INTO a VALUES (1, 'x')", "UPDATE a SET v = 'y'")
	if v := r.next(2)[1].value; !strings.HasPrefix(v, `{"before":{"id":1,"v":"x"}`) {
		t.Errorf("update: %s", v)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ values, want string }{
		{"public.*:FULL,public.a:DEFAULT", "more than one entry that matches table public.a"},
		{"public.theirs:FULL", `let the owner of the tables run ALTER TABLE "public"."theirs" REPLICA IDENTITY FULL`},
		{"public.b:INDEX none", `set the replica identity of table public.b: index "none" for table "b" does not exist`},
	} {
		r := start(t, d.config(t, "table.include.list", "public.*", "replica.identity.autoset.values", c.values), r.offset)
		if err := r.wait(); !connect.IsPermanent(err) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", c.values, err)
		}
	}
}

func TestNumberOfTables(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)", "CREATE TABLE spatial_ref_sys (srid int PRIMARY KEY)",
		"INSERT INTO spatial_ref_sys VALUES (1)", "INSERT INTO a VALUES (1)").publish(t, "a, b, spatial_ref_sys")
	r := start(t, d.config(t, "snapshot.mode", "initial_only", "guardrail.collections.max", "1", "guardrail.collections.limit.action", "fail"), nil)
	if err := r.wait(); !connect.IsPermanent(err) || !strings.Contains(err.Error(), "2 tables are captured, and guardrail.collections.max is 1") {
		t.Errorf("got %v", err)
	}
	wantOps(t, start(t, d.config(t, "snapshot.mode", "initial_only", "guardrail.collections.max", "1"), nil).next(1), `r public.a {"id":1}`)
	wantOps(t, start(t, d.config(t, "snapshot.mode", "initial_only", "table.ignore.builtin", "false"), nil).next(2), `r public.a {"id":1}`, `r public.spatial_ref_sys {"srid":1}`)
}

// TestUnreadableChange leaves out changes with a value that has no form.
func TestUnreadableChange(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, n numeric)").publish(t, "a")
	for _, mode := range []string{"warn", "skip", "ignore"} {
		r := start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "event.processing.failure.handling.mode", mode, "slot.drop.on.stop", "true"), nil).streaming()
		d.exec(t, "INSERT INTO a VALUES (1, 1)", "INSERT INTO a VALUES (2, 'NaN')", "UPDATE a SET n = 2 WHERE id = 2", "TRUNCATE a")
		wantOps(t, r.next(3), `c public.a {"id":1}`, `u public.a {"id":2}`, `t public.a `)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	}
}

// TestKeysWithoutEffect sets every property that means nothing here: each is one warning.
func TestKeysWithoutEffect(t *testing.T) {
	for _, o := range config.Describe(new(Config)) {
		if o.NoEffect == "" {
			continue
		}
		key := strings.ReplaceAll(o.Key, "*", "something")
		problems := config.Decode(section(with(seed, key, "some value")), new(Config))
		if problems.Err() != nil || len(problems) != 1 || !strings.Contains(problems[0].Text, "has no effect here") {
			t.Errorf("%s: %v", key, problems)
		}
	}
}
