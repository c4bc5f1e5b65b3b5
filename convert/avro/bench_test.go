package avro

import (
	"testing"

	"github.com/twmb/avro"

	"connectd/record"
)

// row is about what a source makes of a table: eight columns, as Kafka Connect describes them.
const row = `{"type":"struct","fields":[
	{"type":"int64","optional":false,"field":"id"},{"type":"int64","optional":true,"field":"user_id"},
	{"type":"string","optional":true,"field":"kind"},
	{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","connect.decimal.precision":"12"},"field":"amount"},
	{"type":"string","optional":true,"name":"io.debezium.data.Json","version":1,"field":"payload"},
	{"type":"string","optional":true,"name":"io.debezium.time.ZonedTimestamp","version":1,"field":"created_at"},
	{"type":"boolean","optional":true,"field":"active"},{"type":"double","optional":true,"field":"score"}],
	"optional":false,"name":"production.public.events.Value"}`

func rowValue() record.Value {
	return record.OfStruct([]record.Value{
		record.OfInt(1234567), record.OfInt(424242), record.OfText("page_view"), record.OfNumber([]byte("1234.50")),
		record.OfText(`{"path": "/products/17", "ref": "mail"}`), record.OfText("2026-11-21T01:16:38.337259Z"), record.OfBool(true), record.OfFloat(0.75),
	})
}

// TestNoAllocations writes and reads rows without any.
func TestNoAllocations(t *testing.T) {
	m, v := mapped(t, schemaOf(t, row), connect), rowValue()
	octets, err := m.Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	r, b, dst := reader(t, m.Schema(), connect), new(record.Batch), make([]byte, 0, 1024)
	for name, f := range map[string]func(){
		"append": func() { dst, _ = m.Append(dst[:0], &v) },
		"read":   func() { b.Reset(); _, _ = r.Read(b, octets) },
	} {
		f()
		if n := testing.AllocsPerRun(100, f); n > 0 {
			t.Errorf("%s: %v allocations a record, want none", name, n)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	m, v := mapped(b, schemaOf(b, row), connect), rowValue()
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = m.Append(dst[:0], &v); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(dst)))
}

// BenchmarkRead compares with the library that reads into Go's own types.
func BenchmarkRead(b *testing.B) {
	m, v := mapped(b, schemaOf(b, row), connect), rowValue()
	octets, err := m.Append(nil, &v)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("cells", func(b *testing.B) {
		r, batch := reader(b, m.Schema(), connect), new(record.Batch)
		b.SetBytes(int64(len(octets)))
		b.ReportAllocs()
		for b.Loop() {
			batch.Reset()
			if _, err := r.Read(batch, octets); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("library", func(b *testing.B) {
		s := avro.MustParse(m.Schema())
		b.SetBytes(int64(len(octets)))
		b.ReportAllocs()
		for b.Loop() {
			var document any
			if _, err := s.Decode(octets, &document); err != nil {
				b.Fatal(err)
			}
		}
	})
}
