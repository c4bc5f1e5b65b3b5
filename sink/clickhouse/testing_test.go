package clickhouse

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"connectd/config"
	"connectd/connect"
	"connectd/internal/testenv"
	"connectd/record"
)

// target is a database of the shared server, and a sink that writes to it.
type target struct {
	t      testing.TB
	server *testenv.ClickHouse
	db     string
	cfg    *Config
	sink   connect.Sink
}

// newTarget opens a sink; the setters change its settings first.
func newTarget(t testing.TB, setters ...func(*Config)) *target {
	t.Helper()
	server, db := testenv.ClickHouseDatabase(t)
	return newTargetOn(t, server, db, setters...)
}

func newTargetOn(t testing.TB, server *testenv.ClickHouse, db string, setters ...func(*Config)) *target {
	t.Helper()
	cfg := configFor(server, db)
	for _, set := range setters {
		set(cfg)
	}
	x := &target{t: t, server: server, db: db, cfg: cfg}
	x.sink = x.open()
	return x
}

func configFor(server *testenv.ClickHouse, db string) *Config {
	cfg := new(Config)
	cfg.Defaults()
	cfg.Host, cfg.Port, cfg.Database = server.Host, server.Port, db
	cfg.Username, cfg.Password = server.User, config.Secret(server.Password)
	return cfg
}

// open is another sink with the same settings, as after a restart.
func (x *target) open() connect.Sink {
	x.t.Helper()
	s, err := New(x.cfg, connect.Env{Connector: "to-clickhouse", Log: x.log()})
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			x.t.Error(err)
		}
	})
	return s
}

func (x *target) log() *slog.Logger { return slog.New(slog.NewTextHandler(x.t.Output(), nil)) }

// query runs sql in the target's database; $db stands for it.
func (x *target) query(sql string) string {
	x.t.Helper()
	out, err := x.server.Query(context.Background(), strings.ReplaceAll(sql, "$db", "`"+x.db+"`"))
	if err != nil {
		x.t.Fatal(err)
	}
	return out
}

// want compares the result of sql.
func (x *target) want(sql, want string) {
	x.t.Helper()
	if got := x.query(sql); got != want {
		x.t.Errorf("%s\n got %s\nwant %s", sql, got, want)
	}
}

const testTopic = "orders"

// writer opens the writer of partition 0.
func (x *target) writer() connect.Writer {
	x.t.Helper()
	w, err := x.sink.Open(x.t.Context(), record.Partition{Topic: testTopic})
	if err != nil {
		x.t.Fatal(err)
	}
	return w
}

// write writes and flushes b as the range of its offsets under id, with a writer of its own.
func (x *target) write(b *record.Batch, id string) {
	x.t.Helper()
	if err := x.tryWrite(b, id); err != nil {
		x.t.Fatal(err)
	}
	for _, f := range b.Failed() {
		x.t.Fatalf("record %d: %v", f.Index, f.Err)
	}
}

func (x *target) tryWrite(b *record.Batch, id string) error {
	x.t.Helper()
	w, err := x.sink.Open(x.t.Context(), record.Partition{Topic: testTopic})
	if err != nil {
		return err
	}
	defer w.Close()
	if err := w.Write(x.t.Context(), b); err != nil {
		return err
	}
	return w.Flush(x.t.Context(), rangeOf(b, id))
}

func rangeOf(b *record.Batch, id string) record.Range {
	n := len(b.Records)
	return record.Range{Partition: record.Partition{Topic: testTopic}, Start: b.Records[0].Offset, End: b.Records[n-1].Offset + 1, ID: id}
}

// structOf builds a schema from name and schema pairs.
func structOf(pairs ...any) *record.Schema {
	s := &record.Schema{Type: record.StructType}
	for i := 0; i < len(pairs); i += 2 {
		s.Fields = append(s.Fields, record.Field{Name: pairs[i].(string), Schema: pairs[i+1].(*record.Schema)})
	}
	return s
}

// Schemas of fields.
var (
	anything = &record.Schema{Type: record.AnyType, Optional: true}
	int64s   = &record.Schema{Type: record.Int64Type}
	strings_ = &record.Schema{Type: record.StringType}
)

func optional(s record.Schema) *record.Schema {
	s.Optional = true
	return &s
}

// batchOf numbers the records from offset on.
func batchOf(offset int64, records ...record.Record) *record.Batch {
	b := new(record.Batch)
	for i, r := range records {
		r.Offset = offset + int64(i)
		if r.Topic == "" {
			r.Topic = testTopic
		}
		b.Records = append(b.Records, r)
	}
	return b
}

// rec is a record without a key.
func rec(s *record.Schema, cells ...record.Value) record.Record {
	return record.Record{Value: record.Datum{Schema: s, Value: record.OfStruct(cells)}}
}

// keyed is a record whose key is the struct of the first field.
func keyed(s *record.Schema, cells ...record.Value) record.Record {
	r := rec(s, cells...)
	r.Key = record.Datum{Schema: keySchema(s), Value: record.OfStruct(cells[:1])}
	return r
}

// tombstone deletes the row of key.
func tombstone(s *record.Schema, key record.Value) record.Record {
	return record.Record{Key: record.Datum{Schema: keySchema(s), Value: record.OfStruct([]record.Value{key})}}
}

var keySchemas sync.Map // of a value's *record.Schema: that of its key, always the same one

func keySchema(s *record.Schema) *record.Schema {
	k, _ := keySchemas.LoadOrStore(s, &record.Schema{Type: record.StructType, Fields: s.Fields[:1]})
	return k.(*record.Schema)
}

// id is the n-th range id.
func id(n int) string { return fmt.Sprintf("%032x", n) }
