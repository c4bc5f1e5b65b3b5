package format

import (
	"testing"

	"connectd/record"
)

// TestExact makes sure that a number becomes a float64 only where that has all of its digits.
func TestExact(t *testing.T) {
	for number, want := range map[string]bool{
		"0": true, "-0.0": true, "1.5": true, "-12.50": true, "0.000001": true, "123456789012345": true, "1e10": true, "1.25E-7": true,
		"0.9161315270257207": false, "1234567890.1234567": false, "1e400": false, "-1e999": false, "1e-400": false, "4e-320": false, "9007199254740993.5": false,
	} {
		if got := exact([]byte(number)); got != want {
			t.Errorf("exact(%s) is %t", number, got)
		}
	}
}

// TestCells encodes and decodes rows of every kind of column.
func TestCells(t *testing.T) {
	optional := func(s record.Schema) *record.Schema { s.Optional = true; return &s }
	text := &record.Schema{Type: record.StringType}
	schema := &record.Schema{Type: record.StructType, Fields: []record.Field{
		{Name: "a", Schema: &record.Schema{Type: record.Int64Type}},
		{Name: "b", Schema: optional(record.Schema{Type: record.Int32Type})},
		{Name: "c", Schema: &record.Schema{Type: record.BoolType}},
		{Name: "d", Schema: optional(record.Schema{Type: record.Float32Type})},
		{Name: "e", Schema: &record.Schema{Type: record.Float64Type}},
		{Name: "f", Schema: optional(*text)},
		{Name: "g", Schema: &record.Schema{Type: record.BytesType, Name: record.DecimalName, Params: []record.Param{{Name: "scale", Value: "2"}}}},
		{Name: "h", Schema: optional(record.Schema{Type: record.ArrayType, Elem: optional(record.Schema{Type: record.ArrayType, Elem: optional(*text)})})},
	}}
	cfg := Defaults()
	tree, err := newParquetTree(&cfg, schema)
	if err != nil {
		t.Fatal(err)
	}
	null := record.Value{}
	list := record.OfArray([]record.Value{record.OfArray([]record.Value{record.OfText("x"), null}), null, record.OfArray(nil)})
	rows := [][]record.Value{
		{record.OfInt(-1 << 63), record.OfInt(-7), record.OfBool(true), record.OfFloat(0.5), record.OfFloat(-1e300), record.OfText(""), record.OfNumber([]byte("-123.45")), list},
		{record.OfInt(1<<63 - 1), null, record.OfBool(false), null, record.OfFloat(0), null, record.OfNumber([]byte("0")), null},
	}
	for i, row := range rows {
		in, _ := newCells(&cfg, tree)
		if err := tree.row(&in, &record.Record{Value: record.Datum{Schema: schema, Value: record.OfStruct(row)}}); err != nil {
			t.Fatal(err)
		}
		octets := in.encode(nil, tree)
		out, _ := newCells(&cfg, tree)
		if err := out.decode(octets, tree); err != nil {
			t.Fatal(err)
		}
		for c := range in.columns {
			if len(in.columns[c]) != len(out.columns[c]) {
				t.Fatalf("row %d has %d values in column %d, want %d", i, len(out.columns[c]), c, len(in.columns[c]))
			}
			for j := range in.columns[c] {
				if got, want := out.columns[c][j], in.columns[c][j]; got.String() != want.String() || got.DefinitionLevel() != want.DefinitionLevel() || got.RepetitionLevel() != want.RepetitionLevel() {
					t.Errorf("row %d column %d: got %+v, want %+v", i, c, got, want)
				}
			}
		}
		for cut := range octets { // must not panic, whatever is left
			broken, _ := newCells(&cfg, tree)
			_ = broken.decode(octets[:cut], tree)
		}
	}
}

// BenchmarkParquetAppend keeps one row an operation.
func BenchmarkParquetAppend(b *testing.B) {
	schema := &record.Schema{Type: record.StructType, Fields: []record.Field{
		{Name: "id", Schema: &record.Schema{Type: record.Int64Type}},
		{Name: "name", Schema: &record.Schema{Type: record.StringType, Optional: true}},
		{Name: "price", Schema: &record.Schema{Type: record.BytesType, Name: record.DecimalName, Optional: true, Params: []record.Param{{Name: "scale", Value: "2"}, {Name: "connect.decimal.precision", Value: "10"}}}},
	}}
	batch := &record.Batch{}
	batch.Add().Value = record.Datum{Schema: schema, Value: record.OfStruct([]record.Value{record.OfInt(1), record.OfText("name"), record.OfNumber([]byte("12.34"))})}
	cfg := Defaults()
	cfg.Format = "parquet"
	e, err := New(&cfg, schema, nowhere{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := e.Append(batch, 0); err != nil {
			b.Fatal(err)
		}
	}
}

type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
