package postgres

import (
	"strings"
	"testing"

	"connectd/record"
)

// TestTypesFromJSON is case T18: every value is JSON without a schema, and the target's column
// decides what it means.
func TestTypesFromJSON(t *testing.T) {
	tests := []struct{ column, value, want string }{
		{"boolean", `true`, "t"}, {"boolean", `"f"`, "f"}, {"boolean", `1`, "t"},
		{"smallint", `-32768`, "-32768"}, {"integer", `"42"`, "42"}, {"bigint", `9223372036854775807`, "9223372036854775807"},
		{"real", `1.5`, "1.5"}, {"double precision", `1e300`, "1e+300"}, {"double precision", `"NaN"`, "NaN"}, {"double precision", `0.1`, "0.1"},
		{"numeric(38,18)", `"12345678901234567890.123456789012345678"`, "12345678901234567890.123456789012345678"},
		{"numeric(38,18)", `12345678901234567890.123456789012345678`, "12345678901234567890.123456789012345678"},
		{"numeric(12,2)", `1.500`, "1.50"}, {"numeric", `1e3`, "1000"}, {"numeric", `"NaN"`, "NaN"}, {"numeric(5,0)", `99999`, "99999"},
		{"numeric", `-0.00010203`, "-0.00010203"}, {"numeric", `"0.00"`, "0.00"}, {"numeric", `100000000`, "100000000"}, {"numeric", `"-10000.0001"`, "-10000.0001"},
		{"numeric", `"00012.50"`, "12.50"}, {"numeric", `"-Infinity"`, "-Infinity"}, {"numeric", `123456.7`, "123456.7"}, {"real", `"-Infinity"`, "-Infinity"},
		{"text", `"a\tb\\c\n\"d\" é 漢"`, "a\tb\\c\n\"d\" é 漢"}, {"text", `"\\N"`, `\N`}, {"text", `"\\."`, `\.`}, {"text", `12`, "12"}, {"text", `{"a": 1}`, `{"a": 1}`},
		{"varchar(3)", `"äöü"`, "äöü"}, {"char(5)", `"ab"`, "ab   "}, {"name", `"n"`, "n"},
		{"bytea", `"AQL/"`, `\x0102ff`},
		{"date", `"2026-11-21"`, "2026-11-21"}, {"date", `"infinity"`, "infinity"}, {"date", `"0044-03-15 BC"`, "0044-03-15 BC"},
		{"time", `"01:02:03.456789"`, "01:02:03.456789"}, {"time", `"24:00:00"`, "24:00:00"}, {"timetz", `"01:02:03.5+02:00"`, "01:02:03.5+02"},
		{"timestamp", `"2026-11-21T01:02:03.456789"`, "2026-11-21 01:02:03.456789"},
		{"timestamp", `"2026-11-21T01:02:03.456789Z"`, "2026-11-21 01:02:03.456789"},
		{"timestamp", `"2026-11-21T01:02:03+02:00"`, "2026-11-20 23:02:03"},
		{"timestamptz", `"2026-11-21T01:02:03.456789Z"`, "2026-11-21 01:02:03.456789+00"},
		{"timestamptz", `"2026-11-21T01:02:03.4567891+02:00"`, "2026-11-20 23:02:03.456789+00"},
		{"timestamptz", `"-infinity"`, "-infinity"}, {"timestamptz", `"2026-11-21 01:02:03.456+00"`, "2026-11-21 01:02:03.456+00"},
		{"interval", `"P1Y2M3DT4H5M6.78S"`, "1 year 2 mons 3 days 04:05:06.78"},
		{"uuid", `"B68A35A7-17ad-35b3-af2a-ae46edb4545a"`, "b68a35a7-17ad-35b3-af2a-ae46edb4545a"},
		{"json", `{"a" : [1, 2.50]}`, `{"a" : [1, 2.50]}`}, {"jsonb", `"{\"a\": 1}"`, `{"a": 1}`}, {"jsonb", `[1,"\\"]`, `[1, "\\"]`}, {"jsonb", `7`, "7"},
		{"mood", `"happy"`, "happy"}, {"positive", `3`, "3"},
		{"text[]", `["a", "b c", null, "q\"\\,{}", ""]`, `{a,"b c",NULL,"q\"\\,{}",""}`}, {"text[]", `"{a,b}"`, `{a,b}`}, {"int[]", `[[1,2],[3,4]]`, "{{1,2},{3,4}}"},
		{"numeric(4,2)[]", `[1.5, "2.25"]`, "{1.50,2.25}"}, {"bytea[]", `["AQI="]`, `{"\\x0102"}`}, {"jsonb[]", `[{"a": 1}]`, `{"{\"a\": 1}"}`},
		{"mood[]", `["happy"]`, "{happy}"}, {"timestamptz[]", `["2026-11-21T01:02:03Z"]`, `{"2026-11-21 01:02:03+00"}`}, {"boolean[]", `[true,false]`, "{t,f}"},
		{"inet", `"10.0.0.1/8"`, "10.0.0.1/8"}, {"macaddr", `"08:00:2b:01:02:03"`, "08:00:2b:01:02:03"}, {"int4range", `"[1,5)"`, "[1,5)"},
		{"xml", `"<a/>"`, "<a/>"}, {"bit(3)", `"101"`, "101"}, {"bit(1)", `true`, "1"}, {"point", `"(1,2)"`, "(1,2)"}, {"tsvector", `"'a':1"`, "'a':1"},
		{"hstore", `{"a":"1","b":null,"c\"\\":2}`, `"a"=>"1", "b"=>NULL, "c\"\\"=>"2"`}, {"hstore", `"{\"a\": \"x y\"}"`, `"a"=>"x y"`}, {"hstore", `"a=>1"`, `"a"=>"1"`},
	}
	g := newTarget(t)
	g.exec("CREATE EXTENSION hstore", "CREATE TYPE mood AS ENUM ('happy')", "CREATE DOMAIN positive AS integer CHECK (VALUE > 0)")
	// In a table of its own a column may be written in its binary form.
	for _, test := range tests {
		g.exec("DROP TABLE IF EXISTS orders", "CREATE TABLE orders (c "+test.column+")")
		p := g.open(g.sink("table.name.format: ${table}\noffsets.storage: kafka"))
		p.put([2]string{"", `{"c":` + test.value + `}`})
		var got string
		if err := g.sql.QueryRow(t.Context(), "SELECT format('%s', c) FROM orders").Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != test.want {
			t.Errorf("%s from %s, alone: got %s, want %s", test.column, test.value, got, test.want)
		}
	}
	g.exec("DROP TABLE orders")
	// Together they are written as text.
	var columns, fields, queries, want []string
	for i, test := range tests {
		name := "c" + string(rune('a'+i/26)) + string(rune('a'+i%26))
		columns = append(columns, name+" "+test.column)
		fields = append(fields, `"`+name+`":`+test.value)
		queries = append(queries, "format('%s', "+name+")")
		want = append(want, test.want)
	}
	g.exec("CREATE TABLE orders (" + strings.Join(columns, ", ") + ")")
	p := g.open(g.sink("table.name.format: ${table}"))
	p.put([2]string{"", "{" + strings.Join(fields, ",") + "}"})
	var got []string
	if err := g.sql.QueryRow(t.Context(), "SELECT ARRAY["+strings.Join(queries, ",")+"] FROM orders").Scan(&got); err != nil {
		t.Fatal(err)
	}
	for i, test := range tests {
		if got[i] != want[i] {
			t.Errorf("%s from %s: got %s, want %s", test.column, test.value, got[i], want[i])
		}
	}
}

// TestTypesFromSchemas writes what Debezium's logical types mean.
func TestTypesFromSchemas(t *testing.T) {
	decimal := &record.Schema{Type: record.BytesType, Name: record.DecimalName, Params: []record.Param{{Name: "scale", Value: "2"}, {Name: "connect.decimal.precision", Value: "12"}}}
	named := func(typ record.Type, name string) *record.Schema { return &record.Schema{Type: typ, Name: name} }
	tests := []struct {
		schema   *record.Schema
		value    record.Value
		declared string // what auto.create makes
		want     string
	}{
		{&record.Schema{Type: record.Int8Type}, record.OfInt(1), "smallint", "1"},
		{&record.Schema{Type: record.Int32Type}, record.OfInt(1), "integer", "1"},
		{&record.Schema{Type: record.Int64Type}, record.OfInt(1), "bigint", "1"},
		{&record.Schema{Type: record.Float32Type}, record.OfFloat(float64(float32(0.1))), "real", "0.1"},
		{&record.Schema{Type: record.Float64Type}, record.OfFloat(0.1), "double precision", "0.1"},
		{&record.Schema{Type: record.BoolType}, record.OfBool(true), "boolean", "t"},
		{&record.Schema{Type: record.StringType}, record.OfText("a"), "text", "a"},
		{&record.Schema{Type: record.BytesType}, record.OfBytes([]byte{1, 2}), "bytea", `\x0102`},
		{decimal, record.OfNumber([]byte("-12.50")), "numeric(12,2)", "-12.50"},
		{named(record.Int32Type, record.DateName), record.OfInt(20778), "date", "2026-11-21"},
		{named(record.Int32Type, record.ConnectDate), record.OfInt(-719529), "date", "0002-12-31 BC"},
		{named(record.Int32Type, record.TimeName), record.OfInt(3723456), "time without time zone", "01:02:03.456"},
		{named(record.Int64Type, record.MicroTimeName), record.OfInt(3723456789), "time without time zone", "01:02:03.456789"},
		{named(record.Int64Type, record.TimestampName), record.OfInt(-1), "timestamp without time zone", "1969-12-31 23:59:59.999"},
		{named(record.Int64Type, record.MicroTimestampName), record.OfInt(1795222923456789), "timestamp without time zone", "2026-11-21 01:02:03.456789"},
		{named(record.Int64Type, record.NanoTimestampName), record.OfInt(1795222923456789500), "timestamp without time zone", "2026-11-21 01:02:03.45679"},
		{named(record.StringType, record.ZonedTimestampName), record.OfText("2026-11-21T01:02:03.456789Z"), "timestamp with time zone", "2026-11-21 01:02:03.456789+00"},
		{named(record.Int64Type, record.MicroDurationName), record.OfInt(-1500000), "interval", "-00:00:01.5"},
		{named(record.StringType, record.UUIDName), record.OfText("b68a35a7-17ad-35b3-af2a-ae46edb4545a"), "uuid", "b68a35a7-17ad-35b3-af2a-ae46edb4545a"},
		{named(record.StringType, record.JSONName), record.OfText(`{"a": 1}`), "jsonb", `{"a": 1}`},
		{named(record.StringType, record.EnumName), record.OfText("x"), "text", "x"},
		{&record.Schema{Type: record.ArrayType, Elem: &record.Schema{Type: record.Int32Type}}, record.OfArray([]record.Value{record.OfInt(1), {}}), "integer[]", "{1,NULL}"},
	}
	g := newTarget(t)
	p := g.open(g.sink("table.name.format: ${table}\nauto.create: true"))
	schema := &record.Schema{Type: record.StructType}
	b := p.batch([2]string{"", "{}"})
	cells := b.Cells(len(tests))
	var queries []string
	for i, test := range tests {
		name := "c" + string(rune('a'+i))
		schema.Fields = append(schema.Fields, record.Field{Name: name, Schema: test.schema})
		cells[i] = test.value
		queries = append(queries, "format('%s', "+name+")", "pg_typeof("+name+")::text", "coalesce((SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attname = '"+name+"'), '')")
	}
	b.Records[0].Value = record.Datum{Schema: schema, Value: record.OfStruct(cells)}
	if err := p.w.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for _, f := range b.Failed() {
		t.Fatal(f.Err)
	}
	p.flush()
	var got []string
	if err := g.sql.QueryRow(t.Context(), "SELECT ARRAY["+strings.Join(queries, ",")+"] FROM orders").Scan(&got); err != nil {
		t.Fatal(err)
	}
	for i, test := range tests {
		if got[3*i] != test.want {
			t.Errorf("%s %s: got %s, want %s", test.schema.Type, test.schema.Name, got[3*i], test.want)
		}
		if got[3*i+2] != test.declared {
			t.Errorf("%s %s: created as %s, want %s", test.schema.Type, test.schema.Name, got[3*i+2], test.declared)
		}
	}
}

// TestImpossibleValues: each fails its own record, and says which column.
func TestImpossibleValues(t *testing.T) {
	tests := []struct{ column, value, want string }{
		{"smallint", `40000`, "out of range of smallint"}, {"integer", `2147483648`, "out of range of integer"}, {"integer", `1.5`, "not an integer"},
		{"integer", `"x"`, "not an integer"}, {"bigint", `9223372036854775808`, "out of range of bigint"}, {"real", `1e300`, "out of range of real"},
		{"real", `16777217`, "not exactly a real"}, {"name", `"` + strings.Repeat("é", 32) + `"`, "64 octets"},
		{"numeric(5,2)", `1.005`, "3 digits after the point"}, {"numeric(5,2)", `1234`, "4 digits before the point"},
		{"varchar(2)", `"abc"`, "3 characters"}, {"boolean", `2`, "not a boolean"}, {"uuid", `"12"`, "not a UUID"}, {"uuid", `"zz"`, "not a UUID"},
		{"date", `20778`, "without a unit"}, {"timestamptz", `1795222923456`, "without a unit"}, {"timestamp", `"soon"`, "not a timestamp"},
		{"interval", `5`, "without a unit"}, {"text", `"a\u0000b"`, "NUL"}, {"jsonb", `{"a":"\u0000"}`, "NUL"}, {"int[]", `5`, "not an array"}, {"int[]", `[1,"x"]`, "element 2"},
	}
	for _, test := range tests {
		t.Run(test.column+" "+test.value, func(t *testing.T) {
			g := newTarget(t)
			g.exec("CREATE TABLE orders (c " + test.column + ")")
			p := g.open(g.sink("table.name.format: ${table}"))
			failed := p.write([2]string{"", `{"c":null}`}, [2]string{"", `{"c":` + test.value + `}`}, [2]string{"", `{"c":null}`})
			if len(failed) != 1 || failed[0].Index != 1 {
				t.Fatalf("got failures %v, want one, of record 1", failed)
			}
			if err := failed[0].Err.Error(); !strings.Contains(err, test.want) || !strings.Contains(err, `column "c" of table`) {
				t.Errorf("got %q, want column c and %q in it", err, test.want)
			}
			p.flush()
			g.want("SELECT count(*) FROM orders", `{"count": 2}`)
		})
	}
}

// TestNullByte is case T24.
func TestNullByte(t *testing.T) {
	const value = `{"c":"a\u0000b","j":{"x":"\u0000y\\u0000"}}`
	g := newTarget(t)
	g.exec("CREATE TABLE orders (c text, j jsonb)")
	p := g.open(g.sink("table.name.format: ${table}\nnull.byte: strip"))
	p.put([2]string{"", value})
	g.want("SELECT * FROM orders", `{"c": "ab", "j": {"x": "y\\u0000"}}`)

	p = g.open(g.sink("table.name.format: ${table}\nnull.byte: fail"))
	if err := p.w.Write(t.Context(), p.batch([2]string{"", value})); err == nil || !strings.Contains(err.Error(), "NUL") {
		t.Errorf("null.byte fail: got %v, want the task to stop for the NUL", err)
	}
}

func TestTimezone(t *testing.T) {
	t.Run("binary", func(t *testing.T) { testTimezone(t, "") })
	t.Run("text", func(t *testing.T) { testTimezone(t, ", asText inet") })
}

func testTimezone(t *testing.T, more string) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (wall timestamp, moment timestamptz" + more + ")")
	p := g.open(g.sink("table.name.format: ${table}\ndb.timezone: Asia/Tokyo"))
	p.put([2]string{"", `{"wall":"2026-11-21T01:02:03Z","moment":"2026-11-21T01:02:03"}`},
		[2]string{"", `{"wall":"2026-11-21T01:02:03","moment":"2026-11-21T01:02:03+09:00"}`})
	g.want("SELECT wall, moment AT TIME ZONE 'UTC' AS moment FROM orders", `{"wall": "2026-11-21T10:02:03", "moment": "2026-11-20T16:02:03"}
{"wall": "2026-11-21T01:02:03", "moment": "2026-11-20T16:02:03"}`)
}
