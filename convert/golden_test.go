package convert

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"connectd/record"
)

// The files in testdata are what Debezium's connector and Kafka's JsonConverter wrote.

// golden are the keys and values of one file, nulls left out.
func golden(t *testing.T, file string) (keys, values [][]byte) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		body := line[min(2, len(line)):]
		switch {
		case strings.HasPrefix(body, "<"):
		case strings.HasPrefix(line, "K "):
			keys = append(keys, []byte(body))
		case strings.HasPrefix(line, "V "):
			values = append(values, []byte(body))
		}
	}
	if len(values) == 0 {
		t.Fatalf("%s has no records", file)
	}
	return keys, values
}

func newJSON(t testing.TB, change func(*JSONConfig)) *JSON {
	t.Helper()
	c := new(JSONConfig)
	c.Defaults()
	if change != nil {
		change(c)
	}
	j, err := NewJSON(c)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func schemaless(c *JSONConfig) { c.Schemas = false }

func decode(t *testing.T, j *JSON, text []byte, hint *record.Schema) record.Datum {
	t.Helper()
	d, err := j.Decode(new(record.Batch), "topic", text, hint)
	if err != nil {
		t.Fatalf("decode %.200s: %v", text, err)
	}
	return d
}

func encode(t *testing.T, j *JSON, d record.Datum) []byte {
	t.Helper()
	out, null, err := j.Encode(nil, "topic", d)
	if err != nil || null {
		t.Fatalf("encode: null=%v err=%v", null, err)
	}
	return out
}

func same(t *testing.T, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	from := max(0, at-60)
	t.Errorf("differs at byte %d:\n got …%.160s\nwant …%.160s", at, got[min(from, len(got)):], want[min(from, len(want)):])
}

// TestGoldenSchemas reads what Kafka Connect wrote with its schemas and writes it again.
func TestGoldenSchemas(t *testing.T) {
	keys, values := golden(t, "types-schemas.txt")
	j := newJSON(t, nil)
	for _, text := range append(keys, values...) {
		same(t, encode(t, j, decode(t, j, text, nil)), text)
	}
	if len(j.inBand) != 2 {
		t.Errorf("%d schemas are cached, want the key's and the value's", len(j.inBand))
	}
}

// TestGoldenSchemaless reads every golden record without a schema and writes it again.
func TestGoldenSchemaless(t *testing.T) {
	j := newJSON(t, schemaless)
	for _, file := range []string{"types-plain.txt", "envelope.txt", "modes-default.txt", "modes-string.txt", "modes-double.txt", "modes-atm.txt"} {
		keys, values := golden(t, file)
		for _, text := range append(keys, values...) {
			same(t, encode(t, j, decode(t, j, text, nil)), text)
		}
	}
}

// TestGoldenHint reads records without schemas by the schemas of the same table and writes them
// again: every type takes its real form on the way.
func TestGoldenHint(t *testing.T) {
	_, typed := golden(t, "types-schemas.txt")
	_, values := golden(t, "types-plain.txt")
	inBand, plain := newJSON(t, nil), newJSON(t, schemaless)
	for i, text := range values {
		hint := decode(t, inBand, typed[min(i, len(typed)-1)], nil).Schema
		d := decode(t, plain, text, hint)
		same(t, encode(t, plain, d), text)
		row := d.Schema.Fields[d.Schema.Index("after")].Schema
		cells := d.Value.Items[d.Schema.Index("after")].Items
		at := row.Index("c_num_10_2")
		if i == 0 && (cells[at].Kind != record.Number || string(cells[at].B) != "1234.50") {
			t.Errorf("c_num_10_2 is %v %s, want the number 1234.50", cells[at].Kind, cells[at].B)
		}
	}
}

// block is a source block for tests.
type block struct {
	schema *record.Schema
	cells  []record.Value
}

func (b *block) Schema() *record.Schema                   { return b.schema }
func (b *block) Append(dst []record.Value) []record.Value { return append(dst, b.cells...) }

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
		Op:          record.Op(op.B[0]),
		Table:       &record.Table{Row: row, Envelope: d.Schema},
		Before:      before,
		After:       after,
		Source:      &block{source, cells.Items},
		Transaction: record.Datum{Schema: transaction, Value: transactionCells},
		Time:        now.N,
	}
}

// TestGoldenChange writes changes, as a source makes them, with and without schemas.
func TestGoldenChange(t *testing.T) {
	_, values := golden(t, "types-schemas.txt")
	inBand, plain := newJSON(t, nil), newJSON(t, schemaless)
	for _, text := range values {
		c := changeOf(decode(t, inBand, text, nil))
		got, err := inBand.EncodeChange(nil, "topic", c)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, text)
		if got, err = plain.EncodeChange(nil, "topic", c); err != nil {
			t.Fatal(err)
		}
		_, payload, _ := bytes.Cut(text, []byte(`,"payload":`))
		same(t, got, bytes.TrimSuffix(payload, []byte("}")))
	}
}

// TestReplaceNull writes and reads a null in a column with a default, both ways.
func TestReplaceNull(t *testing.T) {
	schema, err := ParseSchema([]byte(`{"type":"struct","fields":[{"type":"string","optional":true,"default":"dn","field":"note"}],"optional":false}`))
	if err != nil {
		t.Fatal(err)
	}
	d := record.Datum{Schema: schema, Value: record.OfStruct(make([]record.Value, 1))}
	for _, c := range []struct {
		replace bool
		want    string
	}{{false, `{"note":null}`}, {true, `{"note":"dn"}`}} {
		j := newJSON(t, func(c2 *JSONConfig) { c2.Schemas, c2.NullToDefault = false, c.replace })
		same(t, encode(t, j, d), []byte(c.want))
	}
	j := newJSON(t, func(c *JSONConfig) { c.NullToDefault = true })
	text := append(AppendSchema([]byte(`{"schema":`), schema), `,"payload":{}}`...)
	if got := decode(t, j, text, nil); string(got.Value.Items[0].B) != "dn" {
		t.Errorf("a missing field reads as %q, want its default dn", got.Value.Items[0].B)
	}
}
