package avro

import (
	"bytes"
	"testing"

	"github.com/twmb/avro"

	"connectd/record"
)

// fuzzed has every type but maps, whose order the other library does not keep.
const fuzzed = `{"type":"record","name":"Order","namespace":"shop","fields":[
	{"name":"id","type":"long"},
	{"name":"small","type":{"type":"int","connect.type":"int16"}},
	{"name":"number","type":"int"},
	{"name":"open","type":"boolean"},
	{"name":"ratio","type":"float"},
	{"name":"weight","type":["null","double"]},
	{"name":"note","type":["null","string"]},
	{"name":"payload","type":"bytes"},
	{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":40,"scale":2}},
	{"name":"hash","type":{"type":"fixed","name":"Hash","size":3}},
	{"name":"state","type":{"type":"enum","name":"State","symbols":["NEW","DONE"]}},
	{"name":"tags","type":{"type":"array","items":["null","string"]}},
	{"name":"place","type":{"type":"record","name":"Place","fields":[{"name":"city","type":"string"},{"name":"moment","type":{"type":"long","connect.name":"io.debezium.time.MicroTimestamp"}}]}},
	{"name":"others","type":{"type":"array","items":"Place"}},
	{"name":"either","type":["null","string","long","Place"]}]}`

func order() map[string]any {
	place := map[string]any{"city": "Bern", "moment": int64(1795222923000456)}
	return map[string]any{"id": int64(-1 << 40), "small": int32(-7), "number": int32(1 << 30), "open": true, "ratio": float32(0.25), "weight": 1.5, "note": "nothing",
		"payload": []byte{1, 2}, "price": []byte{0xfb, 0x1e}, "hash": [3]byte{1, 2, 3}, "state": "DONE", "tags": []any{"a", nil},
		"place": place, "others": []any{place, place}, "either": int64(5)}
}

// FuzzRead reads any octets. What can be read is read as another library reads it; the rest is an
// error.
func FuzzRead(f *testing.F) {
	other := avro.MustParse(fuzzed)
	octets := written(f, fuzzed, order())
	f.Add(octets)
	f.Add(octets[:20])
	f.Add(append(bytes.Repeat([]byte{0x80}, 9), 1))
	f.Add(bytes.Repeat([]byte{2}, 100))
	r := reader(f, fuzzed, connect)
	same := mapped(f, r.Schema(), Options{Metadata: true, Enhanced: true})
	anything := reader(f, anythingSchema, connect)
	recursive := reader(f, `{"type":"record","name":"Node","fields":[{"name":"next","type":["null","Node"]},{"name":"all","type":{"type":"map","values":{"type":"array","items":"Node"}}}]}`, connect)
	f.Fuzz(func(t *testing.T, octets []byte) {
		_, _ = anything.Read(new(record.Batch), octets)
		_, _ = recursive.Read(new(record.Batch), octets)
		v, err := r.Read(new(record.Batch), octets)
		if err != nil {
			return
		}
		got, err := same.Append(nil, &v)
		if err != nil {
			t.Fatalf("%q was read and can not be written: %v", octets, err)
		}
		var document any
		if rest, err := other.Decode(octets, &document); err != nil || len(rest) > 0 {
			t.Fatalf("%q: another library can not read it: %v, %d bytes left over", octets, err, len(rest))
		}
		want, err := other.Encode(document)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%q was read otherwise:\n got %x\nwant %x", octets, got, want)
		}
	})
}
