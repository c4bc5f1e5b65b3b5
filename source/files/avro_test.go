package files

import (
	"bytes"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"

	"connectd/record"
)

const avroOrderSchema = `{"type":"record","name":"Order","namespace":"shop","fields":[
	{"name":"id","type":"long"},
	{"name":"small","type":{"type":"int","connect.type":"int16"}},
	{"name":"open","type":"boolean"},
	{"name":"ratio","type":"float"},
	{"name":"weight","type":"double"},
	{"name":"name","type":"string"},
	{"name":"note","type":["null","string"],"default":null},
	{"name":"payload","type":"bytes"},
	{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":18,"scale":2}},
	{"name":"tax","type":{"type":"fixed","name":"Tax","size":4,"logicalType":"decimal","precision":9,"scale":3}},
	{"name":"day","type":{"type":"int","logicalType":"date"}},
	{"name":"clock","type":{"type":"int","logicalType":"time-millis"}},
	{"name":"millis","type":{"type":"long","logicalType":"timestamp-millis"}},
	{"name":"micros","type":{"type":"long","logicalType":"timestamp-micros"}},
	{"name":"key","type":{"type":"string","logicalType":"uuid"}},
	{"name":"state","type":{"type":"enum","name":"State","symbols":["NEW","DONE"]}},
	{"name":"tags","type":{"type":"array","items":"string"}},
	{"name":"counts","type":{"type":"map","values":"int"}},
	{"name":"place","type":{"type":"record","name":"Place","fields":[{"name":"city","type":"string"}]}},
	{"name":"other","type":["null","Place"]},
	{"name":"either","type":["string","long"]}]}`

func avroOrder(i int) map[string]any {
	return map[string]any{"id": int64(i), "small": int32(7), "open": true, "ratio": float32(0.25), "weight": 1.5, "name": fmt.Sprintf("order %d", i), "note": nil,
		"payload": []byte{1, 2}, "price": big.NewRat(-1250, 100), "tax": big.NewRat(-19, 1000), "day": int32(20778), "clock": int32(1000),
		"millis": time.UnixMilli(1795222923000).UTC(), "micros": time.UnixMicro(1795222923000456).UTC(), "key": "01020300-0000-0000-0000-000000000000", "state": "DONE",
		"tags": []string{"a", "b"}, "counts": map[string]int32{"x": 1}, "place": map[string]any{"city": "Bern"}, "other": map[string]any{"city": "Thun"}, "either": int64(5)}
}

// avroFile is a container of so many orders, in blocks of about so many bytes.
func avroFile(t *testing.T, codec ocf.Codec, block, orders int) string {
	t.Helper()
	var b bytes.Buffer
	w, err := ocf.NewWriter(&b, avro.MustParse(avroOrderSchema), ocf.WithCodec(codec), ocf.WithBlockBytes(block))
	if err != nil {
		t.Fatal(err)
	}
	for i := range orders {
		if err := w.Encode(avroOrder(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func avroCodecs(t *testing.T) map[string]ocf.Codec {
	t.Helper()
	zstd, err := ocf.ZstdCodec(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]ocf.Codec{"null": nil, "deflate": ocf.DeflateCodec(flate.BestSpeed), "snappy": ocf.SnappyCodec(), "zstandard": zstd}
}

func TestAvro(t *testing.T) {
	for name, codec := range avroCodecs(t) {
		t.Run(name, func(t *testing.T) {
			all := readAll(t, "a.avro", avroFile(t, codec, 1000, 50), "key.fields", "id", "batch.size", "7")
			if len(all) != 50 {
				t.Fatalf("%d records, want 50", len(all))
			}
			for i, g := range all {
				want := fmt.Sprintf(`{"id":%d,"small":7,"open":true,"ratio":0.25,"weight":1.5,"name":"order %d","note":null,"payload":"AQI=","price":-12.50,"tax":-0.019,`+
					`"day":20778,"clock":1000,"millis":1795222923000,"micros":1795222923000456,"key":"01020300-0000-0000-0000-000000000000","state":"DONE",`+
					`"tags":["a","b"],"counts":{"x":1},"place":{"city":"Bern"},"other":{"city":"Thun"},"either":{"string":null,"long":5}}`, i, i)
				if g.err != nil || g.value != want || g.key != fmt.Sprint(i) || g.headers["file.line"] != fmt.Sprint(i+1) {
					t.Fatalf("record %d is\n%s (%v), want\n%s", i, g.value, g.err, want)
				}
			}
		})
	}
}

// A file that fastavro has written.
func TestAvroOfOthers(t *testing.T) {
	text, err := os.ReadFile("testdata/fastavro.avro")
	if err != nil {
		t.Fatal(err)
	}
	all := readAll(t, "a.avro", string(text))
	if len(all) != 3 || all[2].value != `{"id":2,"at":1795222923000456,"amount":2.50,"tags":["a","b"],"note":null}` {
		t.Errorf("got %+v", all)
	}
}

// The schema of a record has the names that Connect and Debezium have for logical types.
func TestAvroSchema(t *testing.T) {
	root, err := avroTypeOf(avro.MustParse(avroOrderSchema).Root().ExpandReferences())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range root.schema.Fields {
		text := f.Name + ":" + f.Schema.Type.String()
		if f.Schema.Name != "" {
			text += " " + f.Schema.Name[strings.LastIndexByte(f.Schema.Name, '.')+1:]
		}
		if f.Schema.Optional {
			text += "?"
		}
		got = append(got, text)
	}
	want := "id:int64, small:int16, open:boolean, ratio:float, weight:double, name:string, note:string?, payload:bytes, price:bytes Decimal, tax:bytes Decimal, " +
		"day:int32 Date, clock:int32 Time, millis:int64 Timestamp, micros:int64 MicroTimestamp, key:string Uuid, state:string Enum, tags:array, counts:map, place:struct Place, other:struct Place?, either:struct Union"
	if strings.Join(got, ", ") != want {
		t.Errorf("got %s\nwant %s", strings.Join(got, ", "), want)
	}
	if scale := root.schema.Fields[8].Schema.Param("scale"); scale != "2" {
		t.Errorf("scale %q, want 2", scale)
	}
}

// What Connect's own Avro converter has noted counts.
func TestAvroConnectNames(t *testing.T) {
	root, err := avroTypeOf(avro.MustParse(`{"type":"long","connect.name":"io.debezium.time.MicroTimestamp","connect.version":1,"connect.parameters":{"unit":"us"}}`).Root())
	if s := root.schema; err != nil || s.Name != "io.debezium.time.MicroTimestamp" || s.Version != 1 || s.Param("unit") != "us" {
		t.Errorf("got %+v, %v", s, err)
	}
}

// Reading goes on at the record where it stopped, in any block.
func TestAvroRestart(t *testing.T) {
	for name, codec := range avroCodecs(t) {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.avro")
			write(t, path, avroFile(t, codec, 4000, 100))
			c := settings(t, fast(filepath.Dir(path), "batch.size", "19", "key.fields", "id")...)
			restartAnywhere(t, c, 100)
		})
	}
}

// restartAnywhere reads a source's files whole, and again from behind each of its batches: then
// the rest has to come, and nothing else. Keys are the numbers of the records.
func restartAnywhere(t *testing.T, c *Config, records int) {
	t.Helper()
	r := start(t, c, nil)
	r.manual = true
	r.until("all batches", func() bool { return len(r.all) >= records })
	r.stop()
	read := 0
	offsets := map[string][]byte{}
	for _, b := range r.sent {
		read += len(b.Records)
		for _, o := range b.Offsets {
			offsets[string(o.Partition)] = o.Offset
		}
		if len(b.Records) == 0 {
			continue
		}
		again := start(t, c, offsets)
		again.until("the rest", func() bool { return len(again.all) >= records-read })
		again.rest()
		again.stop()
		if len(again.all) != records-read {
			t.Errorf("after %d records: %d more, want %d", read, len(again.all), records-read)
		}
		for i, g := range again.all {
			if want := fmt.Sprint(read + i); g.key != want {
				t.Fatalf("after %d records: record %d has the key %s, want %s", read, i, g.key, want)
			}
		}
	}
}

func TestAvroRefused(t *testing.T) {
	whole := avroFile(t, nil, 1000, 50)
	broken := []byte(whole)
	broken[len(broken)-1] ^= 1
	for name, test := range map[string]struct{ text, want string }{
		"no avro":   {"id,name\n", "no Avro object container file"},
		"truncated": {whole[:len(whole)-9], "ends inside of the block"},
		"marker":    {string(broken), "does not end with the file's marker"},
		"recursive": {avroHeaderOf(t, `{"type":"record","name":"Node","fields":[{"name":"next","type":["null","Node"]}]}`), "contains itself"},
		"codec":     {strings.Replace(avroFile(t, ocf.SnappyCodec(), 1000, 1), "snappy", "xnappy", 1), `the codec "xnappy" is not supported`},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.avro")
			write(t, path, test.text)
			if err := start(t, settings(t, fast(filepath.Dir(path))...), nil).fails(); !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func avroHeaderOf(t *testing.T, schema string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := ocf.NewWriter(&b, avro.MustParse(schema))
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// No bytes make the decoder panic or allocate without bounds.
func FuzzAvro(f *testing.F) {
	f.Add([]byte{2, 4, 6})
	root, err := avroTypeOf(avro.MustParse(avroOrderSchema).Root().ExpandReferences())
	if err != nil {
		f.Fatal(err)
	}
	one, err := avro.MustParse(avroOrderSchema).Encode(avroOrder(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(one)
	f.Fuzz(func(t *testing.T, p []byte) {
		var b record.Batch
		root.read(&b, &avroCursor{p: p})
	})
}
