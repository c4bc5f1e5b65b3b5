package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"connectd/internal/testenv"
	"connectd/kafka"
)

// moving is a database with a slot, two offsets topics on a real broker, and a file with the
// connector that takes over.
type moving struct {
	t            *testing.T
	dir          string
	theirs, ours string // topics
	db           *pgx.Conn
	slot         string
	lsn          uint64 // where the slot is
	kafka        kafka.Settings
}

func newMoving(t *testing.T) *moving {
	t.Helper()
	pg, name := testenv.Database(t)
	m := &moving{t: t, dir: t.TempDir(), theirs: name + "-theirs", ours: name + "-ours", slot: name}
	var err error
	if m.db, err = pgx.Connect(t.Context(), pg.DSN(name)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.db.Close(context.Background()) })
	for _, sql := range []string{"CREATE TABLE a (id int PRIMARY KEY)", "CREATE PUBLICATION dbz_publication FOR TABLE a"} {
		if _, err := m.db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	err = m.db.QueryRow(t.Context(), "SELECT (lsn - '0/0'::pg_lsn)::bigint FROM pg_create_logical_replication_slot($1, 'pgoutput')", name).Scan(&m.lsn)
	if err != nil {
		t.Fatal(err)
	}
	brokers := testenv.SharedKafka(t).Brokers
	m.kafka.Defaults()
	m.kafka.Brokers = []string{brokers}
	file := fmt.Sprintf(`worker: { bootstrap.servers: %q, offset.storage.topic: %s }
connectors:
  shop: { connector.class: postgres-source, topic.prefix: production, database.hostname: %s, database.port: %d, database.user: %s, database.password: %s, database.dbname: %s, database.sslmode: disable, slot.name: %[7]s, table.include.list: public.a }
`, brokers, m.ours, pg.Host, pg.Port, testenv.Replicator, testenv.ReplicatorPassword, name)
	if err := os.WriteFile(filepath.Join(m.dir, "connectors.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return m
}

// run is what connectd migrate prints, with its exit code.
func (m *moving) run(args ...string) string {
	m.t.Helper()
	return outcome(m.t, command(m.t, m.dir, append([]string{"migrate", "connectors.yaml", "shop"}, args...)...))
}

func (m *moving) wantSaid(said string, wants ...string) {
	m.t.Helper()
	for _, want := range wants {
		if !strings.Contains(said, want) {
			m.t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
}

// store is a topic as Kafka Connect keeps it: keys and their newest values.
func (m *moving) store(topic string) *kafka.Store {
	m.t.Helper()
	st, err := kafka.OpenStore(m.t.Context(), m.kafka, topic, slog.New(slog.DiscardHandler))
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(st.Close)
	return st
}

func (m *moving) wantOffset(topic, key, value string) {
	m.t.Helper()
	if got, _ := m.store(topic).Get(key); string(got) != value {
		m.t.Errorf("topic %s, key %s: got %q, want %q", topic, key, got, value)
	}
}

// TestMigrateByTopic takes over what Kafka Connect has left in its offsets topic, and gives it back.
func TestMigrateByTopic(t *testing.T) {
	m := newMoving(t)
	const theirKey, ourKey = `["debezium-shop",{"server":"production"}]`, `["shop",{"server":"production"}]`
	theirOffset := fmt.Sprintf(`{"lsn_proc":%[1]d,"messageType":"INSERT","lsn_commit":%[1]d,"lsn":%[1]d,"txId":7,"ts_usec":5}`, m.lsn)
	ourOffset := fmt.Sprintf(`{"lsn":%[1]d,"lsn_proc":%[1]d,"lsn_commit":%[1]d,"messageType":"INSERT","txId":7,"ts_usec":5}`, m.lsn)
	from := []string{"--offsets-topic", m.theirs, "--name", "debezium-shop"}

	m.wantSaid(m.run(from...), "exit 1", "position found   none", `there is no offset of partition {"server":"production"}`)
	for _, r := range [][2]string{{theirKey, `{"lsn":1}`}, {`["other",{"server":"production"}]`, `{"lsn":2}`}, {theirKey, theirOffset}} {
		if err := m.store(m.theirs).Put(t.Context(), r[0], []byte(r[1])); err != nil {
			t.Fatal(err)
		}
	}
	m.wantSaid(m.run(from...), "exit 0", "position found   "+theirOffset, "position to store "+ourOffset, "no new snapshot", "Nothing was changed")
	m.wantOffset(m.ours, ourKey, "")
	m.wantSaid(m.run(append(from, "--apply")...), "exit 0", "stored "+ourOffset, "Done.")
	m.wantOffset(m.ours, ourKey, ourOffset)

	theirNew := fmt.Sprintf(`{"lsn":%[1]d,"lsn_proc":%[1]d,"lsn_commit":%[1]d,"messageType":"COMMIT","txId":7,"ts_usec":5}`, m.lsn)
	m.wantSaid(m.run(append(from, "--back")...), "exit 0", "position to store "+theirNew, "it replaces the position that is there: "+theirOffset, "Nothing was changed")
	m.wantOffset(m.theirs, theirKey, theirOffset)
	m.wantSaid(m.run(append(from, "--back", "--apply")...), "exit 0", "stored "+theirNew)
	m.wantOffset(m.theirs, theirKey, theirNew)

	if _, err := m.db.Exec(t.Context(), "SELECT pg_drop_replication_slot($1)", m.slot); err != nil {
		t.Fatal(err)
	}
	m.wantSaid(m.run(append(from, "--apply")...), "exit 1", "does not exist any more", "a new snapshot is needed")
}

// TestMigrateByREST takes over from a Kafka Connect that runs, as far as its REST API goes: the
// answers are those of Kafka Connect 4.3.
func TestMigrateByREST(t *testing.T) {
	m := newMoving(t)
	c := &fakeConnect{shop: shop{state: "RUNNING", offset: fmt.Sprintf(`{"lsn_proc":%[1]d,"messageType":"INSERT","lsn_commit":%[1]d,"lsn":%[1]d,"txId":7,"ts_usec":5}`, m.lsn)}}
	server := httptest.NewServer(c)
	defer server.Close()

	m.wantSaid(m.run("--connect", server.URL, "--name", "nothing"), "exit 1", `there is no connector "nothing"`, "--name")
	m.wantSaid(m.run("--connect", server.URL), "exit 0", `stop connector "shop" of Kafka Connect at `+server.URL, "Nothing was changed")
	if state := c.now().state; state != "RUNNING" {
		t.Errorf("the dry run has left it %s", state)
	}
	m.wantSaid(m.run("--connect", server.URL, "--apply"), "exit 0", "stopped connector", "Done.")
	if state := c.now().state; state != "STOPPED" {
		t.Errorf("it is %s", state)
	}
	ourOffset := fmt.Sprintf(`{"lsn":%[1]d,"lsn_proc":%[1]d,"lsn_commit":%[1]d,"messageType":"INSERT","txId":8,"ts_usec":5}`, m.lsn)
	m.wantOffset(m.ours, `["shop",{"server":"production"}]`, ourOffset) // of after the stop

	m.wantSaid(m.run("--connect", server.URL, "--back", "--apply"), "exit 0", "PATCH …/offsets", "PUT …/resume")
	want := fmt.Sprintf(`{"offsets":[{"partition":{"server":"production"},"offset":{"lsn":%[1]d,"lsn_proc":%[1]d,"lsn_commit":%[1]d,"messageType":"COMMIT","txId":8,"ts_usec":5}}]}`, m.lsn)
	if got := c.now().patched; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// fakeConnect answers for one connector called shop, which sends one more transaction until it
// is stopped.
type fakeConnect struct {
	mu sync.Mutex
	shop
}

type shop struct{ state, offset, patched string }

// now is how shop is.
func (c *fakeConnect) now() shop {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shop
}

func (c *fakeConnect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "GET /connectors/shop/status":
		fmt.Fprintf(w, `{"name":"shop","connector":{"state":%q,"worker_id":"127.0.0.1:8083"},"tasks":[],"type":"source"}`, c.state)
	case "PUT /connectors/shop/stop":
		c.state, c.offset = "STOPPED", strings.Replace(c.offset, `"txId":7`, `"txId":8`, 1)
		w.WriteHeader(http.StatusNoContent)
	case "GET /connectors/shop/offsets":
		fmt.Fprintf(w, `{"offsets":[{"partition":{"server":"production"},"offset":%s}]}`, c.offset)
	case "PATCH /connectors/shop/offsets":
		body, _ := io.ReadAll(r.Body)
		c.patched = strings.TrimSpace(string(body))
		fmt.Fprint(w, `{"message":"The offsets for this connector have been altered successfully"}`)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error_code":404,"message":"Connector not found"}`)
	}
}
