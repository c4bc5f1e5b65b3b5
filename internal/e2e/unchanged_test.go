package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"connectd/internal/testenv"
)

// large is a table of one column for each type whose large values PostgreSQL does not send again
// when an update has not changed them. Nothing is compressed, so that all are kept out of line.
const large = `
	CREATE TABLE large (
		id int PRIMARY KEY, version int,
		words text, code varchar, octets bytea, flags varbit, doc json, tree jsonb, page xml, pairs hstore,
		texts text[], codes varchar[], blobs bytea[], docs jsonb[], ids uuid[], moods mood[], hosts inet[],
		smalls smallint[], ints int[], bigs bigint[], floats float8[], reals real[], amounts numeric(12,2)[], numbers numeric[],
		days date[], walls timestamp[], moments timestamptz[], clocks time[], spans interval[]);
	DO $$ DECLARE c name; BEGIN
		FOR c IN SELECT attname FROM pg_attribute WHERE attrelid = 'large'::regclass AND attnum > 2 LOOP
			EXECUTE format('ALTER TABLE large ALTER %I SET STORAGE EXTERNAL', c);
		END LOOP; END $$`

const largeRow = `INSERT INTO large SELECT 1, 1,
	repeat('word ', 2000), repeat('c', 9000), decode(repeat('0a', 9000), 'hex'), repeat('101', 30000)::varbit,
	(SELECT json_agg(i) FROM generate_series(1, 3000) i), (SELECT jsonb_agg(i) FROM generate_series(1, 3000) i), ('<a>' || repeat('x', 9000) || '</a>')::xml,
	hstore('key', repeat('v', 9000)),
	(SELECT array_agg('text ' || i) FROM n), (SELECT array_agg('code ' || i) FROM n), (SELECT array_agg('\x010203'::bytea) FROM n), (SELECT array_agg('{"a": 1}'::jsonb) FROM n),
	(SELECT array_agg(gen_random_uuid()) FROM n), (SELECT array_agg('happy'::mood) FROM n), (SELECT array_agg('10.0.0.1'::inet) FROM n),
	(SELECT array_agg(1::smallint) FROM n), (SELECT array_agg(i::int) FROM n), (SELECT array_agg(i::bigint) FROM n), (SELECT array_agg(i::float8) FROM n), (SELECT array_agg(i::real) FROM n),
	(SELECT array_agg(i::numeric(12,2)) FROM n), (SELECT array_agg(i::numeric) FROM n),
	(SELECT array_agg('2026-11-21'::date) FROM n), (SELECT array_agg('2026-11-21 01:02:03'::timestamp) FROM n), (SELECT array_agg('2026-11-21 01:02:03+00'::timestamptz) FROM n),
	(SELECT array_agg('01:02:03'::time) FROM n), (SELECT array_agg('01:02:03'::interval) FROM n)`

// TestUnchangedLargeValues updates rows whose large values PostgreSQL does not send again: in the
// target they stay as they are, whatever a type's placeholder looks like on its way. (A numeric has none: the source writes null for it.)
func TestUnchangedLargeValues(t *testing.T) {
	for _, schemas := range []bool{false, true} {
		t.Run(fmt.Sprintf("schemas=%t", schemas), func(t *testing.T) { testUnchanged(t, schemas) })
	}
}

func testUnchanged(t *testing.T, schemas bool) {
	source, database := testenv.Database(t)
	target, targetDB := testenv.Database(t)
	broker := testenv.SharedKafka(t)
	prefix := strings.ToLower(database)
	connect := func(p *testenv.Postgres, name string) *pgx.Conn {
		conn, err := pgx.Connect(t.Context(), p.DSN(name)+"&default_query_exec_mode=simple_protocol")
		must(t, err)
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		for _, s := range []string{"CREATE EXTENSION hstore", "CREATE TYPE mood AS ENUM ('happy')", large} {
			_, err := conn.Exec(t.Context(), s)
			must(t, err)
		}
		return conn
	}
	from, to := connect(source, database), connect(target, targetDB)
	_, err := from.Exec(t.Context(), "WITH n AS (SELECT i FROM generate_series(1, 1500) i) "+largeRow)
	must(t, err)
	_, err = from.Exec(t.Context(), "CREATE PUBLICATION "+pgx.Identifier{prefix}.Sanitize()+" FOR TABLE large; GRANT SELECT ON large TO debezium")
	must(t, err)
	d := newDaemon(t, fmt.Sprintf(`
worker:
  bootstrap.servers: %[1]s
  listeners: http://127.0.0.1:0
  metadata.max.age.ms: 1000
  offset.storage.topic: %[2]s-offsets
  key.converter: org.apache.kafka.connect.json.JsonConverter
  key.converter.schemas.enable: %[5]t
  value.converter: org.apache.kafka.connect.json.JsonConverter
  value.converter.schemas.enable: %[5]t
connectors:%[3]s
    topic.creation.default.partitions: 1
    transforms: unwrap
    transforms.unwrap.type: io.debezium.transforms.ExtractNewRecordState
  %[2]s-sink:
    connector.class: postgres-sink
    topics.regex: %[2]s\.public\.large
    connection.url: %[4]s
    table.name.format: ${table}
    insert.mode: upsert
    pk.mode: record_key
    linger.ms: 100
`, broker.Brokers, prefix, tableSource(source, database, "large"), target.DSN(targetDB), schemas))
	d.start()
	awaitVersion := func(want int) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		(&world{t: t}).poll(ctx, func() string {
			var version int
			if err := to.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM large").Scan(&version); err != nil {
				return err.Error()
			}
			if version != want {
				return fmt.Sprintf("the target has version %d, want %d", version, want)
			}
			return ""
		})
	}
	awaitVersion(1)
	_, err = from.Exec(t.Context(), "UPDATE large SET version = 2")
	must(t, err)
	awaitVersion(2)
	columns := "SELECT key, md5(coalesce(value, 'null')), left(coalesce(value, 'null'), 40) FROM large, jsonb_each_text(to_jsonb(large)) ORDER BY key"
	want, got := columnsOf(t, from, columns), columnsOf(t, to, columns)
	for column := range want {
		if got[column] != want[column] {
			t.Errorf("%s: got %s, want %s", column, got[column], want[column])
		}
	}
}

// columnsOf is what the query says of each column.
func columnsOf(t *testing.T, conn *pgx.Conn, query string) map[string]string {
	t.Helper()
	rows, err := conn.Query(t.Context(), query)
	must(t, err)
	out := map[string]string{}
	var column, sum, start string
	_, err = pgx.ForEachRow(rows, []any{&column, &sum, &start}, func() error {
		out[column] = sum + " " + start
		return nil
	})
	must(t, err)
	return out
}
