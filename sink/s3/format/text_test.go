package format

import (
	"bytes"
	stdcsv "encoding/csv"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"

	"connectd/record"
)

// encode is what an object of the records holds.
func encode(t testing.TB, c *Config, schema *record.Schema, records ...record.Record) []byte {
	t.Helper()
	var out bytes.Buffer
	e, err := New(c, schema, &out)
	if err != nil {
		t.Fatal(err)
	}
	b := &record.Batch{Records: records}
	for i := range records {
		if err := e.Append(b, i); err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func words(s string) record.Datum {
	return record.Datum{Schema: &record.Schema{Type: record.StringType}, Value: record.OfText(s)}
}

func TestArray(t *testing.T) {
	for _, class := range []string{"json", "json-array"} {
		cfg := Defaults()
		cfg.Format, cfg.Fields, cfg.Compression = class, []string{"value", "offset"}, "none"
		got := encode(t, &cfg, nil, record.Record{RawValue: []byte(`{"a":1}`), Value: shaped("a")}, record.Record{Offset: 1})
		if want := "[\n{\"value\":{\"a\":1},\"offset\":0},\n{\"value\":null,\"offset\":1}\n]"; string(got) != want {
			t.Errorf("%s: got %q, want %q", class, got, want)
		}
		if cfg.Extension() != ".json" || cfg.ContentType() != "application/json" {
			t.Errorf("%s: got %s and %s", class, cfg.Extension(), cfg.ContentType())
		}
	}
}

// TestArrayKeepsItsForm has a record refused at each place of an array.
func TestArrayKeepsItsForm(t *testing.T) {
	broken := record.Datum{Schema: &record.Schema{Type: record.StructType, Fields: []record.Field{{Name: "a", Schema: &record.Schema{Type: record.Int32Type}}}}, Value: record.OfStruct(nil)}
	good := record.Record{RawValue: []byte(`1`), Value: words("x")}
	cfg := Defaults()
	cfg.Format = "json"
	var out bytes.Buffer
	e, err := New(&cfg, nil, &out)
	if err != nil {
		t.Fatal(err)
	}
	b := &record.Batch{Records: []record.Record{{Value: broken}, good, {Value: broken}, good, {Value: broken}}}
	for i := range b.Records {
		if err := e.Append(b, i); (err != nil) != (i%2 == 0) {
			t.Fatalf("record %d: got %v", i, err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || !slices.Equal(got, []string{"x", "x"}) {
		t.Errorf("got %q, %v", out.Bytes(), err)
	}
}

func TestBytes(t *testing.T) {
	for _, c := range []struct {
		name string
		set  []string
		want string
		ends string
	}{
		{"defaults", []string{"format.class", "io.confluent.connect.s3.format.bytearray.ByteArrayFormat"}, "\x00\xff\n{\"a\": 1}\ntext\n\n", ".bin.gz"},
		{"own", []string{"format.class", "bytes", "format.bytearray.extension", ".raw", "format.bytearray.separator", "--", "s3.compression.type", "zstd"}, "\x00\xff--{\"a\": 1}--text----", ".raw.zst"},
		{"none", []string{"format.class", "bytes", "format.bytearray.separator", "", "s3.compression.type", "none"}, "\x00\xff{\"a\": 1}text", ".bin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := settings(c.set...)
			if err != nil {
				t.Fatal(err)
			}
			got := encode(t, cfg, nil,
				record.Record{Value: record.Datum{Schema: &record.Schema{Type: record.BytesType}, Value: record.OfBytes([]byte("\x00\xff"))}},
				record.Record{RawValue: []byte(`{"a": 1}`), Value: shaped("a")}, record.Record{Value: words("text")}, record.Record{})
			if string(got) != c.want || cfg.Extension() != c.ends {
				t.Errorf("got %q and %s, want %q and %s", got, cfg.Extension(), c.want, c.ends)
			}
		})
	}
	e := &octets{out: io.Discard}
	err := e.Append(&record.Batch{Records: []record.Record{{Value: shaped("a")}}}, 0)
	if err == nil || !strings.Contains(err.Error(), "write format.class: jsonl") {
		t.Errorf("a value that a transform has changed: got %v", err)
	}
}

func TestCSV(t *testing.T) {
	headers := []record.Header{{Name: "h", Value: words("a,b")}, {Name: "h", Value: words("c")}}
	records := []record.Record{
		{Topic: "o", Key: words("k"), Value: words(`say "a,b"` + "\nagain"), Offset: 7, Timestamp: 1700000000000, Headers: headers},
		{Topic: "o", Value: words(""), Offset: 8, Timestamp: 1700000000001},
		{Topic: "a,b", Offset: 9, Timestamp: record.NoTimestamp},
		{Topic: "o", RawValue: []byte("{\"a\":\n1}"), Value: shaped("a")},
	}
	for _, c := range []struct {
		encoding, want string
		rows           [][]string // as encoding/csv reads them
	}{
		{"none", "o,aw==,\"say \"\"a,b\"\"\nagain\",7,2023-11-14T22:13:20Z,aA==:YSxi;aA==:Yw==;\n" +
			"o,,\"\",8,2023-11-14T22:13:20.001Z,\n\"a,b\",,,9,,\no,,\"{\"\"a\"\":1}\",0,1970-01-01T00:00:00Z,\n", [][]string{
			{"o", "aw==", "say \"a,b\"\nagain", "7", "2023-11-14T22:13:20Z", "aA==:YSxi;aA==:Yw==;"},
			{"o", "", "", "8", "2023-11-14T22:13:20.001Z", ""},
			{"a,b", "", "", "9", "", ""},
			{"o", "", `{"a":1}`, "0", "1970-01-01T00:00:00Z", ""},
		}},
		{"base64", "", [][]string{
			{"o", "aw==", "c2F5ICJhLGIiCmFnYWlu", "7", "2023-11-14T22:13:20Z", "aA==:YSxi;aA==:Yw==;"},
			{"o", "", "", "8", "2023-11-14T22:13:20.001Z", ""},
			{"a,b", "", "", "9", "", ""},
			{"o", "", "eyJhIjoxfQ==", "0", "1970-01-01T00:00:00Z", ""},
		}},
	} {
		t.Run(c.encoding, func(t *testing.T) {
			cfg, err := settings("format.output.type", "csv", "format.output.fields", "topic,key,value,offset,timestamp,headers", "format.output.fields.value.encoding", c.encoding)
			if err != nil {
				t.Fatal(err)
			}
			got := encode(t, cfg, nil, records...)
			if c.want != "" && string(got) != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			rows, err := stdcsv.NewReader(bytes.NewReader(got)).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			if !slices.EqualFunc(rows, c.rows, slices.Equal) {
				t.Errorf("read %q, want %q", rows, c.rows)
			}
			if cfg.Extension() != ".csv.gz" {
				t.Errorf("keys end with %s", cfg.Extension())
			}
		})
	}
}

// TestNoAllocations appends records of a schema and without one, once the room is there.
func TestNoAllocations(t *testing.T) {
	for _, format := range []string{"jsonl", "json", "csv", "bytes", "avro", "avro values"} {
		cfg := Defaults()
		cfg.Format = strings.TrimSuffix(format, " values")
		if cfg.composed() && cfg.Format == format {
			cfg.Fields = []string{"key", "value", "topic", "partition", "offset", "timestamp", "headers"}
		}
		typed := record.Datum{
			Schema: &record.Schema{Type: record.StructType, Fields: []record.Field{{Name: "n", Schema: &record.Schema{Type: record.Int64Type}}, {Name: "s", Schema: &record.Schema{Type: record.StringType}}}},
			Value:  record.OfStruct([]record.Value{record.OfInt(7), record.OfText("a \"text\"")}),
		}
		topic, headers := strings.Repeat("a.long.name.of.a.topic.", 5), []record.Header{{Name: strings.Repeat("name", 20), Value: words("v")}}
		b := &record.Batch{Records: []record.Record{
			{Topic: topic, Key: words("k"), Value: typed, RawValue: []byte(`{"n":7}`), Timestamp: 1700000000001, Headers: headers},
			{Topic: topic, Key: words("k"), Value: shaped("a"), RawValue: []byte("{\"a\":\n1}"), Timestamp: 1700000000001, Headers: headers},
		}}
		if cfg.Format == "avro" {
			b.Records = b.Records[:1] // a file has one schema
		}
		e, err := New(&cfg, cfg.Binding(typed.Schema), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		got := testing.AllocsPerRun(100, func() {
			for i := range b.Records {
				if err := e.Append(b, i); err != nil {
					t.Fatal(err)
				}
			}
		})
		if got != 0 {
			t.Errorf("%s: %v allocations for a record of each kind, want none", format, got)
		}
	}
}
