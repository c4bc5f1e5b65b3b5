package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"connectd/connect/connector/connectortest"
	"connectd/internal/testenv"
	"connectd/kafka"
	"connectd/record"
)

// letters is a topic with a postgres-sink that leaves some of its records out, as connectd run does
// it, and the table it writes to.
type letters struct {
	t           *testing.T
	dir, prefix string
	db          *pgx.Conn
	kafka       kafka.Settings
}

func newLetters(t *testing.T) *letters {
	t.Helper()
	pg, name := testenv.Database(t)
	x := &letters{t: t, dir: t.TempDir(), prefix: name}
	var err error
	if x.db, err = pgx.Connect(t.Context(), pg.DSN(name)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.db.Close(context.Background()) })
	x.exec("CREATE TABLE orders (id bigint PRIMARY KEY, amount numeric(4), CONSTRAINT positive CHECK (amount > 0))")
	x.kafka = connectortest.Kafka(testenv.SharedKafka(t).Brokers)
	file := fmt.Sprintf(`worker: { bootstrap.servers: %q, listeners: "http://127.0.0.1:0" }
connectors:
  %[2]s:
    connector.class: postgres-sink
    topics: %[2]s
    connection.url: %[3]s
    table.name.format: orders
    insert.mode: upsert
    pk.mode: record_value
    pk.fields: id
    key.converter: org.apache.kafka.connect.converters.ByteArrayConverter
    value.converter.schemas.enable: false
    linger.ms: 50
    errors.tolerance: all
    errors.deadletterqueue.topic.name: %[2]s-dead
    errors.deadletterqueue.topic.replication.factor: 1
`, x.kafka.Brokers[0], name, pg.DSN(name))
	if err := os.WriteFile(filepath.Join(x.dir, "connectors.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return x
}

func (x *letters) exec(sql string) {
	x.t.Helper()
	if _, err := x.db.Exec(x.t.Context(), sql); err != nil {
		x.t.Fatal(err)
	}
}

// produce writes values into partition 1 of the topic.
func (x *letters) produce(values ...string) {
	x.t.Helper()
	connectortest.Topic(x.t, x.kafka, x.prefix, 2)
	var all []kafka.Message
	for _, v := range values {
		all = append(all, kafka.Message{Topic: x.prefix, Partition: 1, Timestamp: record.NoTimestamp, Key: []byte("\x00key"), Value: []byte(v),
			Headers: []kafka.Header{{Name: "trace", Value: []byte("abc")}}})
	}
	connectortest.Produce(x.t, x.kafka, all...)
}

// running runs the connector until the function that it returns is called.
func (x *letters) running() (stop func()) {
	x.t.Helper()
	cmd := command(x.t, x.dir, "run", "connectors.yaml")
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		x.t.Fatal(err)
	}
	return func() {
		x.t.Helper()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			x.t.Errorf("connectd run: %v\n%s", err, log.String())
		}
	}
}

// dlq is what connectd dlq prints, with its exit code.
func (x *letters) dlq(args ...string) string {
	x.t.Helper()
	return outcome(x.t, command(x.t, x.dir, append([]string{"dlq"}, args...)...))
}

// awaitLetters waits until there are n letters, and is what list says then.
func (x *letters) awaitLetters(n int) string {
	x.t.Helper()
	said := ""
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		said = x.dlq("list", "connectors.yaml", "--each")
		if strings.Count(said, x.prefix+"-dead-") == n {
			return x.dlq("list", "connectors.yaml")
		}
	}
	x.t.Fatalf("there are not %d letters:\n%s", n, said)
	return ""
}

func (x *letters) wantSaid(said string, wants ...string) {
	x.t.Helper()
	for _, want := range wants {
		if !regexp.MustCompile(want).MatchString(said) {
			x.t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
}

// TestDeadLetters leaves records out for two causes, mends both one after the other, and sends each
// record through the sink again, once.
func TestDeadLetters(t *testing.T) {
	x := newLetters(t)
	x.wantSaid(x.dlq("list", "connectors.yaml"), "^exit 0\nstdout:\nno dead letters\n$")
	x.produce(`{"id":1,"amount":1}`, `{"id":2,"amount":20000}`, `{"id":3,"amount":-3}`, `{"id":4,"amount":40000}`, `{"id":5,"amount":5}`)
	stop := x.running()
	said := x.awaitLetters(3)
	x.wantSaid(said, x.prefix+` +TASK_PUT +2 +0 .*amount`, x.prefix+` +TASK_PUT +1 +0 .*constraint "positive"`)

	list := x.dlq("list", "connectors.yaml", "--each", "--topic", x.prefix, "--partition", "1", "--offsets", "2")
	place := regexp.MustCompile(x.prefix + `-dead-\d+@\d+`).FindString(list)
	if strings.Count(list, "-dead-") != 1 || place == "" {
		t.Fatalf("want the one letter of offset 2:\n%s", list)
	}
	x.wantSaid(x.dlq("show", "connectors.yaml", place), "record     "+x.prefix+"-1@2\n", "stage      TASK_PUT\n", `cause      .*"positive" \(SQLSTATE 23514\)`,
		"replayed   no\n", "key        4 octets\n +00000000  00 6b 65 79", `value      \{"id":3,"amount":-3\}`, "header     trace: abc\n")
	x.wantSaid(x.dlq("show", "connectors.yaml", x.prefix+"-dead-0@999"), "exit 1", "there is no letter")

	replay := func(args ...string) string {
		return x.dlq(append([]string{"replay", "connectors.yaml", x.prefix}, args...)...)
	}
	x.wantSaid(replay("--dry-run"), "exit 0", place+" goes to "+x.prefix+"-1 again, from "+x.prefix+"-1@2\n", "3 would be sent, 0 sent before")
	x.exec("ALTER TABLE orders ALTER amount TYPE numeric(8)") // under the running sink
	x.wantSaid(replay("--offsets", "1-3", "--cause", "SQLSTATE 22003|digits|range"), "exit 0", "2 sent, 0 sent before")
	x.awaitRows(4)
	x.wantSaid(replay("--cause", "SQLSTATE 22003|digits|range"), "0 sent, 2 sent before")
	x.wantSaid(x.dlq("list", "connectors.yaml"), x.prefix+` +TASK_PUT +2 +2 .*amount`, x.prefix+` +TASK_PUT +1 +0 .*"positive"`)
	x.exec("ALTER TABLE orders DROP CONSTRAINT positive")
	x.wantSaid(replay(), "1 sent, 2 sent before")
	x.awaitRows(5)
	x.wantSaid(replay(), "0 sent, 3 sent before")
	stop()
	x.wantSaid(x.awaitLetters(3), x.prefix+` +TASK_PUT +2 +2 `, x.prefix+` +TASK_PUT +1 +1 `)

	// The records came back as they were.
	admin := connectortest.Admin(t, x.kafka)
	p := record.Partition{Topic: x.prefix, ID: 1}
	logs, err := admin.ListOffsets(t.Context(), true, x.prefix)
	if err != nil {
		t.Fatal(err)
	}
	err = admin.Read(t.Context(), p, 5, logs[p].End, func(m *kafka.Message) error {
		if string(m.Key) != "\x00key" || len(m.Headers) != 1 || m.Headers[0].Name != "trace" {
			t.Errorf("offset %d came back with key %q and headers %v", m.Offset, m.Key, m.Headers)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestLetterOfARangeThatIsRefusedTogether: each of two rows passes without the other.
func TestLetterOfARangeThatIsRefusedTogether(t *testing.T) {
	x := newLetters(t)
	x.exec("ALTER TABLE orders ADD CONSTRAINT apart EXCLUDE USING btree (amount WITH =) DEFERRABLE INITIALLY DEFERRED")
	x.produce(`{"id":1,"amount":1}`, `{"id":2,"amount":2}`, `{"id":3,"amount":1}`, `{"id":4,"amount":4}`)
	stop := x.running()
	x.wantSaid(x.awaitLetters(1), x.prefix+` +TASK_PUT +1 +0 .*constraint "apart"`)
	x.awaitRows(3)
	stop()
}

func (x *letters) awaitRows(n int) {
	x.t.Helper()
	got := -1
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if err := x.db.QueryRow(x.t.Context(), "SELECT count(*) FROM orders").Scan(&got); err != nil {
			x.t.Fatal(err)
		}
		if got == n {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-x.t.Context().Done():
		}
	}
	x.t.Fatalf("%d rows, want %d", got, n)
}
