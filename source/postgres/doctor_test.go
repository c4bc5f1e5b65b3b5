package postgres

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/tools/txtar"

	"connectd/connect"
	"connectd/internal/testenv"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata/doctor")

// keeps is how much WAL a slot keeps, which depends on where the log stands.
var keeps = regexp.MustCompile(`keeps [0-9.]+ (MiB|GiB)`)

// TestDoctor examines the databases of testdata/doctor/*.txtar: "setup" are statements of an
// administrator, "config" are settings, and "want" is what the doctor says. Then it runs what the
// doctor has written and examines again: nothing that can be mended is left.
func TestDoctor(t *testing.T) {
	t.Parallel()
	p := testenv.OwnPostgres(t, testenv.PostgresOptions{Settings: map[string]string{"max_prepared_transactions": "2"}})
	t.Run("transactions", func(t *testing.T) { doctorTransactions(t, p) })
	paths, err := filepath.Glob("testdata/doctor/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			if err := p.CreateDatabase(t.Context(), "shop"); err != nil {
				t.Fatal(err)
			}
			defer p.DropDatabase(t.Context(), "shop")
			doctor(t, databaseOn(t, p, "shop"), path)
		})
	}
}

func doctor(t *testing.T, d *database, path string) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	settings, want := d.with("slot.name", "shop"), -1
	for i, f := range archive.Files {
		switch f.Name {
		case "setup":
			d.exec(t, strings.Split(strings.TrimSpace(string(f.Data)), "\n")...)
		case "config":
			for line := range strings.Lines(string(f.Data)) {
				key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
				settings[key] = value
			}
		case "want":
			want = i
		}
	}
	found := examined(t, settings)
	var got strings.Builder
	for _, f := range found {
		fmt.Fprintln(&got, f)
	}
	said := strings.ReplaceAll(got.String(), d.query(t, "split_part(current_setting('server_version'), ' ', 1)"), "VERSION")
	said = keeps.ReplaceAllString(said, "keeps SIZE")
	if *update {
		if want < 0 {
			want, archive.Files = len(archive.Files), append(archive.Files, txtar.File{Name: "want"})
		}
		archive.Files[want].Data = []byte(said)
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want < 0 || said != string(archive.Files[want].Data) {
		t.Errorf("%sgot:\n%s\nwant the file's", archive.Comment, said)
	}
	for _, f := range found {
		if f.Grade == connect.Problem || f.Grade == connect.Warning {
			d.exec(t, f.Mend...)
		}
	}
	for _, f := range examined(t, settings) {
		if len(f.Mend) > 0 && f.Grade != connect.Note {
			t.Errorf("after it was mended: %s", f)
		}
	}
}

func examined(t *testing.T, settings map[string]string) []connect.Finding {
	t.Helper()
	found, err := newSource(t, decode(t, settings)).Examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// doctorTransactions has transactions that hold up the creation of a slot.
func doctorTransactions(t *testing.T, p *testenv.Postgres) {
	if err := p.CreateDatabase(t.Context(), "open"); err != nil {
		t.Fatal(err)
	}
	d := databaseOn(t, p, "open", "CREATE TABLE a (id int PRIMARY KEY)", "GRANT pg_read_all_stats TO debezium")
	d.exec(t, "BEGIN; INSERT INTO a VALUES (1); PREPARE TRANSACTION 'left'")
	defer d.exec(t, "ROLLBACK PREPARED 'left'", "REVOKE pg_read_all_stats FROM debezium")
	conn, err := pgx.Connect(t.Context(), p.DSN("open"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "BEGIN; INSERT INTO a VALUES (2)", pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	s := newSource(t, decode(t, d.settings))
	x := &examination{source: s, catalog: newCatalog(s), slot: slot{missing: true}}
	defer x.catalog.Close()
	if err := x.transactions(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(x.found)
	for _, want := range []string{"prepared as 'left'", "ROLLBACK PREPARED 'left'", fmt.Sprintf("SELECT pg_terminate_backend(%d)", conn.PgConn().PID())} {
		if len(x.found) != 2 || !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestDoctorLevel has a server that is not made for logical replication, and limits.
func TestDoctorLevel(t *testing.T) {
	t.Parallel()
	p := testenv.OwnPostgres(t, testenv.PostgresOptions{Settings: map[string]string{"wal_level": "replica", "max_slot_wal_keep_size": "1GB"}})
	if err := p.CreateDatabase(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	d := databaseOn(t, p, "shop", "CREATE TABLE a (id int PRIMARY KEY)")
	found := examined(t, d.settings)
	if f := found[0]; f.Grade != connect.Problem || !strings.Contains(f.Text, `wal_level "replica"`) || f.Mend[0] != "ALTER SYSTEM SET wal_level = logical" {
		t.Errorf("got %s", f)
	}
	if f := found[1]; f.Grade != connect.Good || !strings.Contains(f.Text, "max_slot_wal_keep_size is 1 GiB") {
		t.Errorf("got %s", f)
	}
	d.settings["database.password"] = "wrong"
	if found, err := newSource(t, decode(t, d.settings)).Examine(t.Context()); err == nil || !strings.Contains(err.Error(), "check database.user and database.password") {
		t.Errorf("got %v, %v", found, err)
	}
}
