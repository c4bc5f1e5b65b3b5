package avro

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"connectd/config"
	"connectd/convert"
	"connectd/internal/testenv"
	"connectd/record"
)

func settings(t testing.TB, pairs ...string) (*Config, config.Problems) {
	t.Helper()
	section := &config.Section{Path: "value.converter"}
	for i := 0; i < len(pairs); i += 2 {
		section.Entries = append(section.Entries, config.Entry{Key: pairs[i], Raw: pairs[i+1], Value: pairs[i+1]})
	}
	c := new(Config)
	return c, config.Decode(section, c)
}

// converter is one of r with these settings.
func converter(t testing.TB, r *testenv.Registry, pairs ...string) *Converter {
	t.Helper()
	c, problems := settings(t, append([]string{"schema.registry.url", r.URL, "retries.wait.ms", "1"}, pairs...)...)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	made, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func encode(t testing.TB, c *Converter, topic string, d record.Datum) []byte {
	t.Helper()
	out, null, err := c.Encode(nil, topic, d)
	if err != nil || null {
		t.Fatalf("encode: null=%v err=%v", null, err)
	}
	return out
}

func blocked(t *testing.T, err error, permanent bool, want string) {
	t.Helper()
	var b *convert.Blocked
	if !errors.As(err, &b) || b.Permanent != permanent || !strings.Contains(err.Error(), want) {
		t.Errorf("got %T %v, want a convert.Blocked with %q in it, permanent: %v", err, err, want, permanent)
	}
}

// subjects are those of r.
func subjects(t *testing.T, r *testenv.Registry) string {
	t.Helper()
	client, err := r.Client()
	if err != nil {
		t.Fatal(err)
	}
	all, err := client.Subjects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

// changeOf is the change that an envelope tells of.
func changeOf(d record.Datum) *record.Change {
	field := func(name string) (*record.Schema, record.Value) {
		i := d.Schema.Index(name)
		return d.Schema.Fields[i].Schema, d.Value.Items[i]
	}
	row, before := field("before")
	_, after := field("after")
	source, cells := field("source")
	transaction, transactionCells := field("transaction")
	_, op := field("op")
	_, now := field("ts_ns")
	return &record.Change{
		Op: record.Op(op.B[0]), Table: &record.Table{Row: row, Envelope: d.Schema}, Before: before, After: after,
		Source: &block{source, cells.Items}, Transaction: record.Datum{Schema: transaction, Value: transactionCells}, Time: now.N,
	}
}

type block struct {
	schema *record.Schema
	cells  []record.Value
}

func (b *block) Schema() *record.Schema                   { return b.schema }
func (b *block) Append(dst []record.Value) []record.Value { return append(dst, b.cells...) }

// TestConverter carries Debezium's golden records through a registry: keys, and values as
// envelopes and as changes.
func TestConverter(t *testing.T) {
	r := testenv.OwnRegistry(t, testenv.RegistryOptions{})
	c, j := converter(t, r), inBand(t)
	for _, text := range golden(t) {
		d, err := j.Decode(new(record.Batch), "topic", text, nil)
		if err != nil {
			t.Fatal(err)
		}
		topic := "orders"
		if d.Schema.Index("after") < 0 {
			topic = "keys"
		}
		octets := encode(t, c, topic, d)
		if octets[0] != 0 || binary.BigEndian.Uint32(octets[1:]) == 0 {
			t.Fatalf("begins with %x, want a zero and an id", octets[:headerSize])
		}
		if d.Schema.Index("after") >= 0 {
			got, err := c.EncodeChange(nil, "orders", changeOf(d))
			if err != nil || !bytes.Equal(got, octets) {
				t.Errorf("a change is written otherwise than its envelope (%v):\n got %.100x\nwant %.100x", err, got, octets)
			}
		}
		back, err := converter(t, r).Decode(new(record.Batch), "orders", octets, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := j.Encode(nil, "topic", back); !bytes.Equal(got, text) {
			t.Errorf("got back %.300s (%v)", got, err)
		}
	}
	if out, null, err := c.Encode(nil, "orders", record.Datum{}); len(out) > 0 || !null || err != nil {
		t.Errorf("null is %x, %v, %v", out, null, err)
	}
	if d, err := c.Decode(new(record.Batch), "orders", nil, nil); !d.IsNull() || err != nil {
		t.Errorf("a tombstone is read as %v (%v)", d, err)
	}
}

// TestSubjects checks under which names schemas are registered, and that each is once.
func TestSubjects(t *testing.T) {
	s := schemaOf(t, `{"type":"struct","name":"shop.Order","optional":false,"fields":[{"type":"int32","optional":false,"field":"id"}]}`)
	number := record.Datum{Schema: schemaOf(t, `{"type":"int32","optional":false}`), Value: record.OfInt(1)}
	d := record.Datum{Schema: s, Value: record.OfStruct([]record.Value{record.OfInt(7)})}
	for _, c := range []struct {
		strategy string
		keys     bool
		want     string
	}{
		{"TopicNameStrategy", false, "orders-value"},
		{"TopicNameStrategy", true, "orders-key"},
		{"io.confluent.kafka.serializers.subject.RecordNameStrategy", false, "shop.Order"},
		{"TopicRecordNameStrategy", true, "orders-shop.Order"},
	} {
		r := testenv.OwnRegistry(t, testenv.RegistryOptions{})
		own, other := "value.subject.name.strategy", "key.subject.name.strategy"
		if c.keys {
			own, other = other, own
		}
		conv := converter(t, r, own, c.strategy, other, "TopicNameStrategy")
		if c.keys {
			conv.config.ForKeys()
		}
		for range 3 {
			encode(t, conv, "orders", d)
		}
		if n := r.Requests(); n != 1 {
			t.Errorf("%s: 3 records made %d requests", c.strategy, n)
		}
		if got := subjects(t, r); got != c.want {
			t.Errorf("%s: got the subjects %s, want %s", c.strategy, got, c.want)
		}
		if _, _, err := conv.Encode(nil, "orders", number); c.strategy != "TopicNameStrategy" {
			blocked(t, err, true, `the subject of topic "orders" is to be the name of a record, and the schema "int" is none; use TopicNameStrategy`)
		}
	}
}

// TestNotRegistered writes by schemas that somebody else must have registered.
func TestNotRegistered(t *testing.T) {
	r := testenv.OwnRegistry(t, testenv.RegistryOptions{})
	d := record.Datum{Schema: schemaOf(t, `{"type":"int32","optional":false}`), Value: record.OfInt(1)}
	c := converter(t, r, "auto.register.schemas", "false")
	_, _, err := c.Encode(nil, "a", d)
	blocked(t, err, true, `find the schema of subject "a-value": the registry does not have it (subject "a-value" not found); register this schema, or set auto.register.schemas: true: "int"`)
	encode(t, converter(t, r), "a", d)
	if got := encode(t, c, "a", d); !bytes.Equal(got, []byte{0, 0, 0, 0, 1, 2}) {
		t.Errorf("got %x", got)
	}
}

// TestIncompatible registers a schema that the registry refuses.
func TestIncompatible(t *testing.T) {
	r := testenv.OwnRegistry(t, testenv.RegistryOptions{})
	c := converter(t, r)
	encode(t, c, "a", record.Datum{Schema: schemaOf(t, `{"type":"int32","optional":false}`), Value: record.OfInt(1)})
	_, _, err := c.Encode(nil, "a", record.Datum{Schema: schemaOf(t, `{"type":"string","optional":false}`), Value: record.OfText("x")})
	blocked(t, err, true, `register the schema of subject "a-value": it is not compatible with the schemas that are there (409)`)
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	_, _, err = c.Encode(nil, "b", record.Datum{Schema: schemaOf(t, `{"type":"string","optional":false}`), Value: record.OfText("x")})
	blocked(t, err, false, "connection refused")
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	encode(t, c, "b", record.Datum{Schema: schemaOf(t, `{"type":"string","optional":false}`), Value: record.OfText("x")})
}

// TestDecodeRefuses reads what is no Avro of this registry.
func TestDecodeRefuses(t *testing.T) {
	r := testenv.OwnRegistry(t, testenv.RegistryOptions{})
	c := converter(t, r)
	client, err := r.Client()
	if err != nil {
		t.Fatal(err)
	}
	id, err := client.RegisterSchema(t.Context(), "p", sr.Schema{Schema: `syntax = "proto3";`, Type: sr.TypeProtobuf}, -1, -1)
	if err != nil {
		t.Fatal(err)
	}
	encode(t, c, "a", record.Datum{Schema: schemaOf(t, `{"type":"string","optional":false}`), Value: record.OfText("x")})
	for data, want := range map[string]string{
		`{"id":7}`:                           `"{\"id\":7}" is not Avro of a schema registry, which begins with a zero and the id of a schema; use the converter that it was written with`,
		"\x00\x00":                           `is not Avro of a schema registry`,
		"\x00\x00\x00\x03\xe7":               `schema with id 999: the registry does not have it`,
		"\x00\x00\x00\x00\x02\x08ab":         `read Avro by the schema with id 2: the data ends inside of a value`,
		string([]byte{0, 0, 0, 0, byte(id)}): `is PROTOBUF, not Avro; use the converter that it was written with`,
	} {
		_, err := c.Decode(new(record.Batch), "a", []byte(data), nil)
		if err == nil || !strings.Contains(err.Error(), want) || errors.As(err, new(*convert.Blocked)) {
			t.Errorf("%q: got %v, want %s", data, err, want)
		}
	}
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	_, err = c.Decode(new(record.Batch), "a", []byte{0, 0, 0, 0, 9}, nil)
	blocked(t, err, false, "connection refused")
}

// TestSchemaless carries JSON without a schema through Avro: what comes out is a struct again.
func TestSchemaless(t *testing.T) {
	r := testenv.OwnRegistry(t, testenv.RegistryOptions{})
	c := converter(t, r)
	d, err := c.plain.Decode(new(record.Batch), "a", []byte(`{"id":7,"tags":["x"],"price":1.5}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	back, err := c.Decode(new(record.Batch), "a", encode(t, c, "a", d), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := convert.AppendJSON(nil, back); string(got) != `{"id":7,"tags":["x"],"price":1.5}` || back.Schema.Index("price") != 2 {
		t.Errorf("got %s", got)
	}
}

// TestShared makes the converters of 2 partitions: they ask for a schema once and share what they
// make of it.
func TestShared(t *testing.T) {
	r := testenv.OwnRegistry(t, testenv.RegistryOptions{})
	c, problems := settings(t, "schema.registry.url", r.URL)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	octets := encode(t, converter(t, r), "a", record.Datum{Schema: schemaOf(t, row), Value: rowValue()})
	before := r.Requests()
	var schemas [2]*record.Schema
	for i := range schemas {
		settings := *c
		conv, err := New(&settings)
		if err != nil {
			t.Fatal(err)
		}
		d, err := conv.Decode(new(record.Batch), "a", octets, nil)
		if err != nil {
			t.Fatal(err)
		}
		schemas[i] = d.Schema
	}
	if schemas[0] != schemas[1] || r.Requests()-before != 1 {
		t.Errorf("two converters made %d requests, and one schema each: %v", r.Requests()-before, schemas[0] != schemas[1])
	}
}

func TestConverterAllocations(t *testing.T) {
	r := testenv.OwnRegistry(t, testenv.RegistryOptions{})
	c, j := converter(t, r), inBand(t)
	texts := golden(t)
	d, err := j.Decode(new(record.Batch), "topic", texts[len(texts)-1], nil)
	if err != nil {
		t.Fatal(err)
	}
	change, rowDatum := changeOf(d), record.Datum{Schema: schemaOf(t, row), Value: rowValue()}
	change.Before, change.After = record.Value{}, record.Value{}
	octets, b, dst := encode(t, c, "rows", rowDatum), new(record.Batch), make([]byte, 0, 4096)
	for name, f := range map[string]func(){
		"encode": func() { dst, _, _ = c.Encode(dst[:0], "rows", rowDatum) },
		"change": func() { dst, _ = c.EncodeChange(dst[:0], "changes", change) },
		"decode": func() { b.Reset(); _, _ = c.Decode(b, "rows", octets, nil) },
	} {
		f()
		if n := testing.AllocsPerRun(100, f); n > 0 {
			t.Errorf("%s: %v allocations a record, want none", name, n)
		}
	}
}

// TestSettings checks what is said of settings that do not work.
func TestSettings(t *testing.T) {
	for _, c := range []struct {
		pairs []string
		want  string
	}{
		{[]string{"subject.name.strategy", "x"}, `value.converter.subject.name.strategy: "x" is not a strategy; write TopicNameStrategy, RecordNameStrategy or TopicRecordNameStrategy`},
		{[]string{"use.latest.version", "true"}, `value.converter.use.latest.version: counts only without auto.register.schemas; set that to false`},
		{[]string{"use.schema.id", "7"}, `value.converter.use.schema.id: counts only without auto.register.schemas; set that to false`},
		{[]string{"generalized.sum.type.support", "true"}, `value.converter.generalized.sum.type.support: is not supported; remove it, or set enhanced.avro.schema.support to keep enums`},
		{[]string{"value.schema.id.serializer", "io.confluent.kafka.serializers.schema.id.HeaderSchemaIdSerializer"}, `is not supported: the id is always before the bytes; write PrefixSchemaIdSerializer, or nothing`},
		{[]string{"schemas.cache.config", "0"}, `value.converter.schemas.cache.config: 0 schemas can not be remembered; write at least 1`},
		{[]string{"auto.register.schema", "false"}, `value.converter.auto.register.schema: is not a known key; did you mean auto.register.schemas?`},
		{[]string{"specific.avro.reader", "true"}, `has no effect here: there are no Java classes here`},
	} {
		_, problems := settings(t, append([]string{"schema.registry.url", "http://registry:8081"}, c.pairs...)...)
		if len(problems) != 1 || !strings.Contains(problems[0].String(), c.want) {
			t.Errorf("%v: got %v, want %s", c.pairs, problems, c.want)
		}
	}
}
