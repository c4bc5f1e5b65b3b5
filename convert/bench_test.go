package convert

import (
	"testing"

	"connectd/record"
)

// flat is about 250 bytes in ten fields, as an unwrapped row comes from Kafka.
const flat = `{"id":1234567,"user_id":424242,"kind":"page_view","amount":1234.50,"payload":{"path":"/products/17","ref":"mail","ms":132},"created_at":"2026-11-21T01:16:38.337259Z","note":null,"active":true,"city":"Zürich","source":"web-frontend-7"}`

// eight is a row of eight columns as the PostgreSQL source makes it.
func eight(t testing.TB) (*record.Change, *record.Schema) {
	row := schemaOf(t, `{"type":"struct","fields":[
		{"type":"int64","optional":false,"field":"id"},{"type":"int64","optional":true,"field":"user_id"},
		{"type":"string","optional":true,"field":"kind"},
		{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","connect.decimal.precision":"12"},"field":"amount"},
		{"type":"string","optional":true,"name":"io.debezium.data.Json","version":1,"field":"payload"},
		{"type":"string","optional":true,"name":"io.debezium.time.ZonedTimestamp","version":1,"field":"created_at"},
		{"type":"boolean","optional":true,"field":"active"},{"type":"double","optional":true,"field":"score"}],
		"optional":true,"name":"production.public.events.Value"}`)
	cells := []record.Value{
		record.OfInt(1234567), record.OfInt(424242), record.OfText("page_view"), record.OfNumber([]byte("1234.50")),
		record.OfText(`{"path": "/products/17", "ref": "mail"}`), record.OfText("2026-11-21T01:16:38.337259Z"), record.OfBool(true), record.OfFloat(0.75),
	}
	source := schemaOf(t, `{"type":"struct","fields":[{"type":"string","optional":false,"field":"name"},{"type":"int64","optional":true,"field":"lsn"},{"type":"string","optional":true,"field":"table"}],"optional":false,"name":"Source"}`)
	return &record.Change{
		Op:     record.Create,
		Table:  &record.Table{Row: row, Envelope: &record.Schema{Type: record.StructType, Fields: []record.Field{{Name: "after", Schema: row}}}},
		After:  record.OfStruct(cells),
		Source: &block{source, []record.Value{record.OfText("production"), record.OfInt(28724208), record.OfText("events")}},
		Time:   1795223798768647888,
	}, row
}

// free fails b when f allocates.
func free(b *testing.B, f func()) {
	b.Helper()
	f()
	if n := testing.AllocsPerRun(100, f); n > 0 {
		b.Errorf("%v allocations a record, want none", n)
	}
	b.ReportAllocs()
	for b.Loop() {
		f()
	}
}

func BenchmarkEncodeRow(b *testing.B) {
	c, row := eight(b)
	j := newJSON(b, schemaless)
	var dst []byte
	free(b, func() {
		var err error
		if dst, _, err = j.Encode(dst[:0], "topic", record.Datum{Schema: row, Value: c.After}); err != nil {
			b.Fatal(err)
		}
	})
	b.SetBytes(int64(len(dst)))
}

func BenchmarkEncodeChange(b *testing.B) {
	c, _ := eight(b)
	for _, schemas := range []bool{false, true} {
		b.Run(map[bool]string{false: "schemaless", true: "schemas"}[schemas], func(b *testing.B) {
			j := newJSON(b, func(c *JSONConfig) { c.Schemas = schemas })
			var dst []byte
			free(b, func() {
				var err error
				if dst, err = j.EncodeChange(dst[:0], "topic", c); err != nil {
					b.Fatal(err)
				}
			})
			b.SetBytes(int64(len(dst)))
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	_, row := eight(b)
	c, _ := eight(b)
	plain, inBand := newJSON(b, schemaless), newJSON(b, nil)
	withSchema, _, err := inBand.Encode(nil, "topic", record.Datum{Schema: row, Value: c.After})
	if err != nil {
		b.Fatal(err)
	}
	_, payload, _ := cutPayload(withSchema)
	for _, run := range []struct {
		name string
		j    *JSON
		text []byte
		hint *record.Schema
	}{{"schemaless", plain, []byte(flat), nil}, {"hint", plain, payload, row}, {"schemas", inBand, withSchema, nil}} {
		b.Run(run.name, func(b *testing.B) {
			batch := new(record.Batch)
			b.SetBytes(int64(len(run.text)))
			free(b, func() {
				batch.Reset()
				if _, err := run.j.Decode(batch, "topic", run.text, run.hint); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

func cutPayload(text []byte) (schema, payload []byte, ok bool) {
	s := scanner{data: text, at: len(`{"schema":`)}
	if s.skip() != nil {
		return nil, nil, false
	}
	return text[:s.at], text[s.at+len(`,"payload":`) : len(text)-1], true
}

// TestNoAllocations is what the benchmarks assert, as a test.
func TestNoAllocations(t *testing.T) {
	c, row := eight(t)
	j := newJSON(t, schemaless)
	b := new(record.Batch)
	var dst, text []byte
	object, hinted := []byte(flat), []byte(`{"id":1,"amount":"AeI6"}`)
	d := record.Datum{Schema: row, Value: c.After}
	amount := record.Datum{Schema: row.Fields[3].Schema, Value: c.After.Items[3]}
	created := record.Datum{Schema: row.Fields[5].Schema, Value: c.After.Items[5]}
	for name, f := range map[string]func(){
		"encode": func() { dst, _, _ = j.Encode(dst[:0], "topic", d) },
		"change": func() { dst, _ = j.EncodeChange(dst[:0], "topic", c) },
		"decode": func() { b.Reset(); _, _ = j.Decode(b, "topic", object, nil) },
		"hint":   func() { b.Reset(); _, _ = j.Decode(b, "topic", hinted, row) },
		"coerce": func() {
			_, _ = AsMicros(created)
			text, _ = AsDecimal(text[:0], amount)
			text, _ = AppendText(text[:0], created)
			text, _ = AppendJSON(text[:0], d)
		},
	} {
		f()
		if n := testing.AllocsPerRun(100, f); n > 0 {
			t.Errorf("%s: %v allocations a record, want none", name, n)
		}
	}
}
