package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"connectd/internal/testenv"
)

// TestAvro sends mixed changes over five tables through Avro with a Schema Registry to all targets:
// the snapshot, a column that is added, and a registry that is away while it is.
func TestAvro(t *testing.T) {
	w := newWorld(t)
	registry := testenv.OwnRegistry(t, testenv.RegistryOptions{User: "connectd", Password: "secret"})
	for _, what := range []string{"key", "value"} {
		w.converters += fmt.Sprintf(`
    %[1]s.converter: io.confluent.connect.avro.AvroConverter
    %[1]s.converter.schema.registry.url: %[2]s
    %[1]s.converter.basic.auth.credentials.source: USER_INFO
    %[1]s.converter.basic.auth.user.info: connectd:secret`, what, registry.URL)
	}
	// A record that were left out would be missing.
	w.converters += "\n    errors.tolerance: all"
	l := newLoad(w)
	l.fill(10_000)
	d := newDaemon(t, w.config())
	d.start()
	client, err := registry.Client()
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	// The audit has no key.
	w.poll(ctx, func() string {
		if all, err := client.Subjects(t.Context()); len(all) != 9 {
			return fmt.Sprintf("the registry has the subjects %v (%v), want 9", all, err)
		}
		return ""
	})

	// The new column makes a new schema, which nobody can register or read while the registry is
	// away: nothing may be lost or left out.
	must(t, registry.Stop())
	l.must("ALTER TABLE accounts ADD COLUMN note text")
	for range 10 {
		l.transaction(300)
	}
	l.run("UPDATE accounts SET note = 'since ' || opened WHERE active")
	w.poll(ctx, func() string {
		if strings.Contains(d.tail(1000), "register the schema of subject") {
			return ""
		}
		return "the source has not noticed that the registry is away"
	})
	must(t, registry.Start())
	for range 10 {
		l.transaction(300)
	}
	w.await()
	d.terminate()
	w.offsetsOnce()

	for subject, versions := range map[string]int{"accounts-key": 1, "accounts-value": 2, "events-value": 1} {
		subject = "cdc." + w.prefix + ".public." + subject
		if got, err := client.SubjectVersions(t.Context(), subject); len(got) != versions {
			t.Errorf("subject %s has the versions %v (%v), want %d", subject, got, err, versions)
		}
	}
}

// TestAvroEnvelopes has the envelopes in Avro, as Debezium writes them, and unwraps them at the
// sink.
func TestAvroEnvelopes(t *testing.T) {
	server, database := testenv.Database(t)
	registry := testenv.OwnRegistry(t, testenv.RegistryOptions{})
	name := strings.ToLower(database)
	l := publish(t, server, database, "orders",
		`CREATE TABLE orders (id int PRIMARY KEY, total numeric(30,2), amount numeric, note text, at timestamptz(3), day date, tags text[], ref uuid, raw bytea, kind text NOT NULL DEFAULT 'x', n int NOT NULL)`,
		`INSERT INTO orders SELECT i, i * 123456789012345678901.25, i / 7.0, CASE WHEN i % 3 > 0 THEN 'note ' || i END, now(), date '1969-12-31' + i, ARRAY['a', NULL], gen_random_uuid(), '\x00ff', 'k' || i, i FROM generate_series(1, 500) i`)
	converters := ""
	for _, what := range []string{"key", "value"} {
		converters += fmt.Sprintf(`
    %[1]s.converter: avro
    %[1]s.converter.schema.registry.url: %[2]s`, what, registry.URL)
	}
	d := newDaemon(t, fmt.Sprintf(`
worker:
  bootstrap.servers: %[1]s
  listeners: http://127.0.0.1:0
  metadata.max.age.ms: 1000
  offset.storage.topic: %[2]s-offsets
connectors:%[3]s%[4]s
  %[2]s-sink:
    connector.class: postgres-sink
    topics: %[2]s.public.orders
    connection.url: %[5]s
    table.name.format: copied
    insert.mode: upsert
    pk.mode: record_key
    delete.enabled: true
    auto.create: true
    linger.ms: 100
    transforms: unwrap
    transforms.unwrap.type: io.debezium.transforms.ExtractNewRecordState
    transforms.unwrap.delete.tombstone.handling.mode: tombstone%[4]s
`, testenv.SharedKafka(t).Brokers, name, tableSource(server, database, "orders"), converters, server.DSN(database)))
	d.start()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	w := &world{t: t}
	copied := func() string {
		var differ int
		err := l.conn.QueryRow(ctx, `SELECT count(*) FROM (SELECT * FROM orders EXCEPT SELECT id, total, amount, note, at, day, tags, ref, raw, kind, n FROM copied) a`).Scan(&differ)
		var more int
		if err == nil {
			err = l.conn.QueryRow(ctx, "SELECT (SELECT count(*) FROM copied) - (SELECT count(*) FROM orders)").Scan(&more)
		}
		if err != nil || differ != 0 || more != 0 {
			return fmt.Sprintf("%d rows differ, %d are too many (%v)", differ, more, err)
		}
		return ""
	}
	w.poll(ctx, copied)
	l.must("UPDATE orders SET note = NULL, total = -total WHERE id % 2 = 0; DELETE FROM orders WHERE id % 5 = 0")
	w.poll(ctx, copied)
	d.terminate()
}
