package transform

import (
	"os"
	"strings"
	"testing"

	"connectd/convert"
	"connectd/record"
)

// message is one record of a golden file: what Debezium's connector sent to Kafka.
type message struct {
	topic      string
	key, value string // "null" is the text; tombstone is Kafka's null
	headers    []string
}

const tombstone = "<TOMBSTONE/null bytes>"

// golden reads a file of testdata.
func golden(t *testing.T, file string) (messages []message) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		kind, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch kind {
		case "T":
			messages = append(messages, message{topic: rest})
		case "K":
			messages[len(messages)-1].key = rest
		case "V":
			messages[len(messages)-1].value = rest
		case "H":
			for _, h := range strings.Split(rest, "; ") {
				if name, _, ok := strings.Cut(h, " sch="); ok {
					messages[len(messages)-1].headers = append(messages[len(messages)-1].headers, name)
				}
			}
		}
	}
	return messages
}

// newJSON is a converter without schemas, as the golden files were made.
func newJSON(t testing.TB, nullToDefault bool) *convert.JSON {
	t.Helper()
	j, err := convert.NewJSON(&convert.JSONConfig{Decimals: "BASE64", CacheSize: 10, NullToDefault: nullToDefault})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func schemaOf(t testing.TB, text string) *record.Schema {
	t.Helper()
	s, err := convert.ParseSchema([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const sourceFields = `[{"type":"string","optional":false,"field":"version"},{"type":"string","optional":false,"field":"connector"},{"type":"string","optional":false,"field":"name"},{"type":"int64","optional":false,"field":"ts_ms"},{"type":"string","optional":true,"name":"io.debezium.data.Enum","version":1,"parameters":{"allowed":"true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"},"default":"false","field":"snapshot"},{"type":"string","optional":false,"field":"db"},{"type":"string","optional":true,"field":"sequence"},{"type":"int64","optional":true,"field":"ts_us"},{"type":"int64","optional":true,"field":"ts_ns"},{"type":"string","optional":false,"field":"schema"},{"type":"string","optional":false,"field":"table"},{"type":"int64","optional":true,"field":"txId"},{"type":"int64","optional":true,"field":"lsn"},{"type":"int64","optional":true,"field":"xmin"},{"type":"string","optional":true,"field":"origin"},{"type":"int64","optional":true,"field":"origin_lsn"}]`

// envelopeOf is the schema of the envelopes of a table with these columns.
func envelopeOf(t testing.TB, table, columns string) *record.Schema {
	row := `{"type":"struct","fields":` + columns + `,"optional":true,"name":"production.public.` + table + `.Value","field":"`
	return schemaOf(t, `{"type":"struct","fields":[`+row+`before"},`+row+`after"},`+
		`{"type":"struct","fields":`+sourceFields+`,"optional":false,"name":"io.debezium.connector.postgresql.Source","version":1,"field":"source"},`+
		`{"type":"struct","fields":[{"type":"string","optional":false,"field":"id"},{"type":"int64","optional":false,"field":"total_order"},{"type":"int64","optional":false,"field":"data_collection_order"}],"optional":true,"name":"event.block","version":1,"field":"transaction"},`+
		`{"type":"string","optional":false,"field":"op"},{"type":"int64","optional":true,"field":"ts_ms"},{"type":"int64","optional":true,"field":"ts_us"},{"type":"int64","optional":true,"field":"ts_ns"}],`+
		`"optional":false,"name":"production.public.`+table+`.Envelope","version":2}`)
}

// tables are the tables of the golden files, as their CREATE TABLE statements say.
func tables(t testing.TB) map[string]*record.Table {
	all := map[string]*record.Table{}
	for name, columns := range map[string]string{
		"o": `[{"type":"int32","optional":false,"default":0,"field":"id"},{"type":"string","optional":false,"field":"name"},{"type":"string","optional":true,"default":"dn","field":"note"},` +
			`{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","connect.decimal.precision":"10"},"field":"amt"},` +
			`{"type":"string","optional":true,"field":"big"},{"type":"string","optional":false,"name":"io.debezium.time.ZonedTimestamp","version":1,"default":"1970-01-01T00:00:00.000000Z","field":"created"}]`,
		"full_t": `[{"type":"int32","optional":false,"field":"id"},{"type":"string","optional":true,"field":"v"},{"type":"int32","optional":false,"field":"w"}]`,
		"nopk":   `[{"type":"int32","optional":true,"field":"a"},{"type":"string","optional":true,"field":"b"}]`,
	} {
		e := envelopeOf(t, name, columns)
		row := e.Fields[0].Schema
		e.Fields[1].Schema = row
		key := &record.Schema{Type: record.StructType, Name: "production.public." + name + ".Key", Fields: row.Fields[:1]}
		all[name] = &record.Table{Row: row, Key: key, Envelope: e}
	}
	return all
}

// block is a source block for tests.
type block struct {
	schema *record.Schema
	cells  []record.Value
}

func (b *block) Schema() *record.Schema                   { return b.schema }
func (b *block) Append(dst []record.Value) []record.Value { return append(dst, b.cells...) }

// change makes a record as a source does. The source block has what the settings of the golden
// files ask for.
func change(t testing.TB, b *record.Batch, table *record.Table, op record.Op, before, after record.Value, lsn, ms int64) *record.Record {
	r := b.Add()
	row := after
	if op == record.Delete {
		row = before
	}
	name := strings.TrimSuffix(strings.TrimPrefix(table.Row.Name, "production.public."), ".Value")
	source := table.Envelope.Fields[2].Schema
	cells := make([]record.Value, len(source.Fields))
	for column, v := range map[string]record.Value{"lsn": record.OfInt(lsn), "ts_ms": record.OfInt(ms), "table": record.OfText(name), "db": record.OfText("t1")} {
		cells[source.Index(column)] = v
	}
	r.Topic = "production.public." + name
	if row.Kind == record.Struct {
		r.Key = record.Datum{Schema: table.Key, Value: record.OfStruct(row.Items[:1])}
	}
	r.Change = b.Change()
	*r.Change = record.Change{Op: op, Table: table, Before: before, After: after, Source: &block{source, cells}, Time: 1795223846776438123}
	return r
}

// written is what becomes of r on its way to Kafka.
func written(t *testing.T, j *convert.JSON, r *record.Record) message {
	t.Helper()
	m := message{topic: r.Topic, value: tombstone, key: tombstone}
	key, null, err := j.Encode(nil, r.Topic, r.Key)
	if err != nil {
		t.Fatal(err)
	}
	if !null {
		m.key = string(key)
	}
	if r.Change != nil {
		value, err := j.EncodeChange(nil, r.Topic, r.Change)
		if err != nil {
			t.Fatal(err)
		}
		m.value = string(value)
	} else if value, null, err := j.Encode(nil, r.Topic, r.Value); err != nil {
		t.Fatal(err)
	} else if !null {
		m.value = string(value)
	}
	simple, _ := convert.NewSimple(nil)
	for _, h := range r.Headers {
		text, _, err := simple.Encode(nil, r.Topic, h.Value)
		if err != nil {
			t.Fatal(err)
		}
		m.headers = append(m.headers, h.Name+"="+string(text))
	}
	return m
}

// dml makes the records that Debezium's source made of unwrap-dml.sql: ids, positions and times
// are those of the golden file.
func dml(t *testing.T, want []message, tables map[string]*record.Table, b *record.Batch) {
	t.Helper()
	facts := func(text, key string) (n int64) {
		_, rest, _ := strings.Cut(text, `"`+key+`":`)
		for _, c := range []byte(rest) {
			if c < '0' || c > '9' {
				break
			}
			n = n*10 + int64(c-'0')
		}
		return n
	}
	o, full := tables["o"], tables["full_t"]
	_, rest, _ := strings.Cut(want[0].value, `"created":"`)
	created, _, _ := strings.Cut(rest, `"`)
	row := func(amount string) record.Value {
		return record.OfStruct([]record.Value{record.OfInt(facts(want[0].key, "id")), record.OfText("n1"), {}, record.OfNumber([]byte(amount)), {}, record.OfText(created)})
	}
	// The source gives columns that are NOT NULL a value where the old row has none.
	old := record.OfStruct([]record.Value{record.OfInt(facts(want[0].key, "id")), record.OfText(""), {}, {}, {}, record.OfText("1970-01-01T00:00:00.000000Z")})
	fullRow := record.OfStruct([]record.Value{record.OfInt(1), record.OfText("a"), record.OfInt(5)})
	at := 0
	add := func(table *record.Table, op record.Op, before, after record.Value) {
		m := want[min(at, len(want)-1)].value
		if op == record.Delete && !strings.Contains(m, "__deleted") && m != "null" {
			m = "" // filtered out: the golden file has nothing
		} else {
			at++
		}
		r := change(t, b, table, op, before, after, facts(m, "__lsn"), facts(m, "__source_ts_ms"))
		if op == record.Delete {
			key, topic := r.Key, r.Topic
			after := b.Add()
			after.Key, after.Topic = key, topic
		}
	}
	null := record.Value{}
	add(o, record.Create, null, row("1.5"))
	add(o, record.Update, null, row("2.5"))
	add(o, record.Delete, old, null)
	add(full, record.Create, null, fullRow)
	add(full, record.Delete, fullRow, null)
	change(t, b, full, record.Truncate, null, null, 0, 0).Key = record.Datum{}
}

func TestGoldenUnwrap(t *testing.T) {
	for _, mode := range []string{dropBoth, nullValue, rewrite} {
		t.Run(mode, func(t *testing.T) {
			want := golden(t, "unwrap-"+mode+".txt")
			settings := new(UnwrapConfig)
			settings.Defaults()
			settings.Deletes = mode
			settings.AddFields = []string{"op", "table", "lsn", "source.ts_ms"}
			settings.AddHeaders = []string{"op", "db"}
			unwrap, err := NewUnwrap(settings)
			if err != nil {
				t.Fatal(err)
			}
			router, err := NewRegexRouter(&RegexRouterConfig{Regex: "(.*)", Replacement: "cdc.$1"})
			if err != nil {
				t.Fatal(err)
			}
			b := new(record.Batch)
			dml(t, want, tables(t), b)
			j := newJSON(t, true)
			n := 0
			for i := range b.Records {
				r := &b.Records[i]
				for _, apply := range []func(*record.Batch, *record.Record) (bool, error){unwrap.Apply, router.Apply} {
					keep, err := apply(b, r)
					if err != nil {
						t.Fatal(err)
					}
					if !keep {
						r = nil
						break
					}
				}
				if r == nil {
					continue
				}
				if n >= len(want) {
					t.Fatalf("record %d is kept: %+v", i, written(t, j, r))
				}
				got, want := written(t, j, r), want[n]
				// The source's own headers are not the transform's.
				want.headers = want.headers[4:]
				if got.topic != want.topic || got.key != want.key || got.value != want.value || strings.Join(got.headers, ";") != strings.Join(want.headers, ";") {
					t.Errorf("record %d:\n got %+v\nwant %+v", i, got, want)
				}
				n++
			}
			if n != len(want) {
				t.Errorf("%d records are kept, want %d", n, len(want))
			}
		})
	}
}

// TestGoldenSink unwraps the envelopes of a golden file as a sink reads them: without schemas,
// and by the schema of the source.
func TestGoldenSink(t *testing.T) {
	all := tables(t)
	for _, hinted := range []bool{false, true} {
		settings := new(UnwrapConfig)
		settings.Defaults()
		settings.Deletes = rewriteWithTombstone
		settings.AddFields = []string{"op", "lsn", "source.snapshot:snap", "total_order", "nothing"}
		settings.AddHeaders = []string{"op", "ts_ms"}
		unwrap, err := NewUnwrap(settings)
		if err != nil {
			t.Fatal(err)
		}
		j := newJSON(t, false)
		b := new(record.Batch)
		for _, m := range golden(t, "envelope.txt") {
			r := b.Add()
			r.Topic = m.topic
			table := all[strings.TrimPrefix(m.topic, "production.public.")]
			var hint *record.Schema
			if hinted && table != nil {
				hint = table.Envelope
			}
			if m.value != tombstone {
				r.RawValue = []byte(m.value)
				if r.Value, err = j.Decode(b, m.topic, r.RawValue, hint); err != nil {
					t.Fatal(err)
				}
			}
			keep, err := unwrap.Apply(b, r)
			if err != nil {
				t.Fatalf("%s: %v", m.value, err)
			}
			got := written(t, j, r)
			switch {
			case strings.Contains(m.value, `"op":"t"`):
				if keep {
					t.Error("a truncate is kept")
				}
			case table == nil: // heartbeats, transactions, messages
				if !keep || got.value != m.value || len(r.Headers) > 0 || r.RawValue == nil {
					t.Errorf("%s: %s is not left as it is: %+v", m.topic, m.value, got)
				}
			case m.value == tombstone:
				if !keep || got.value != tombstone || len(got.headers) != 2 || got.headers[0] != "__op=d" {
					t.Errorf("a tombstone became %+v", got)
				}
			default:
				want := cutOut(t, m.value)
				if !keep || got.value != want || len(got.headers) != 2 || r.RawValue != nil {
					t.Errorf("hint %v:\n got %s %v\nwant %s", hinted, got.value, got.headers, want)
				}
			}
		}
	}
}

// cutOut is the text that an envelope becomes, cut out by hand.
func cutOut(t *testing.T, envelope string) string {
	t.Helper()
	cut := func(from, to string) string {
		_, rest, ok := strings.Cut(envelope, from)
		if !ok {
			t.Fatalf("no %s in %s", from, envelope)
		}
		text, _, _ := strings.Cut(rest, to)
		return text
	}
	op := cut(`"op":"`, `"`)
	from, to, deleted := `"after":{`, `},"source"`, "false"
	if op == "d" {
		from, to, deleted = `"before":{`, `},"after"`, "true"
	}
	row := cut(from, to)
	return `{` + row + `,"__deleted":"` + deleted + `","__op":"` + op + `","__lsn":` + cut(`"lsn":`, `,`) +
		`,"__snap":"` + cut(`"snapshot":"`, `"`) + `","__total_order":` + cut(`"total_order":`, `,`) + `}`
}
