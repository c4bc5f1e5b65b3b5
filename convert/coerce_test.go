package convert

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"connectd/record"
)

// named is a value of a schema with a logical name.
func named(name string, v record.Value) record.Datum {
	t := record.StringType
	switch v.Kind {
	case record.Int:
		t = record.Int64Type
	case record.Bytes, record.Number:
		t = record.BytesType
	case record.Struct:
		t = record.StructType
	}
	return record.Datum{Schema: &record.Schema{Type: t, Name: name}, Value: v}
}

func bare(v record.Value) record.Datum { return record.Datum{Schema: anySchema, Value: v} }
func number(s string) record.Value     { return record.OfNumber([]byte(s)) }
func ofText(s string) record.Datum     { return bare(record.OfText(s)) }
func bitsOf(n int, octets ...byte) record.Datum {
	d := named(record.BitsName, record.OfBytes(octets))
	d.Schema.Params = []record.Param{{Name: "length", Value: fmt.Sprint(n)}}
	return d
}
func variableOf(scale int64, octets ...byte) record.Datum {
	return named(record.VariableScaleName, record.OfStruct([]record.Value{record.OfInt(scale), record.OfBytes(octets)}))
}

// coercion is one case: a datum and what it is as something else, or a part of the error.
type coercion struct {
	d    record.Datum
	want string
	err  string
}

func check[T any](t *testing.T, as func(record.Datum) (T, error), cases []coercion) {
	t.Helper()
	for _, c := range cases {
		got, err := as(c.d)
		switch {
		case c.err == "" && err != nil:
			t.Errorf("%s %s: %v", name(c.d.Schema), describeValue(&c.d.Value), err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s %s: got %v, %v; want an error with %q", name(c.d.Schema), describeValue(&c.d.Value), got, err, c.err)
		case c.err == "" && fmt.Sprint(got) != c.want:
			t.Errorf("%s %s: got %v, want %s", name(c.d.Schema), describeValue(&c.d.Value), got, c.want)
		}
	}
}

// appended makes text of an Append… function.
func appended(f func([]byte, record.Datum) ([]byte, error)) func(record.Datum) (string, error) {
	return func(d record.Datum) (string, error) {
		out, err := f(nil, d)
		return string(out), err
	}
}

func TestAsInt(t *testing.T) {
	check(t, AsInt, []coercion{
		{bare(record.OfInt(-5)), "-5", ""},
		{bare(record.OfBool(true)), "1", ""},
		{bare(number("12.00")), "12", ""},
		{bare(number("1e3")), "1000", ""},
		{ofText("42"), "42", ""},
		{bare(record.OfFloat(3)), "3", ""},
		{named(record.MicroTimestampName, record.OfInt(7)), "7", ""},
		{bitsOf(24, 1, 2, 3), "197121", ""},
		{variableOf(0, 100), "100", ""},
		{variableOf(1, 15), "", "is not an integer"},
		{bare(number("12.5")), "", "is not an integer"},
		{bare(number("9223372036854775808")), "", "beyond the 64 bits"},
		{bare(record.OfFloat(1e19)), "", "beyond the 64 bits"},
		{bare(record.OfFloat(math.NaN())), "", "is not an integer"},
		{ofText("x"), "", `"x": is not an integer`},
		{bitsOf(64, 0, 0, 0, 0, 0, 0, 0, 0x80), "", "beyond the 64 bits"},
		{bare(record.Value{}), "", "null"},
	})
}

func TestAsFloat(t *testing.T) {
	check(t, AsFloat, []coercion{
		{bare(record.OfInt(1 << 53)), "9.007199254740992e+15", ""},
		{bare(record.OfInt(1<<53 + 1)), "", "53 bits"},
		{bare(record.OfInt(math.MaxInt64)), "", "53 bits"},
		{bare(record.OfInt(math.MinInt64)), "-9.223372036854776e+18", ""},
		{bare(number("0.1")), "0.1", ""},
		{ofText("NaN"), "NaN", ""},
		{ofText("-Infinity"), "-Inf", ""},
		{ofText("POSITIVE_INFINITY"), "+Inf", ""},
		{bare(number("1e400")), "", "1.8e308"},
		{ofText("0x10"), "", "is not a number"},
		{ofText("1_0"), "", "is not a number"},
		{variableOf(1, 15), "1.5", ""},
	})
}

func TestAsBool(t *testing.T) {
	check(t, AsBool, []coercion{
		{bare(record.OfBool(true)), "true", ""},
		{bare(record.OfInt(0)), "false", ""},
		{ofText("t"), "true", ""},
		{bitsOf(1, 1), "true", ""},
		{bare(record.OfInt(2)), "", "is not a boolean"},
		{ofText("yes"), "", "is not a boolean"},
	})
}

func TestAsDecimal(t *testing.T) {
	check(t, appended(AsDecimal), []coercion{
		{named(record.DecimalName, number("-12.50")), "-12.50", ""},
		{bare(number("1.5e3")), "1500", ""},
		{bare(number("1.5e-3")), "0.0015", ""},
		{bare(number("-0012.5E+1")), "-125", ""},
		{bare(record.OfInt(-7)), "-7", ""},
		{bare(record.OfFloat(1e21)), "1000000000000000000000", ""},
		{record.Datum{Schema: &record.Schema{Type: record.Float32Type}, Value: record.OfFloat(float64(float32(3.3)))}, "3.3", ""},
		{variableOf(4, 1, 0x8a, 0xf7), "10.1111", ""},
		{variableOf(9, 0x5c, 0xe0, 0xe9, 0xa5, 0x60, 0x15, 0xfe, 0xc5, 0xaa, 0xdf, 0xa3, 0x28, 0xae, 0x39, 0x81, 0x15), "123456789012345678901234567890.123456789", ""},
		{variableOf(2, 0xff), "-0.01", ""},
		{ofText("1234.50"), "1234.50", ""},
		{ofText("AeI6"), "", "decimal.handling.mode=string"},
		{bare(number("1e999999999")), "", "decimal"},
		{bare(record.OfFloat(math.Inf(-1))), "", "is not finite"},
		{ofText("NAN"), "", "is not finite"},
		{variableOf(2), "", "no octets"},
		{variableOf(math.MaxInt32, 1), "", "scale"},
	})
	if text, err := AsDecimal(nil, ofText("NEGATIVE_INFINITY")); string(text) != "-Infinity" || !errors.Is(err, ErrNotFinite) {
		t.Errorf("got %s, %v; want -Infinity and ErrNotFinite", text, err)
	}
}

func TestAsMicros(t *testing.T) {
	check(t, AsMicros, []coercion{
		{named(record.MicroTimestampName, record.OfInt(1478267490123456)), "1478267490123456", ""},
		{named(record.MicroTimestampName, record.OfInt(-1)), "-1", ""},
		{named(record.TimestampName, record.OfInt(-1478267490123)), "-1478267490123000", ""},
		{named(record.ConnectTimestamp, record.OfInt(5)), "5000", ""},
		{named(record.NanoTimestampName, record.OfInt(-5000)), "-5", ""},
		{named(record.NanoTimestampName, record.OfInt(5001)), "", "finer than the microseconds"},
		{named(record.TimestampName, record.OfInt(math.MaxInt64/1000+1)), "", "beyond the microseconds"},
		{named(record.TimestampName, record.OfInt(math.MinInt64/1000-1)), "", "beyond the microseconds"},
		{named(record.DateName, record.OfInt(17109)), "1478217600000000", ""},
		{named(record.MicroTimeName, record.OfInt(5)), "", "is not a moment"},
		{bare(record.OfInt(5)), "", "without a unit"},
		{named(record.ZonedTimestampName, record.OfText("2016-11-04T11:51:30.123456Z")), "1478260290123456", ""},
		{named(record.ZonedTimestampName, record.OfText("+21016-11-04T06:51:30.123456Z")), "601060287090123456", ""},
		{named(record.ZonedTimestampName, record.OfText("-4713-12-31T23:59:59.999999Z")), "-210863520000000001", ""},
		{named(record.ZonedTimestampName, record.OfText("infinity")), "", "is not finite"},
		{named("io.debezium.time.IsoTimestamp", record.OfText("2016-11-04T13:51:30.123456Z")), "1478267490123456", ""},
		{ofText("2016-11-04 13:51:30.5+02"), "1478260290500000", ""},
		{ofText("2016-11-04T13:51:30-0130"), "1478272890000000", ""},
		{ofText("2016-11-04T13:51+02:00"), "1478260260000000", ""},
		{ofText("0044-03-15 01:02:03 BC"), "-63517820277000000", ""},
		{ofText("2016-11-04"), "1478217600000000", ""},
		{ofText("1969-12-31T23:59:59.999999Z"), "-1", ""},
		{ofText("2016-11-04T24:00:00Z"), "1478304000000000", ""},
		{ofText("2016-11-04T13:51:30.1234560000Z"), "1478267490123456", ""},
		{ofText("2016-11-04T13:51:30.1234567Z"), "", "finer than the microseconds"},
		{ofText("2016-11-04T13:51:30.1234567891Z"), "", "finer than nanoseconds"},
		{ofText("294247-01-10T04:00:54.775807Z"), "9223372036854775807", ""},
		{ofText("294247-01-10T04:00:54.775808Z"), "", "beyond the microseconds"},
		{ofText("-290308-12-21T19:59:05.224192Z"), "-9223372036854775808", ""},
		{ofText("2016-02-30T00:00:00Z"), "", "no date of the calendar"},
		{ofText("2016-11-04T25:00:00Z"), "", "is not a"},
		{ofText("2016-11-04T13:51:30Zx"), "", "is not a timestamp"},
		{ofText("soon"), "", "is not a timestamp"},
		{bare(number("1.5")), "", "is not a moment"},
	})
	for n, want := range map[int64]int64{debeziumInfinity: math.MaxInt64, debeziumNegInfinity: math.MinInt64} {
		if got, err := AsMicros(named(record.MicroTimestampName, record.OfInt(n))); got != want || !errors.Is(err, ErrNotFinite) {
			t.Errorf("Debezium's infinity %d: got %d, %v", n, got, err)
		}
	}
	for unit, want := range map[time.Duration]int64{time.Second: 1500000000000000, time.Millisecond: 1500000000000, time.Microsecond: 1500000000} {
		if got, err := AsMicrosIn(bare(record.OfInt(1500000000)), unit); got != want || err != nil {
			t.Errorf("unit %v: got %d, %v; want %d", unit, got, err, want)
		}
	}
	if got, err := AsNanos(ofText("2016-11-04T13:51:30.123456789Z"), 0); got != 1478267490123456789 || err != nil {
		t.Errorf("nanoseconds: got %d, %v", got, err)
	}
	if _, err := AsNanos(ofText("2300-01-01"), 0); err == nil || !strings.Contains(err.Error(), "2262") {
		t.Errorf("the year 2300 in nanoseconds: %v", err)
	}
}

// TestDaysOf compares every day of 3000 years with package time.
func TestDaysOf(t *testing.T) {
	day := time.Date(-500, 1, 1, 0, 0, 0, 0, time.UTC)
	for ; day.Year() < 2500; day = day.AddDate(0, 0, 1) {
		want := day.Unix() / secondsOfDay
		got, err := daysOf(int64(day.Year()), int64(day.Month()), int64(day.Day()))
		if err != nil || got != want {
			t.Fatalf("%v: got %d, %v; want %d", day, got, err, want)
		}
		if day.Year() < 0 {
			continue
		}
		if text := string(appendDate(nil, want)); text != day.Format("2006-01-02") {
			t.Fatalf("day %d: got %s, want %v", want, text, day)
		}
	}
}

func TestAsDays(t *testing.T) {
	check(t, AsDays, []coercion{
		{named(record.DateName, record.OfInt(17109)), "17109", ""},
		{named(record.ConnectDate, record.OfInt(-1)), "-1", ""},
		{named("io.debezium.time.IsoDate", record.OfText("2016-11-04Z")), "17109", ""},
		{ofText("2016-11-04"), "17109", ""},
		{ofText("0044-03-15 BC"), "-735160", ""},
		{named(record.MicroTimestampName, record.OfInt(1478217600000000)), "17109", ""},
		{named(record.MicroTimestampName, record.OfInt(1478217600000001)), "", "has a time of day"},
		{ofText("2016-11-04T00:00:01"), "", "has a time of day"},
		{named(record.DateName, record.OfInt(math.MaxInt32)), "", "is not finite"},
		{bare(record.OfInt(5)), "", "without a unit"},
	})
}

func TestAsMicrosOfDay(t *testing.T) {
	check(t, AsMicrosOfDay, []coercion{
		{named(record.MicroTimeName, record.OfInt(86400000000)), "86400000000", ""},
		{named(record.MicroTimeName, record.OfInt(86400000001)), "", "24:00:00"},
		{named(record.TimeName, record.OfInt(49890123)), "49890123000", ""},
		{named(record.ConnectTime, record.OfInt(-1)), "", "24:00:00"},
		{named(record.TimeName, record.OfInt(math.MaxInt64)), "", "24:00:00"},
		{named(record.NanoTimeName, record.OfInt(49890123456000)), "49890123456", ""},
		{named(record.NanoTimeName, record.OfInt(1)), "", "finer than the microseconds"},
		{named(record.ZonedTimeName, record.OfText("11:51:30.123789Z")), "42690123789", ""},
		{ofText("13:51:30+02"), "42690000000", ""},
		{ofText("01:00:00+02"), "82800000000", ""},
		{ofText("24:00:00"), "86400000000", ""},
		{ofText("13:51"), "49860000000", ""},
		{ofText("24:00:01"), "", "is not a time of day"},
		{ofText("noon"), "", "is not a time of day"},
		{bare(record.OfInt(5)), "", "without a unit"},
	})
}

func TestAppendText(t *testing.T) {
	list := record.Datum{Schema: &record.Schema{Type: record.ArrayType, Elem: &record.Schema{Type: record.Int32Type, Name: record.DateName}},
		Value: record.OfArray([]record.Value{record.OfInt(17109), {}})}
	check(t, appended(AppendText), []coercion{
		{ofText("x"), "x", ""},
		{bare(record.OfInt(5)), "5", ""},
		{bare(record.OfBool(true)), "true", ""},
		{bare(record.OfFloat(1e300)), "1e+300", ""},
		{bare(record.OfFloat(math.Inf(-1))), "-Infinity", ""},
		{named(record.DecimalName, number("12.50")), "12.50", ""},
		{variableOf(1, 15), "1.5", ""},
		{named("", record.OfBytes([]byte{1, 0xff})), `\x01ff`, ""},
		{bitsOf(3, 5), "101", ""},
		{bitsOf(4, 5), "0101", ""},
		{bitsOf(3), "000", ""},
		{bitsOf(math.MaxInt32, 5), "101", ""},
		{named(record.DateName, record.OfInt(17109)), "2016-11-04", ""},
		{named(record.DateName, record.OfInt(-735160)), "-0043-03-15", ""},
		{named(record.DateName, record.OfInt(math.MinInt32)), "-infinity", ""},
		{named(record.TimeName, record.OfInt(49890120)), "13:51:30.12", ""},
		{named(record.MicroTimeName, record.OfInt(86400000000)), "24:00:00", ""},
		{named(record.MicroTimestampName, record.OfInt(1478267490123456)), "2016-11-04T13:51:30.123456", ""},
		{named(record.TimestampName, record.OfInt(-1)), "1969-12-31T23:59:59.999", ""},
		{named(record.NanoTimestampName, record.OfInt(math.MaxInt64)), "infinity", ""},
		{named(record.MicroDurationName, record.OfInt(-86401500000)), "PT-86401.5S", ""},
		{bare(record.OfJSON([]byte(`{"a": 1}`))), `{"a": 1}`, ""},
		{list, `["2016-11-04",null]`, ""},
	})
}

func TestAppendJSON(t *testing.T) {
	row := schemaOf(t, orders)
	check(t, appended(AppendJSON), []coercion{
		{ofText(`a"b`), `"a\"b"`, ""},
		{named(record.JSONName, record.OfText(`{"a": 1}`)), `{"a": 1}`, ""},
		{named(record.JSONName, record.OfText(`{"a": }`)), "", "is not JSON"},
		{bare(record.OfFloat(math.NaN())), `"NaN"`, ""},
		{bare(record.OfFloat(0.5)), `0.5`, ""},
		{bare(record.Value{}), `null`, ""},
		{bitsOf(3, 5), `"101"`, ""},
		{record.Datum{Schema: row, Value: record.OfStruct([]record.Value{
			record.OfInt(1), number("12.50"), record.OfBytes([]byte{1, 2, 3}), record.OfFloat(2), record.OfArray(nil),
			variableOf(1, 15).Value, record.OfInt(1478267490123456),
		})}, `{"id":1,"amount":12.50,"raw":"AQID","ratio":2,"list":[],"free":1.5,"at":"2016-11-04T13:51:30.123456"}`, ""},
		{record.Datum{Schema: &record.Schema{Type: record.MapType, Key: &record.Schema{Type: record.Int16Type}, Elem: anySchema}, Value: record.OfMap([]record.Value{record.OfInt(1), record.OfText("x")})}, `{"1":"x"}`, ""},
	})
}

func TestAsBytes(t *testing.T) {
	check(t, appended(AsBytes), []coercion{
		{named("", record.OfBytes([]byte{1, 0xff})), "\x01\xff", ""},
		{ofText("AQID"), "\x01\x02\x03", ""},
		{ofText("hello!"), "", "is not base64"},
		{named("", record.OfText("hello!")), "hello!", ""},
		{bare(record.OfInt(1)), "", "is not bytes"},
	})
}
