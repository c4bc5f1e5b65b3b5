package e2e

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"connectd/connect/connector/connectortest"
	"connectd/internal/testenv"
	"connectd/kafka"
)

// TestSeed runs examples/strimzi.yaml, the configuration that users start from, with nothing
// changed but host, port, database and the path of the password file.
func TestSeed(t *testing.T) {
	source, database := testenv.Database(t)
	broker := testenv.SharedKafka(t)
	l := &load{t: t, server: source, dsn: source.DSN(database)}
	l.connect()
	l.must(`CREATE TABLE orders (id int PRIMARY KEY, total numeric(10,2), note text); CREATE TABLE customers (id int PRIMARY KEY); CREATE TABLE products (id int PRIMARY KEY);
		INSERT INTO orders VALUES (1, 12.50, 'first'), (2, 3.10, NULL);
		CREATE PUBLICATION dbz_publication FOR TABLE orders, customers, products`)
	t.Cleanup(func() {
		// The seed's slot has a fixed name: it must not stay on the shared server.
		_, _ = l.conn.Exec(context.Background(), "SELECT pg_drop_replication_slot('debezium_slot')")
	})

	seed, err := os.ReadFile("../../examples/strimzi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	password := filepath.Join(dir, "password.properties")
	text := strings.NewReplacer("postgres.example.com", source.Host, "5432", strconv.Itoa(source.Port), "production_db", database,
		"/opt/kafka/external-configuration/connector-config/password", password).Replace(string(seed))
	for name, content := range map[string]string{
		password:                          "password=dbz\n",
		filepath.Join(dir, "seed.yaml"):   text,
		filepath.Join(dir, "worker.yaml"): "worker:\n  bootstrap.servers: " + broker.Brokers + "\n  listeners: http://127.0.0.1:0\n  offset.storage.topic: " + database + "-offsets\n",
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := newDaemon(t, "")
	d.args = []string{"run", filepath.Join(dir, "seed.yaml"), filepath.Join(dir, "worker.yaml")}
	d.start()

	settings := connectortest.Kafka(broker.Brokers)
	settings.Metadata = time.Second
	admin := connectortest.Admin(t, settings)
	const topic = "cdc.production.public.orders" // fixed by the seed, too
	defer func() { _ = admin.DeleteTopic(context.WithoutCancel(t.Context()), topic) }()
	group, err := kafka.NewGroup(settings, kafka.GroupOptions{ID: database, Topics: []string{topic}, Reset: "earliest"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	defer func() { _ = group.Close(context.WithoutCancel(ctx)) }()
	var got []string
	read := func(n int) {
		t.Helper()
		for len(got) < n {
			fetches, err := group.Poll(ctx)
			if err != nil && ctx.Err() != nil {
				t.Fatalf("read %q, want %d records: %v", got, n, err)
			}
			for _, f := range fetches {
				for _, m := range f.Messages {
					value := string(m.Value)
					if m.Value == nil {
						value = "tombstone"
					}
					got = append(got, string(m.Key)+" "+value)
				}
			}
		}
	}
	read(2)
	l.must("UPDATE orders SET note = 'changed' WHERE id = 2; DELETE FROM orders WHERE id = 1")
	read(4)
	want := []string{
		`{"id":1} {"id":1,"total":"BOI=","note":"first"}`,
		`{"id":2} {"id":2,"total":"ATY=","note":null}`,
		`{"id":2} {"id":2,"total":"ATY=","note":"changed"}`,
		`{"id":1} tombstone`, // drop.tombstones: false, which Debezium 3.2 and later ignore
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("record %d is %s, want %s", i, got[i], want[i])
		}
	}
	d.terminate()
}
