package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"connectd/internal/compare"
	"connectd/internal/testenv"
)

// schema has five tables: the reference workload, ordinary types, a key of two columns, an enum
// with arrays and large values, and one without a key.
const schema = `
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE events (id bigserial PRIMARY KEY, user_id bigint, kind text, amount numeric(12,2), payload jsonb, created_at timestamptz);
CREATE TABLE accounts (id uuid PRIMARY KEY, name varchar(40) NOT NULL, balance numeric(18,4), active boolean, opened date, updated timestamp);
CREATE TABLE readings (sensor int, seq int, value double precision, low real, raw bytea, at timestamptz, PRIMARY KEY (sensor, seq));
CREATE TABLE people (id int PRIMARY KEY, mood mood, tags text[], wake time, info json, large text);
CREATE TABLE audit (n int, what text);
ALTER TABLE people REPLICA IDENTITY FULL;
ALTER TABLE people ALTER COLUMN large SET STORAGE EXTERNAL;`

func column(name string, k compare.Kind) compare.Column { return compare.Column{Name: name, Kind: k} }

// tables are what is compared; accounts.note comes by the schema change.
var tables = []*compare.Table{
	{Name: "events", Key: []string{"id"}, Columns: []compare.Column{column("id", compare.Text), column("user_id", compare.Text), column("kind", compare.Text),
		column("amount", compare.Decimal), column("payload", compare.Document), column("created_at", compare.Moment)}},
	{Name: "accounts", Key: []string{"id"}, Columns: []compare.Column{column("id", compare.Text), column("name", compare.Text), column("balance", compare.Decimal),
		column("active", compare.Text), column("opened", compare.Day), column("updated", compare.Moment), column("note", compare.Text)}},
	{Name: "readings", Key: []string{"sensor", "seq"}, Columns: []compare.Column{column("sensor", compare.Text), column("seq", compare.Text), column("value", compare.Float),
		column("low", compare.Float), column("raw", compare.Octets), column("at", compare.Moment)}},
	{Name: "people", Key: []string{"id"}, Columns: []compare.Column{column("id", compare.Text), column("mood", compare.Text), column("tags", compare.Document),
		column("wake", compare.Clock), column("info", compare.Document), column("large", compare.Text)}},
	{Name: "audit", Columns: []compare.Column{column("n", compare.Text), column("what", compare.Text)}},
}

// load changes the five tables.
type load struct {
	t       *testing.T
	server  *testenv.Postgres
	dsn     string
	conn    *pgx.Conn
	rand    *rand.Rand
	serial  int // the next new key
	changes int
}

func newLoad(w *world) *load {
	w.t.Helper()
	l := publish(w.t, w.source, w.sourceDB, "events, accounts, readings, people, audit", schema)
	l.rand = rand.New(rand.NewPCG(1, 2))
	return l
}

// publish runs statements in a database and publishes its tables for tableSource. The role of the
// connector does not own them, as in production: their owner publishes them.
func publish(t *testing.T, server *testenv.Postgres, database, tables string, statements ...string) *load {
	t.Helper()
	l := &load{t: t, server: server, dsn: server.DSN(database)}
	l.connect()
	for _, s := range statements {
		l.must(s)
	}
	l.must("CREATE PUBLICATION " + pgx.Identifier{strings.ToLower(database)}.Sanitize() + " FOR TABLE " + tables)
	return l
}

// tableSource is the connector of a database's table, in YAML that more settings may follow on. It has
// the database's name, in lower case, as have its topics, its slot and its publication.
func tableSource(server *testenv.Postgres, database, table string) string {
	return fmt.Sprintf(`
  %[1]s:
    connector.class: postgres-source
    database.hostname: %[2]s
    database.port: %[3]d
    database.user: debezium
    database.password: dbz
    database.dbname: %[4]s
    topic.prefix: %[1]s
    slot.name: %[1]s
    publication.name: %[1]s
    table.include.list: public.%[5]s
    topic.creation.default.replication.factor: 1`, strings.ToLower(database), server.Host, server.Port, database, table)
}

// connect opens the load's connection, again after the server has restarted.
func (l *load) connect() {
	l.t.Helper()
	conn, err := pgx.Connect(l.t.Context(), l.dsn)
	if err != nil {
		l.t.Fatalf("connect the load: %v", err)
	}
	l.conn = conn
	l.t.Cleanup(func() { _ = conn.Close(context.Background()) })
}

// must runs a statement outside the count.
func (l *load) must(sql string) {
	l.t.Helper()
	if _, err := l.conn.Exec(l.t.Context(), sql); err != nil {
		l.t.Fatalf("%v\n%s", err, sql)
	}
}

// fill inserts n rows in all, before the connector starts.
func (l *load) fill(n int) {
	l.t.Helper()
	for _, part := range []struct{ table, share int }{{0, n / 2}, {1, n / 10}, {2, n / 5}, {3, n / 10}, {4, n / 10}} {
		l.run(l.insert(part.table, part.share))
	}
}

// insert is the statement that adds n rows to a table.
func (l *load) insert(table, n int) string {
	from, to := l.serial+1, l.serial+n
	l.serial = to
	series := fmt.Sprintf("generate_series(%d, %d) i", from, to)
	switch table {
	case 0:
		return `INSERT INTO events (user_id, kind, amount, payload, created_at) SELECT i::bigint * 7919 % 100000, (ARRAY['view','click','buy'])[i % 3 + 1],
			(i % 100000) * 0.01, jsonb_build_object('page', '/p/' || i, 'ref', repeat('x', 60 + i % 40), 'n', i), clock_timestamp() FROM ` + series
	case 1:
		return `INSERT INTO accounts (id, name, balance, active, opened, updated) SELECT md5(i::text)::uuid, 'Name "' || i || E'" \\ é', i * 1.2345,
			i % 2 = 0, date '1969-06-01' + i % 30000, timestamp '2026-01-01' + i * interval '1.000001 second' FROM ` + series
	case 2:
		return `INSERT INTO readings SELECT i % 50, i, i / 7.0, i / 3.0, decode(md5(i::text), 'hex'), '2026-03-01 00:00:00+02'::timestamptz + i * interval '1 ms' FROM ` + series
	case 3:
		return `INSERT INTO people SELECT i, (enum_range(NULL::mood))[i % 3 + 1], CASE WHEN i % 5 = 0 THEN ARRAY[]::text[] ELSE ARRAY['a' || i, NULL, 'c,"d'] END,
			time '00:00' + i * interval '1.5 second', json_build_object('k', i), CASE WHEN i % 50 = 0 THEN repeat(md5(i::text), 200) END FROM ` + series
	}
	return `INSERT INTO audit SELECT i, CASE WHEN i % 9 = 0 THEN NULL ELSE 'did ' || i END FROM ` + series
}

// change is a random statement over about n rows.
func (l *load) change(n int) string {
	pick := func(table, key string) string {
		return fmt.Sprintf("(SELECT %s FROM %s OFFSET %d LIMIT %d)", key, table, l.rand.IntN(200), n)
	}
	switch l.rand.IntN(12) {
	case 0, 1, 2:
		return l.insert(0, n)
	case 3:
		return l.insert(1+l.rand.IntN(4), n)
	case 4, 5:
		return "UPDATE events SET amount = amount + 0.01, kind = 'changed' WHERE id IN " + pick("events", "id")
	case 6:
		return "DELETE FROM events WHERE id IN " + pick("events", "id")
	case 7:
		return "UPDATE accounts SET balance = balance + 1.5, updated = clock_timestamp(), active = NULL WHERE id IN " + pick("accounts", "id")
	case 8:
		return "UPDATE readings SET value = -value, raw = NULL WHERE (sensor, seq) IN " + pick("readings", "sensor, seq")
	case 9:
		return "UPDATE people SET mood = 'sad', tags = array_append(tags, 'new') WHERE id IN " + pick("people", "id")
	case 10:
		// The key itself changes.
		return fmt.Sprintf("UPDATE people SET id = id + 100000000 WHERE id < 100000000 AND id IN %s", pick("people", "id"))
	}
	return "DELETE FROM readings WHERE (sensor, seq) IN " + pick("readings", "sensor, seq")
}

// run runs a statement and counts its rows.
func (l *load) run(sql string) {
	l.t.Helper()
	tag, err := l.conn.Exec(l.t.Context(), sql)
	if err != nil {
		l.t.Fatalf("%v\n%s", err, sql)
	}
	l.changes += int(tag.RowsAffected())
}

// transaction changes about n rows in one transaction of a few statements.
func (l *load) transaction(n int) {
	l.t.Helper()
	l.must("BEGIN")
	for range 3 {
		l.run(l.change(max(1, n/3)))
	}
	l.must("COMMIT")
}
