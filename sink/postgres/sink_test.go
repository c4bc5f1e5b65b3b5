package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"connectd/config"
	"connectd/connect"
	"connectd/convert"
	"connectd/internal/testenv"
	"connectd/record"
)

const testTopic = "cdc.production.public.orders"

// target is a database and a sink that writes to it.
type target struct {
	testing.TB
	server *testenv.Postgres
	name   string
	sql    *pgx.Conn // of the test itself
	json   *convert.JSON
}

func newTarget(t testing.TB) *target {
	t.Helper()
	p, name := testenv.Database(t)
	// Nothing is prepared: tables change between statements.
	conn, err := pgx.Connect(t.Context(), p.DSN(name)+"&default_query_exec_mode=exec")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return &target{TB: t, server: p, name: name, sql: conn, json: newJSON(t)}
}

func newJSON(t testing.TB) *convert.JSON {
	t.Helper()
	c := &convert.JSONConfig{}
	c.Defaults()
	c.Schemas = false
	j, err := convert.NewJSON(c)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// settings are key: value lines, on top of the URL of the target.
func (g *target) config(settings string) *Config {
	g.Helper()
	c, problems := decode("connection.url: " + g.server.DSN(g.name) + "\n" + settings)
	if err := problems.Err(); err != nil {
		g.Fatal(err)
	}
	return c
}

func decode(settings string) (*Config, config.Problems) {
	section := &config.Section{Path: "connectors.test"}
	for i, line := range strings.Split(settings, "\n") {
		key, value, ok := strings.Cut(strings.TrimLeft(line, " \t"), ": ")
		if ok {
			section.Entries = append(section.Entries, config.Entry{Key: key, Raw: value, Value: value, Pos: config.Pos{File: "test.yaml", Line: i, Col: 1}})
		}
	}
	c := &Config{}
	return c, config.Decode(section, c)
}

func (g *target) sink(settings string) *Sink {
	g.Helper()
	s, err := New(g.config(settings), connect.Env{Connector: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		g.Fatal(err)
	}
	g.Cleanup(func() { s.Close() })
	return s.(*Sink)
}

// part is a partition of a sink under test, with its place in the topic.
type part struct {
	*target
	w    connect.Writer
	sink *Sink
	id   record.Partition
	next int64 // offset of the next record
	from int64 // start of the next flush
}

// open opens partition 0 of testTopic and starts it, as the runtime does.
func (g *target) open(s *Sink) *part {
	g.Helper()
	p := &part{target: g, sink: s, id: record.Partition{Topic: testTopic}}
	p.reopen()
	return p
}

func (p *part) reopen() {
	p.Helper()
	var err error
	if p.w, err = p.sink.Open(p.Context(), p.id); err != nil {
		p.Fatal(err)
	}
	p.next = p.from
	if s, ok := p.w.(connect.Starter); ok {
		next, known, err := s.Start(p.Context())
		if err != nil {
			p.Fatal(err)
		}
		if known {
			p.next, p.from = next, next
		}
	}
}

// batch decodes records: each is a key and a value in JSON; "" is null.
func (p *part) batch(records ...[2]string) *record.Batch {
	p.Helper()
	b := &record.Batch{}
	for _, kv := range records {
		key, value := p.decode(b, kv[0]), p.decode(b, kv[1])
		r := b.Add()
		r.Topic, r.Partition, r.Offset, r.Key, r.Value = p.id.Topic, p.id.ID, p.next, key, value
		p.next++
	}
	return b
}

func (p *part) decode(b *record.Batch, text string) record.Datum {
	p.Helper()
	if text == "" {
		return record.Datum{}
	}
	d, err := p.json.Decode(b, p.id.Topic, []byte(text), nil)
	if err != nil {
		p.Fatal(err)
	}
	return d
}

// write writes records and returns those that were failed.
func (p *part) write(records ...[2]string) []record.Failure {
	p.Helper()
	b := p.batch(records...)
	if err := p.w.Write(p.Context(), b); err != nil {
		p.Fatal(err)
	}
	return b.Failed()
}

// put writes records, all of which must be taken, and flushes them.
func (p *part) put(records ...[2]string) {
	p.Helper()
	if failed := p.write(records...); len(failed) > 0 {
		p.Fatalf("record %d: %v", failed[0].Index, failed[0].Err)
	}
	p.flush()
}

func (p *part) flush() {
	p.Helper()
	if err := p.tryFlush(); err != nil {
		p.Fatal(err)
	}
}

func (p *part) tryFlush() error {
	err := p.w.Flush(p.Context(), record.Range{Partition: p.id, Start: p.from, End: p.next})
	if err == nil {
		p.from = p.next
	}
	return err
}

func (g *target) exec(statements ...string) {
	g.Helper()
	for _, s := range statements {
		if _, err := g.sql.Exec(g.Context(), s); err != nil {
			g.Fatalf("%s: %v", s, err)
		}
	}
}

// rows is the result of a query, a line a row.
func (g *target) rows(query string) string {
	g.Helper()
	var out []string
	rows, err := g.sql.Query(g.Context(), "SELECT to_jsonb(q)::text FROM ("+query+") q")
	if err != nil {
		g.Fatalf("%s: %v", query, err)
	}
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			g.Fatal(err)
		}
		out = append(out, s)
	}
	if rows.Err() != nil {
		g.Fatalf("%s: %v", query, rows.Err())
	}
	return strings.Join(out, "\n")
}

func (g *target) want(query, want string) {
	g.Helper()
	if got := g.rows(query); got != want {
		g.Errorf("%s:\n got %s\nwant %s", query, got, want)
	}
}

func key(id int) string { return fmt.Sprintf(`{"id":%d}`, id) }

// row is an order by its id and name.
func order(id int, name string) [2]string {
	n, _ := json.Marshal(name)
	return [2]string{key(id), fmt.Sprintf(`{"id":%d,"name":%s}`, id, n)}
}

func tombstone(id int) [2]string { return [2]string{key(id), ""} }

const upsert = `
insert.mode: upsert
pk.mode: record_key
delete.enabled: true
table.name.format: ${table}
`

const appendOnly = `
table.name.format: ${table}
metadata.columns: true
`

func TestAppendHasEachOffsetOnce(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int, name text, _topic text, _partition int, _offset bigint)")
	p := g.open(g.sink(appendOnly))
	p.put(order(1, "a"), order(1, "b"), order(2, "tab\tback\\slash\nline\r“quoted”"))
	p.put(order(3, ""))
	g.want("SELECT id, name, _offset FROM orders ORDER BY _offset", strings.Join([]string{
		`{"id": 1, "name": "a", "_offset": 0}`, `{"id": 1, "name": "b", "_offset": 1}`,
		`{"id": 2, "name": "tab\tback\\slash\nline\r“quoted”", "_offset": 2}`, `{"id": 3, "name": "", "_offset": 3}`}, "\n"))
	g.want("SELECT DISTINCT _topic, _partition FROM orders", `{"_topic": "cdc.production.public.orders", "_partition": 0}`)
	g.want("SELECT connector, topic, partition, next_offset, epoch FROM _connectd_offsets",
		`{"epoch": 1, "topic": "cdc.production.public.orders", "connector": "test", "partition": 0, "next_offset": 4}`)
}

func TestSameRangeTwiceIsOnce(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int, name text, _topic text, _partition int, _offset bigint)")
	p := g.open(g.sink(appendOnly))
	r := record.Range{Partition: p.id, Start: 0, End: 2}
	for range 2 {
		p.next = 0
		p.write(order(1, "a"), order(2, "b"))
		if err := p.w.Flush(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	g.want("SELECT count(*) FROM orders", `{"count": 2}`)
	p.reopen()
	if p.next != 2 {
		t.Errorf("start after a restart: got offset %d, want 2", p.next)
	}
}

func TestLastChangeOfAKeyCounts(t *testing.T) {
	tests := []struct {
		name    string
		records [][2]string
		want    string
	}{
		{"insert delete insert", [][2]string{order(1, "a"), tombstone(1), order(1, "b")}, `{"id": 1, "name": "b"}`},
		{"delete insert", [][2]string{tombstone(9), order(9, "new")}, `{"id": 9, "name": "new"}`},
		{"insert delete", [][2]string{order(1, "a"), tombstone(1)}, ""},
		{"updates", [][2]string{order(1, "a"), order(1, "b"), order(2, "x"), order(1, "c")}, "{\"id\": 1, \"name\": \"c\"}\n{\"id\": 2, \"name\": \"x\"}"},
		{"delete twice", [][2]string{tombstone(1), tombstone(1)}, ""},
		{"keys swap", [][2]string{order(1, "a"), order(2, "b"), tombstone(1), tombstone(2), order(1, "b"), order(2, "a")}, "{\"id\": 1, \"name\": \"b\"}\n{\"id\": 2, \"name\": \"a\"}"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := newTarget(t)
			g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text)", "INSERT INTO orders VALUES (9, 'old')")
			p := g.open(g.sink(upsert))
			p.put(test.records...)
			got := g.rows("SELECT * FROM orders WHERE name <> 'old' ORDER BY id")
			if got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
			p.put(test.records...) // and again over what is there
			if got := g.rows("SELECT * FROM orders WHERE name <> 'old' ORDER BY id"); got != test.want {
				t.Errorf("second time: got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestModes(t *testing.T) {
	tests := []struct{ mode, want string }{
		{"upsert", "{\"id\": 1, \"name\": \"third\"}\n{\"id\": 2, \"name\": \"new\"}"},
		{"update", "{\"id\": 1, \"name\": \"third\"}"},
		{"ignore", "{\"id\": 1, \"name\": \"stored\"}\n{\"id\": 2, \"name\": \"new\"}"},
	}
	for _, test := range tests {
		t.Run(test.mode, func(t *testing.T) {
			g := newTarget(t)
			g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text)", "INSERT INTO orders VALUES (1, 'stored')")
			p := g.open(g.sink("table.name.format: ${table}\npk.mode: record_value\npk.fields: id\ninsert.mode: " + test.mode))
			p.put(order(1, "second"), order(1, "third"), order(2, "new"))
			g.want("SELECT * FROM orders ORDER BY id", test.want)
		})
	}
}

func TestKafkaKeyMakesInsertsIdempotent(t *testing.T) {
	g := newTarget(t)
	s := g.sink("table.name.format: ${table}\ninsert.mode: ignore\npk.mode: kafka\nauto.create: true\noffsets.storage: kafka")
	p := g.open(s)
	if _, ok := p.w.(connect.Starter); ok {
		t.Error("with offsets.storage kafka the writer must not be a Starter")
	}
	for range 2 {
		p.next, p.from = 0, 0
		p.put(order(1, "a"), order(1, "b"))
	}
	g.want(`SELECT "__connect_offset" AS o, name FROM orders ORDER BY 1`, "{\"o\": 0, \"name\": \"a\"}\n{\"o\": 1, \"name\": \"b\"}")
}

func TestRewrittenDelete(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text)")
	p := g.open(g.sink(upsert))
	p.put([2]string{key(1), `{"id":1,"name":"a","__deleted":"false"}`}, [2]string{key(2), `{"id":2,"name":"b","__deleted":"false"}`})
	p.put([2]string{key(1), `{"id":1,"name":"","__deleted":"true"}`}, tombstone(1))
	g.want("SELECT * FROM orders", `{"id": 2, "name": "b"}`)
}

func TestTombstonesAreLeftOutWithoutDeletes(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int, name text)")
	p := g.open(g.sink("table.name.format: ${table}"))
	p.put(order(1, "a"), tombstone(1))
	g.want("SELECT * FROM orders", `{"id": 1, "name": "a"}`)
}

func TestAbsentAndUnchangedFieldsStay(t *testing.T) {
	t.Run("text", func(t *testing.T) { testAbsentFields(t, "tags text[]") })
	t.Run("binary", func(t *testing.T) { testAbsentFields(t, "tags jsonb") })
}

func testAbsentFields(t *testing.T, tags string) {
	const stored = `{"id":1,"name":"a","doc":"large","bin":"AQI=","tags":["x"]}`
	g := newTarget(t)
	// doc must have a value: a row without it can not be proposed to ON CONFLICT.
	g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text, doc text NOT NULL, bin bytea, " + tags + ")")
	p := g.open(g.sink(upsert))
	p.put([2]string{key(1), stored})
	p.put([2]string{key(1), `{"id":1,"name":"b","doc":"__debezium_unavailable_value","bin":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==","tags":["__debezium_unavailable_value"]}`})
	g.want("SELECT name, doc, bin, tags FROM orders", `{"bin": "\\x0102", "doc": "large", "name": "b", "tags": ["x"]}`)
	p.put([2]string{key(1), `{"id":1,"bin":null}`})
	g.want("SELECT name, doc, bin FROM orders", `{"bin": null, "doc": "large", "name": "b"}`)
	// In one flush: what the later record does not have comes from the earlier one.
	p.put([2]string{key(2), `{"id":2,"name":"n","doc":"d"}`}, [2]string{key(2), `{"id":2,"tags":["y","z"]}`}, [2]string{key(2), `{"id":2,"name":"m"}`})
	g.want("SELECT name, doc, tags FROM orders WHERE id = 2", `{"doc": "d", "name": "m", "tags": ["y", "z"]}`)
}

// TestOnlyKeyColumns: such a table stages its deletes and its rows in the same columns.
func TestOnlyKeyColumns(t *testing.T) {
	for _, mode := range []string{"upsert", "ignore"} {
		g := newTarget(t)
		g.exec("CREATE TABLE orders (id int PRIMARY KEY)", "INSERT INTO orders VALUES (1), (2)")
		p := g.open(g.sink(upsert + "insert.mode: " + mode))
		p.put(tombstone(1), [2]string{key(3), `{"id":3}`}, tombstone(4))
		g.want("SELECT array_agg(id ORDER BY id) AS ids FROM orders", `{"ids": [2, 3]}`)
	}
}

func TestMissingFieldsAsNull(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text, note text)", "INSERT INTO orders VALUES (1, 'a', 'b')")
	p := g.open(g.sink(upsert + "upsert.missing.fields: null"))
	p.put([2]string{key(1), `{"id":1,"name":"c"}`})
	g.want("SELECT * FROM orders", `{"id": 1, "name": "c", "note": null}`)
}

func TestSmallStatements(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text)")
	p := g.open(g.sink(upsert + "batch.size: 2"))
	p.put(order(1, "a"), order(2, "b"), order(3, "c"), order(4, "d"), order(5, "e"))
	p.put(tombstone(1), tombstone(2), tombstone(3), order(5, "f"))
	g.want("SELECT * FROM orders ORDER BY id", "{\"id\": 4, \"name\": \"d\"}\n{\"id\": 5, \"name\": \"f\"}")
}

// TestKeysThatAreEqualButNotTheSame: the two texts are one moment, so one statement meets its key
// twice.
func TestKeysThatAreEqualButNotTheSame(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (at timestamptz PRIMARY KEY, name text)")
	p := g.open(g.sink(upsert))
	p.put([2]string{`{"at":"2026-11-21T01:02:03Z"}`, `{"name":"a"}`}, [2]string{`{"at":"2026-11-21T03:02:03.000+02:00"}`, `{"name":"b"}`})
	g.want("SELECT name FROM orders", `{"name": "b"}`)
}

func TestNumericKeysOfAnotherScale(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id numeric PRIMARY KEY, name text)")
	p := g.open(g.sink(upsert))
	p.put([2]string{`{"id":1.50}`, `{"name":"a"}`}, [2]string{`{"id":1.5}`, ""}, [2]string{`{"id":2.0}`, `{"name":"b"}`}, [2]string{`{"id":2}`, `{"name":"c"}`})
	g.want("SELECT * FROM orders", `{"id": 2, "name": "c"}`)
}
