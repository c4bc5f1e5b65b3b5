package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"connectd/config"
	"connectd/connect"
	"connectd/convert"
	"connectd/internal/testenv"
	"connectd/record"
)

// patience is how long a test waits for something that should come at once.
const patience = time.Minute

// database is a database for one test: name, an administrator's connection, and the settings of a
// connector that reads it with the least rights.
type database struct {
	server   *testenv.Postgres
	name     string
	settings map[string]string
}

// newDatabase creates a database on the shared server and runs the statements in it.
func newDatabase(t testing.TB, statements ...string) *database {
	p, name := testenv.Database(t)
	return databaseOn(t, p, name, statements...)
}

func databaseOn(t testing.TB, p *testenv.Postgres, name string, statements ...string) *database {
	t.Helper()
	d := &database{server: p, name: name, settings: map[string]string{
		"database.hostname": p.Host, "database.port": strconv.Itoa(p.Port), "database.dbname": name,
		"database.user": testenv.Replicator, "database.password": testenv.ReplicatorPassword,
		"topic.prefix": "production", "slot.name": name, "database.sslmode": "disable",
		"skipped.operations":   "none",
		"snapshot.max.threads": "1", // tables in order
	}}
	d.exec(t, statements...)
	return d
}

// exec runs statements as administrator, each in a transaction of its own.
func (d *database) exec(t testing.TB, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.server.DSN(d.name))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%.200s: %v", s, err)
		}
	}
}

// query is the one value that sql returns, as text.
func (d *database) query(t testing.TB, sql string) (value string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.server.DSN(d.name))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), "SELECT ("+sql+")::text").Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

// released waits until nobody reads the slot any more: the walsender of a connection that was closed
// goes away a moment later.
func (d *database) released(t testing.TB) {
	t.Helper()
	for limit := time.Now().Add(patience); d.query(t, "SELECT active FROM pg_replication_slots WHERE slot_name = '"+d.name+"'") != "false"; {
		if time.Now().After(limit) {
			t.Fatalf("slot %q is still in use after %s", d.name, patience)
		}
	}
}

// publish creates the default publication for the tables, as an administrator would.
func (d *database) publish(t testing.TB, tables string) *database {
	t.Helper()
	d.exec(t, "CREATE PUBLICATION dbz_publication FOR TABLE "+tables)
	return d
}

// config decodes the settings with the changes, such as "snapshot.mode", "no_data".
func (d *database) config(t testing.TB, changes ...string) *Config {
	t.Helper()
	return decode(t, d.with(changes...))
}

func (d *database) with(changes ...string) map[string]string {
	all := maps.Clone(d.settings)
	for pair := range slices.Chunk(changes, 2) {
		all[pair[0]] = pair[1]
	}
	return all
}

func decode(t testing.TB, settings map[string]string) *Config {
	t.Helper()
	c := new(Config)
	if err := config.Decode(section(settings), c).Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

func section(settings map[string]string) *config.Section {
	s := &config.Section{Path: "connectors.test"}
	for _, k := range slices.Sorted(maps.Keys(settings)) {
		s.Entries = append(s.Entries, config.Entry{Key: k, Raw: settings[k], Value: settings[k]})
	}
	return s
}

// readTopic reads the signal topic, in the test of that.
var readTopic connect.ReadTopic

func newSource(t testing.TB, c *Config) *Source {
	t.Helper()
	s, err := New(c, connect.Env{Connector: "test", Log: slog.New(slog.NewTextHandler(t.Output(), nil)), ReadTopic: readTopic})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*Source)
}

// sentRecord is a record that a source sent, as the JSON converter writes it.
type sentRecord struct {
	topic, key, value string // "" is null
	headers           []string
}

// reading is a source that runs. What it sends is durable as soon as the test has received it.
type reading struct {
	t       testing.TB
	source  *Source
	intake  *connect.Intake
	cancel  context.CancelFunc
	done    chan error
	json    *convert.JSON
	records []sentRecord
	offset  []byte // of the last batch received
	err     error
	ended   bool

	backlogReads *backlogReads // of startBehind
}

const partitionKey = `{"server":"production"}`

// start runs the source from offset, which may be nil.
func start(t testing.TB, c *Config, offset []byte) *reading { return startWith(t, c, offset, false) }

// startWith writes the schemas with the records when schemas is true.
func startWith(t testing.TB, c *Config, offset []byte, schemas bool) *reading {
	t.Helper()
	return startSource(t, newSource(t, c), offset, schemas)
}

func startSource(t testing.TB, s *Source, offset []byte, schemas bool) *reading {
	t.Helper()
	offsets := map[string][]byte{}
	if offset != nil {
		offsets[partitionKey] = offset
	}
	settings := new(convert.JSONConfig)
	settings.Defaults()
	settings.Schemas = schemas
	json, err := convert.NewJSON(settings)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &reading{t: t, source: s, intake: connect.NewIntake("test", 4, offsets, s.log), cancel: cancel, done: make(chan error, 1), json: json, offset: offset}
	go func() { r.done <- s.Run(ctx, r.intake.Task()) }() // ends with cancel; waited for in stop
	t.Cleanup(func() { r.stop() })
	return r
}

// receive takes one batch and makes it durable; false when the source has ended.
func (r *reading) receive(wait time.Duration) bool {
	r.t.Helper()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case b := <-r.intake.Sent():
		r.take(b)
		return true
	case r.err = <-r.done:
		r.ended = true
		return false
	case <-timer.C:
		r.t.Fatalf("nothing received for %s; %d records so far, last %.500v", wait, len(r.records), r.records[max(0, len(r.records)-1):])
		return false
	}
}

func (r *reading) take(b *record.Batch) {
	r.t.Helper()
	for i := range b.Records {
		r.records = append(r.records, r.encode(&b.Records[i]))
	}
	for _, o := range b.Offsets {
		if string(o.Partition) != partitionKey {
			r.t.Errorf("offset of partition %s, want %s", o.Partition, partitionKey)
		}
		r.offset = slices.Clone(o.Offset)
	}
	r.intake.Retire(b)
}

func (r *reading) encode(rec *record.Record) sentRecord {
	r.t.Helper()
	out := sentRecord{topic: rec.Topic}
	key, null, err := r.json.Encode(nil, rec.Topic, rec.Key)
	if err == nil && !null {
		out.key = string(key)
	}
	var value []byte
	if rec.Change != nil {
		var e error
		value, e = r.json.EncodeChange(nil, rec.Topic, rec.Change)
		err = errors.Join(err, e)
	} else {
		var e error
		value, _, e = r.json.Encode(nil, rec.Topic, rec.Value)
		err = errors.Join(err, e)
	}
	if err != nil {
		r.t.Fatalf("encode a record of %s: %v", rec.Topic, err)
	}
	out.value = string(value)
	for _, h := range rec.Headers {
		text, _, err := r.json.Encode(nil, rec.Topic, h.Value)
		if err != nil {
			r.t.Fatal(err)
		}
		out.headers = append(out.headers, h.Name+"="+string(text))
	}
	return out
}

// next waits for n more records and returns them.
func (r *reading) next(n int) []sentRecord {
	r.t.Helper()
	from := len(r.records)
	for len(r.records) < from+n {
		if !r.receive(patience) {
			r.t.Fatalf("the source ended with %v after %d records, want %d", r.err, len(r.records)-from, n)
		}
	}
	if got := len(r.records) - from; got != n {
		r.t.Fatalf("got %d records, want %d: %.2000v", got, n, r.records[from:])
	}
	return r.records[from:]
}

// until receives until ok says so.
func (r *reading) until(what string, ok func() bool) {
	r.t.Helper()
	limit := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(limit) {
			r.t.Fatalf("%s: not after %s", what, patience)
		}
		select {
		case b := <-r.intake.Sent():
			r.take(b)
		case r.err = <-r.done:
			r.ended = true
			r.t.Fatalf("%s: the source ended with %v", what, r.err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// streaming waits until the source reads its slot.
func (r *reading) streaming() *reading {
	r.t.Helper()
	return r.reach("streaming")
}

// complete waits for all of a snapshot.
func (r *reading) complete() *reading {
	r.t.Helper()
	r.until("the end of the snapshot", func() bool { return strings.Contains(string(r.offset), `"snapshot_completed":true`) })
	return r
}

// reach waits until the source reports the phase.
func (r *reading) reach(phase string) *reading {
	r.t.Helper()
	r.until(phase, func() bool { return r.phase() == phase })
	return r
}

// wait waits for the source to end by itself and returns its error.
func (r *reading) wait() error {
	r.t.Helper()
	for limit := time.Now().Add(patience); !r.ended; r.receive(patience) {
		if time.Now().After(limit) {
			r.t.Fatalf("the source goes on after %d records", len(r.records))
		}
	}
	return r.err
}

// abandon ends the source as a crash does for who reads what it has sent: all that was not
// received is lost.
func (r *reading) abandon() {
	r.t.Helper()
	r.intake.Fail()
	r.cancel()
	r.err, r.ended = <-r.done, true
	if r.err != nil {
		r.t.Errorf("stop: %v", r.err)
	}
}

// stop stops the source in good order and returns its error.
func (r *reading) stop() error {
	r.t.Helper()
	r.cancel()
	return r.wait()
}

// ops are the operations of records in short: "c public.t {"id":1}".
func ops(records []sentRecord) []string {
	var out []string
	for _, r := range records {
		op := "tombstone"
		if at := strings.Index(r.value, `"op":"`); at >= 0 {
			op = r.value[at+6 : at+7]
		}
		out = append(out, fmt.Sprintf("%s %s %s", op, strings.TrimPrefix(r.topic, "production."), r.key))
	}
	return out
}

func wantOps(t testing.TB, got []sentRecord, want ...string) {
	t.Helper()
	if have := ops(got); !slices.Equal(have, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(have, "; "), strings.Join(want, "; "))
	}
}

// copyIn runs a COPY FROM STDIN.
func (d *database) copyIn(t testing.TB, sql, text string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.server.DSN(d.name))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(text), sql); err != nil {
		t.Fatal(err)
	}
}
