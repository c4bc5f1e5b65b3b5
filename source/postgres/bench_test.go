package postgres

import (
	"crypto/sha256"
	"testing"

	"connectd/record"
)

// offline is a stream without a connection, whose one table is t. Relation messages, which need
// a catalog, are the only ones that it cannot handle.
func offline(t *table) *stream {
	c := new(Config)
	c.Defaults()
	f, err := newForms(c)
	if err != nil {
		panic(err) // the defaults are valid
	}
	m, err := newMessages(c, f)
	if err != nil {
		panic(err)
	}
	st := &stream{
		source: &Source{config: c, capture: &capture{}, forms: f, messages: m, noTable: newOrigin(c, "", "")},
		reader: &coalescer{},
		out:    output{config: c},
		tables: map[uint32]*table{t.id: t},
	}
	st.catalog = newCatalog(st.source)
	st.source.demand = &demand{}
	st.signals = newSignals(st)
	st.out.take(new(record.Batch))
	return st
}

// events is the table of the reference workload.
func events(t testing.TB) *table {
	s := newSource(t, decode(t, seed))
	f := s.forms
	out := &table{id: 1, schema: "public", name: "events", topic: "p.public.events", origin: newOrigin(s.config, "public", "events"), key: []int{0}, fields: 6, cells: 6}
	row := &record.Schema{Type: record.StructType}
	integer := f.plain(record.Int64Type, "", decodeInt, record.OfInt(0))
	for i, made := range []form{integer, integer, f.text(""), f.numeric(12<<16 + 2 + 4), f.text(record.JSONName), f.zonedTimestamp(-1)} {
		schema := made.schema
		out.columns = append(out.columns, column{cell: i, decode: made.decode})
		row.Fields = append(row.Fields, record.Field{Schema: &schema})
	}
	out.record = &record.Table{Row: row, Envelope: envelopeSchema("p.public.events", row), Key: &record.Schema{Type: record.StructType, Fields: row.Fields[:1]}}
	return out
}

var eventRow = []string{"123456", "4711", "page_view", "1234.56",
	`{"path": "/products/4711", "agent": "Mozilla/5.0 (X11; Linux x86_64)", "items": [1, 2, 3], "referrer": "https://example.com/search"}`,
	"2026-11-21 01:02:03.456789+00"}

// fill handles the message until the batch is full, and returns how often.
func fill(b testing.TB, st *stream, insert []byte) int {
	st.out.batch.Reset()
	st.out.take(st.out.batch)
	n := 0
	for ; !st.out.full(); n++ {
		if err := st.handle(b.Context(), LSN(n), insert); err != nil {
			b.Fatal(err)
		}
	}
	return n
}

// BenchmarkStream is a row's way from the bytes of its WAL message to a record in a batch.
func BenchmarkStream(b *testing.B) {
	st := offline(events(b))
	insert := append([]byte{'I', 0, 0, 0, 1, 'N'}, tupleOf(eventRow...)...)
	rows := 0
	b.ReportAllocs()
	for b.Loop() {
		rows += fill(b, st, insert)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows), "ns/row")
}

// TestStreamAllocations asserts that a batch that is used again allocates nothing.
func TestStreamAllocations(t *testing.T) {
	insert := append([]byte{'I', 0, 0, 0, 1, 'N'}, tupleOf(eventRow...)...)
	cases := map[string]func(*stream, *table){
		"plain":        func(*stream, *table) {},
		"transactions": func(st *stream, _ *table) { st.out.transactions = &transactions{} },
		"masks": func(_ *stream, table *table) {
			text := masked(form{schema: record.Schema{Type: record.StringType}, decode: decodeText}, maskRule{digest: sha256.New, java: true, salt: "s"})
			table.columns[2].decode = text.decode
		},
	}
	if raceDetector {
		delete(cases, "masks") // hashes come from a pool
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			table := events(t)
			st := offline(table)
			change(st, table)
			for range 3 {
				fill(t, st, insert) // the batch grows to its size
			}
			rows := fill(t, st, insert)
			perBatch := testing.AllocsPerRun(10, func() { fill(t, st, insert) })
			if perBatch > 40 {
				t.Errorf("%.0f allocations for a batch of %d rows", perBatch, rows)
			}
		})
	}
}
