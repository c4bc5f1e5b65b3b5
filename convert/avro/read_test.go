package avro

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/twmb/avro"

	"connectd/convert"
	"connectd/record"
)

// written is v as another library writes it.
func written(t testing.TB, schema string, v any) []byte {
	t.Helper()
	octets, err := avro.MustParse(schema).Encode(v)
	if err != nil {
		t.Fatalf("encode %v: %v", v, err)
	}
	return octets
}

// TestRead reads what another library wrote, as people read it, and with its schema.
func TestRead(t *testing.T) {
	moment := time.UnixMicro(1795222923000456).UTC()
	for _, c := range []struct {
		schema string
		value  any
		want   string // the value
		name   string // of the schema, or its type
	}{
		{`"boolean"`, true, `true`, "boolean"},
		{`"int"`, int32(-7), `-7`, "int32"},
		{`{"type":"int","connect.type":"int16"}`, int32(-32768), `-32768`, "int16"},
		{`"long"`, int64(-1 << 63), `-9223372036854775808`, "int64"},
		{`"float"`, float32(0.1), `0.1`, "float"},
		{`"double"`, 0.1, `0.1`, "double"},
		{`"string"`, "Zürich", `"Zürich"`, "string"},
		{`{"type":"string","avro.java.string":"String"}`, "x", `"x"`, "string"},
		{`"bytes"`, []byte{1, 255}, `"Af8="`, "bytes"},
		{`{"type":"bytes","logicalType":"decimal","precision":18,"scale":2}`, big.NewRat(-1250, 100), `-12.50`, record.DecimalName},
		{`{"type":"fixed","name":"Tax","size":6,"logicalType":"decimal","precision":9,"scale":3}`, big.NewRat(-19, 1000), `-0.019`, record.DecimalName},
		{`{"type":"int","logicalType":"date"}`, moment, `"2026-11-21"`, record.ConnectDate},
		{`{"type":"int","logicalType":"time-millis"}`, time.Hour + time.Second, `"01:00:01"`, record.ConnectTime},
		{`{"type":"long","logicalType":"time-micros"}`, time.Hour + time.Microsecond, `"01:00:00.000001"`, record.MicroTimeName},
		{`{"type":"long","logicalType":"timestamp-millis"}`, moment, `"2026-11-21T01:02:03"`, record.ConnectTimestamp},
		{`{"type":"long","logicalType":"timestamp-micros"}`, moment, `"2026-11-21T01:02:03.000456"`, record.MicroTimestampName},
		{`{"type":"long","logicalType":"local-timestamp-nanos"}`, moment, `"2026-11-21T01:02:03.000456"`, record.NanoTimestampName},
		{`{"type":"string","logicalType":"uuid"}`, "01020300-0000-0000-0000-00000000000a", `"01020300-0000-0000-0000-00000000000a"`, record.UUIDName},
		{`{"type":"fixed","name":"Id","size":16,"logicalType":"uuid"}`, [16]byte{1, 2, 3, 15: 10}, `"01020300-0000-0000-0000-00000000000a"`, record.UUIDName},
		{`{"type":"fixed","name":"Hash","namespace":"shop","size":2}`, [2]byte{1, 255}, `"Af8="`, "shop.Hash"},
		{`{"type":"enum","name":"State","namespace":"shop","symbols":["NEW","DONE"]}`, "DONE", `"DONE"`, "shop.State"},
		{`["null","string"]`, nil, `null`, "string"},
		{`["string","null"]`, "x", `"x"`, "string"},
		{`["long"]`, int64(5), `5`, "int64"},
		{`["null","string","long"]`, int64(5), `{"string":null,"long":5}`, unionName},
		{`{"type":"array","items":["null","int"]}`, []any{int32(1), nil, int32(3)}, `[1,null,3]`, "array"},
		{`{"type":"map","values":"int"}`, map[string]any{"x": int32(1)}, `{"x":1}`, "map"},
		{`{"type":"record","name":"Order","namespace":"shop","fields":[
			{"name":"place","type":{"type":"record","name":"Place","fields":[{"name":"city","type":"string"}]}},
			{"name":"other","type":["null","Place"]},{"name":"third","type":"shop.Place"}]}`,
			map[string]any{"place": map[string]any{"city": "Bern"}, "other": nil, "third": map[string]any{"city": "Thun"}},
			`{"place":{"city":"Bern"},"other":null,"third":{"city":"Thun"}}`, "shop.Order"},
		{`{"type":"record","name":"ConnectDefault2","namespace":"io.confluent.connect.avro","fields":[]}`, map[string]any{}, `{}`, "struct"},
		{`{"type":"record","name":"Node","fields":[{"name":"id","type":"int"},{"name":"next","type":["null","Node"]}]}`,
			map[string]any{"id": int32(1), "next": map[string]any{"id": int32(2), "next": map[string]any{"id": int32(3), "next": nil}}},
			`{"id":1,"next":{"id":2,"next":{"id":3,"next":null}}}`, "Node"},
		{`{"type":"array","items":{"type":"record","name":"MapEntry","namespace":"io.confluent.connect.avro","fields":[{"name":"key","type":"int"},{"name":"value","type":"string"}]}}`,
			[]any{map[string]any{"key": int32(1), "value": "a"}}, `{"1":"a"}`, "map"},
	} {
		r := reader(t, c.schema, connect)
		v, err := r.Read(new(record.Batch), written(t, c.schema, c.value))
		if err != nil {
			t.Errorf("%s: %v", c.schema, err)
			continue
		}
		got, err := convert.AppendJSON(nil, record.Datum{Schema: r.Schema(), Value: v})
		name := r.Schema().Name
		if name == "" {
			name = r.Schema().Type.String()
		}
		if string(got) != c.want || name != c.name || err != nil {
			t.Errorf("%s: got %s of %s (%v), want %s of %s", c.schema, got, name, err, c.want, c.name)
		}
	}
}

// TestReferences reads a schema that takes its types from others.
func TestReferences(t *testing.T) {
	r, err := NewReader(`{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"at","type":"Place"}]}`,
		[]string{`{"type":"enum","name":"Country","namespace":"shop","symbols":["CH"]}`, `{"type":"record","name":"Place","namespace":"shop","fields":[{"name":"in","type":"Country"}]}`}, connect)
	if err != nil {
		t.Fatal(err)
	}
	v, err := r.Read(new(record.Batch), []byte{0})
	if got, _ := convert.AppendJSON(nil, record.Datum{Schema: r.Schema(), Value: v}); string(got) != `{"at":{"in":"CH"}}` {
		t.Errorf("got %s (%v)", got, err)
	}
}

// TestAnything writes and reads data without a schema.
func TestAnything(t *testing.T) {
	c := new(convert.JSONConfig)
	c.Defaults()
	c.Schemas = false
	j, err := convert.NewJSON(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`null`, `true`, `5`, `-0.25`, `"x"`, `[]`, `[1,"a",[],{}]`, `{}`,
		`{"id":7,"price":12.5,"tags":["a",{"b":null}],"big":"12345678901234567.89","none":null,"on":false}`} {
		d, err := j.Decode(new(record.Batch), "topic", []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		m := mapped(t, d.Schema, connect)
		octets, err := m.Append(nil, &d.Value)
		if err != nil {
			t.Fatal(err)
		}
		v, err := reader(t, m.Schema(), connect).Read(new(record.Batch), octets)
		if got, _ := convert.AppendJSON(nil, record.Datum{Value: v}); string(got) != text {
			t.Errorf("%s: got %s (%v)", text, got, err)
		}
	}
}

// TestReadRefuses reads octets that are not of the schema.
func TestReadRefuses(t *testing.T) {
	for _, c := range []struct {
		schema string
		octets string
		want   string
	}{
		{`"int"`, "", "the data ends inside of a value"},
		{`"int"`, "\x02\x02", "1 bytes are left over after the value"},
		{`"int"`, "\x80\x80\x80\x80\x10", "2147483648 is beyond int32"},
		{`"long"`, strings.Repeat("\xff", 11), "a number has more than 64 bits"},
		{`"string"`, "\x08abc", "the data ends inside of a value"},
		{`"string"`, "\x01", "the data ends inside of a value"},
		{`"boolean"`, "\x02", "0x02 is not a boolean"},
		{`["null","int"]`, "\x04", "a union of two types has no branch 2"},
		{`["null","int","string"]`, "\x06", "a union of 3 types has no branch 3"},
		{`{"type":"enum","name":"E","symbols":["A"]}`, "\x02", `the enum "E" has no symbol 1`},
		{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, "\x00", "a decimal of no octets has no value"},
		{`{"type":"array","items":"null"}`, "\x80\x80\x80\x80\x10\x00", "the data ends inside of a value"},
		{`{"type":"record","name":"Node","fields":[{"name":"next","type":["null","Node"]}]}`, strings.Repeat("\x02", 5000) + "\x00", "a record is nested too deeply in itself"},
		{anythingSchema, "\x02\x01\x02\x01", "more than one field of io.confluent.connect.avro.Anything is set"},
	} {
		if v, err := reader(t, c.schema, connect).Read(new(record.Batch), []byte(c.octets)); err == nil || err.Error() != c.want {
			t.Errorf("%s %q: got %v (%v), want %s", c.schema, c.octets, v, err, c.want)
		}
	}
}
