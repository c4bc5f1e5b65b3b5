package format

import (
	"bytes"
	"testing"

	"connectd/record"
)

func TestLines(t *testing.T) {
	price := &record.Schema{Type: record.BytesType, Name: record.DecimalName, Version: 1, Params: []record.Param{{Name: "scale", Value: "2"}}}
	typed := record.Datum{
		Schema: &record.Schema{Type: record.StructType, Fields: []record.Field{{Name: "price", Schema: price}}},
		Value:  record.OfStruct([]record.Value{record.OfNumber([]byte("12.50"))}),
	}
	key := record.Datum{Schema: &record.Schema{Type: record.StringType}, Value: record.OfText("k")}
	for _, c := range []struct {
		name   string
		fields []string
		r      record.Record
		want   string
	}{
		{"bytes of a value without schema", []string{"value"}, record.Record{RawValue: []byte(`{"a": 1}`), Value: shaped("a")}, `{"a": 1}`},
		{"several lines become one", []string{"value"}, record.Record{RawValue: []byte("{\"a\":\n 1}"), Value: shaped("a")}, `{"a":1}`},
		{"decimals are numbers", []string{"value"}, record.Record{RawValue: []byte(`{"price":"BOI="}`), Value: typed}, `{"price":12.50}`},
		{"several fields", []string{"key", "value", "partition", "offset", "timestamp"}, record.Record{Key: key, Partition: 3, Offset: 9, Timestamp: 7, RawValue: []byte(`{"a":1}`), Value: shaped("a")},
			`{"key":"k","value":{"a":1},"partition":3,"offset":9,"timestamp":7}`},
		{"headers", []string{"headers", "topic"}, record.Record{Topic: "o", Headers: []record.Header{{Name: "h", Value: key}}}, `{"headers":{"h":"k"},"topic":"o"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := Defaults()
			cfg.Fields = c.fields
			var got bytes.Buffer
			e, err := New(&cfg, nil, &got)
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Append(&record.Batch{Records: []record.Record{c.r}}, 0); err != nil {
				t.Fatal(err)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			if want := c.want + "\n"; got.String() != want {
				t.Errorf("got %q, want %q", got.String(), want)
			}
		})
	}
}

// shaped is a value without a schema of its own, with one field that is 1.
func shaped(field string) record.Datum {
	return record.Datum{
		Schema: &record.Schema{Type: record.StructType, Fields: []record.Field{{Name: field, Schema: &record.Schema{}}}},
		Value:  record.OfStruct([]record.Value{record.OfInt(1)}),
	}
}
