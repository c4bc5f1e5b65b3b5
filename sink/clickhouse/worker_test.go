package clickhouse

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"connectd/connect"
	"connectd/connect/connector"
	"connectd/connect/connector/connectortest"
	"connectd/connect/worker"
	"connectd/internal/testenv"
	"connectd/kafka"
	"connectd/record"
)

// flow is a topic of one partition and the settings of a connector from it to a target.
type flow struct {
	*target
	kafka    kafka.Settings
	topic    string
	settings map[string]string
	produced int
}

func newFlow(t *testing.T, more ...string) *flow {
	t.Helper()
	f := &flow{target: newTarget(t), topic: testenv.Topic(t, 1), kafka: connectortest.Kafka(testenv.SharedKafka(t).Brokers)}
	f.settings = map[string]string{
		"name": "to-" + f.topic, "connector.class": "clickhouse-sink", "topics": f.topic, "topic2TableMap": f.topic + "=orders",
		"hostname": f.server.Host, "port": strconv.Itoa(f.server.Port), "username": f.server.User, "password": f.server.Password, "database": f.db,
		"key.converter": "json", "key.converter.schemas.enable": "false", "value.converter": "json", "value.converter.schemas.enable": "false",
	}
	for i := 0; i < len(more); i += 2 {
		f.settings[more[i]] = more[i+1]
	}
	return f
}

// start runs the connector until stop.
func (f *flow) start() (w *worker.Worker, stop func()) {
	f.t.Helper()
	var s connector.WorkerSettings
	s.Defaults()
	w = worker.New(&s, f.kafka, f.log())
	w.Add(connectortest.Load(f.t, connect.Plugins{
		Sinks:      []connect.Plugin{connect.SinkPlugin("clickhouse-sink", New)},
		Converters: connectortest.Converters,
	}, f.settings["name"], f.settings))
	return w, connectortest.Run(f.t, w)
}

// produce adds n orders to the topic.
func (f *flow) produce(n int) {
	f.t.Helper()
	var values []string
	for range n {
		values = append(values, fmt.Sprintf(`{"id":%d,"name":"n"}`, f.produced))
		f.produced++
	}
	f.send(values...)
}

// send adds records to the topic.
func (f *flow) send(values ...string) {
	f.t.Helper()
	var msgs []kafka.Message
	for _, v := range values {
		msgs = append(msgs, kafka.Message{Topic: f.topic, Partition: 0, Timestamp: time.Now().UnixMilli(), Value: []byte(v)})
	}
	connectortest.Produce(f.t, f.kafka, msgs...)
}

// until waits until what holds.
func (f *flow) until(what string, holds func() bool) {
	f.t.Helper()
	deadline := time.After(time.Minute) // a machine may be busy with other tests
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			f.t.Fatalf("waited in vain until %s", what)
		}
	}
}

func (f *flow) all() bool {
	return f.query("SELECT count(), sum(id) FROM $db.orders") == fmt.Sprintf("%d\t%d", f.produced, f.produced*(f.produced-1)/2)
}

// inserts is how many inserts into the table there were: it is not partitioned.
func (f *flow) inserts() int {
	n, err := strconv.Atoi(f.query("SELECT max(max_block_number) FROM system.parts WHERE database = '" + f.db + "' AND table = 'orders'"))
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

// TestManyPollsOneInsert has records that come in drops.
func TestManyPollsOneInsert(t *testing.T) {
	f := newFlow(t, "linger.ms", "3000", "batch.max.rows", "10000")
	f.query("CREATE TABLE $db.orders (id Int64, name String) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 100")
	for range 10 {
		f.produce(50)
	}
	_, stop := f.start()
	defer stop()
	f.until("all rows are there", f.all)
	if n := f.inserts(); n != 1 {
		t.Errorf("got %d inserts, want 1", n)
	}
}

// TestTooManyPartsUnderWay has the table take no more parts for a while: nothing is lost, nothing
// becomes a dead letter, and what has gathered goes in few inserts.
func TestTooManyPartsUnderWay(t *testing.T) {
	f := newFlow(t, "linger.ms", "20", "retryCount", "0", "errors.tolerance", "all", "errors.retry.delay.max.ms", "200", "restart.backoff.ms", "50", "restart.backoff.max.ms", "200")
	f.deadLetters()
	f.query("CREATE TABLE $db.orders (id Int64, name String) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 100, " +
		"parts_to_throw_insert = 2, parts_to_delay_insert = 1, max_delay_to_insert = 1, min_delay_to_insert_ms = 1, max_avg_part_size_for_too_many_parts = 1000000000")
	f.query("SYSTEM STOP MERGES $db.orders")
	w, stop := f.start()
	defer stop()
	for n := range 2 {
		f.produce(10)
		f.until(fmt.Sprintf("insert %d is done", n), f.all)
	}
	before := f.inserts()
	f.produce(10)
	f.until("the status tells of the refusal", func() bool {
		return strings.Contains(fmt.Sprint(w.Status()), "code 252")
	})
	const bursts = 50
	for range bursts {
		f.produce(10)
	}
	f.query("SYSTEM START MERGES $db.orders")
	f.query("OPTIMIZE TABLE $db.orders FINAL")
	f.query("ALTER TABLE $db.orders MODIFY SETTING parts_to_throw_insert = 300, parts_to_delay_insert = 200")
	f.until("all rows are there", f.all)
	if n := f.inserts() - before; n > bursts/2 {
		t.Errorf("what had gathered took %d inserts and merges, want fewer than half of its %d bursts", n, bursts)
	}
	if n := f.letters(); n > 0 {
		t.Errorf("there are %d dead letters, want none", n)
	}
}

// TestUnavailableToDeadLetters looks up what an update lacks, and has one update of a row that the
// table does not have: it alone is a dead letter.
func TestUnavailableToDeadLetters(t *testing.T) {
	f := newFlow(t, "linger.ms", "20", "unavailable.value.handling", "lookup", "errors.tolerance", "all")
	f.deadLetters()
	f.query("CREATE TABLE $db.orders (id Int64, name String, doc String, _version UInt64, _is_deleted UInt8) ENGINE = ReplacingMergeTree(_version, _is_deleted) ORDER BY id")
	row := func(id int, name, doc string) string {
		return fmt.Sprintf(`{"id":%d,"name":%q,"doc":%q}`, id, name, doc)
	}
	f.send(row(1, "a", "large"), row(2, "b", unavailable), row(1, "c", unavailable), row(3, "d", "large too"), row(3, "e", unavailable))
	_, stop := f.start()
	defer stop()
	want := "1\tc\tlarge\n3\te\tlarge too"
	f.until("the values are there", func() bool { return f.query("SELECT id, name, doc FROM $db.orders FINAL ORDER BY id") == want })
	if n := f.letters(); n != 1 {
		t.Errorf("there are %d dead letters, want 1", n)
	}
}

// deadLetters gives the connector a topic for them, and letters is how many there are.
func (f *flow) deadLetters() {
	f.settings["errors.deadletterqueue.topic.name"] = f.topic + "-dead"
	f.settings["errors.deadletterqueue.topic.replication.factor"] = "1"
}

func (f *flow) letters() (n int64) {
	f.t.Helper()
	admin, err := kafka.NewAdmin(f.kafka)
	if err != nil {
		f.t.Fatal(err)
	}
	defer admin.Close()
	offsets, err := admin.ListOffsets(f.t.Context(), false, f.topic+"-dead")
	if err != nil {
		f.t.Fatal(err)
	}
	for _, o := range offsets {
		n += o.End - o.Start
	}
	return n
}

// TestRewind has an operator delete the rows and set the group back to the start: the rows come
// again, although the table remembers that it had them.
func TestRewind(t *testing.T) {
	f := newFlow(t, "linger.ms", "20")
	f.query("CREATE TABLE $db.orders (id Int64, name String) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 100")
	f.produce(100)
	_, stop := f.start()
	f.until("all rows are there", f.all)
	stop()
	f.query("ALTER TABLE $db.orders DELETE WHERE id >= 50 SETTINGS mutations_sync = 2")
	f.query("ALTER TABLE $db.orders DELETE WHERE id < 50 SETTINGS mutations_sync = 2")
	admin := connectortest.Admin(t, f.kafka)
	group := "connect-" + f.settings["name"]
	f.until("the group is empty", func() bool {
		return admin.SetGroupOffsets(t.Context(), group, []kafka.Commit{{Partition: record.Partition{Topic: f.topic}, Offset: 0}}) == nil
	})
	_, stop = f.start()
	defer stop()
	f.until("all rows are there again", f.all)
}
