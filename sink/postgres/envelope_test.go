package postgres

import (
	"errors"
	"strings"
	"testing"

	"connectd/connect"
	"connectd/record"
)

func enveloped(op, before, after string) string {
	return `{"before":` + before + `,"after":` + after + `,"source":{"db":"shop","schema":"sales","table":"orders"},"op":"` + op + `","ts_ms":1}`
}

func TestEnvelopes(t *testing.T) {
	for _, keys := range []string{"pk.mode: record_key", "pk.mode: record_value\npk.fields: id"} {
		g := newTarget(t)
		p := g.open(g.sink("table.name.format: ${table}\ninsert.mode: upsert\ndelete.enabled: true\nauto.create: true\n" + keys))
		p.put([2]string{key(1), enveloped("r", "null", `{"id":1,"name":"a"}`)}, [2]string{key(2), enveloped("c", "null", `{"id":2,"name":"b"}`)},
			[2]string{key(3), enveloped("c", "null", `{"id":3,"name":"c"}`)},
			[2]string{key(1), enveloped("u", `{"id":1,"name":"a"}`, `{"id":1,"name":"d"}`)},
			[2]string{key(2), enveloped("d", `{"id":2,"name":null}`, "null")}, tombstone(2))
		g.want("SELECT id, name FROM orders ORDER BY id", "{\"id\": 1, \"name\": \"d\"}\n{\"id\": 3, \"name\": \"c\"}")
		p.put([2]string{key(3), enveloped("d", `{"id":3,"name":null}`, "null")}, tombstone(3))
		g.want("SELECT id, name FROM orders ORDER BY id", `{"id": 1, "name": "d"}`)
		failed := p.write([2]string{key(4), enveloped("u", "null", "null")}, [2]string{key(4), enveloped("x", "null", `{"id":4}`)}, [2]string{key(4), enveloped("c", "null", `7`)})
		if len(failed) != 3 {
			t.Errorf("%s: got failures %v, want three", keys, failed)
		}
	}
}

// TestEnvelopesWithSchema: rows and keys are structs, and what is left out is counted.
func TestEnvelopesWithSchema(t *testing.T) {
	row := &record.Schema{Type: record.StructType, Optional: true, Fields: []record.Field{{Name: "id", Schema: &record.Schema{Type: record.Int32Type}}}}
	source := &record.Schema{Type: record.StructType, Fields: []record.Field{{Name: "table", Schema: &record.Schema{Type: record.StringType}}}}
	envelope := &record.Schema{Type: record.StructType, Name: "s.p.orders.Envelope", Fields: []record.Field{
		{Name: "before", Schema: row}, {Name: "after", Schema: row}, {Name: "source", Schema: source}, {Name: "op", Schema: &record.Schema{Type: record.StringType}}}}
	g := newTarget(t)
	p := g.open(g.sink("table.name.format: ${source.table}\nauto.create: true"))
	b := p.batch([2]string{"", "{}"}, [2]string{"", "{}"}, [2]string{"", ""})
	id, block := record.OfStruct([]record.Value{record.OfInt(7)}), record.OfStruct([]record.Value{record.OfText("copies")})
	b.Records[0].Value = record.Datum{Schema: envelope, Value: record.OfStruct([]record.Value{{}, id, block, record.OfText("c")})}
	b.Records[1].Value = record.Datum{Schema: envelope, Value: record.OfStruct([]record.Value{id, {}, block, record.OfText("d")})}
	if err := p.w.Write(t.Context(), b); err != nil || len(b.Failed()) > 0 {
		t.Fatal(err, b.Failed())
	}
	if b.Skipped() != 2 {
		t.Errorf("got %d records skipped, want the delete and the tombstone", b.Skipped())
	}
	p.flush()
	g.want("SELECT * FROM copies", `{"id": 7}`)
}

// TestCloudEvents: their data is a row or an envelope.
func TestCloudEvents(t *testing.T) {
	text := &record.Schema{Type: record.StringType}
	row := &record.Schema{Type: record.StructType, Optional: true, Fields: []record.Field{{Name: "id", Schema: &record.Schema{Type: record.Int32Type}}, {Name: "name", Schema: text}}}
	change := &record.Schema{Type: record.StructType, Name: "s.p.orders.Envelope", Fields: []record.Field{{Name: "before", Schema: row}, {Name: "after", Schema: row}, {Name: "source", Schema: row}, {Name: "op", Schema: text}}}
	of := func(name string, data record.Datum) record.Datum {
		s := &record.Schema{Type: record.StructType, Name: name, Fields: []record.Field{{Name: "id", Schema: text}, {Name: "specversion", Schema: text}, {Name: "data", Schema: data.Schema}}}
		return record.Datum{Schema: s, Value: record.OfStruct([]record.Value{record.OfText("lsn-7"), record.OfText("1.0"), data.Value})}
	}
	rowOf := func(id int64, name string) record.Value {
		return record.OfStruct([]record.Value{record.OfInt(id), record.OfText(name)})
	}
	for settings, name := range map[string]string{"": "s.p.orders.CloudEvents.Envelope", "cloud.events.schema.name.pattern: .*[.]Event\n": "s.Event"} {
		g := newTarget(t)
		g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text)", "INSERT INTO orders VALUES (2, 'old')")
		p := g.open(g.sink(settings + "table.name.format: ${table}\ninsert.mode: upsert\npk.mode: record_value\npk.fields: id\ndelete.enabled: true"))
		b := p.batch([2]string{"", "{}"}, [2]string{"", "{}"}, [2]string{"", "{}"})
		b.Records[0].Value = of(name, record.Datum{Schema: row, Value: rowOf(1, "row")})
		b.Records[1].Value = of(name, record.Datum{Schema: change, Value: record.OfStruct([]record.Value{rowOf(2, "old"), {}, {}, record.OfText("d")})})
		b.Records[2].Value = of(name, record.Datum{Schema: row})
		if err := p.w.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if failed := b.Failed(); len(failed) != 1 || failed[0].Index != 2 || !strings.Contains(failed[0].Err.Error(), "has no data") {
			t.Errorf("got failures %v, want the event without data", failed)
		}
		p.flush()
		g.want("SELECT * FROM orders", `{"id": 1, "name": "row"}`)
	}
}

func TestTruncate(t *testing.T) {
	truncated := [2]string{"", enveloped("t", "null", "null")}
	for _, settings := range []string{upsert, "table.name.format: ${table}\n"} {
		g := newTarget(t)
		g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text)", "INSERT INTO orders VALUES (9, 'stored')")
		p := g.open(g.sink(settings + "truncate.enabled: true"))
		p.put([2]string{key(1), enveloped("c", "null", `{"id":1,"name":"before"}`)}, truncated, [2]string{key(2), enveloped("c", "null", `{"id":2,"name":"after"}`)})
		g.want("SELECT * FROM orders", `{"id": 2, "name": "after"}`)
		p.put(truncated)
		g.want("SELECT * FROM orders", "")
		// A refused row is found behind a truncation as well.
		p.write(truncated, [2]string{key(3), enveloped("c", "null", `{"id":3,"name":"x"}`)})
		g.exec("ALTER TABLE orders ADD CHECK (name <> 'x')")
		var refused *connect.RecordErrors
		if err := p.tryFlush(); !errors.As(err, &refused) || len(refused.Failed) != 1 || refused.Failed[0].Offset != p.next-1 {
			t.Errorf("got %v, want a refusal of offset %d", err, p.next-1)
		}
	}
}

func TestTruncateIsLeftOut(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text)", "INSERT INTO orders VALUES (9, 'stored')")
	p := g.open(g.sink(upsert))
	b := p.batch([2]string{"", enveloped("t", "null", "null")})
	if err := p.w.Write(t.Context(), b); err != nil || b.Skipped() != 1 {
		t.Errorf("got %v and %d skipped records, want one", err, b.Skipped())
	}
	p.flush()
	g.want("SELECT * FROM orders", `{"id": 9, "name": "stored"}`)
}

// TestTableBySource: one topic whose records go into several tables.
func TestTableBySource(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE SCHEMA sales", "CREATE TABLE sales.orders (id int PRIMARY KEY)", "CREATE TABLE sales.lines (id int PRIMARY KEY, __schema text, __table text)")
	p := g.open(g.sink("table.name.format: ${source.schema}.${source.table}\ninsert.mode: upsert\npk.mode: record_key\ndelete.enabled: true"))
	p.put([2]string{key(1), enveloped("c", "null", `{"id":1}`)}, [2]string{key(1), `{"id":1,"__schema":"sales","__table":"lines"}`},
		[2]string{key(2), enveloped("c", "null", `{"id":2}`)}, [2]string{key(1), enveloped("d", `{"id":1}`, "null")}, tombstone(1))
	g.want("SELECT * FROM sales.orders", `{"id": 2}`)
	g.want("SELECT id FROM sales.lines", `{"id": 1}`)
	failed := p.write([2]string{key(3), `{"id":3}`})
	if len(failed) != 1 || !strings.Contains(failed[0].Err.Error(), "add source.table to the add.fields of its unwrap transform") {
		t.Errorf("got %v, want what is missing", failed)
	}
}
