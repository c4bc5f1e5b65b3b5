package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"connectd/connect/connector/connectortest"
	"connectd/internal/compare"
	"connectd/internal/testenv"
)

// world is everything that one test needs: the source's database, a broker, three targets.
type world struct {
	t          *testing.T
	source     *testenv.Postgres
	sourceDB   string
	kafka      *testenv.Kafka
	target     *testenv.Postgres
	targetDB   string
	clickhouse *testenv.ClickHouse
	database   string // in ClickHouse
	s3         *testenv.S3
	bucket     string
	prefix     string // of the topics, the slot and the connectors' names
	converters string // of keys and values; JSON without schemas when it is empty
}

// newWorld uses the shared servers, but for the source: a transaction that is open for long keeps
// slots from being created, those of other databases too.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, kafka: testenv.SharedKafka(t)}
	w.target, w.targetDB = testenv.Database(t)
	w.source, w.sourceDB = testenv.OwnPostgres(t, testenv.PostgresOptions{}), w.targetDB
	must(t, w.source.CreateDatabase(t.Context(), w.sourceDB))
	w.clickhouse, w.database = testenv.ClickHouseDatabase(t)
	w.s3, w.bucket = testenv.Bucket(t)
	w.prefix = strings.ToLower(w.sourceDB)
	return w
}

// config is one file with the source and the three sinks. Batches are small and quick, so that
// a kill finds them in every state.
func (w *world) config() string {
	converters := w.converters
	if converters == "" {
		converters = `
    key.converter: org.apache.kafka.connect.json.JsonConverter
    key.converter.schemas.enable: false
    value.converter: org.apache.kafka.connect.json.JsonConverter
    value.converter.schemas.enable: false`
	}
	// A static member takes its partitions back at once after kill -9; another one would wait for
	// the session timeout of the killed one.
	member := `
    consumer.override.group.instance.id: e2e` + converters
	return fmt.Sprintf(`
worker:
  bootstrap.servers: %[1]s
  listeners: http://127.0.0.1:0
  metadata.max.age.ms: 1000
  offset.storage.topic: %[2]s-offsets
connectors:
  %[2]s-source:
    connector.class: io.debezium.connector.postgresql.PostgresConnector
    database.hostname: %[3]s
    database.port: %[4]d
    database.user: debezium
    database.password: dbz
    database.dbname: %[5]s
    topic.prefix: %[2]s
    slot.name: %[2]s
    publication.name: %[2]s
    table.include.list: public.events,public.accounts,public.readings,public.people,public.audit
    topic.creation.default.partitions: 2
    topic.creation.default.replication.factor: 1
    transforms: unwrap,addPrefix
    transforms.unwrap.type: io.debezium.transforms.ExtractNewRecordState
    transforms.unwrap.delete.tombstone.handling.mode: delete-to-tombstone
    transforms.unwrap.add.fields: lsn
    transforms.unwrap.add.headers: lsn
    transforms.addPrefix.type: org.apache.kafka.connect.transforms.RegexRouter
    transforms.addPrefix.regex: (.*)
    transforms.addPrefix.replacement: cdc.$1%[6]s
  %[2]s-clickhouse:
    connector.class: clickhouse-sink
    topics.regex: cdc\.%[2]s\..*
    hostname: %[7]s
    port: %[8]d
    username: %[15]s
    password: %[16]s
    database: %[9]s
    table.name.format: ${table}
    auto.create: true
    auto.evolve: true
    linger.ms: 300
    batch.max.rows: 5000%[17]s
  %[2]s-postgres:
    connector.class: postgres-sink
    topics.regex: cdc\.%[2]s\.public\.(events|accounts|readings|people)
    connection.url: %[10]s
    table.name.format: ${table}
    insert.mode: upsert
    pk.mode: record_key
    delete.enabled: true
    auto.create: true
    auto.evolve: true
    linger.ms: 300
    batch.max.rows: 5000%[17]s
  %[2]s-postgres-audit:
    connector.class: postgres-sink
    topics: cdc.%[2]s.public.audit
    connection.url: %[10]s
    table.name.format: ${table}
    insert.mode: insert
    auto.create: true
    linger.ms: 300%[17]s
  %[2]s-s3:
    connector.class: s3-sink
    topics.regex: cdc\.%[2]s\..*
    s3.bucket.name: %[11]s
    s3.region: us-east-1
    store.url: %[12]s
    aws.access.key.id: %[13]s
    aws.secret.access.key: %[14]s
    format.output.fields: [key, value, partition, offset]
    behavior.on.null.values: write
    rotate.schedule.interval.ms: 500
    flush.size: 5000%[17]s
`, w.kafka.Brokers, w.prefix, w.source.Host, w.source.Port, w.sourceDB, converters,
		w.clickhouse.Host, w.clickhouse.Port, w.database, w.target.DSN(w.targetDB), w.bucket, w.s3.Endpoint, w.s3.AccessKey, w.s3.SecretKey,
		w.clickhouse.User, w.clickhouse.Password, member)
}

// await waits until every target equals the source. Rows of a table without a key can not be told
// apart: they are compared with the topic, which has each of them once, or more often after a
// crash of the source.
func (w *world) await() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	source, target := w.open(w.source.DSN(w.sourceDB)), w.open(w.target.DSN(w.targetDB))
	for _, t := range tables {
		want, err := t.Postgres(ctx, source, t.Name)
		if err != nil {
			w.t.Fatalf("read the source: %v", err)
		}
		if len(t.Key) == 0 {
			want = w.topic(ctx, t, want)
		}
		w.equal(ctx, "postgres "+t.Name, want, func() (compare.Rows, error) { return t.Postgres(ctx, target, t.Name) })
		from := fmt.Sprintf("`%s`.`%s`", w.database, t.Name)
		if len(t.Key) > 0 {
			from = "(SELECT * FROM " + from + " FINAL WHERE _is_deleted = 0)"
		}
		w.equal(ctx, "clickhouse "+t.Name, want, func() (compare.Rows, error) { return t.ClickHouse(ctx, w.clickhouse.Query, from) })
		w.equal(ctx, "s3 "+t.Name, want, func() (compare.Rows, error) { return t.Replay(w.lines(ctx, t)) })
	}
}

// topic waits until a table's topic has every row of the source, and returns what it has. The
// bucket's lines stand for the topic: offsetsOnce makes sure that they are the same.
func (w *world) topic(ctx context.Context, t *compare.Table, source compare.Rows) compare.Rows {
	w.t.Helper()
	var all compare.Rows
	w.poll(ctx, func() string {
		rows, err := t.Replay(w.lines(ctx, t))
		if err != nil {
			return err.Error()
		}
		missing := 0
		for row := range source {
			if rows[row] == "" {
				missing++
			}
		}
		if all = rows; missing > 0 || len(rows) != len(source) {
			return fmt.Sprintf("%s: of %d rows of the source %d are not in the topic, which has %d", t.Name, len(source), missing, len(rows))
		}
		return ""
	})
	return all
}

// lines are the lines of a table's topic in the bucket.
func (w *world) lines(ctx context.Context, t *compare.Table) []compare.Line {
	lines, err := compare.Lines(ctx, w.s3.Client(), w.bucket, w.topicPrefix(t.Name))
	if err != nil && ctx.Err() == nil {
		w.t.Fatalf("read the bucket: %v", err)
	}
	return lines
}

// offsetsOnce fails the test unless the bucket holds every offset of every topic exactly once.
func (w *world) offsetsOnce() {
	w.t.Helper()
	admin := connectortest.Admin(w.t, connectortest.Kafka(w.kafka.Brokers))
	for _, t := range tables {
		topic := fmt.Sprintf("cdc.%s.public.%s", w.prefix, t.Name)
		ends, err := admin.ListOffsets(w.t.Context(), true, topic)
		if err != nil {
			w.t.Fatal(err)
		}
		next := map[int32]int64{}
		for _, l := range w.lines(w.t.Context(), t) {
			if want := next[l.Partition]; l.Offset != want {
				w.t.Errorf("objects of topic %s-%d: after offset %d comes %d, want %d", topic, l.Partition, want-1, l.Offset, want)
				break
			}
			next[l.Partition]++
		}
		for p, o := range ends {
			if next[p.ID] != o.End {
				w.t.Errorf("objects of topic %s end at offset %d, want %d", p, next[p.ID], o.End)
			}
		}
	}
}

// topicPrefix is where the objects of a table's topic are.
func (w *world) topicPrefix(table string) string {
	return fmt.Sprintf("topics/cdc.%s.public.%s/", w.prefix, table)
}

func (w *world) open(dsn string) *pgx.Conn {
	w.t.Helper()
	conn, err := pgx.Connect(w.t.Context(), dsn)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// equal waits until the rows read are want.
func (w *world) equal(ctx context.Context, what string, want compare.Rows, read func() (compare.Rows, error)) {
	w.t.Helper()
	w.poll(ctx, func() string {
		got, err := read()
		switch {
		case err != nil:
			return what + ": " + err.Error()
		case !want.Equal(got):
			return what + " differs from the source: " + want.Diff(got)
		}
		return ""
	})
}

// poll asks until nothing is wrong any more, and fails the test with what was wrong last when ctx
// ends before that.
func (w *world) poll(ctx context.Context, wrong func() string) {
	w.t.Helper()
	every := time.NewTicker(300 * time.Millisecond)
	defer every.Stop()
	last := ""
	for {
		text := wrong()
		if text == "" {
			return
		}
		if last == "" || ctx.Err() == nil {
			last = text // what is wrong because ctx has ended says nothing
		}
		select {
		case <-ctx.Done():
			w.t.Error(last)
			if w.kafka != nil { // a world with sinks
				w.t.Log(w.positions())
			}
			return
		case <-every.C:
		}
	}
}
