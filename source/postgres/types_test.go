package postgres

import (
	"fmt"
	"strings"
	"testing"
)

// typeCase is a column of a type with a value that the golden records do not have.
type typeCase struct {
	typ, literal string
	want         string // JSON, in snapshot and stream
	debezium     string // in compat.mode debezium, when it differs; leftOut when there is no such column
	stream       string // there in the stream, when it differs
}

const leftOut = "-"

var typeCases = []typeCase{
	// Arrays of everything.
	{"money[]", "{$1.50,NULL}", `["AJY=",null]`, leftOut, ""},
	{"interval[]", "{1 day}", `[86400000000]`, leftOut, ""},
	{"point[]", `{"(1,2)"}`, `[{"x":1.0,"y":2.0,"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAABA","srid":null}]`, leftOut, ""},
	{"xml[]", "{<a/>}", `["<a/>"]`, leftOut, ""},
	{"bit(3)[]", "{101}", `["BQ=="]`, leftOut, ""},
	{"varbit[]", "{101,1}", `["BQ==","AQ=="]`, leftOut, ""},
	{"name[]", "{n1}", `["n1"]`, leftOut, ""},
	{"posint[]", "{1,2}", `[1,2]`, leftOut, ""},
	{"addr[]", `{"(a,1)","(\"b c\",2)"}`, `["(a,1)","(\"b c\",2)"]`, leftOut, ""},
	{"circle[]", `{"<(1,2),3>"}`, `["<(1,2),3>"]`, leftOut, ""},
	{"box[]", `{(1,1),(0,0);(2,2),(0,0)}`, `["(1,1),(0,0)","(2,2),(0,0)"]`, leftOut, ""}, // box has ; for its delimiter
	{"int4multirange[]", `{"{[1,3)}"}`, `["{[1,3)}"]`, leftOut, ""},
	{"regclass[]", "{pg_class}", `["pg_class"]`, leftOut, ""},
	{"daterange[]", `{"[2019-03-31,2019-05-01)"}`, `["[2019-03-31,2019-05-01)"]`, "", ""},
	{"cidr[]", "{10.0.0.0/8}", `["10.0.0.0/8"]`, "", ""},
	{"macaddr8[]", "{08:00:2b:01:02:03:04:05}", `["08:00:2b:01:02:03:04:05"]`, "", ""},
	{"timestamp(3)[]", "{2020-04-01 00:01:02.5}", `[1585699262500]`, "", ""},
	// More dimensions than one.
	{"text[][]", `{{a,NULL},{"b}",""}}`, `[["a",null],["b}",""]]`, `[null,null]`, ""},
	{"int8[][][]", "{{{1},{2}}}", `[[[1],[2]]]`, `[null]`, ""},
	{"mood[]", "{sad}", `["sad"]`, "", ""},
	{"int4[]", "[2:3]={7,8}", `[7,8]`, "", ""}, // bounds are not part of JSON
	{"date[]", "{infinity,0044-03-15 BC}", `[2147483647,-735160]`, `[-622191234,-703383]`, ""},
	// Domains, of domains and of arrays.
	{"num82of", "12.3", `"BM4="`, "", ""},
	{"tags", "{a,b}", `["a","b"]`, "", ""},
	{"happy", "ok", `"ok"`, "", ""},
	// Ranges and composites.
	{"textrange", "[a,c)", `"[a,c)"`, leftOut, ""},
	{"numrange", "empty", `"empty"`, "", ""},
	{"tsrange", "(,infinity]", `"(,infinity]"`, "", ""},
	{"addr", `("m ""q""",1)`, `"(\"m \"\"q\"\"\",1)"`, leftOut, ""},
	{"pair", `("(a,1)",)`, `"(\"(a,1)\",)"`, leftOut, ""},
	// Bits.
	{"varbit(1)", "1", `true`, "", ""},
	{"bit(64)", "1" + strings.Repeat("0", 63), `"AAAAAAAAAIA="`, "", ""},
	{"varbit(5)", "00000", `""`, "", ""},
	// Numbers that JSON or Connect has no number for.
	{"numeric[]", "{1.10,1000000000000000000000}", `[{"scale":1,"value":"Cw=="},{"scale":0,"value":"NjXJrcXeoAAA"}]`, "", ""},
	{"float4", "-Infinity", `"-Infinity"`, "", ""},
	{"numeric(10,-2)", "1234", `"DA=="`, "", ""},
	// Moments at the ends of their ranges.
	{"timestamp(3)", "infinity", `9223372036825200`, "", ""},
	{"timestamp(0)", "-infinity", `-9223372036832400`, "", ""},
	{"date", "-infinity", `-2147483648`, `-625821272`, `-2147472691`},
	{"date", "0001-01-01 BC", `-719528`, `-719162`, `-719528`},
	{"timestamptz", "20000-01-02 03:04:05.6+00", `"+20000-01-02T03:04:05.600000Z"`, "", ""},
	{"timestamptz(1)", "4713-01-01 00:00:00+00 BC", `"-4712-01-01T00:00:00.0Z"`, "", ""},
	{"timetz", "00:30:00+02", `"22:30:00Z"`, "", ""},
	{"interval", "-1 year 2 mons -3 days 04:00:00.000001", `-26542799999999`, "", ""},
	// Texts.
	{"name", "nm", `"nm"`, `"nm"`, `null`},
	{"\"char\"", "", `""`, "", ""},
	{"char(3)", "a", `"a  "`, "", ""},
	{"citext", "MiXed", `"MiXed"`, "", ""},
	{"hstore", `a=>"x \"y\\", b=>NULL`, `"{\"a\":\"x \\\"y\\\\\",\"b\":null}"`, "", ""},
	{"xid8", "18446744073709551615", `"18446744073709551615"`, leftOut, ""},
	{"pg_lsn", "16/B374D848", `"16/B374D848"`, leftOut, ""},
	{"tsquery", "fat & rat", `"'fat' & 'rat'"`, leftOut, ""},
	{"polygon", "((0,0),(0,1))", `"((0,0),(0,1))"`, leftOut, ""},
	{"issn", "1436-4522", `"1436-4522"`, leftOut, ""},
	// Types of extensions that are not installed: see madeType.
	{"geometry", "0101000020730C00001C7C613255DE6540787AA52C435C42C0", `{"wkb":"AQEAACBzDAAAHHxhMlXeZUB4eqUsQ1xCwA==","srid":3187}`, "", ""},
	{"geography", "0101000000000000000000F03F0000000000000040", `{"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAABA","srid":null}`, "", ""},
	{"geometry[]", "{0101000000000000000000F03F0000000000000040}", `[{"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAABA","srid":null}]`, "", ""},
	{"vector", "[1,2.5,-3e-05]", `[1.0,2.5,-3.0E-5]`, "", ""},
	{"halfvec", "[101,102]", `[101.0,102.0]`, "", ""},
	{"sparsevec", "{1:201,9:209}/3000", `{"dimensions":3000,"vector":[[1,201.0],[9,209.0]]}`, "", ""},
	{"sparsevec", "{}/7", `{"dimensions":7,"vector":[]}`, "", ""},
}

// madeType creates a type whose text goes in and out as it is.
func madeType(name string) string {
	return fmt.Sprintf(`CREATE TYPE %[1]s; CREATE FUNCTION %[1]s_in(cstring) RETURNS %[1]s LANGUAGE internal IMMUTABLE STRICT AS 'textin';
		CREATE FUNCTION %[1]s_out(%[1]s) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
		CREATE TYPE %[1]s (INPUT = %[1]s_in, OUTPUT = %[1]s_out, INTERNALLENGTH = VARIABLE, STORAGE = external)`, name)
}

var madeTypes = []string{
	"CREATE EXTENSION hstore", "CREATE EXTENSION citext", "CREATE EXTENSION isn",
	"CREATE TYPE mood AS ENUM ('sad', 'ok')", "CREATE DOMAIN happy AS mood", "CREATE DOMAIN posint AS int CHECK (VALUE > 0)",
	"CREATE DOMAIN num82 AS numeric(8,2)", "CREATE DOMAIN num82of AS num82", "CREATE DOMAIN tags AS text[]",
	"CREATE TYPE addr AS (street text, zip int)", "CREATE TYPE pair AS (one addr, two int)", "CREATE TYPE textrange AS RANGE (subtype = text)",
	madeType("geometry"), madeType("geography"), madeType("vector"), madeType("halfvec"), madeType("sparsevec"),
}

// TestTypes has each case in a column of its own, read in the snapshot and streamed.
func TestTypes(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"connectd", "debezium"} {
		t.Run(mode, func(t *testing.T) {
			var columns, values []string
			for i, c := range typeCases {
				columns = append(columns, fmt.Sprintf("c%d %s", i, c.typ))
				values = append(values, literal(c.literal))
			}
			insert := "INSERT INTO a VALUES (" + strings.Join(values, ", ") + ")"
			d := newDatabase(t, append(madeTypes, "CREATE TABLE a ("+strings.Join(columns, ", ")+")", insert)...).publish(t, "a")
			r := start(t, d.config(t, "table.include.list", "public.a", "compat.mode", mode), nil)
			snapshot := r.next(1)[0]
			r.streaming()
			d.exec(t, insert)
			stream := r.next(1)[0]
			for i, c := range typeCases {
				inSnapshot, inStream := c.want, c.want
				if mode == "debezium" && c.debezium != "" {
					inSnapshot, inStream = c.debezium, c.debezium
					if c.stream != "" {
						inStream = c.stream
					}
				}
				for rec, want := range map[*sentRecord]string{&snapshot: inSnapshot, &stream: inStream} {
					got := string(member(fieldsOf(t, member(fieldsOf(t, []byte(rec.value)), "after")), fmt.Sprint("c", i)))
					if got != want && (got != "" || want != leftOut) {
						t.Errorf("%s %s (%s): got %s, want %s", c.typ, c.literal, ops([]sentRecord{*rec})[0], got, want)
					}
				}
			}
		})
	}
}

// TestModes has the handling modes that no golden record has, in the snapshot and in the stream.
func TestModes(t *testing.T) {
	t.Parallel()
	for _, m := range []struct {
		settings []string
		cases    [][3]string // type, literal, want
	}{
		{[]string{"decimal.handling.mode", "string", "time.precision.mode", "microseconds", "binary.handling.mode", "base64-url-safe"}, [][3]string{
			{"numeric", "Infinity", `"POSITIVE_INFINITY"`}, {"numeric", "-Infinity", `"NEGATIVE_INFINITY"`}, {"numeric", "1.500", `"1.500"`},
			{"numeric[]", "{1.10,NaN}", `["1.10","NAN"]`}, {"money", "-1", `"-1.00"`}, {"bytea", `\xfbff`, `"-_8="`}, {"bytea[]", `{"\\xfbff"}`, `["-_8="]`},
			{"time(3)", "13:51:30.123", `49890123000`}, {"timestamp(3)", "2016-11-04 13:51:30.123", `1478267490123000`}, {"time(0)[]", "{00:00:01}", `[1000000]`},
		}},
		{[]string{"decimal.handling.mode", "double", "time.precision.mode", "nanoseconds", "binary.handling.mode", "hex", "interval.handling.mode", "string", "hstore.handling.mode", "map"}, [][3]string{
			{"numeric", "NaN", `"NaN"`}, {"numeric(9,3)", "-1e5", `-100000.0`}, {"numeric[]", "{1.5,-Infinity}", `[1.5,"-Infinity"]`}, {"money", "1234567.89", `1234567.89`},
			{"time", "13:51:30.123456", `49890123456000`}, {"timestamp", "2016-11-04 13:51:30.123456", `1478267490123456000`}, {"date", "2016-11-04", `17109`},
			{"timestamp", "infinity", `9223372036854775807`}, {"timestamp", "-infinity", `-9223372036854775808`}, {"timestamptz", "2016-11-04 13:51:30+02", `"2016-11-04T11:51:30.000000Z"`},
			{"bytea", `\x00ff`, `"00ff"`}, {"interval", "-1 day -00:00:01.5", `"P0Y0M-1DT0H0M-1.5S"`}, {"interval[]", "{1 year}", `["P1Y0M0DT0H0M0S"]`},
			{"hstore", "a=>1, b=>NULL", `{"a":"1","b":null}`}, {"hstore[]", `{"a=>1"}`, `[{"a":"1"}]`},
		}},
		{[]string{"time.precision.mode", "isostring", "money.fraction.digits", "1", "include.unknown.datatypes", "true"}, [][3]string{
			{"date", "20000-01-02", `"+20000-01-02Z"`}, {"time(3)", "13:51:30.120", `"13:51:30.12Z"`}, {"timestamp", "2016-11-04 13:51:30", `"2016-11-04T13:51:30Z"`},
			{"money", "1234.56", `"MDo="`}, {"money", "-99.95", `"/Bg="`}, {"money", "2", `"FA=="`}, {"timetz", "13:51:02+02", `"11:51:02Z"`}, {"pg_lsn", "0/10", `"MC8xMA=="`}, {"pg_lsn[]", "{0/10}", `["MC8xMA=="]`},
		}},
		{[]string{"time.precision.mode", "connect"}, [][3]string{
			{"date[]", "{1969-12-31}", `[-1]`}, {"time", "00:00:00.001999", `1`}, {"timestamp", "1969-12-31 23:59:59.9995", `-1`}, {"timestamp", "infinity", `9223372036825200`},
		}},
	} {
		var columns, values []string
		for i, c := range m.cases {
			columns = append(columns, fmt.Sprintf("c%d %s", i, c[0]))
			values = append(values, literal(c[1]))
		}
		insert := "INSERT INTO a VALUES (" + strings.Join(values, ", ") + ")"
		d := newDatabase(t, "CREATE EXTENSION hstore", "CREATE TABLE a ("+strings.Join(columns, ", ")+")", insert).publish(t, "a")
		r := start(t, d.config(t, append(m.settings, "table.include.list", "public.a")...), nil)
		r.next(1)
		r.streaming()
		d.exec(t, insert)
		r.next(1)
		for _, rec := range r.records {
			row := fieldsOf(t, member(fieldsOf(t, []byte(rec.value)), "after"))
			for i, c := range m.cases {
				if got := string(row[i].raw); got != c[2] {
					t.Errorf("%v: %s %s (%s): got %s, want %s", m.settings, c[0], c[1], ops([]sentRecord{rec})[0], got, c[2])
				}
			}
		}
	}
}
