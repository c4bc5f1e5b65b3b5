package convert

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"connectd/record"
)

// describe is a datum in one line: name=kind:content for each field.
func describe(d record.Datum) string {
	if d.Value.Kind != record.Struct {
		return describeValue(&d.Value)
	}
	var parts []string
	for i, f := range d.Schema.Fields {
		parts = append(parts, f.Name+"="+describeValue(&d.Value.Items[i]))
	}
	return strings.Join(parts, " ")
}

func describeValue(v *record.Value) string {
	switch v.Kind {
	case record.Null:
		return "null"
	case record.Bool:
		return fmt.Sprint(v.Bool())
	case record.Int:
		return fmt.Sprint(v.N)
	case record.Float:
		return fmt.Sprintf("float:%g", v.Float())
	case record.Struct, record.Array, record.Map:
		var parts []string
		for i := range v.Items {
			parts = append(parts, describeValue(&v.Items[i]))
		}
		return kindNames[v.Kind] + "(" + strings.Join(parts, " ") + ")"
	}
	return fmt.Sprintf("%s:%s", kindNames[v.Kind], v.B)
}

func TestDecodeSchemaless(t *testing.T) {
	j := newJSON(t, schemaless)
	for _, c := range []struct{ text, want string }{
		{`{}`, ``},
		{` { "a" : 1 , "b" : -2.50 , "c" : 1e3 } `, `a=1 b=number:-2.50 c=number:1e3`},
		{`{"a":9223372036854775807,"b":9223372036854775808,"c":-9223372036854775808,"d":-9223372036854775809}`,
			`a=9223372036854775807 b=number:9223372036854775808 c=-9223372036854775808 d=number:-9223372036854775809`},
		{`{"a":"x","b":"\u00e9\n\ud83d\ude00\"\/","c":"","d":"\ud800"}`, "a=string:x b=string:é\n😀\"/ c=string: d=string:\ufffd"},
		{`{"a":true,"b":false,"c":null}`, `a=true b=false c=null`},
		{`{"a":{"x": [1, {}]},"b":[ 1 ]}`, `a=JSON:{"x": [1, {}]} b=JSON:[ 1 ]`},
		{`{"a":1,"b":2,"a":3}`, `a=3 b=2`},
		{`{"a":1,"\u0061":"again"}`, `a=string:again`},
		{`[1,2]`, `JSON:[1,2]`},
		{`"x"`, `string:x`},
		{`17`, `17`},
		{`null`, `null`},
	} {
		if got := describe(decode(t, j, []byte(c.text), nil)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

// TestShapes checks that objects of the same names have the same schema.
func TestShapes(t *testing.T) {
	j := newJSON(t, schemaless)
	schema := func(text string) *record.Schema { return decode(t, j, []byte(text), nil).Schema }
	a := schema(`{"id":1,"name":"x"}`)
	if b := schema(`{"id":2,"name":null}`); a != b {
		t.Error("two objects of the same names have two schemas")
	}
	if b := schema(`{"name":"x","id":1}`); a == b {
		t.Error("another order has the same schema")
	}
	if b := schema(`{"id":1,"name":"x","id":2}`); a != b {
		t.Error("a name that repeats makes another schema")
	}
	for i := range maxShapes + 10 {
		decode(t, j, fmt.Appendf(nil, `{"n%d":1}`, i), nil)
	}
	if j.nodes > maxShapes+2 {
		t.Errorf("%d shapes are kept, want at most %d", j.nodes, maxShapes)
	}
}

func TestDecodeErrors(t *testing.T) {
	j := newJSON(t, schemaless)
	deep := strings.Repeat("[", maxDepth) + "1" + strings.Repeat("]", maxDepth)
	decode(t, j, []byte(deep), nil)
	for _, c := range []struct {
		text string
		at   int
	}{
		{``, 0}, {`{`, 1}, {`{"a"}`, 4}, {`{"a":}`, 5}, {`{"a":1,}`, 7}, {`{"a":01}`, 5}, {`{"a":1.}`, 7}, {`{"a":-}`, 6},
		{`{"a":tru}`, 5}, {`{"a":1} x`, 8}, {`{"a":"x`, 7}, {"{\"a\":\"x\n\"}", 7}, {`{"a":"\x"}`, 6}, {`{"a":"\u12g4"}`, 6},
		{"{\"a\":\"\xff\"}", 6}, {`{'a':1}`, 1}, {`{"a":1e}`, 7}, {`{"a":NaN}`, 5}, {"[" + deep + "]", maxDepth + 1}, {`[1 2]`, 3},
	} {
		_, err := j.Decode(new(record.Batch), "topic", []byte(c.text), nil)
		var bad *SyntaxError
		if !errors.As(err, &bad) || bad.Offset != c.at {
			t.Errorf("%.20s: got %v, want an error at byte %d", c.text, err, c.at)
		}
	}
}

const orders = `{"type":"struct","fields":[
	{"type":"int32","optional":false,"field":"id"},
	{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"},"field":"amount"},
	{"type":"bytes","optional":true,"field":"raw"},
	{"type":"double","optional":true,"field":"ratio"},
	{"type":"array","items":{"type":"int32","optional":true},"optional":true,"field":"list"},
	{"type":"struct","fields":[{"type":"int32","optional":false,"field":"scale"},{"type":"bytes","optional":false,"field":"value"}],"optional":true,"name":"io.debezium.data.VariableScaleDecimal","field":"free"},
	{"type":"int64","optional":true,"name":"io.debezium.time.MicroTimestamp","version":1,"field":"at"}
],"optional":true,"name":"shop.orders.Value"}`

func TestDecodeHint(t *testing.T) {
	j, hint := newJSON(t, schemaless), schemaOf(t, orders)
	full := `{"id":1,"amount":"AeI6","raw":"AQID","ratio":2,"list":[1,null],"free":{"scale":1,"value":"Dw=="},"at":5}`
	for _, c := range []struct{ text, want string }{
		{full, "id=1 amount=number:1234.50 raw=bytes:\x01\x02\x03 ratio=float:2 list=array(1 null) free=struct(1 bytes:\x0f) at=5"},
		{`{"amount":-12.5,"id":1}`, `amount=number:-12.5 id=1`},
		{`{"id":1,"more":{"x":1},"ratio":"NaN"}`, `id=1 more=JSON:{"x":1} ratio=float:NaN`},
		{`{"id":"one","ratio":true,"list":[1,"x"],"amount":null}`, `id=string:one ratio=true list=JSON:[1,"x"] amount=null`},
		{`{"id":2147483648}`, `id=2147483648`},
		{`{"id":1.5}`, `id=number:1.5`},
		{`{"id":1,"id":"x"}`, `id=string:x`},
		{`{"free":{"scale":1,"value":"Dw==","extra":7}}`, "free=struct(1 bytes:\x0f 7)"},
	} {
		d := decode(t, j, []byte(c.text), hint)
		if got := describe(d); got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.text, got, c.want)
		}
		if again := decode(t, j, []byte(c.text), hint); again.Schema != d.Schema {
			t.Errorf("%s: read twice, it has two schemas", c.text)
		}
	}
	if d := decode(t, j, []byte(full), hint); d.Schema != hint {
		t.Error("an object of exactly the hint's fields has another schema")
	}
	d := decode(t, j, []byte(`{"id":"one","at":1}`), hint)
	if d.Schema.Fields[0].Schema.Type != record.AnyType || d.Schema.Fields[1].Schema.Name != record.MicroTimestampName {
		t.Errorf("the schemas of a string in an int32 field and of a timestamp are %v and %v", d.Schema.Fields[0].Schema, d.Schema.Fields[1].Schema)
	}
	if _, err := j.Decode(new(record.Batch), "topic", []byte(`{"raw":"no base64!"}`), hint); err == nil {
		t.Error("text that is not base64 is read as bytes")
	}
}

// TestHintKeepsUnknown checks that nothing inside of an array is passed over.
func TestHintKeepsUnknown(t *testing.T) {
	j := newJSON(t, schemaless)
	hint := schemaOf(t, `{"type":"struct","fields":[{"type":"array","items":{"type":"struct","fields":[{"type":"int32","optional":true,"field":"a"}],"optional":true},"optional":true,"field":"list"}],"optional":false}`)
	for text, want := range map[string]string{
		`{"list":[{"a":1},{"a":null}]}`:    `list=array(struct(1) struct(null))`,
		`{"list":[{"a":1},{"a":2,"b":3}]}`: `list=JSON:[{"a":1},{"a":2,"b":3}]`,
	} {
		if got := describe(decode(t, j, []byte(text), hint)); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestDecodeInBand(t *testing.T) {
	j := newJSON(t, nil)
	schema := `{"type":"struct","fields":[{"type":"int32","optional":false,"field":"id"},{"type":"string","optional":true,"field":"name"}],"optional":false}`
	for _, c := range []struct{ text, want string }{
		{`{"schema":` + schema + `,"payload":{"id":1,"name":"x"}}`, `id=1 name=string:x`},
		{`{"payload":{"name":"x","id":1},"schema":` + schema + `}`, `id=1 name=string:x`},
		{`{"schema":` + schema + `,"payload":{"id":1,"other":2}}`, `id=1 name=null`},
		{`{"schema":null,"payload":{"a":1}}`, `a=1`},
		{`{"schema":null,"payload":null}`, `null`},
		{`{"schema":{"type":"string","optional":false},"payload":"x"}`, `string:x`},
		{`{"schema":{"type":"string","optional":true},"payload":null}`, `null`},
	} {
		for range 2 {
			if got := describe(decode(t, j, []byte(c.text), nil)); got != c.want {
				t.Errorf("%s:\n got %s\nwant %s", c.text, got, c.want)
			}
		}
	}
	for text, want := range map[string]string{
		`{"id":1}`:                             errNotInBand.Error(),
		`17`:                                   errNotInBand.Error(),
		`{"schema":null,"payload":1,"more":2}`: errNotInBand.Error(),
		`{"schema":` + schema + `}`:            errNotInBand.Error(),
		`{"schema":` + schema + `,"payload":{"id":"x"}}`:                         `field "id": a string, the schema wants int32`,
		`{"schema":` + schema + `,"payload":{"name":"x"}}`:                       `field "id": nothing or null, the schema wants int32`,
		`{"schema":` + schema + `,"payload":{"id":1.5}}`:                         `field "id": the number 1.5, the schema wants int32`,
		`{"schema":{"type":"int128"},"payload":1}`:                               `"int128" is not a type`,
		`{"schema":{"type":"array"},"payload":1}`:                                `items are missing`,
		`{"schema":{"type":"struct","fields":[{"type":"int8"}]},"payload":null}`: `field 0 of a struct has no name`,
	} {
		_, err := j.Decode(new(record.Batch), "topic", []byte(text), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s", text, err, want)
		}
	}
}

// FuzzDecode compares with encoding/json: the same objects are accepted, with the same values.
// What is not UTF-8 is always refused here, and nothing is nested as deeply.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{`{}`, `{"a":1,"b":"x\u00e9\ud83d","c":[1,{"d":null}],"e":-0.5e+10,"a":true}`, "{\"a\":\"\xff\"}", ` [ ] `, `{"a":1}x`, `{"":"\\\"12345678"}`, `{"abcdefgh":"abcdefghi\tj"}`} {
		f.Add([]byte(text))
	}
	j := newJSON(f, schemaless)
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) == 0 || strings.Count(string(text), "[")+strings.Count(string(text), "{") > maxDepth {
			return
		}
		d, err := j.Decode(new(record.Batch), "topic", text, nil)
		if accept := json.Valid(text) && utf8.Valid(text); accept != (err == nil) {
			t.Fatalf("%q: encoding/json accepts: %v, we: %v", text, accept, err)
		}
		if err != nil || d.Value.Kind != record.Struct {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		if len(want) != len(d.Schema.Fields) {
			t.Fatalf("%q: %d fields, want %d", text, len(d.Schema.Fields), len(want))
		}
		for i, f := range d.Schema.Fields {
			compare(t, text, &d.Value.Items[i], want[f.Name])
		}
	})
}

// compare compares a cell with the JSON text that it was read from.
func compare(t *testing.T, text []byte, v *record.Value, want json.RawMessage) {
	t.Helper()
	var got string
	switch v.Kind {
	case record.String:
		var s string
		if err := json.Unmarshal(want, &s); err != nil || s != string(v.B) {
			t.Errorf("%q: got the string %q, want %q", text, v.B, s)
		}
		return
	case record.Int:
		if string(want) == "-0" {
			want = []byte("0")
		}
		got = fmt.Sprint(v.N)
	case record.JSON, record.Number:
		got = string(v.B)
	default:
		got = describeValue(v)
	}
	if got != string(want) {
		t.Errorf("%q: got %q, want %q", text, got, want)
	}
}

// FuzzHint reads anything by a schema: it must not crash, and what it accepts is JSON.
func FuzzHint(f *testing.F) {
	f.Add([]byte(`{"id":1,"amount":"AeI6","raw":"AQID","ratio":2,"list":[1,null],"free":{"scale":1,"value":"Dw=="},"at":5}`))
	f.Add([]byte(`{"schema":{"type":"map","keys":{"type":"int8"},"values":{"type":"boolean"}},"payload":[[1,true]]}`))
	hint := schemaOf(f, orders)
	plain, inBand := newJSON(f, schemaless), newJSON(f, nil)
	f.Fuzz(func(t *testing.T, text []byte) {
		b := new(record.Batch)
		d, err := plain.Decode(b, "topic", text, hint)
		if err == nil && !json.Valid(text) {
			t.Fatalf("%q is read as %s", text, describe(d))
		}
		if err == nil {
			if out, err := AppendJSON(nil, d); err == nil && !json.Valid(out) {
				t.Fatalf("%q is written as %q", text, out)
			}
		}
		_, _ = inBand.Decode(b, "topic", text, hint)
	})
}

// FuzzTemporal reads anything as a date and a time; what it accepts as a timestamp reads the
// same again after it was written.
func FuzzTemporal(f *testing.F) {
	for _, text := range []string{"2026-11-21T01:02:03.456789Z", "0044-03-15 01:02:03 BC", "+21016-11-04T06:51:30Z", "-4713-12-31T23:59:59.999999Z", "24:00:00", "11:51:30.123789+02", "infinity", "2016-11-04Z"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d := record.Datum{Value: record.OfString(text)}
		_, _ = AsMicrosOfDay(d)
		_, _ = AsDays(d)
		n, err := AsMicros(d)
		if err != nil {
			return
		}
		switch n {
		case math.MaxInt64, math.MinInt64, debeziumInfinity, debeziumNegInfinity:
			return // as integers they mean infinity
		}
		again, err := AppendText(nil, record.Datum{Schema: &record.Schema{Type: record.Int64Type, Name: record.MicroTimestampName}, Value: record.OfInt(n)})
		if err != nil {
			t.Fatal(err)
		}
		if m, err := AsMicros(record.Datum{Value: record.OfString(again)}); err != nil || m != n {
			t.Fatalf("%q is %d µs, written %s, read again %d, %v", text, n, again, m, err)
		}
	})
}
