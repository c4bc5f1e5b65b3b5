package testenv

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestPostgres(t *testing.T) {
	for _, version := range []string{"15", "17"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			p := OwnPostgres(t, PostgresOptions{Version: version, Settings: map[string]string{"work_mem": "5MB"}})
			if err := p.CreateDatabase(t.Context(), "shop"); err != nil {
				t.Fatal(err)
			}
			for query, want := range map[string]string{
				"SHOW wal_level":             "logical",
				"SHOW fsync":                 "on",
				"SHOW max_replication_slots": "20",
				"SHOW max_wal_senders":       "20",
				"SHOW work_mem":              "5MB",
				"SELECT split_part(split_part(version(), ' ', 2), '.', 1)": version,
			} {
				if got := queryText(t, p.DSN("shop"), query); got != want {
					t.Errorf("%s: got %q, want %q", query, got, want)
				}
			}
			for i, mode := range []string{"fast", "immediate", "smart"} {
				execPG(t, p.DSN("shop"), "CREATE TABLE IF NOT EXISTS orders (id int)", "INSERT INTO orders VALUES (1)")
				if err := p.Restart(mode); err != nil {
					t.Fatal(err)
				}
				want := strings.Repeat("1", i+1)
				if got := queryText(t, p.DSN("shop"), "SELECT string_agg(id::text, '') FROM orders"); got != want {
					t.Errorf("after restart %q: got %q, want %q", mode, got, want)
				}
			}
			if err := p.Stop("fast"); err != nil {
				t.Fatal(err)
			}
			if conn, err := pgx.Connect(t.Context(), p.DSN("shop")); err == nil {
				conn.Close(t.Context())
				t.Error("a stopped server answers")
			}
			if err := p.Restart("fast"); err != nil {
				t.Fatal(err)
			}
			proc := p.process
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			gone(t, proc)
		})
	}
}

// TestReplicator shows what the role of connectors may do, and what not.
func TestReplicator(t *testing.T) {
	p, db := Database(t)
	execPG(t, p.DSN(db),
		"CREATE TABLE orders (id int PRIMARY KEY)", "INSERT INTO orders VALUES (7)",
		"CREATE SCHEMA crm", "CREATE TABLE crm.people (id int)",
		"CREATE PUBLICATION p FOR ALL TABLES")
	dsn := p.ReplicatorDSN(db)
	if got := queryText(t, dsn, "SELECT id::text FROM orders"); got != "7" {
		t.Errorf("got %q, want 7", got)
	}
	execPG(t, dsn, "SELECT * FROM crm.people", "CREATE SCHEMA debezium", "CREATE TABLE debezium.signals (id int)")

	if err := tryPG(t, dsn, "INSERT INTO orders VALUES (8)"); sqlState(err) != "42501" {
		t.Errorf("insert into orders: got %v, want permission denied", err)
	}
	if got := queryText(t, dsn, "SHOW is_superuser"); got != "off" {
		t.Errorf("is_superuser: got %q, want off", got)
	}
	wrong := strings.Replace(dsn, ":"+ReplicatorPassword+"@", ":wrong@", 1)
	if err := tryPG(t, wrong, "SELECT 1"); sqlState(err) != "28P01" {
		t.Errorf("wrong password: got %v, want password authentication failed", err)
	}

	conn, err := pgconn.Connect(t.Context(), dsn+"&replication=database")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "CREATE_REPLICATION_SLOT "+db+" LOGICAL pgoutput").ReadAll(); err != nil {
		t.Fatal(err)
	}
}

// TestDropDatabase drops a database that has a slot and a reader.
func TestDropDatabase(t *testing.T) {
	p := SharedPostgres(t)
	db := unique(t, "_", 63)
	if err := p.CreateDatabase(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	conn, err := pgconn.Connect(t.Context(), p.ReplicatorDSN(db)+"&replication=database")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "CREATE_REPLICATION_SLOT "+db+" LOGICAL pgoutput").ReadAll(); err != nil {
		t.Fatal(err)
	}
	if err := p.DropDatabase(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{
		"SELECT count(*)::text FROM pg_database WHERE datname = '" + db + "'",
		"SELECT count(*)::text FROM pg_replication_slots WHERE slot_name = '" + db + "'",
	} {
		if got := queryText(t, p.DSN("postgres"), query); got != "0" {
			t.Errorf("%s: got %s, want 0", query, got)
		}
	}
}

func tryPG(t *testing.T, dsn string, statements ...string) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			return err
		}
	}
	return nil
}

func execPG(t *testing.T, dsn string, statements ...string) {
	t.Helper()
	if err := tryPG(t, dsn, statements...); err != nil {
		t.Fatal(err)
	}
}

func queryText(t *testing.T, dsn, query string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var s string
	if err := conn.QueryRow(t.Context(), query, pgx.QueryExecModeSimpleProtocol).Scan(&s); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return s
}

func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}
