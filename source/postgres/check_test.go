package postgres

import (
	"strings"
	"testing"

	"connectd/connect"
	"connectd/internal/testenv"
)

func TestCheck(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE closed (id int PRIMARY KEY)", "REVOKE ALL ON closed FROM debezium",
		"CREATE ROLE plain_reader LOGIN PASSWORD 'x'", "GRANT SELECT ON a, closed TO plain_reader")
	defer d.exec(t, "DROP OWNED BY plain_reader", "DROP ROLE plain_reader")
	for _, c := range []struct {
		name      string
		changes   []string
		want      []string
		permanent bool
	}{
		{"good", []string{"table.include.list", "public.a"}, nil, false},
		{"table missing", []string{"table.include.list", "public.a,public.nothing"}, []string{`table "public.nothing" of table.include.list does not exist`}, true},
		{"no table", []string{"table.include.list", "public.nothing"}, []string{"has no table that table.include.list matches (public.nothing)"}, true},
		{"not readable", []string{"table.include.list", "public.closed"}, []string{`may not read table public.closed; run GRANT SELECT ON "public"."closed" TO "debezium"`}, true},
		{"may not replicate", []string{"database.user", "plain_reader", "database.password", "x", "table.include.list", "public.a"},
			[]string{`run ALTER ROLE "plain_reader" REPLICATION`}, true},
		{"may not replicate, and need not", []string{"database.user", "plain_reader", "database.password", "x", "table.include.list", "public.a",
			"snapshot.mode", "configuration_based", "snapshot.mode.configuration.based.snapshot.data", "true"}, nil, false},
		{"two findings", []string{"database.user", "plain_reader", "database.password", "x", "table.include.list", "public.a,public.nothing"},
			[]string{`remove it from the list; also: role "plain_reader" may not replicate`}, true},
		{"password", []string{"database.password", "wrong"}, []string{"28P01", "check database.user and database.password"}, true},
		{"database", []string{"database.dbname", "nothing"}, []string{"3D000", "check database.dbname"}, true},
		{"certificate", []string{"database.sslmode", "verify-full", "database.sslrootcert", "/nowhere/ca.pem"}, []string{"/nowhere/ca.pem"}, true},
		{"server", []string{"database.port", "1"}, []string{"connect to 127.0.0.1:1/", "connection refused"}, false},
		{"publication", []string{"table.include.list", "public.a", "publication.autocreate.mode", "disabled", "publication.name", "mine"},
			[]string{`publication "mine" does not exist`, `CREATE PUBLICATION "mine" FOR TABLE ONLY "public"."a"`}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := newSource(t, d.config(t, c.changes...)).Check(t.Context())
			if len(c.want) == 0 && err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), testenv.ReplicatorPassword+"'") {
				t.Errorf("the password is in %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("%v has more than one line", err)
			}
			if connect.IsPermanent(err) != c.permanent {
				t.Errorf("permanent is %v: %v", !c.permanent, err)
			}
		})
	}
	t.Run("slot in use", func(t *testing.T) {
		d.publish(t, "a")
		r := start(t, d.config(t, "table.include.list", "public.a"), nil).streaming()
		defer r.stop()
		if err := newSource(t, d.config(t, "table.include.list", "public.a")).Check(t.Context()); err != nil {
			t.Errorf("the connector's own slot: %v", err)
		}
		other := newSource(t, d.config(t, "table.include.list", "public.a"))
		other.env.Connector = "other"
		if err := other.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "is active for PID") {
			t.Errorf("got %v", err)
		}
	})
}

func TestPublicationByOthers(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)")
	r := start(t, d.config(t, "table.include.list", "public.a"), nil)
	err := r.wait()
	if !connect.IsPermanent(err) || !strings.Contains(err.Error(), `let the owner of the tables run CREATE PUBLICATION "dbz_publication" FOR TABLE ONLY "public"."a"`) {
		t.Errorf("got %v", err)
	}
	d.publish(t, "a")
	r = start(t, d.config(t, "table.include.list", "public.a,public.b"), nil)
	if err := r.wait(); err == nil || !strings.Contains(err.Error(), `run ALTER PUBLICATION "dbz_publication" SET TABLE`) {
		t.Errorf("got %v", err)
	}
	d.exec(t, "ALTER PUBLICATION dbz_publication ADD TABLE b")
	start(t, d.config(t, "table.include.list", "public.a"), nil).streaming() // more tables than wanted do no harm
}

func TestWalLevel(t *testing.T) {
	p := testenv.OwnPostgres(t, testenv.PostgresOptions{Settings: map[string]string{"wal_level": "replica"}})
	if err := p.CreateDatabase(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	d := databaseOn(t, p, "db", "CREATE TABLE a (id int PRIMARY KEY)")
	err := newSource(t, d.config(t)).Check(t.Context())
	if !connect.IsPermanent(err) || !strings.Contains(err.Error(), `wal_level is "replica", want "logical"; run ALTER SYSTEM SET wal_level = logical and restart PostgreSQL`) {
		t.Errorf("got %v", err)
	}
}

func TestNotANumber(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, n numeric(5,2))").publish(t, "a")
	r := start(t, d.config(t, "table.include.list", "public.a"), nil).streaming()
	d.exec(t, "INSERT INTO a VALUES (1, 'NaN')")
	if err := r.wait(); !connect.IsPermanent(err) || !strings.Contains(err.Error(), "decimal.handling.mode") || !strings.Contains(err.Error(), `table public.a, column "n"`) {
		t.Errorf("got %v", err)
	}
}
