package avro

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"connectd/convert"
	"connectd/internal/testenv"
	"connectd/record"
)

const orderSchema = `{"type":"struct","name":"shop.Order","optional":false,"fields":[
	{"type":"int32","optional":false,"field":"id"},{"type":"string","optional":true,"field":"note"},
	{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"},"field":"price"},
	{"type":"int64","optional":true,"name":"io.debezium.time.MicroTimestamp","version":1,"field":"at"},
	{"type":"array","items":{"type":"string","optional":true},"optional":true,"field":"tags"}]}`

// TestLatest writes by the newest schema of the subject, which is not the one that would be
// registered.
func TestLatest(t *testing.T) {
	order := record.Datum{Schema: schemaOf(t, orderSchema), Value: record.OfStruct([]record.Value{
		record.OfInt(7), {}, record.OfNumber([]byte("12.50")), record.OfInt(1795222923000456), record.OfArray([]record.Value{record.OfText("a"), {}}),
	})}
	field := func(name, typ string) string { return `{"name":"` + name + `","type":` + typ + `}` }
	others := "," + field("note", `["null","string"]`) + "," + field("price", `["null",{"type":"bytes","logicalType":"decimal","precision":9,"scale":3}]`) + "," +
		field("at", `[{"type":"long","logicalType":"timestamp-micros"},"null"]`) + "," + field("tags", `["null",{"type":"array","items":["string","null"]}]`)
	for _, c := range []struct {
		name   string
		fields string
		want   string // what another reads, or the error
	}{
		{"other order and types", `{"name":"new","type":"int","default":5},` + field("id", `"long"`) + others,
			`{"new":5,"id":7,"note":null,"price":12.500,"at":"2026-11-21T01:02:03.000456","tags":["a",null]}`},
		{"a field without a default", field("new", `"int"`) + "," + field("id", `"int"`) + others,
			`its field "new" has no default, and the records do not have it`},
		{"a field is missing", field("id", `"int"`), `it has no field "`},
		{"another type", field("id", `"string"`) + others, `field "id": int32 has no place in the type "string"`},
		{"another unit", field("id", `"int"`) + "," + field("note", `["null","string"]`) + "," + field("price", `["null",{"type":"bytes","logicalType":"decimal","precision":9,"scale":3}]`) + "," +
			field("at", `["null",{"type":"long","logicalType":"timestamp-millis"}]`) + "," + field("tags", `["null",{"type":"array","items":"string"}]`),
			`field "at": int64 (io.debezium.time.MicroTimestamp) is not what the logical type "timestamp-millis" stands for`},
		{"a decimal in plain bytes", field("id", `"int"`) + "," + field("note", `["null","string"]`) + "," + field("price", `["null","bytes"]`),
			`field "price": bytes (org.apache.kafka.connect.data.Decimal) is not "bytes" with the logical type ""`},
	} {
		r := testenv.OwnRegistry(t, testenv.RegistryOptions{})
		client, err := r.Client()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.RegisterSchema(t.Context(), "a-value", sr.Schema{Schema: `{"type":"record","name":"Order","namespace":"other","fields":[` + c.fields + `]}`}, -1, -1); err != nil {
			t.Fatal(err)
		}
		conv := converter(t, r, "auto.register.schemas", "false", "use.latest.version", "true")
		octets, _, err := conv.Encode(nil, "a", order)
		if err != nil {
			blocked(t, err, true, c.want)
			continue
		}
		if fixed := encode(t, converter(t, r, "auto.register.schemas", "false", "use.schema.id", "1"), "b", order); !bytes.Equal(fixed, octets) {
			t.Errorf("%s: by its id it is written as %x, want %x", c.name, fixed, octets)
		}
		d, err := conv.Decode(new(record.Batch), "a", octets, nil)
		if got, _ := convert.AppendJSON(nil, d); string(got) != c.want {
			t.Errorf("%s: got %s (%v), want %s", c.name, got, err, c.want)
		}
	}
	r := testenv.OwnRegistry(t, testenv.RegistryOptions{})
	_, _, err := converter(t, r, "auto.register.schemas", "false", "use.latest.version", "true").Encode(nil, "a", order)
	blocked(t, err, true, `latest version of subject "a-value": the registry does not have it`)
}

// TestLatestRefusesValues writes values that the newest schema has no room for: an error of the
// record.
func TestLatestRefusesValues(t *testing.T) {
	m := mapped(t, schemaOf(t, `{"type":"struct","name":"shop.Order","optional":false,"fields":[{"type":"int64","optional":true,"field":"id"}]}`), connect)
	onto, err := m.onto(`{"type":"record","name":"Order","fields":[{"name":"id","type":"int"}]}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		id   record.Value
		want string
	}{
		{record.OfInt(1 << 31), `field "id": 2147483648 does not fit the schema, which has int64`},
		{record.Value{}, `field "id": null where the schema requires int64`},
	} {
		v := record.OfStruct([]record.Value{c.id})
		if _, err := onto.Append(nil, &v); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}
