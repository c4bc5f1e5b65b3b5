package avro

import (
	"testing"

	"github.com/twmb/avro"

	"connectd/convert"
	"connectd/record"
)

// connect are the defaults of Confluent's converter.
var connect = Options{Metadata: true}

// schemaOf reads a schema in the form of Kafka Connect's JSON converter.
func schemaOf(t testing.TB, text string) *record.Schema {
	t.Helper()
	s, err := convert.ParseSchema([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mapped(t testing.TB, s *record.Schema, o Options) *Mapping {
	t.Helper()
	m, err := Map(s, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := avro.Parse(m.Schema()); err != nil {
		t.Fatalf("%s is no Avro schema: %v", m.Schema(), err)
	}
	return m
}

// TestMap compares the schemas with what Confluent's AvroData makes of the same.
func TestMap(t *testing.T) {
	plain := Options{}
	for _, c := range []struct {
		name    string
		options Options
		schema  string
		want    string
	}{
		{"int8", connect, `{"type":"int8","optional":false}`, `{"type":"int","connect.type":"int8"}`},
		{"int16 without metadata", plain, `{"type":"int16","optional":false}`, `"int"`},
		{"optional", connect, `{"type":"int64","optional":true}`, `["null","long"]`},
		{"optional with a default", connect, `{"type":"int32","optional":true,"default":5}`, `[{"type":"int","connect.default":5},"null"]`},
		{"double", connect, `{"type":"double","optional":false,"default":0.25}`, `{"type":"double","connect.default":0.25}`},
		{"decimal", connect, `{"type":"bytes","optional":false,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"}}`,
			`{"type":"bytes","scale":2,"precision":64,"connect.version":1,"connect.parameters":{"scale":"2"},"connect.name":"org.apache.kafka.connect.data.Decimal","logicalType":"decimal"}`},
		{"decimal with a precision", plain, `{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","connect.decimal.precision":"12"}}`,
			`["null",{"type":"bytes","scale":2,"precision":12,"logicalType":"decimal"}]`},
		{"timestamp", connect, `{"type":"int64","optional":false,"name":"org.apache.kafka.connect.data.Timestamp","version":1}`,
			`{"type":"long","connect.version":1,"connect.name":"org.apache.kafka.connect.data.Timestamp","logicalType":"timestamp-millis"}`},
		{"array", connect, `{"type":"array","items":{"type":"string","optional":true},"optional":false}`, `{"type":"array","items":["null","string"]}`},
		{"map", connect, `{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"int32","optional":false},"optional":false}`, `{"type":"map","values":"int"}`},
		{"map with other keys", connect, `{"type":"map","keys":{"type":"int32","optional":false},"values":{"type":"int32","optional":true},"optional":true}`,
			`["null",{"type":"array","items":{"type":"record","name":"MapEntry","namespace":"io.confluent.connect.avro","fields":[{"name":"key","type":"int"},{"name":"value","type":["null","int"],"default":null}]}}]`},
		{"struct without a name", connect, `{"type":"struct","fields":[{"type":"int32","optional":false,"field":"a"},{"type":"string","optional":true,"default":"x","field":"b"}],"optional":false}`,
			`{"type":"record","name":"ConnectDefault","namespace":"io.confluent.connect.avro","fields":[{"name":"a","type":"int"},{"name":"b","type":[{"type":"string","connect.default":"x"},"null"],"default":"x"}]}`},
		{"the same struct twice", connect, `{"type":"struct","name":"shop.orders.Envelope","version":2,"optional":false,"fields":[
			{"type":"struct","name":"shop.orders.Value","optional":true,"field":"before","fields":[{"type":"int32","optional":false,"field":"id"}]},
			{"type":"struct","name":"shop.orders.Value","optional":true,"field":"after","fields":[{"type":"int32","optional":false,"field":"id"}]},
			{"type":"struct","name":"io.debezium.Source","optional":false,"field":"source","fields":[{"type":"string","optional":true,"field":"db"}]}]}`,
			`{"type":"record","name":"Envelope","namespace":"shop.orders","fields":[` +
				`{"name":"before","type":["null",{"type":"record","name":"Value","fields":[{"name":"id","type":"int"}],"connect.name":"shop.orders.Value"}],"default":null},` +
				`{"name":"after","type":["null","Value"],"default":null},` +
				`{"name":"source","type":{"type":"record","name":"Source","namespace":"io.debezium","fields":[{"name":"db","type":["null","string"],"default":null}],"connect.name":"io.debezium.Source"}}],` +
				`"connect.version":2,"connect.name":"shop.orders.Envelope"}`},
		{"bytes with a default", connect, `{"type":"bytes","optional":false,"default":"AP9BIg=="}`, "{\"type\":\"bytes\",\"connect.default\":\"\\u0000\u00ffA\\\"\"}"},
		{"scrubbed", Options{Scrub: true}, `{"type":"struct","name":"my-shop.1st.Value","optional":false,"fields":[{"type":"int32","optional":false,"field":"größe"}]}`,
			`{"type":"record","name":"Value","namespace":"my_shop.x1st","fields":[{"name":"gr_C3_B6_C3_9Fe","type":"int"}]}`},
		{"enum", Options{Metadata: true, Enhanced: true}, `{"type":"string","optional":false,"name":"shop.Mood","parameters":{"io.confluent.connect.avro.Enum":"shop.Mood","io.confluent.connect.avro.Enum.GOOD":"GOOD","io.confluent.connect.avro.Enum.BAD":"BAD"}}`,
			`{"type":"enum","name":"Mood","namespace":"shop","symbols":["GOOD","BAD"],"connect.parameters":{"io.confluent.connect.avro.Enum":"shop.Mood","io.confluent.connect.avro.Enum.GOOD":"GOOD","io.confluent.connect.avro.Enum.BAD":"BAD"},"connect.name":"shop.Mood"}`},
		{"union", connect, `{"type":"struct","name":"io.confluent.connect.avro.Union","optional":true,"fields":[{"type":"int32","optional":true,"field":"int"},{"type":"string","optional":true,"field":"string"}]}`, `["null","int","string"]`},
	} {
		if got := mapped(t, schemaOf(t, c.schema), c.options).Schema(); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// TestMapAnything maps data of which a part says itself what it is.
func TestMapAnything(t *testing.T) {
	s := &record.Schema{Type: record.StructType, Fields: []record.Field{{Name: "id", Schema: &record.Schema{Optional: true}}}}
	if m := mapped(t, s, connect); m.Schema() != anythingSchema || m.Name() != anythingName {
		t.Errorf("got %s, want Confluent's Anything", m.Schema())
	}
}

// TestMapRefuses checks what is said of schemas that Avro can not have.
func TestMapRefuses(t *testing.T) {
	for schema, want := range map[string]string{
		`{"type":"struct","name":"my-shop.Value","optional":false,"fields":[]}`: `the name "my-shop.Value" of a schema: "my-shop" is no name in Avro, which has letters, digits and _ only; set scrub.invalid.names: true, or for a PostgreSQL source schema.name.adjustment.mode and field.name.adjustment.mode: avro`,
		`{"type":"struct","name":"a","optional":false,"fields":[
			{"type":"struct","name":"b","optional":false,"field":"x","fields":[{"type":"int32","optional":false,"field":"id"}]},
			{"type":"struct","name":"b","optional":false,"field":"y","fields":[{"type":"int64","optional":false,"field":"id"}]}]}`: `field "y": two structs with different fields are called "b", which Avro does not allow`,
	} {
		if _, err := Map(schemaOf(t, schema), connect); err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", schema, err, want)
		}
	}
}
