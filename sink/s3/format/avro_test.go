package format

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/avro/ocf"

	"connectd/record"
)

// order is a table's row: optional as a whole, as sources have it.
var order = &record.Schema{Type: record.StructType, Optional: true, Name: "shop.Order", Fields: []record.Field{
	{Name: "id", Schema: &record.Schema{Type: record.Int64Type}},
	{Name: "note", Schema: &record.Schema{Type: record.StringType, Optional: true}},
}}

func orders(n int) []record.Record {
	var all []record.Record
	for i := range n {
		note := record.OfText(fmt.Sprintf("order %d", i))
		if i%3 == 0 {
			note = record.Value{}
		}
		all = append(all, record.Record{Topic: "orders", Partition: 2, Offset: int64(100 + i), Value: record.Datum{Schema: order, Value: record.OfStruct([]record.Value{record.OfInt(int64(i)), note})}})
	}
	return all
}

// datums are what the library's own reader finds in an Avro file.
func datums(t *testing.T, file []byte) (all []any, meta map[string][]byte) {
	t.Helper()
	r, err := ocf.NewReader(bytes.NewReader(file), ocf.WithCodec(ocf.MustZstdCodec(nil, []zstd.DOption{zstd.WithDecoderConcurrency(1)})))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		var v any
		err := r.Decode(&v)
		if err == io.EOF {
			return all, r.Metadata()
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
}

func TestAvro(t *testing.T) {
	const n = 20_000 // several blocks
	for _, codec := range []string{"null", "deflate", "snappy", "zstandard"} {
		t.Run(codec, func(t *testing.T) {
			cfg, err := settings("format.class", "io.confluent.connect.s3.format.avro.AvroFormat", "avro.codec", codec)
			if err != nil {
				t.Fatal(err)
			}
			file := encode(t, cfg, order, orders(n)...)
			if !bytes.Equal(file, encode(t, cfg, order, orders(n)...)) {
				t.Error("the same records are different bytes")
			}
			if other := encode(t, cfg, order, orders(n)[1:]...); bytes.Equal(file[len(file)-16:], other[len(other)-16:]) {
				t.Error("files that begin elsewhere have the same marker")
			}
			got, meta := datums(t, file)
			if len(got) != n {
				t.Fatalf("read %d records, want %d", len(got), n)
			}
			for i, v := range got {
				row := v.(map[string]any)
				if row["id"] != int64(i) || (row["note"] == nil) != (i%3 == 0) || i%3 != 0 && row["note"] != fmt.Sprintf("order %d", i) {
					t.Fatalf("record %d is %v", i, row)
				}
			}
			if !strings.HasPrefix(string(meta["avro.schema"]), `{"type":"record","name":"Order","namespace":"shop"`) {
				t.Errorf("the schema is %s", meta["avro.schema"])
			}
			if cfg.Extension() != ".avro" || NewCompressors(cfg).Codec() != nil || cfg.Binding(order) != order {
				t.Errorf("keys end with %s; gzip, the default, is around the file", cfg.Extension())
			}
		})
	}
}

// TestAvroWithoutSchema writes JSON of several shapes, and null, into one file.
func TestAvroWithoutSchema(t *testing.T) {
	cfg := Defaults()
	cfg.Format = "avro"
	a, b := shaped("a"), shaped("b")
	got, meta := datums(t, encode(t, &cfg, cfg.Binding(a.Schema), record.Record{Value: a}, record.Record{Value: b}, record.Record{Value: a}, record.Record{}))
	if len(got) != 4 || !strings.Contains(string(meta["avro.schema"]), `"name":"Anything"`) {
		t.Fatalf("got %v of the schema %s", got, meta["avro.schema"])
	}
	for i, name := range []string{"a", "b", "a"} {
		if text := fmt.Sprint(got[i]); !strings.Contains(text, "string:"+name) || !strings.Contains(text, "long:1") {
			t.Errorf("record %d is %s, want the field %s", i, text, name)
		}
	}
}

// TestAvroEnvelope has several parts of records, as Aiven's connector names them, and a tombstone among
// them.
func TestAvroEnvelope(t *testing.T) {
	cfg, err := settings("format.output.type", "avro", "format.output.fields", "key,value,offset,timestamp,headers,topic,partition")
	if err != nil {
		t.Fatal(err)
	}
	all := orders(2)
	all[0].Key = record.Datum{Schema: &record.Schema{Type: record.StringType}, Value: record.OfText("k")}
	all[0].Timestamp = 1700000000123
	all[0].Headers = []record.Header{{Name: "h", Value: all[0].Key}, {Name: "none"}}
	all[1].Key = all[1].Value // a struct
	all[1].Value.Value = record.Value{}
	file := encode(t, cfg, order, all...)
	if !bytes.Equal(file, encode(t, cfg, order, all...)) {
		t.Error("the same records are different bytes")
	}
	got, meta := datums(t, file)
	if want := `{"type":"record","name":"connector_records","namespace":"io.aiven.avro.output.schema","fields":[{"name":"key","type":["null","string"],"default":null},{"name":"value","type":["null",{"type":"record","name":"Order","namespace":"shop"`; !strings.HasPrefix(string(meta["avro.schema"]), want) {
		t.Errorf("the schema is %s\nwant %s…", meta["avro.schema"], want)
	}
	for i, want := range []string{
		"map[headers:map[h:k none:<nil>] key:k offset:100 partition:2 timestamp:1700000000123 topic:orders value:map[id:0 note:<nil>]]",
		`map[headers:map[] key:{"id":1,"note":"order 1"} offset:101 partition:2 timestamp:0 topic:orders value:<nil>]`,
	} {
		if fmt.Sprint(got[i]) != want {
			t.Errorf("record %d is %v\nwant %s", i, got[i], want)
		}
	}
}

// TestAvroEnvelopeWithoutSchema has values of several shapes as text, and one field alone.
func TestAvroEnvelopeWithoutSchema(t *testing.T) {
	cfg, err := settings("format.class", "avro", "format.output.envelope", "true")
	if err != nil {
		t.Fatal(err)
	}
	a, b := shaped("a"), shaped("b")
	got, _ := datums(t, encode(t, cfg, cfg.Binding(a.Schema), record.Record{Value: a}, record.Record{Value: b}, record.Record{}))
	if want := `[map[value:{"a":1}] map[value:{"b":1}] map[value:<nil>]]`; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// TestAvroRefusals has records refused without harm to the others, and schemas as a whole.
func TestAvroRefusals(t *testing.T) {
	cfg := Defaults()
	cfg.Format = "avro"
	var out bytes.Buffer
	e, err := New(&cfg, order, &out)
	if err != nil {
		t.Fatal(err)
	}
	b := &record.Batch{Records: orders(4)}
	b.Records[0].Value.Value = record.Value{}                         // null
	b.Records[2].Value.Value.Items[0] = record.OfText("not a number") // after the first of two fields
	for i := range b.Records {
		if err := e.Append(b, i); (err != nil) != (i%2 == 0) {
			t.Fatalf("record %d: got %v", i, err)
		}
	}
	if e.Buffered() == 0 {
		t.Error("nothing is buffered")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if got, _ := datums(t, out.Bytes()); len(got) != 2 {
		t.Errorf("got %v, want records 1 and 3", got)
	}
	named := &record.Schema{Type: record.StructType, Fields: []record.Field{{Name: "unit-price", Schema: &record.Schema{Type: record.Int32Type}}}}
	if _, err := New(&cfg, named, &out); err == nil || !strings.Contains(err.Error(), "set scrub.invalid.names: true") {
		t.Errorf("a name that Avro does not have: got %v", err)
	}
	cfg.Avro.Scrub = true
	if _, err := New(&cfg, named, &out); err != nil {
		t.Error(err)
	}
}
