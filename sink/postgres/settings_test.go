package postgres

import (
	"errors"
	"strings"
	"testing"

	"connectd/record"
)

func TestColumnNames(t *testing.T) {
	g := newTarget(t)
	p := g.open(g.sink("table.name.format: ${table}\nauto.create: true\nauto.evolve: true\ncolumn.naming.strategy: snake\npk.mode: record_value\npk.fields: orderId\ninsert.mode: upsert\nmetadata.columns: true"))
	p.put([2]string{"", `{"orderId":1,"unitPrice":2}`}, [2]string{"", `{"orderId":1,"unitPrice":3,"lastName":"x"}`})
	g.want("SELECT order_id, unit_price, last_name, _offset FROM orders", `{"_offset": 1, "order_id": 1, "last_name": "x", "unit_price": 3}`)
}

// TestKeyFromHeaders: also of a tombstone. The last of two headers counts, as for Kafka Connect.
func TestKeyFromHeaders(t *testing.T) {
	g := newTarget(t)
	p := g.open(g.sink("table.name.format: ${table}\nauto.create: true\npk.mode: record_header\npk.fields: no,region\ninsert.mode: upsert\ndelete.enabled: true"))
	with := func(value string, no int64, region string) *record.Batch {
		b := p.batch([2]string{"", value})
		b.Records[0].Headers = []record.Header{
			{Name: "region", Value: record.Datum{Value: record.OfText("other")}},
			{Name: "no", Value: record.Datum{Schema: &record.Schema{Type: record.Int8Type}, Value: record.OfInt(no)}},
			{Name: "region", Value: record.Datum{Value: record.OfText(region)}},
		}
		return b
	}
	for _, b := range []*record.Batch{
		with(`{"name":"a","no":99}`, 1, "x"), with(`{"name":"b"}`, 1, "y"), with(`{"name":"c"}`, 1, "x"), with(`{"name":"d"}`, 3_000_000_000, "x"), with("", 1, "y"),
	} {
		if err := p.w.Write(t.Context(), b); err != nil || len(b.Failed()) > 0 {
			t.Fatal(err, b.Failed())
		}
	}
	p.flush()
	g.want("SELECT * FROM orders ORDER BY no", `{"no": 1, "name": "c", "region": "x"}`+"\n"+`{"no": 3000000000, "name": "d", "region": "x"}`)
	if failed := p.write([2]string{"", `{"name":"e"}`}); len(failed) != 1 || !strings.Contains(failed[0].Err.Error(), `"no"`) {
		t.Errorf("without headers: got %v, want a refusal that names the header", failed)
	}
}

func TestMetadataColumns(t *testing.T) {
	g := newTarget(t)
	p := g.open(g.sink("table.name.format: ${table}\nauto.create: true\nmetadata.columns: true\nmetadata.columns.topic: \nmetadata.columns.offset: at\nmetadata.columns.timestamp: written"))
	b := p.batch(order(1, "a"), order(2, "b"))
	b.Records[0].Timestamp, b.Records[1].Timestamp = 1795222923456, record.NoTimestamp
	if err := p.w.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	p.flush()
	g.want("SELECT * FROM orders ORDER BY id", `{"at": 0, "id": 1, "name": "a", "written": "2026-11-21T01:02:03.456", "_partition": 0}`+"\n"+
		`{"at": 1, "id": 2, "name": "b", "written": null, "_partition": 0}`)
}

func TestKeysOfTwoTables(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (a int, b int, n int, PRIMARY KEY (a, b))", "CREATE TABLE lines (a int PRIMARY KEY, b int, n int)")
	s := g.sink("table.name.format: ${table}\ninsert.mode: upsert\npk.mode: record_value\npk.fields: a,orders:a,b")
	for topic, want := range map[string]string{"orders": `{"count": 2}`, "lines": `{"count": 1}`} {
		p := &part{target: g, sink: s, id: record.Partition{Topic: topic}}
		p.reopen()
		p.put([2]string{"", `{"a":1,"b":1,"n":1}`}, [2]string{"", `{"a":1,"b":2,"n":2}`})
		g.want("SELECT count(*) FROM "+topic, want)
	}
}

func TestValuesThatAreNoObjects(t *testing.T) {
	g := newTarget(t)
	p := g.open(g.sink("table.name.format: ${table}\nauto.create: true\npk.mode: record_key\npk.fields: id\ninsert.mode: upsert\ndelete.enabled: true"))
	p.put([2]string{"1", `"a"`}, [2]string{"2", `"b"`}, [2]string{"1", `"c"`}, [2]string{"2", ""})
	g.want("SELECT * FROM orders", `{"id": 1, "record_value": "c"}`)
	g.exec("CREATE TABLE numbers (n numeric, doc jsonb)")
	p = g.open(g.sink("table.name.format: numbers\nstring.output.value.column.name: n"))
	p.put([2]string{"", "1.5"})
	p = g.open(g.sink("table.name.format: numbers\nstring.output.value.column.name: doc\noffsets.storage: kafka"))
	p.put([2]string{"", "[1,2]"})
	g.want("SELECT * FROM numbers ORDER BY n", "{\"n\": 1.5, \"doc\": null}\n{\"n\": null, \"doc\": [1, 2]}")
}

func TestTimestampFields(t *testing.T) {
	for mode, at := range map[string]string{"milliseconds": "1795222923456", "microseconds": "1795222923456000", "nanoseconds": "1795222923456000499"} {
		g := newTarget(t)
		p := g.open(g.sink("table.name.format: ${table}\nauto.create: true\ntimestamp.fields.list: at,moment\ntimestamp.precision.mode: " + mode))
		p.put([2]string{"", `{"at":` + at + `,"n":1795222923456,"moment":null}`}, [2]string{"", `{"at":"2026-11-21T01:02:03Z","n":1,"moment":null}`})
		g.want("SELECT at, n, pg_typeof(moment) AS type FROM orders WHERE n > 1",
			`{"n": 1795222923456, "at": "2026-11-21T01:02:03.456", "type": "timestamp without time zone"}`)
	}
}

// TestNullToDefault: a null is kept unless it is asked for otherwise.
func TestNullToDefault(t *testing.T) {
	initial := record.OfInt(7)
	schema := &record.Schema{Type: record.StructType, Fields: []record.Field{{Name: "n", Schema: &record.Schema{Type: record.Int32Type, Optional: true, Default: &initial}}}}
	for setting, want := range map[string]string{"": `{"n": null}`, "\nreplace.null.with.default: true": `{"n": 7}`} {
		g := newTarget(t)
		g.exec("CREATE TABLE orders (n int)")
		p := g.open(g.sink("table.name.format: ${table}" + setting))
		b := p.batch([2]string{"", "{}"})
		b.Records[0].Value = record.Datum{Schema: schema, Value: record.OfStruct([]record.Value{{}})}
		if err := p.w.Write(t.Context(), b); err != nil || len(b.Failed()) > 0 {
			t.Fatal(err, b.Failed())
		}
		p.flush()
		g.want("SELECT * FROM orders", want)
	}
}

// TestOutOfRange: no value is changed but where out.of.range says so.
func TestOutOfRange(t *testing.T) {
	tests := []struct{ column, value, clamp string }{
		{"smallint", "40000", "32767"}, {"integer", "-2147483649", "-2147483648"}, {"bigint", "9223372036854775808", "9223372036854775807"},
		{"bigint", "-99999999999999999999", "-9223372036854775808"}, {"real", "1e300", "3.4028235e+38"}, {"real", "-1e300", "-3.4028235e+38"},
		{"numeric(5,2)", "1.005", "1.01"}, {"numeric(5,2)", "-1.004", "-1.00"}, {"numeric(5,2)", "1234", "999.99"}, {"numeric(5,2)", "-999.999", "-999.99"}, {"numeric(3,0)", "0.5", "1"},
		{"varchar(2)", `"abc"`, ""}, {"int[]", "[1,3000000000]", ""},
	}
	for _, more := range []string{"", ", place inet"} {
		g := newTarget(t)
		for _, test := range tests {
			g.exec("DROP TABLE IF EXISTS orders", "CREATE TABLE orders (c "+test.column+more+")")
			for _, policy := range []string{"fail", "dlq", "clamp", "null"} {
				g.exec("TRUNCATE orders")
				p := g.open(g.sink("table.name.format: ${table}\noffsets.storage: kafka\nout.of.range: " + policy))
				failed := p.write([2]string{"", `{"c":` + test.value + `}`})
				p.flush()
				want := map[string]string{"clamp": test.clamp, "null": "NULL"}[policy]
				got := g.rows("SELECT coalesce(c::text, 'NULL') AS c FROM orders")
				if want == "" && (len(failed) != 1 || got != "") || want != "" && got != `{"c": "`+want+`"}` {
					t.Errorf("%s from %s, %s: got %s and failures %v, want %q", test.column, test.value, policy, got, failed, want)
				}
			}
		}
	}
}

func TestOutOfRangeIsNotForKeysAndRequiredColumns(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int PRIMARY KEY, n int NOT NULL)")
	for _, policy := range []string{"clamp", "null"} {
		p := g.open(g.sink(upsert + "offsets.storage: kafka\nout.of.range: " + policy))
		if failed := p.write([2]string{key(3_000_000_000), `{"n":1}`}); len(failed) != 1 {
			t.Errorf("%s: the key was changed", policy)
		}
		if failed := p.write([2]string{key(1), `{"n":3000000000}`}); policy == "null" && len(failed) != 1 {
			t.Errorf("null into a column that must have a value: got %d failures, want 1", len(failed))
		}
	}
}

func TestWiden(t *testing.T) {
	tests := []struct{ column, value, declared, stored string }{
		{"smallint", "40000", "integer", "40000"}, {"smallint", "3000000000", "bigint", "3000000000"}, {"integer", "3000000000", "bigint", "3000000000"},
		{"bigint", "9223372036854775808", "numeric", "9223372036854775808"}, {"real", "1e300", "double precision", "1e+300"},
		{"numeric(5,2)", "1.005", "numeric(6,3)", "1.005"}, {"numeric(5,2)", "12345.5", "numeric(7,2)", "12345.50"}, {"varchar(2)", `"abcde"`, "character varying(8)", "abcde"},
	}
	g := newTarget(t)
	for _, test := range tests {
		g.exec("DROP TABLE IF EXISTS orders", "CREATE TABLE orders (id int PRIMARY KEY, c "+test.column+")")
		p := g.open(g.sink(upsert + "offsets.storage: kafka\nschema.evolution: basic\nauto.evolve.widen: true"))
		p.put([2]string{key(1), `{"c":1}`})
		p.put([2]string{key(2), `{"c":` + test.value + `}`})
		g.want("SELECT c::text FROM orders WHERE id = 2", `{"c": "`+test.stored+`"}`)
		g.want("SELECT format_type(atttypid, atttypmod) AS type FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attname = 'c'", `{"type": "`+test.declared+`"}`)
	}
}

// TestWidenWithRowsThatWait: they are in the old form, so the range is given again.
func TestWidenWithRowsThatWait(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int PRIMARY KEY, c int)")
	p := g.open(g.sink(upsert + "schema.evolution: basic\nauto.evolve.widen: true"))
	records := [][2]string{{key(1), `{"c":1}`}, {key(2), `{"c":3000000000}`}}
	if err := p.w.Write(t.Context(), p.batch(records...)); !errors.Is(err, errTypesChanged) {
		t.Fatalf("got %v, want %v", err, errTypesChanged)
	}
	p.reopen()
	p.put(records...)
	g.want("SELECT string_agg(c::text, ' ' ORDER BY id) AS c FROM orders", `{"c": "1 3000000000"}`)
	// A view depends on the type: the error has the statement.
	g.exec("CREATE VIEW totals AS SELECT c FROM orders")
	err := p.w.Write(t.Context(), p.batch([2]string{key(3), `{"c":9223372036854775808}`}))
	if err == nil || !strings.Contains(err.Error(), `ALTER TABLE "orders" ALTER COLUMN "c" TYPE numeric`) {
		t.Errorf("got %v, want the statement that was refused", err)
	}
}
