package avro

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/twmb/avro"

	"connectd/convert"
	"connectd/record"
)

// inBand is Kafka Connect's JSON converter with schemas.
func inBand(t testing.TB) *convert.JSON {
	t.Helper()
	c := new(convert.JSONConfig)
	c.Defaults()
	j, err := convert.NewJSON(c)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func reader(t testing.TB, schema string, o Options) *Reader {
	t.Helper()
	r, err := NewReader(schema, nil, o)
	if err != nil {
		t.Fatalf("read %s: %v", schema, err)
	}
	return r
}

// golden are keys and values that Debezium and Kafka Connect wrote, with their schemas.
func golden(t testing.TB) (texts [][]byte) {
	t.Helper()
	file, err := os.ReadFile("../testdata/types-schemas.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(file)) {
		if body := strings.TrimSuffix(line, "\n"); strings.HasPrefix(body, "K {") || strings.HasPrefix(body, "V {") {
			texts = append(texts, []byte(body[2:]))
		}
	}
	if len(texts) == 0 {
		t.Fatal("there are no golden records")
	}
	return texts
}

// TestGolden carries every type that Debezium knows through Avro: what comes out is, byte for
// byte, what went in, schema and value.
func TestGolden(t *testing.T) {
	j := inBand(t)
	for _, text := range golden(t) {
		d, err := j.Decode(new(record.Batch), "topic", text, nil)
		if err != nil {
			t.Fatal(err)
		}
		m := mapped(t, d.Schema, connect)
		octets, err := m.Append(nil, &d.Value)
		if err != nil {
			t.Fatal(err)
		}
		var any any
		if rest, err := avro.MustParse(m.Schema()).Decode(octets, &any); err != nil || len(rest) > 0 {
			t.Errorf("another library reads it with %d bytes left over: %v", len(rest), err)
		}
		r := reader(t, m.Schema(), connect)
		v, err := r.Read(new(record.Batch), octets)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := j.Encode(nil, "topic", record.Datum{Schema: r.Schema(), Value: v})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, text) {
			at := 0
			for at < min(len(got), len(text)) && got[at] == text[at] {
				at++
			}
			from := max(0, at-200)
			t.Fatalf("differs at byte %d:\n got …%.400s\nwant …%.400s", at, got[from:], text[from:])
		}
	}
}

// TestMapsTwice has two maps of one kind, the second of which refers to the first.
func TestMapsTwice(t *testing.T) {
	const pairs = `{"type":"map","keys":{"type":"int32","optional":false},"values":{"type":"string","optional":true},"optional":true,"field":"%"}`
	s := schemaOf(t, `{"type":"struct","name":"A","optional":false,"fields":[`+strings.Replace(pairs, "%", "a", 1)+`,`+strings.Replace(pairs, "%", "b", 1)+`]}`)
	v := record.OfStruct([]record.Value{record.OfMap([]record.Value{record.OfInt(1), record.OfText("x")}), record.OfMap([]record.Value{record.OfInt(2), {}})})
	m := mapped(t, s, connect)
	octets, err := m.Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	r := reader(t, m.Schema(), connect)
	got, err := r.Read(new(record.Batch), octets)
	if text, _ := convert.AppendJSON(nil, record.Datum{Schema: r.Schema(), Value: got}); string(text) != `{"a":{"1":"x"},"b":{"2":null}}` {
		t.Errorf("got %s (%v)", text, err)
	}
	other := schemaOf(t, `{"type":"struct","name":"A","optional":false,"fields":[`+strings.Replace(pairs, "%", "a", 1)+`,`+strings.Replace(strings.Replace(pairs, "%", "b", 1), "int32", "int64", 1)+`]}`)
	if _, err := Map(other, connect); err == nil || !strings.Contains(err.Error(), `two maps with different entries are called "io.confluent.connect.avro.MapEntry"`) {
		t.Errorf("got %v", err)
	}
}
