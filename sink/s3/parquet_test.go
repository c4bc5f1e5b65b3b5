package s3

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"connectd/convert"
	"connectd/internal/testenv"
	"connectd/record"
)

// enveloped are records whose values are JSON with their schema.
func enveloped(t testing.TB, from int64, schema string, payloads ...string) *record.Batch {
	t.Helper()
	c := &convert.JSONConfig{}
	c.Defaults()
	j, err := convert.NewJSON(c)
	if err != nil {
		t.Fatal(err)
	}
	b := &record.Batch{}
	for i, payload := range payloads {
		r := b.Add()
		r.Topic, r.Partition, r.Offset, r.Timestamp = orders.Topic, orders.ID, from+int64(i), 1700000000123
		text := []byte(`{"schema":` + schema + `,"payload":` + payload + `}`)
		if r.Value, err = j.Decode(b, orders.Topic, text, nil); err != nil {
			t.Fatal(err)
		}
		r.RawValue = text
	}
	return b
}

// everything has a field of each kind of column.
const everything = `{"type":"struct","name":"orders.Value","fields":[
	{"field":"id","type":"int64"},
	{"field":"small","type":"int16","optional":true},
	{"field":"name","type":"string","optional":true},
	{"field":"active","type":"boolean"},
	{"field":"ratio","type":"double","optional":true},
	{"field":"half","type":"float","optional":true},
	{"field":"raw","type":"bytes","optional":true},
	{"field":"price","type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2","connect.decimal.precision":"10"}},
	{"field":"large","type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"3"}},
	{"field":"day","type":"int32","optional":true,"name":"io.debezium.time.Date"},
	{"field":"at","type":"int64","optional":true,"name":"io.debezium.time.MicroTimestamp"},
	{"field":"seen","type":"int64","optional":true,"name":"org.apache.kafka.connect.data.Timestamp"},
	{"field":"tags","type":"array","optional":true,"items":{"type":"string","optional":true}},
	{"field":"counts","type":"map","optional":true,"keys":{"type":"string"},"values":{"type":"int32","optional":true}},
	{"field":"place","type":"struct","optional":true,"fields":[{"field":"x","type":"int32"},{"field":"notes","type":"array","optional":true,"items":{"type":"array","items":{"type":"int32"}}}]}
]}`

// TestParquet has ClickHouse read what the sink has written.
func TestParquet(t *testing.T) {
	for _, codec := range []string{"none", "snappy", "gzip", "zstd", "brotli", "lz4"} {
		t.Run(codec, func(t *testing.T) {
			s, _ := open(t, func(c *Config) { c.Format, c.Parquet = "parquet", codec })
			w, err := s.Open(t.Context(), orders)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			b := enveloped(t, 0, everything,
				`{"id":1,"small":-7,"name":"é \"q\"","active":true,"ratio":0.5,"half":0.25,"raw":"AP8=","price":"ME==","large":"////","day":20000,"at":1700000000123456,"seen":1700000000123,
				  "tags":["a",null,"b"],"counts":{"k":1,"l":null},"place":{"x":3,"notes":[[1,2],[],[3]]}}`,
				`{"id":2,"small":null,"name":null,"active":false,"ratio":null,"half":null,"raw":null,"price":null,"large":null,"day":null,"at":null,"seen":null,"tags":null,"counts":null,"place":null}`,
				`{"id":3,"small":1,"name":"","active":false,"ratio":-1e300,"half":1,"raw":"","price":"/w==","large":"AA==","day":-1,"at":-1,"seen":0,"tags":[],"counts":{},"place":{"x":-3,"notes":null}}`)
			if err := w.Write(t.Context(), b); err != nil || len(b.Failed()) > 0 {
				t.Fatal(err, b.Failed())
			}
			if err := w.Flush(t.Context(), record.Range{Partition: orders, Start: 0, End: 3, ID: "a"}); err != nil {
				t.Fatal(err)
			}
			extension := map[string]string{"none": ".parquet", "lz4": ".lz4raw.parquet", "gzip": ".gz.parquet", "brotli": ".br.parquet"}[codec]
			if extension == "" {
				extension = "." + codec + ".parquet"
			}
			got := clickhouseRead(t, s, "topics/orders/partition=2/orders+2+0000000000"+extension,
				"* REPLACE (hex(raw) AS raw, toString(price) AS price, toString(large) AS large)")
			want := strings.Join([]string{
				`{"id":"1","small":-7,"name":"é \"q\"","active":true,"ratio":0.5,"half":0.25,"raw":"00FF","price":"0.48","large":"-0.001","day":"2024-10-04","at":"2023-11-14 22:13:20.123456","seen":"2023-11-14 22:13:20.123","tags":["a",null,"b"],"counts":{"k":1,"l":null},"place":{"x":3,"notes":[[1,2],[],[3]]}}`,
				`{"id":"2","small":null,"name":null,"active":false,"ratio":null,"half":null,"raw":null,"price":null,"large":null,"day":null,"at":null,"seen":null,"tags":[],"counts":{},"place":{"x":null,"notes":[]}}`,
				`{"id":"3","small":1,"name":"","active":false,"ratio":-1e300,"half":1,"raw":"","price":"-0.01","large":"0","day":"1969-12-31","at":"1969-12-31 23:59:59.999999","seen":"1970-01-01 00:00:00.000","tags":[],"counts":{},"place":{"x":-3,"notes":[]}}`,
			}, "\n")
			if got != want {
				t.Errorf("ClickHouse reads\n%swant\n%s", got, want)
			}
		})
	}
}

// clickhouseRead is what ClickHouse reads from a Parquet object.
func clickhouseRead(t *testing.T, s *Sink, key, columns string) string {
	t.Helper()
	got, err := testenv.SharedClickHouse(t).Query(t.Context(), fmt.Sprintf(
		"SELECT %s FROM s3('%s/%s/%s', '%s', '%s', 'Parquet') ORDER BY 1 SETTINGS session_timezone = 'UTC', use_hive_partitioning = 0, output_format_json_quote_64bit_integers = 1 FORMAT JSONEachRow",
		columns, s.cfg.Endpoint, s.cfg.Bucket, key, s.cfg.AccessKey, string(s.cfg.SecretKey)))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// rowsOf are the rows of a flat Parquet file.
func rowsOf(t *testing.T, file []byte) []byte {
	t.Helper()
	r := parquet.NewReader(bytes.NewReader(file))
	defer r.Close()
	columns := r.Schema().Columns()
	var lines bytes.Buffer
	for rows := make([]parquet.Row, 1); ; {
		n, err := r.ReadRows(rows)
		if n == 1 {
			for i, v := range rows[0] {
				fmt.Fprintf(&lines, "%c%q:%s", "{,"[min(i, 1)], columns[i][0], v.String())
			}
			lines.WriteString("}\n")
		}
		if errors.Is(err, io.EOF) {
			return lines.Bytes()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestParquetWithoutSchema has JSON that nobody knows the types of: columns are found in all rows of
// a file, and are text where their values have nothing else in common.
func TestParquetWithoutSchema(t *testing.T) {
	s, client := open(t, func(c *Config) { c.Format = "parquet" })
	w, err := s.Open(t.Context(), orders)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for i, value := range []string{
		`{"n":1,"ok":true,"price":1,"name":"x","mixed":1,"doc":{"c":[1]},"none":null,"long":0.1234567890123456789,"big":9007199254740993}`,
		`{"n":2,"price":2.5,"name":null,"mixed":"1","doc":"text","big":1.5,"late":[1,"2"]}`,
		`{}`,
		`"no object"`,
	} {
		b := decoded(t, int64(i), value)
		if err := w.Write(t.Context(), b); err != nil || len(b.Failed()) > 0 {
			t.Fatal(err, b.Failed())
		}
	}
	if err := w.Flush(t.Context(), record.Range{Partition: orders, Start: 0, End: 4, ID: "a"}); err != nil {
		t.Fatal(err)
	}
	if n := len(content(t, client, s.cfg.Bucket)); n != 1 {
		t.Errorf("%d objects, want 1", n)
	}
	got := clickhouseRead(t, s, "topics/orders/partition=2/orders+2+0000000000.snappy.parquet", "*")
	want := strings.Join([]string{
		`{"n":"1","ok":true,"price":1,"name":"x","mixed":"1","doc":"{\"c\":[1]}","none":null,"long":"0.1234567890123456789","big":"9007199254740993","late":null,"value":null}`,
		`{"n":"2","ok":null,"price":2.5,"name":null,"mixed":"1","doc":"text","none":null,"long":null,"big":"1.5","late":"[1,\"2\"]","value":null}`,
		`{"n":null,"ok":null,"price":null,"name":null,"mixed":null,"doc":null,"none":null,"long":null,"big":null,"late":null,"value":null}`,
		`{"n":null,"ok":null,"price":null,"name":null,"mixed":null,"doc":null,"none":null,"long":null,"big":null,"late":null,"value":"no object"}`,
	}, "\n")
	if got != want {
		t.Errorf("ClickHouse reads\n%s want\n%s", got, want)
	}
}

// TestParquetOutputFields writes more than the value.
func TestParquetOutputFields(t *testing.T) {
	s, _ := open(t, func(c *Config) {
		c.Format, c.Fields = "parquet", []string{"offset", "key", "value", "partition", "timestamp", "topic", "headers"}
		c.Nulls = "write"
	})
	w, err := s.Open(t.Context(), orders)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	b := enveloped(t, 7, `{"type":"struct","fields":[{"field":"n","type":"int32"}]}`, `{"n":5}`)
	b.Records[0].Key = record.Datum{Schema: &record.Schema{Type: record.StringType}, Value: record.OfText("k")}
	b.Records[0].Headers = []record.Header{{Name: "h", Value: text("v")}}
	if err := w.Write(t.Context(), b); err != nil || len(b.Failed()) > 0 {
		t.Fatal(err, b.Failed())
	}
	if err := w.Flush(t.Context(), record.Range{Partition: orders, Start: 7, End: 8, ID: "a"}); err != nil {
		t.Fatal(err)
	}
	got := clickhouseRead(t, s, "topics/orders/partition=2/orders+2+0000000007.snappy.parquet", "*")
	if want := `{"offset":"7","key":"k","value":{"n":5},"partition":2,"timestamp":"2023-11-14 22:13:20.123","topic":"orders","headers":{"h":"v"}}`; got != want {
		t.Errorf("got %s want %s", got, want)
	}
}

// TestParquetRefuses leaves out the record that does not fit, and nothing of it in any column.
func TestParquetRefuses(t *testing.T) {
	const schema = `{"type":"struct","fields":[{"field":"id","type":"int64"},{"field":"price","type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2","connect.decimal.precision":"3"}}]}`
	s, _ := open(t, func(c *Config) { c.Format = "parquet" })
	w, err := s.Open(t.Context(), orders)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	b := enveloped(t, 0, schema, `{"id":1,"price":"A+c="}`, `{"id":2,"price":"A+g="}`, `{"id":3,"price":"/Bk="}`)
	b.Records[2].Value.Value.Items[1] = record.Value{} // a null that the schema does not allow
	if err := w.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	var failed []string
	for _, f := range b.Failed() {
		failed = append(failed, fmt.Sprint(f.Index, " ", f.Err))
	}
	if want := `1 field "price": the decimal 10.00 has more digits than the column, decimal(3,2); 2 field "price" is null where its schema requires bytes (org.apache.kafka.connect.data.Decimal)`; strings.Join(failed, "; ") != want {
		t.Errorf("failed %q, want %q", failed, want)
	}
	if err := w.Flush(t.Context(), record.Range{Partition: orders, Start: 0, End: 3, ID: "a"}); err != nil {
		t.Fatal(err)
	}
	if got, want := clickhouseRead(t, s, "topics/orders/partition=2/orders+2+0000000000.snappy.parquet", "id, toString(price) AS price"), `{"id":"1","price":"9.99"}`; got != want {
		t.Errorf("got %s want %s", got, want)
	}
}

// TestParquetSameBytes makes sure that a file's bytes are a function of its records, however they come
// in batches and however little memory there is, and over several row groups.
func TestParquetSameBytes(t *testing.T) {
	const rows = 60_000
	noise := rand.New(rand.NewPCG(1, 2))
	var payloads []string
	for i := range rows {
		text := make([]byte, 600)
		for j := range text {
			text[j] = byte('a' + noise.IntN(26))
		}
		payloads = append(payloads, fmt.Sprintf(`{"id":%d,"active":true,"name":"%s","tags":["%d"]}`, i, text, i))
	}
	all := enveloped(t, 0, everything, payloads...)
	var bodies [][]byte
	for _, size := range []int{1000, 77} {
		w := offline(t, func(c *Config) { c.Format, c.Parquet = "parquet", "zstd" })
		for from := 0; from < rows; from += size {
			part := &record.Batch{Records: all.Records[from:min(rows, from+size)]}
			if err := w.Write(t.Context(), part); err != nil || len(part.Failed()) > 0 {
				t.Fatal(err, part.Failed())
			}
			if size == 77 && from%(77*50) == 0 {
				for _, f := range w.files.open {
					if err := f.out.spill(); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if w.full {
			t.Error("one file of 40 MB is finished for its memory")
		}
		objects, err := w.finish(record.Range{Partition: orders, End: rows})
		if err != nil || len(objects) != 1 {
			t.Fatalf("%d objects, %v", len(objects), err)
		}
		body, err := io.ReadAll(objects[0].body.section(0, objects[0].size))
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	if !bytes.Equal(bodies[0], bodies[1]) {
		t.Error("the same records have become different bytes")
	}
	file, err := parquet.OpenFile(bytes.NewReader(bodies[0]), int64(len(bodies[0])))
	if err != nil {
		t.Fatal(err)
	}
	if file.NumRows() != rows || len(file.RowGroups()) != 2 {
		t.Errorf("%d rows in %d row groups, want %d in two", file.NumRows(), len(file.RowGroups()), rows)
	}
}

// TestParquetOddSchemas has logical names at types that they do not belong to: values stay as they
// are.
func TestParquetOddSchemas(t *testing.T) {
	s, _ := open(t, func(c *Config) { c.Format = "parquet" })
	w, err := s.Open(t.Context(), orders)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	b := enveloped(t, 0, `{"type":"struct","fields":[
		{"field":"day","type":"int64","name":"io.debezium.time.Date"},{"field":"at","type":"string","name":"io.debezium.time.MicroTimestamp"},
		{"field":"price","type":"string","name":"org.apache.kafka.connect.data.Decimal"}]}`, `{"day":4294967297,"at":"x","price":"1.5"}`)
	if err := w.Write(t.Context(), b); err != nil || len(b.Failed()) > 0 {
		t.Fatal(err, b.Failed())
	}
	if err := w.Flush(t.Context(), record.Range{Partition: orders, End: 1, ID: "a"}); err != nil {
		t.Fatal(err)
	}
	if got, want := clickhouseRead(t, s, "topics/orders/partition=2/orders+2+0000000000.snappy.parquet", "*"), `{"day":"4294967297","at":"x","price":"1.5"}`; got != want {
		t.Errorf("got %s want %s", got, want)
	}
}
