package postgres

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestNewTables has tables that join at a restart and while the connector streams, one of them
// with a writer that began before it was published.
func TestNewTables(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)", "INSERT INTO a VALUES (1)", "INSERT INTO b VALUES (1), (2)",
		"CREATE PUBLICATION dbz_publication FOR TABLE a", "GRANT ALL ON SCHEMA public TO debezium")
	for _, owned := range []string{"TABLE a", "TABLE b", "PUBLICATION dbz_publication"} {
		d.exec(t, "ALTER "+owned+" OWNER TO debezium")
	}
	settings := []string{"signal.poll.interval.ms", "10", "snapshot.new.tables", "incremental"}
	r := start(t, d.config(t, append(settings, "table.include.list", "public.a")...), nil).streaming()
	r.until("the rows of a", func() bool { return r.rows() == 1 })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	c := d.config(t, append(settings, "table.include.list", "public.(a|b|c|parted)")...)
	r = start(t, c, r.offset).streaming()
	r.until("the rows of b", func() bool { return r.rows() == 2 && len(r.demand().Tables) == 0 })
	wantOps(t, r.records, `r public.b {"id":1}`, `r public.b {"id":2}`)

	conn, err := pgx.Connect(t.Context(), d.server.ReplicatorDSN(d.name))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range []string{"CREATE TABLE c (id int PRIMARY KEY)", "INSERT INTO c VALUES (1)", "BEGIN", "INSERT INTO c VALUES (2)"} { // committed once c is published
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	r.until("c in the list", func() bool { return len(r.demand().Tables) == 1 })
	if got := r.rows(); got != 2 {
		t.Errorf("%d rows came before the writer has ended", got)
	}
	if _, err := conn.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	r.until("the rows of c", func() bool { return len(r.demand().Tables) == 0 })
	if got := strings.Join(ops(r.records[2:]), "; "); !strings.Contains(got, `public.c {"id":1}`) || !strings.Contains(got, `public.c {"id":2}`) {
		t.Errorf("got %s", got)
	}
}

// TestNewTablesOff says what is missing, and reads nothing.
func TestNewTablesOff(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)", "INSERT INTO b VALUES (1)").publish(t, "a")
	c := d.config(t, "table.include.list", "public.*", "signal.poll.interval.ms", "10", "snapshot.mode", "no_data", "publication.autocreate.mode", "disabled")
	r := start(t, c, nil).streaming()
	d.exec(t, "CREATE TABLE c (id int PRIMARY KEY)")
	detail := func() string { return r.intake.Progress().Detail }
	r.until("a word on c", func() bool { return strings.Contains(detail(), "public.c") })
	d.exec(t, "ALTER PUBLICATION dbz_publication ADD TABLE b")
	r.until("a word on b", func() bool { return strings.Contains(detail(), "public.b") })
	if r.rows() != 0 {
		t.Errorf("rows came: %v", ops(r.records))
	}
}
