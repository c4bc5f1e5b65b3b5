package format

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	pq "github.com/parquet-go/parquet-go/format"

	"connectd/record"
)

// flatRows is a batch of rows without a schema, of ten fields each.
func flatRows(rows int) *record.Batch {
	schema := &record.Schema{Type: record.StructType}
	for _, name := range []string{"id", "user_id", "session_id", "quantity", "status", "price", "kind", "city", "agent", "url"} {
		schema.Fields = append(schema.Fields, record.Field{Name: name})
	}
	batch := &record.Batch{}
	for i := range rows {
		hash := fmt.Sprintf("%x", md5.Sum(fmt.Append(nil, i)))
		batch.Add().Value = record.Datum{Schema: schema, Value: record.OfStruct([]record.Value{
			record.OfInt(int64(i)), record.OfInt(int64(i * 7919 % 100000)), record.OfInt(int64(i * 31)), record.OfInt(int64(i % 10)), record.OfInt(int64(i % 5)),
			record.OfNumber(fmt.Appendf(nil, "%.2f", float64(i%10000)/100+0.01)), record.OfText([]string{"view", "click", "buy"}[i%3]), record.OfText("Amsterdam"),
			record.OfText("Mozilla/5.0 (X11; Linux) " + hash[:16]), record.OfText("/products/" + hash)})}
	}
	return batch
}

// parquetOf is the file of a batch without a schema.
func parquetOf(t testing.TB, batch *record.Batch) []byte {
	cfg := Defaults()
	cfg.Format, cfg.Parquet = "parquet", "zstd"
	var spool, file bytes.Buffer
	e, err := newParquetInferred(&cfg, &spool)
	if err != nil {
		t.Fatal(err)
	}
	for i := range batch.Records {
		if err := e.Append(batch, i); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Convert(&file, &spool); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// TestDictionaries makes sure that texts that come again have a dictionary, and hashes have none.
func TestDictionaries(t *testing.T) {
	octets := parquetOf(t, flatRows(2000))
	file, err := parquet.OpenFile(bytes.NewReader(octets), int64(len(octets)))
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range file.Metadata().RowGroups[0].Columns {
		name := c.MetaData.PathInSchema[0]
		got := slices.Contains(c.MetaData.Encoding, pq.RLEDictionary)
		if want := name == "kind" || name == "city"; got != want {
			t.Errorf("column %d, %s: dictionary is %t, want %t", i, name, got, want)
		}
	}
}

// BenchmarkParquetInferred finds the columns of a file of 25,000 rows, and writes it.
func BenchmarkParquetInferred(b *testing.B) {
	const rows = 25_000
	batch := flatRows(rows)
	var file []byte
	for b.Loop() {
		file = parquetOf(b, batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
	b.ReportMetric(float64(len(file))/rows, "bytes/row")
}

// TestInferredRowsStayRows makes sure that a row has one cell in each column: when names are missing,
// and when an object has a name twice.
func TestInferredRowsStayRows(t *testing.T) {
	batch := &record.Batch{}
	add := func(names []string, values ...record.Value) {
		schema := &record.Schema{Type: record.StructType}
		for _, n := range names {
			schema.Fields = append(schema.Fields, record.Field{Name: n})
		}
		batch.Add().Value = record.Datum{Schema: schema, Value: record.OfStruct(values)}
	}
	add([]string{"a", "b", "a"}, record.OfInt(1), record.OfText("x"), record.OfInt(2))
	add([]string{"b"}, record.OfText("y"))
	add([]string{"a"}, record.OfInt(3))
	add([]string{"a", "b", "a"}, record.OfInt(4), record.OfText("z"), record.Value{})
	octets := parquetOf(t, batch)
	rows, err := parquet.Read[struct {
		A *int64  `parquet:"a,optional"`
		B *string `parquet:"b,optional"`
	}](bytes.NewReader(octets), int64(len(octets)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rows {
		a, b := "-", "-"
		if r.A != nil {
			a = fmt.Sprint(*r.A)
		}
		if r.B != nil {
			b = *r.B
		}
		got = append(got, a+b)
	}
	if want := []string{"2x", "-y", "3-", "-z"}; !slices.Equal(got, want) {
		t.Errorf("rows %v, want %v", got, want)
	}
}

// TestRowsLargerThanChunks makes sure that rows come whole, wherever the chunks that they are read in
// end.
func TestRowsLargerThanChunks(t *testing.T) {
	batch := &record.Batch{}
	schema := &record.Schema{Type: record.StructType, Fields: []record.Field{{Name: "n"}, {Name: "text"}}}
	var want []string
	for n := range 40 {
		text := strings.Repeat(fmt.Sprint(n%10), n*(parquetChunk/10)+n)
		want = append(want, text)
		batch.Add().Value = record.Datum{Schema: schema, Value: record.OfStruct([]record.Value{record.OfInt(int64(n)), record.OfText(text)})}
	}
	octets := parquetOf(t, batch)
	rows, err := parquet.Read[struct {
		N    *int64  `parquet:"n,optional"`
		Text *string `parquet:"text,optional"`
	}](bytes.NewReader(octets), int64(len(octets)))
	if err != nil || len(rows) != len(want) {
		t.Fatalf("%d rows, %v; want %d", len(rows), err, len(want))
	}
	for n, r := range rows {
		if r.N == nil || *r.N != int64(n) || r.Text == nil || *r.Text != want[n] {
			t.Errorf("row %d is another one", n)
		}
	}
}

// TestDamagedRows makes sure that rows that are not all there are an error.
func TestDamagedRows(t *testing.T) {
	cfg := Defaults()
	var spool bytes.Buffer
	e, err := newParquetInferred(&cfg, &spool)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Append(flatRows(1), 0); err != nil {
		t.Fatal(err)
	}
	octets := spool.Bytes()
	for cut := 1; cut < len(octets); cut++ {
		if err := e.Convert(&bytes.Buffer{}, bytes.NewReader(octets[:cut])); err == nil {
			t.Fatalf("the first %d of %d octets make a file", cut, len(octets))
		}
		row := octets[len(octets)-cut:]
		c := cells{columns: make([][]parquet.Value, len(e.found))}
		c.text = e.text.text
		_ = c.decodeInferred(row, e.typed()) // must not panic
	}
}

// TestPageWindow makes sure that a reader of zstd pages, and their writer, look back over one page.
func TestPageWindow(t *testing.T) {
	octets, err := zstdPages.Encode(nil, bytes.Repeat([]byte("0123456789"), parquetPage))
	if err != nil {
		t.Fatal(err)
	}
	var head zstd.Header
	if err := head.Decode(octets); err != nil {
		t.Fatal(err)
	}
	if head.SingleSegment || head.WindowSize > parquetPage {
		t.Errorf("the window is %d, or all of it: %t", head.WindowSize, head.SingleSegment)
	}
}
