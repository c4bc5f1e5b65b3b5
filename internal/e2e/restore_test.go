package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"connectd/connect/connector/connectortest"
	"connectd/internal/testenv"
	"connectd/kafka"
)

// TestRestoredTarget: the target is put back to an earlier state while the sink runs, as the
// restore of a dump does. The offsets go back with the rows, and what is missing is written again.
// Then the topic is deleted and created again.
func TestRestoredTarget(t *testing.T) {
	for _, mode := range []string{"insert", "upsert"} {
		t.Run(mode, func(t *testing.T) { testRestored(t, mode) })
	}
}

func testRestored(t *testing.T, mode string) {
	target, database := testenv.Database(t)
	broker := testenv.SharedKafka(t)
	topic := strings.ToLower(database)
	settings := connectortest.Kafka(broker.Brokers)
	admin := connectortest.Admin(t, settings)
	connectortest.Topic(t, settings, topic, 2)
	conn, err := pgx.Connect(t.Context(), target.DSN(database))
	must(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	exec := func(sql string) {
		t.Helper()
		_, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		must(t, err)
	}
	exec("CREATE TABLE counted (n bigint)")
	if mode == "upsert" {
		exec("ALTER TABLE counted ADD PRIMARY KEY (n)")
	}
	d := newDaemon(t, fmt.Sprintf(`
worker:
  bootstrap.servers: %[1]s
  listeners: http://127.0.0.1:0
connectors:
  %[2]s:
    connector.class: postgres-sink
    topics: %[2]s
    connection.url: %[3]s
    table.name.format: counted
    insert.mode: %[4]s
    pk.mode: %[5]s
    linger.ms: 20
    on.topic.recreated: reset
`, broker.Brokers, topic, target.DSN(database), mode, map[string]string{"insert": "none", "upsert": "record_key"}[mode]))
	produced := 0
	produce := func(n int) {
		t.Helper()
		var messages []kafka.Message
		for range n {
			produced++
			messages = append(messages, kafka.Message{Topic: topic, Partition: int32(produced % 2), Key: fmt.Appendf(nil, `{"n":%d}`, produced), Value: fmt.Appendf(nil, `{"n":%d}`, produced)})
		}
		connectortest.Produce(t, settings, messages...) // of a producer of its own: one keeps to the topic that it knows
	}
	// Each number is there once.
	await := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		(&world{t: t}).poll(ctx, func() string {
			var rows, numbers int
			if err := conn.QueryRow(ctx, "SELECT count(*), count(DISTINCT n) FROM counted WHERE n BETWEEN 1 AND $1", produced).Scan(&rows, &numbers); err != nil {
				return err.Error()
			}
			if rows != produced || numbers != produced {
				return fmt.Sprintf("%d rows with %d numbers, want %d", rows, numbers, produced)
			}
			return ""
		})
	}
	d.start()
	produce(500)
	await()
	exec("CREATE SCHEMA dump; CREATE TABLE dump.counted AS TABLE counted; CREATE TABLE dump.offsets AS TABLE _connectd_offsets")
	produce(700)
	await()
	restore := "BEGIN; LOCK TABLE _connectd_offsets, counted; TRUNCATE counted, _connectd_offsets;" +
		"INSERT INTO counted TABLE dump.counted; INSERT INTO _connectd_offsets TABLE dump.offsets; COMMIT"
	exec(restore)
	produce(10) // what notices it: the next flush does not begin where the table says
	await()
	// And while no sink runs.
	d.terminate()
	exec(restore)
	d.start()
	await()
	// Another topic of the same name: its offsets begin anew, and the stored one means nothing.
	d.terminate()
	must(t, admin.DeleteTopic(t.Context(), topic))
	(&world{t: t}).poll(t.Context(), func() string {
		if err := admin.EnsureTopic(t.Context(), topic, kafka.TopicSpec{Partitions: 2, Replication: 1}); err != nil {
			return err.Error() // while the deletion is under way
		}
		return ""
	})
	produce(40)
	d.start()
	await()
}
