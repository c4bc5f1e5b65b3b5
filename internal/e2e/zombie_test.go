package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"connectd/connect/connector/connectortest"
	"connectd/internal/compare"
	"connectd/internal/testenv"
	"connectd/kafka"
	"connectd/record"
)

// TestZombie has two processes share the partitions of three sinks. One stands still at a step of
// the delivery protocol for longer than its session, as a suspended machine does; the other takes
// its partitions over, finishes what it has begun and goes on. Then the first wakes up in the middle
// of its write. Tables without keys and objects show each record that is written twice.
func TestZombie(t *testing.T) {
	broker := testenv.OwnKafka(t, testenv.KafkaOptions{Properties: map[string]string{
		"group.consumer.session.timeout.ms": "6000", "group.consumer.min.session.timeout.ms": "6000",
		"group.consumer.heartbeat.interval.ms": "1000", "group.consumer.min.heartbeat.interval.ms": "1000",
	}})
	for _, protocol := range []string{"classic", "consumer"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel() // most of it is waiting for sessions to end
			z := newZombies(t, broker, protocol)
			frozen, other := newDaemon(t, z.config()), newDaemon(t, z.config())
			other.start()
			for _, step := range []string{"sink.intent:6", "sink.writing:4", "sink.written:6", "postgres.sink.precommit:3"} {
				frozen.start("CONNECTD_FAULT="+step, "CONNECTD_FAULT_SIGNAL=STOP")
				z.produceUntil("the process stands still at "+step, func() bool { return stopped(frozen) })
				z.produce(400)
				z.await("by the other process while one stands still at " + step)
				must(t, frozen.cmd.Process.Signal(syscall.SIGCONT))
				// Its late write happens now; and it joins again, and works.
				z.produce(400)
				z.await("after the process woke up at " + step)
				frozen.terminate()
			}
			z.await("in the end")
			z.objectsOnce()
			other.terminate()
		})
	}
}

// zombies is a topic and three targets of it.
type zombies struct {
	t          *testing.T
	protocol   string
	name       string // of topic, database and bucket alike
	kafka      kafka.Settings
	producer   *kafka.Producer
	postgres   *testenv.Postgres
	target     *pgx.Conn
	clickhouse *testenv.ClickHouse
	database   string
	s3         *testenv.S3
	bucket     string
	n          int
}

const zombiePartitions = 4

func newZombies(t *testing.T, broker *testenv.Kafka, protocol string) *zombies {
	z := &zombies{t: t, protocol: protocol}
	z.postgres, z.name = testenv.Database(t)
	z.clickhouse, z.database = testenv.ClickHouseDatabase(t)
	z.s3, z.bucket = testenv.Bucket(t)
	var err error
	z.target, err = pgx.Connect(t.Context(), z.postgres.DSN(z.name))
	must(t, err)
	t.Cleanup(func() { _ = z.target.Close(context.Background()) })
	_, err = z.target.Exec(t.Context(), "CREATE TABLE numbers (n bigint)")
	must(t, err)
	_, err = z.clickhouse.Query(t.Context(), "CREATE TABLE `"+z.database+"`.numbers (n Int64) ENGINE = MergeTree ORDER BY n")
	must(t, err)
	z.kafka = connectortest.Kafka(broker.Brokers)
	connectortest.Topic(t, z.kafka, z.name, zombiePartitions)
	z.producer, err = kafka.NewProducer(z.kafka, slog.New(slog.DiscardHandler))
	must(t, err)
	t.Cleanup(z.producer.Close)
	return z
}

func (z *zombies) config() string {
	common := fmt.Sprintf(`
    topics: %s
    key.converter: org.apache.kafka.connect.storage.StringConverter
    value.converter: org.apache.kafka.connect.json.JsonConverter
    value.converter.schemas.enable: false
    errors.retry.delay.max.ms: 500
    batch.max.rows: 40
    consumer.override.group.protocol: %s`, z.name, z.protocol)
	if z.protocol == "classic" { // the other protocol's times are the broker's
		common += `
    consumer.override.session.timeout.ms: 6000
    consumer.override.heartbeat.interval.ms: 1000`
	}
	return fmt.Sprintf(`
worker:
  bootstrap.servers: %[1]s
  listeners: http://127.0.0.1:0
connectors:
  %[2]s-postgres:
    connector.class: postgres-sink
    connection.url: %[3]s
    table.name.format: numbers
    insert.mode: insert
    linger.ms: 100%[4]s
  %[2]s-clickhouse:
    connector.class: clickhouse-sink
    hostname: %[5]s
    port: %[6]d
    username: %[7]s
    password: %[8]s
    database: %[9]s
    table.name.format: numbers
    linger.ms: 100%[4]s
  %[2]s-s3:
    connector.class: s3-sink
    s3.bucket.name: %[10]s
    s3.region: us-east-1
    store.url: %[11]s
    aws.access.key.id: %[12]s
    aws.secret.access.key: %[13]s
    format.output.fields: [key, value, partition, offset]
    rotate.schedule.interval.ms: 300
    flush.size: 40%[4]s
`, z.kafka.Brokers[0], z.name, z.postgres.DSN(z.name), common, z.clickhouse.Host, z.clickhouse.Port, z.clickhouse.User, z.clickhouse.Password, z.database,
		z.bucket, z.s3.Endpoint, z.s3.AccessKey, z.s3.SecretKey)
}

// produce writes the next n numbers, round robin.
func (z *zombies) produce(n int) {
	z.t.Helper()
	var all []kafka.Message
	for range n {
		z.n++
		all = append(all, kafka.Message{Topic: z.name, Partition: int32(z.n % zombiePartitions), Timestamp: record.NoTimestamp, Value: fmt.Appendf(nil, `{"n":%d}`, z.n)})
	}
	must(z.t, z.producer.Write(z.t.Context(), all))
}

func (z *zombies) produceUntil(what string, holds func() bool) {
	z.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); pause(z.t, 50*time.Millisecond) {
		if time.Now().After(deadline) {
			z.t.Fatalf("waited %s until %s", patience, what)
		}
		z.produce(20)
	}
}

// await waits until each target has each number, and fails when one has a number twice.
func (z *zombies) await(when string) {
	z.t.Helper()
	targets := []struct {
		name  string
		count func() (rows, distinct int)
	}{{"postgres", z.inPostgres}, {"clickhouse", z.inClickHouse}, {"s3", z.inS3}}
	for _, target := range targets {
		for deadline := time.Now().Add(patience); ; pause(z.t, 200*time.Millisecond) {
			rows, distinct := target.count()
			if rows > distinct {
				z.t.Fatalf("%s has %d rows of %d numbers %s", target.name, rows, distinct, when)
			}
			if distinct == z.n {
				break
			}
			if time.Now().After(deadline) {
				z.t.Fatalf("%s has %d of %d numbers %s", target.name, distinct, z.n, when)
			}
		}
	}
}

func (z *zombies) inPostgres() (rows, distinct int) {
	must(z.t, z.target.QueryRow(z.t.Context(), "SELECT count(*), count(DISTINCT n) FROM numbers").Scan(&rows, &distinct))
	return rows, distinct
}

func (z *zombies) inClickHouse() (rows, distinct int) {
	text, err := z.clickhouse.Query(z.t.Context(), "SELECT count(), uniqExact(n) FROM `"+z.database+"`.numbers")
	must(z.t, err)
	_, err = fmt.Sscan(text, &rows, &distinct)
	must(z.t, err)
	return rows, distinct
}

func (z *zombies) inS3() (rows, distinct int) {
	seen := map[any]bool{}
	for _, l := range z.lines() {
		seen[fmt.Sprint(l.Value["n"])] = true
		rows++
	}
	return rows, len(seen)
}

func (z *zombies) lines() []compare.Line {
	lines, err := compare.Lines(z.t.Context(), z.s3.Client(), z.bucket, "topics/"+z.name+"/")
	must(z.t, err)
	return lines
}

// objectsOnce fails the test unless the bucket holds every offset exactly once.
func (z *zombies) objectsOnce() {
	z.t.Helper()
	next := map[int32]int64{}
	for _, l := range z.lines() {
		if l.Offset != next[l.Partition] {
			z.t.Errorf("objects of partition %d: got offset %d, want %d", l.Partition, l.Offset, next[l.Partition])
		}
		next[l.Partition] = l.Offset + 1
	}
}

// stopped says whether d's process stands still.
func stopped(d *daemon) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.cmd.Process.Pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(text), ") ")
	return strings.HasPrefix(after, "T")
}
