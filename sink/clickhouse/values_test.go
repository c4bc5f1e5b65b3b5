package clickhouse

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"connectd/record"
)

func named(t record.Type, name string, params ...record.Param) *record.Schema {
	return &record.Schema{Type: t, Name: name, Params: params, Optional: true}
}

func text(s string) record.Value   { return record.OfText(s) }
func number(s string) record.Value { return record.OfNumber([]byte(s)) }
func jsonOf(s string) record.Value { return record.OfJSON([]byte(s)) }

// TestTypes stores one value in a column of each type and reads it back.
func TestTypes(t *testing.T) {
	micros := named(record.Int64Type, record.MicroTimestampName)
	days := named(record.Int32Type, record.DateName)
	ints := &record.Schema{Type: record.ArrayType, Elem: optional(record.Schema{Type: record.Int32Type})}
	counts := &record.Schema{Type: record.MapType, Key: strings_, Elem: int64s}
	cases := []struct {
		kind   string
		schema *record.Schema
		value  record.Value
		want   string
	}{
		{"Bool", anything, record.OfBool(true), "true"},
		{"Int8", anything, record.OfInt(-128), "-128"},
		{"Int16", anything, record.OfInt(-32768), "-32768"},
		{"Int32", anything, record.OfInt(math.MinInt32), "-2147483648"},
		{"Int64", anything, record.OfInt(math.MinInt64), "-9223372036854775808"},
		{"UInt8", anything, record.OfInt(255), "255"},
		{"UInt16", anything, record.OfInt(65535), "65535"},
		{"UInt32", anything, text("4294967295"), "4294967295"},
		{"UInt64", anything, number("18446744073709551615"), "18446744073709551615"},
		{"Int128", anything, number("-170141183460469231731687303715884105728"), "-170141183460469231731687303715884105728"},
		{"Int128", anything, record.OfInt(-5), "-5"},
		{"UInt128", anything, number("340282366920938463463374607431768211455"), "340282366920938463463374607431768211455"},
		{"Int256", anything, text("-57896044618658097711785492504343953926634992332820282019728792003956564819968"), "-57896044618658097711785492504343953926634992332820282019728792003956564819968"},
		{"UInt256", anything, number("115792089237316195423570985008687907853269984665640564039457584007913129639935"), "115792089237316195423570985008687907853269984665640564039457584007913129639935"},
		{"Float32", anything, number("1.5"), "1.5"},
		{"Float64", anything, number("12.1"), "12.1"},
		{"Float64", anything, record.OfFloat(math.Inf(-1)), "-inf"},
		{"Decimal(9, 2)", anything, number("-1234567.89"), "-1234567.89"},
		{"Decimal(18, 4)", anything, number("99999999999999.9999"), "99999999999999.9999"},
		{"Decimal(38, 18)", anything, number("12345678901234567890.123456789012345678"), "12345678901234567890.123456789012345678"},
		{"Decimal(38, 18)", anything, text("12.50"), "12.5"},
		{"Decimal(76, 38)", anything, number("-1.5e-37"), "-0.00000000000000000000000000000000000015"},
		{"Decimal(10, 2)", anything, record.OfInt(7), "7"},
		{"Decimal(10, 2)", named(record.BytesType, record.DecimalName, record.Param{Name: "scale", Value: "3"}), number("1.230"), "1.23"},
		{"String", anything, text("naïve\ttab"), `naïve\ttab`},
		{"String", anything, record.OfBytes([]byte{'a', 0, 'b'}), `a\0b`},
		{"String", anything, record.OfInt(42), "42"},
		{"String", anything, jsonOf(`{"a": 1}`), `{"a": 1}`},
		{"FixedString(4)", anything, text("ab"), `ab\0\0`},
		{"LowCardinality(String)", anything, text("low"), "low"},
		{"LowCardinality(Nullable(String))", anything, record.Value{}, `\N`},
		{"UUID", anything, text("61f0c404-5cb3-11e7-907b-a6006ad3dba0"), "61f0c404-5cb3-11e7-907b-a6006ad3dba0"},
		{"Date", days, record.OfInt(19000), "2022-01-08"},
		{"Date", anything, text("2149-06-06"), "2149-06-06"},
		{"Date32", days, record.OfInt(-25567), "1900-01-01"},
		{"DateTime('UTC')", micros, record.OfInt(1706933106123456), "2024-02-03 04:05:06"},
		{"DateTime64(3, 'UTC')", micros, record.OfInt(1706933106123456), "2024-02-03 04:05:06.123"},
		{"DateTime64(6, 'UTC')", micros, record.OfInt(1706933106123456), "2024-02-03 04:05:06.123456"},
		{"DateTime64(6, 'UTC')", anything, text("2024-02-03T04:05:06.123456+02:00"), "2024-02-03 02:05:06.123456"},
		{"DateTime64(6, 'UTC')", micros, record.OfInt(-1), "1969-12-31 23:59:59.999999"},
		{"DateTime64(9, 'UTC')", named(record.Int64Type, record.NanoTimestampName), record.OfInt(1706933106123456789), "2024-02-03 04:05:06.123456789"},
		{"DateTime64(9, 'UTC')", anything, text("2024-02-03T04:05:06.123456789Z"), "2024-02-03 04:05:06.123456789"},
		{"Time64(6)", named(record.Int64Type, record.MicroTimeName), record.OfInt(45296000007), "12:34:56.000007"},
		{"Enum8('a' = -1, 'it\\'s' = 2)", anything, text("it's"), "it\\'s"},
		{"Enum16('x' = 1000)", anything, record.OfInt(1000), "x"},
		{"Array(Nullable(Int32))", ints, record.OfArray([]record.Value{record.OfInt(1), {}, record.OfInt(3)}), "[1,NULL,3]"},
		{"Array(Int32)", anything, jsonOf(" [1, 2 ,3] "), "[1,2,3]"},
		{"Array(String)", anything, jsonOf(`["a\"b", "[", "\u00e9"]`), `['a"b','[','é']`},
		{"Array(Array(Decimal(10, 1)))", anything, jsonOf(`[[1.5], [], [2]]`), "[[1.5],[],[2]]"},
		{"Array(Int32)", anything, record.Value{}, "[]"},
		{"Map(String, Int64)", counts, record.OfMap([]record.Value{text("k"), record.OfInt(1)}), "{'k':1}"},
		{"Map(String, Nullable(Int64))", anything, jsonOf(`{"a": 1, "b\n": null}`), `{'a':1,'b\n':NULL}`},
		{"Nullable(Int32)", anything, record.Value{}, `\N`},
		{"Nullable(Decimal(10, 2))", anything, number("0.01"), "0.01"},
		{"IPv4", anything, text("192.168.0.1"), "192.168.0.1"},
		{"IPv6", anything, text("2001:db8::1"), "2001:db8::1"},
		{"JSON", anything, jsonOf(`{"a":{"b":[1,2]}}`), `{"a":{"b":[1,2]}}`},
		{"SimpleAggregateFunction(sum, Int64)", anything, record.OfInt(3), "3"},
	}
	for i, c := range cases {
		t.Run(fmt.Sprintf("%02d_%s", i, c.kind), func(t *testing.T) {
			x := newTarget(t)
			x.query("CREATE TABLE $db.orders (id Int64, v " + c.kind + ") ENGINE = MergeTree ORDER BY id")
			s := structOf("id", int64s, "v", c.schema)
			x.write(batchOf(0, rec(s, record.OfInt(1), c.value)), id(1))
			x.want("SELECT v FROM $db.orders", c.want)
		})
	}
}

// TestRefused stores what ClickHouse's JSONEachRow changes silently, and what it should not take.
func TestRefused(t *testing.T) {
	micros := named(record.Int64Type, record.MicroTimestampName)
	cases := []struct {
		kind   string
		schema *record.Schema
		value  record.Value
		err    string // a part of it
		clamp  string // what out.of.range: clamp stores; empty: refused too
		null   bool   // whether out.of.range: null stores NULL in a Nullable column
	}{
		{"Int32", anything, record.OfInt(3000000000), "3000000000 is out of range, -2147483648 to 2147483647", "2147483647", true},
		{"Int8", anything, record.OfInt(-129), "out of range", "-128", true},
		{"UInt64", anything, record.OfInt(-1), "out of range", "0", true},
		{"UInt64", anything, number("18446744073709551616"), "out of range", "18446744073709551615", true},
		{"Int128", anything, number("1e60"), "out of range", "170141183460469231731687303715884105727", true},
		{"UInt256", anything, number("1e90"), "out of range", "115792089237316195423570985008687907853269984665640564039457584007913129639935", true},
		{"Int32", anything, record.Value{}, "null", "0", false},
		{"String", anything, record.Value{}, "null", "", false},
		{"Decimal(10, 2)", anything, number("1.239"), "more than 2 digits after the point", "1.24", true},
		{"Decimal(10, 2)", anything, number("-1.235"), "more than 2 digits after the point", "-1.24", true},
		{"Decimal(10, 2)", anything, number("100000000"), "more than 8 digits before the point", "99999999.99", true},
		{"Decimal(10, 2)", anything, number("-1e80"), "more than 8 digits before the point", "-99999999.99", true},
		{"DateTime64(3, 'UTC')", anything, record.OfInt(1706933106123), "1706933106123", "-", false},
		{"DateTime64(6, 'UTC')", micros, record.OfInt(20000000000000000), "out of range, 1900-01-01", "2299-12-31 23:59:59.999999", true},
		{"DateTime64(9, 'UTC')", micros, record.OfInt(10000000000000000), "out of range", "2262-04-11 23:47:16.854774000", true},
		{"DateTime('UTC')", micros, record.OfInt(-1), "out of range", "1970-01-01 00:00:00", true},
		{"DateTime('UTC')", anything, text("2106-02-08T00:00:00Z"), "out of range", "2106-02-07 06:28:15", true},
		{"Date", anything, text("1950-01-01"), "1950-01-01 is out of range, 1970-01-01 to 2149-06-06", "1970-01-01", true},
		{"Date32", anything, text("1800-01-01"), "out of range", "1900-01-01", true},
		{"Date32", anything, text("infinity"), "infinity", "2299-12-31", true},
		{"Float32", anything, record.OfFloat(1e300), "out of range of Float32", "3.4028235e38", true},
		{"Float32", anything, record.OfInt(16777217), "16777217 is not exactly a Float32", "16777216", true},
		{"Float64", anything, number("1e400"), "1e400", "-", false},
		{"FixedString(2)", anything, text("abc"), "longer than 2", "ab", true},
		{"Enum8('a' = 1)", anything, text("b"), `"b" is not a name of the enum`, "-", true},
		{"UUID", anything, text("61f0c404"), "is not a UUID", "-", false},
		{"Int32", anything, text("abc"), "abc", "-", false},
		{"Int32", anything, number("1.5"), "1.5", "-", false},
		{"IPv4", anything, text("2001:db8::1"), "not an IPv4", "-", true},
		{"Array(Int8)", anything, jsonOf("[1, 300]"), "element 1: 300 is out of range", "[1,127]", false},
		{"Array(Int8)", anything, jsonOf(`{"a":1}`), "not an array", "-", false},
		{"Array(Int8)", anything, text("[1]"), "a text is not an array", "-", false},
		{"Map(String, Int8)", anything, jsonOf(`{"a":300}`), "300 is out of range", "{'a':127}", false},
	}
	for i, c := range cases {
		t.Run(fmt.Sprintf("%02d_%s", i, c.kind), func(t *testing.T) {
			x := newTarget(t)
			x.query("CREATE TABLE $db.orders (id Int64, v " + c.kind + ") ENGINE = MergeTree ORDER BY id")
			s := structOf("id", int64s, "v", c.schema)
			b := batchOf(0, rec(s, record.OfInt(1), c.value))
			if err := x.tryWrite(b, id(1)); err != nil {
				t.Fatal(err)
			}
			where := "column `v` " + c.kind + " of table `" + x.db + "`.`orders`"
			if len(b.Failed()) != 1 || !strings.Contains(b.Failed()[0].Err.Error(), c.err) || !strings.Contains(b.Failed()[0].Err.Error(), where) {
				t.Errorf("got %v, want a failure with %q at %s", b.Failed(), c.err, where)
			}
			x.want("SELECT count() FROM $db.orders", "0")

			x.cfg.Range = "clamp"
			x.sink = x.open()
			b = batchOf(0, rec(s, record.OfInt(1), c.value))
			if err := x.tryWrite(b, id(2)); err != nil {
				t.Fatal(err)
			}
			if c.clamp == "-" {
				if len(b.Failed()) != 1 {
					t.Errorf("clamp: got %v, want a failure", b.Failed())
				}
			} else {
				x.want("SELECT v FROM $db.orders", c.clamp)
			}

			if !c.null {
				return
			}
			x.cfg.Range = "null"
			x.sink = x.open()
			x.query("DROP TABLE $db.orders")
			x.query("CREATE TABLE $db.orders (id Int64, v Nullable(" + c.kind + ")) ENGINE = MergeTree ORDER BY id")
			x.write(batchOf(0, rec(s, record.OfInt(1), c.value)), id(3))
			x.want("SELECT v FROM $db.orders", `\N`)
		})
	}
}

// TestFailedRecords checks that a refused record leaves nothing behind in the columns before and
// behind the one that refuses it.
func TestFailedRecords(t *testing.T) {
	x := newTarget(t)
	x.query("CREATE TABLE $db.orders (id Int64, a Array(Array(Int8)), v Nullable(Int8), m Map(String, Int8), s String) ENGINE = MergeTree ORDER BY id")
	s := structOf("id", int64s, "a", anything, "s", anything, "m", anything, "v", anything)
	b := batchOf(0,
		rec(s, record.OfInt(0), jsonOf("[[1],[2,3]]"), text("a"), jsonOf(`{"k":1}`), record.OfInt(0)),
		rec(s, record.OfInt(1), jsonOf("[[4],[5,300]]"), text("b"), jsonOf(`{"k":2}`), record.OfInt(1)),
		rec(s, record.OfInt(2), jsonOf("[[6]]"), text("c"), jsonOf(`{"k":3,"l":999}`), record.OfInt(2)),
		rec(s, record.OfInt(3), jsonOf("[[7]]"), text("d"), jsonOf(`{"k":4}`), record.OfInt(300)),
		rec(s, record.OfInt(4), jsonOf("[]"), text("e"), jsonOf(`{}`), record.Value{}),
		rec(s, record.Value{}, jsonOf("[[8]]"), text("f"), jsonOf(`{}`), record.Value{}),
		rec(s, record.OfInt(6), jsonOf("[[9]]"), text("g"), jsonOf(`{"k":7}`), record.OfInt(6)),
	)
	if err := x.tryWrite(b, id(1)); err != nil {
		t.Fatal(err)
	}
	var failed []int
	for _, f := range b.Failed() {
		failed = append(failed, f.Index)
	}
	if fmt.Sprint(failed) != "[1 2 3 5]" {
		t.Errorf("failed: got %v, want [1 2 3 5]", b.Failed())
	}
	x.want("SELECT * FROM $db.orders ORDER BY id", "0\t[[1],[2,3]]\t0\t{'k':1}\ta\n4\t[]\t\\N\t{}\te\n6\t[[9]]\t6\t{'k':7}\tg")
}
