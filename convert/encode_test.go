package convert

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"connectd/record"
)

func schemaOf(t testing.TB, text string) *record.Schema {
	t.Helper()
	s, err := ParseSchema([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const (
	decimal2  = `{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"}}`
	decimal8  = `{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"8"}}`
	variable2 = `{"type":"struct","fields":[{"type":"int32","optional":false,"field":"scale"},{"type":"bytes","optional":false,"field":"value"}],"optional":true,"name":"io.debezium.data.VariableScaleDecimal","version":1}`
)

// TestEncodeValue writes values as a source makes them. The decimals and floats are in the
// golden files or come from Java.
func TestEncodeValue(t *testing.T) {
	number := func(s string) record.Value { return record.OfNumber([]byte(s)) }
	intKeys := `{"type":"map","keys":{"type":"int16","optional":false},"values":{"type":"double","optional":true},"optional":false}`
	textKeys := `{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"string","optional":true},"optional":false}`
	for _, c := range []struct {
		schema  string // "" for none
		value   record.Value
		numeric bool
		want    string
	}{
		{decimal2, number("1234.5"), false, `"AeI6"`},
		{decimal2, number("-1234.11"), false, `"/h3t"`},
		{decimal2, number("0.01"), false, `"AQ=="`},
		{decimal2, number("-1.28"), false, `"gA=="`},
		{decimal2, number("1.28"), false, `"AIA="`},
		{decimal2, number("1.5e2"), false, `"Opg="`},
		{decimal2, number("92233720368547758.07"), false, `"f/////////8="`},
		{decimal2, number("92233720368547758.08"), false, `"AIAAAAAAAAAA"`},
		{decimal2, number("-92233720368547758.08"), false, `"gAAAAAAAAAA="`},
		{decimal2, number("-92233720368547758.09"), false, `"/3//////////"`},
		{decimal2, number("12.500"), false, `"BOI="`},
		{decimal2, number("12.5"), true, `12.50`},
		{decimal2, number("-0.5"), true, `-0.50`},
		{decimal8, number("0.00000001"), true, `1E-8`},
		{decimal8, number("0"), true, `0E-8`},
		{decimal8, number("0.00000123"), true, `0.00000123`},
		{decimal8, number("-0.00000012"), true, `-1.2E-7`},
		{decimal2, number("123456789012345678901234567890.1"), true, `123456789012345678901234567890.10`},
		{variable2, number("10.1111"), false, `{"scale":4,"value":"AYr3"}`},
		{variable2, number("1.500"), false, `{"scale":1,"value":"Dw=="}`},
		{variable2, number("100"), false, `{"scale":0,"value":"ZA=="}`},
		{variable2, number("123456789012345678901234567890.123456789"), false, `{"scale":9,"value":"XODppWAV/sWq36MorjmBFQ=="}`},
		{intKeys, record.OfMap([]record.Value{record.OfInt(1), record.OfFloat(201), record.OfInt(9), {}}), false, `[[1,201.0],[9,null]]`},
		{intKeys, record.OfMap(nil), false, `[]`},
		{textKeys, record.OfMap([]record.Value{record.OfText("k1"), record.OfText("v1"), record.OfText("k2"), {}}), false, `{"k1":"v1","k2":null}`},
		{textKeys, record.OfMap(nil), false, `{}`},
		{"", record.OfArray([]record.Value{record.OfInt(1), record.OfBool(true), {}}), false, `[1,true,null]`},
		{"", number("1.10"), false, `1.10`},
		{"", record.OfJSON([]byte(`{"a": [1]}`)), false, `{"a": [1]}`},
		{"", record.OfBytes([]byte{0, 1, 2}), false, `"AAEC"`},
		{`{"type":"float","optional":true}`, record.OfFloat(float64(float32(3.3))), false, `3.3`},
		{`{"type":"double","optional":true}`, record.OfFloat(3.3), false, `3.3`},
	} {
		j := newJSON(t, func(s *JSONConfig) {
			s.Schemas = false
			if c.numeric {
				s.Decimals = "NUMERIC"
			}
		})
		d := record.Datum{Value: c.value}
		if c.schema != "" {
			d.Schema = schemaOf(t, c.schema)
		}
		got, _, err := j.Encode(nil, "topic", d)
		if err != nil || string(got) != c.want {
			t.Errorf("%s of kind %d = %s, %v; want %s", c.value.B, c.value.Kind, got, err, c.want)
		}
	}
}

func TestEncodeErrors(t *testing.T) {
	row := `{"type":"struct","fields":[{"type":"int32","optional":false,"field":"id"},` + strings.Replace(decimal2, `"optional"`, `"field":"amount","optional"`, 1) + `],"optional":true}`
	for _, c := range []struct {
		cells []record.Value
		want  string
	}{
		{[]record.Value{{}, {}}, `field "id": null where the schema requires int32`},
		{[]record.Value{record.OfInt(1), record.OfNumber([]byte("1.234"))}, `field "amount": the decimal 1.234 has more than 2 digits after the point`},
		{[]record.Value{record.OfInt(1), record.OfNumber([]byte("NaN"))}, `field "amount": "NaN" is not a decimal number`},
		{[]record.Value{record.OfInt(1)}, `a struct of 1 values for the schema of a struct with 2 fields`},
	} {
		j := newJSON(t, schemaless)
		_, _, err := j.Encode(nil, "topic", record.Datum{Schema: schemaOf(t, row), Value: record.OfStruct(c.cells)})
		if err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// TestEncodeNull tells Kafka's null from a null with a schema.
func TestEncodeNull(t *testing.T) {
	row := &record.Schema{Type: record.Int32Type, Optional: true}
	for _, c := range []struct {
		schemas bool
		schema  *record.Schema
		null    bool
		want    string
	}{
		{true, nil, true, ""},
		{false, nil, true, ""},
		{false, row, false, "null"},
		{true, row, false, `{"schema":{"type":"int32","optional":true},"payload":null}`},
	} {
		j := newJSON(t, func(s *JSONConfig) { s.Schemas = c.schemas })
		got, null, err := j.Encode(nil, "topic", record.Datum{Schema: c.schema})
		if err != nil || null != c.null || string(got) != c.want {
			t.Errorf("schemas=%v: %s, null=%v, %v; want %s, null=%v", c.schemas, got, null, err, c.want, c.null)
		}
	}
}

// TestEncodeUntyped writes data without a schema as Kafka Connect does.
func TestEncodeUntyped(t *testing.T) {
	d := decode(t, newJSON(t, schemaless), []byte(`{"a":1,"b":{"c":[]}}`), nil)
	same(t, encode(t, newJSON(t, nil), d), []byte(`{"schema":null,"payload":{"a":1,"b":{"c":[]}}}`))
}

// TestQuoted compares with what Jackson writes to bytes.
func TestQuoted(t *testing.T) {
	for in, want := range map[string]string{
		"tëxt \"q\" \\ €":          `"tëxt \"q\" \\ €"`,
		"\x00\x01\b\t\n\v\f\r\x1f": `"\u0000\u0001\b\t\n\u000B\f\r\u001F"`,
		"/\x7f</script>":           "\"/\x7f</script>\"",
		"a😀b":                      `"a\uD83D\uDE00b"`,
		"\u2028\uffff":             "\"\u2028\uffff\"",
		"a\xffb\xc3":               "\"a\ufffdb\ufffd\"",
	} {
		if got := string(AppendQuoted(nil, []byte(in))); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

// TestJavaFloat compares with Double.toString and Float.toString of Java 19 and later.
func TestJavaFloat(t *testing.T) {
	for _, c := range []struct {
		f    float64
		bits int
		want string
	}{
		{0, 64, "0.0"}, {math.Copysign(0, -1), 64, "-0.0"}, {1, 64, "1.0"}, {-1.5, 64, "-1.5"},
		{100, 64, "100.0"}, {9999999, 64, "9999999.0"}, {1e7, 64, "1.0E7"}, {12345678.9, 64, "1.23456789E7"},
		{0.001, 64, "0.001"}, {0.00099, 64, "9.9E-4"}, {1.5e-7, 64, "1.5E-7"}, {1e300, 64, "1.0E300"},
		{-2e23, 64, "-2.0E23"}, {5e-324, 64, "4.9E-324"}, {-5e-324, 64, "-4.9E-324"},
		{math.MaxFloat64, 64, "1.7976931348623157E308"}, {math.SmallestNonzeroFloat32, 32, "1.4E-45"},
		{float64(float32(3.3)), 32, "3.3"}, {float64(float32(1e10)), 32, "1.0E10"},
		{float64(math.MaxFloat32), 32, "3.4028235E38"},
		{math.NaN(), 64, `"NaN"`}, {math.Inf(1), 64, `"Infinity"`}, {math.Inf(-1), 32, `"-Infinity"`},
	} {
		if got := string(appendFloat(nil, c.f, c.bits)); got != c.want {
			t.Errorf("%g (%d bits): got %s, want %s", c.f, c.bits, got, c.want)
		}
	}
}

// TestTextConverters covers the converters for strings, bytes and headers.
func TestTextConverters(t *testing.T) {
	key := schemaOf(t, `{"type":"struct","fields":[{"type":"int32","optional":false,"field":"id"},{"type":"string","optional":true,"field":"name"},{"type":"string","optional":true,"field":"note"}],"optional":false}`)
	row := record.Datum{Schema: key, Value: record.OfStruct([]record.Value{record.OfInt(3), record.OfText(`a"b`), {}})}
	text, _ := NewString(&StringConfig{Encoding: "UTF8"})
	latin, _ := NewString(&StringConfig{Encoding: "ISO-8859-1"})
	octets, _ := NewBytes(&BytesConfig{})
	simple, _ := NewSimple(&SimpleConfig{})
	for _, c := range []struct {
		name string
		to   Converter
		d    record.Datum
		want string
	}{
		{"string", text, record.Datum{Value: record.OfText("é")}, "é"},
		{"string", text, record.Datum{Value: record.OfFloat(1e10)}, "1.0E10"},
		{"string", text, row, `Struct{id=3,name=a"b}`},
		{"latin", latin, record.Datum{Value: record.OfText("é")}, "\xe9"},
		{"bytes", octets, record.Datum{Value: record.OfBytes([]byte("\x00\xff"))}, "\x00\xff"},
		{"header", simple, record.Datum{Value: record.OfText("c")}, "c"},
		{"header", simple, record.Datum{Value: record.OfInt(1795223846776)}, "1795223846776"},
		{"header", simple, row, `{"id":3,"name":"a\"b","note":null}`},
	} {
		got, null, err := c.to.Encode(nil, "topic", c.d)
		if err != nil || null || string(got) != c.want {
			t.Errorf("%s: got %q, null=%v, %v; want %q", c.name, got, null, err, c.want)
		}
		if got, null, err := c.to.Encode(nil, "topic", record.Datum{}); !null || len(got) > 0 || err != nil {
			t.Errorf("%s: null is %q, null=%v, %v", c.name, got, null, err)
		}
		if d, err := c.to.Decode(nil, "topic", nil, nil); err != nil || !d.IsNull() {
			t.Errorf("%s: null reads as %v, %v", c.name, d, err)
		}
	}
	if d, err := latin.Decode(nil, "topic", []byte("\xe9"), nil); err != nil || string(d.Value.B) != "é" {
		t.Errorf("latin é reads as %q, %v", d.Value.B, err)
	}
	if _, _, err := octets.Encode(nil, "topic", row); err == nil {
		t.Error("the bytes converter writes a struct")
	}
	if _, err := NewString(&StringConfig{Encoding: "klingon"}); err == nil {
		t.Error("klingon is a character set")
	}
}

// Each byte, at each place of a text, is written as encoding/json reads it.
func TestQuotedEverywhere(t *testing.T) {
	for at := range 20 {
		for c := range 256 {
			text := bytes.Repeat([]byte("x"), 20)
			text[at] = byte(c)
			want := strings.ToValidUTF8(string(text), "\uFFFD")
			var got string
			if err := json.Unmarshal(AppendQuoted(nil, text), &got); err != nil || got != want {
				t.Fatalf("byte %#x at %d: got %q (%v), want %q", c, at, got, err, want)
			}
		}
	}
}
