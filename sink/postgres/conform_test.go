package postgres

import (
	"testing"

	"connectd/connect"
	"connectd/connect/conform"
	"connectd/record"
)

func TestConformance(t *testing.T) {
	tests := []struct{ name, table, settings, bad string }{
		{"append", "CREATE TABLE orders (id int, name text", "", ""},
		{"append as text", "CREATE TABLE orders (id int, name text, address inet", "", ""},
		{"upsert", "CREATE TABLE orders (id int PRIMARY KEY, name text", "insert.mode: upsert\npk.mode: record_key\n", ""},
		{"refused by the server", "CREATE TABLE orders (id int PRIMARY KEY, name text CHECK (name <> 'bad')", "insert.mode: upsert\npk.mode: record_key\n", "bad"},
		{"without offsets table", "CREATE TABLE orders (id int PRIMARY KEY, name text", "insert.mode: upsert\npk.mode: record_key\noffsets.storage: kafka\n", ""},
	}
	keySchema := &record.Schema{Type: record.StructType, Fields: []record.Field{{Name: "id", Schema: &record.Schema{Type: record.Int64Type}}}}
	valueSchema := &record.Schema{Type: record.StructType, Fields: []record.Field{{Name: "name", Schema: &record.Schema{Type: record.StringType}}}}
	fill := func(b *record.Batch, r *record.Record, id int64, name string) {
		key, value := b.Cells(1), b.Cells(1)
		key[0], value[0] = record.OfInt(id), record.OfString(b.Copy([]byte(name)))
		r.Key = record.Datum{Schema: keySchema, Value: record.OfStruct(key)}
		r.Value = record.Datum{Schema: valueSchema, Value: record.OfStruct(value)}
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := newTarget(t)
			g.exec(test.table + ", _topic text, _partition int, _offset bigint)")
			conform.Sink(t, conform.Sinks{
				New: func(t *testing.T) connect.Sink {
					return g.sink(appendOnly + test.settings)
				},
				Record: func(b *record.Batch, r *record.Record) {
					fill(b, r, int64(r.Partition)*1000+r.Offset, "a name") // each partition has its own keys
				},
				Bad: func(b *record.Batch, r *record.Record) {
					if test.bad == "" {
						fill(b, r, 0, "a NUL \x00")
						return
					}
					fill(b, r, int64(r.Partition)*1000+r.Offset, test.bad)
				},
				Offsets: func(t *testing.T, p record.Partition) []int64 {
					var out []int64
					if err := g.sql.QueryRow(t.Context(), "SELECT coalesce(array_agg(_offset), '{}') FROM orders WHERE _topic = $1 AND _partition = $2", p.Topic, p.ID).Scan(&out); err != nil {
						t.Fatal(err)
					}
					return out
				},
				Topic: testTopic,
			})
		})
	}
}
