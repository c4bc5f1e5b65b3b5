package s3

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"connectd/internal/testenv"
	"connectd/record"
)

// query lets ClickHouse read the only object of the sink's bucket.
func query(t *testing.T, client *s3.Client, s *Sink, columns, format string) string {
	t.Helper()
	list, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &s.cfg.Bucket})
	if err != nil || len(list.Contents) != 1 {
		t.Fatalf("want one object, got %d and %v", len(list.Contents), err)
	}
	return read(t, s, *list.Contents[0].Key, columns, format)
}

// read lets ClickHouse read the object under key.
func read(t *testing.T, s *Sink, key, columns, format string) string {
	t.Helper()
	got, err := testenv.SharedClickHouse(t).Query(t.Context(), fmt.Sprintf("SELECT %s FROM s3('%s/%s/%s', '%s', '%s', '%s') ORDER BY 1",
		columns, s.cfg.Endpoint, s.cfg.Bucket, key, s.cfg.AccessKey, string(s.cfg.SecretKey), format))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestReadByClickHouse has an independent reader look at each format and compression.
func TestReadByClickHouse(t *testing.T) {
	for _, c := range []struct {
		name            string
		set             func(*Config)
		columns, format string
		want            string
	}{
		{"lines, gzip", nil, "n", "JSONEachRow", "1\n2\n3"},
		{"array, zstd", func(c *Config) { c.Format, c.Compression = "json", "zstd" }, "n", "JSONEachRow", "1\n2\n3"},
		{"csv, zstd", func(c *Config) {
			c.Format, c.Compression, c.Fields, c.ValueEncoding = "csv", "zstd", []string{"offset", "value", "timestamp"}, "none"
		}, "c1, c2, c3", "CSV", "0\t{\"n\":1}\t2023-11-14 22:13:20\n1\t{\"n\":2}\t2023-11-14 22:13:20\n2\t{\"n\":3}\t2023-11-14 22:13:20"},
		{"bytes, none", func(c *Config) { c.Format, c.Compression = "bytes", "none" }, "json", "JSONAsString", "{\"n\":1}\n{\"n\":2}\n{\"n\":3}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, client := open(t, c.set)
			if err := flush(t, s, "a", 0, `{"n":1}`, `{"n":2}`, `{"n":3}`); err != nil {
				t.Fatal(err)
			}
			if got := query(t, client, s, c.columns, c.format); got != c.want {
				t.Errorf("ClickHouse reads %q, want %q", got, c.want)
			}
		})
	}
}

// TestAvroBySchema writes records of two schemas by turns, and of JSON of two shapes: an object for
// each schema, and one for all that has none.
func TestAvroBySchema(t *testing.T) {
	s, client := open(t, func(c *Config) { c.Format, c.Avro.Codec = "avro", "snappy" })
	schemaOf := func(fields ...string) *record.Schema {
		s := &record.Schema{Type: record.StructType, Optional: true, Name: "shop.Order"}
		for _, f := range fields {
			s.Fields = append(s.Fields, record.Field{Name: f, Schema: &record.Schema{Type: record.Int64Type}})
		}
		return s
	}
	one, two := schemaOf("id"), schemaOf("id", "amount")
	w, err := s.Open(t.Context(), orders)
	if err != nil {
		t.Fatal(err)
	}
	b := batch(0, `{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":4}`, `{"n":5}`, `{"n":6}`)
	b.Records[0].Value = record.Datum{Schema: one, Value: record.OfStruct([]record.Value{record.OfInt(10)})}
	b.Records[1].Value = record.Datum{Schema: two, Value: record.OfStruct([]record.Value{record.OfInt(20), record.OfInt(2)})}
	b.Records[2].Value = record.Datum{Schema: schemaOf("id"), Value: record.OfStruct([]record.Value{record.OfInt(30)})} // the same at another address
	b.Records[4].Value.Schema = &record.Schema{Type: record.StructType, Fields: []record.Field{{Name: "m", Schema: &record.Schema{}}}}
	if err := w.Write(t.Context(), b); err != nil || len(b.Failed()) > 0 {
		t.Fatal(err, b.Failed())
	}
	if err := w.Flush(t.Context(), record.Range{Partition: orders, End: 6, ID: "a"}); err != nil {
		t.Fatal(err)
	}
	for key, c := range map[string]struct{ columns, want string }{
		"0": {"id", "10\n30"},
		"1": {"id, amount", "20\t2"},
	} {
		if got := read(t, s, "topics/orders/partition=2/orders+2+000000000"+key+".avro", c.columns, "Avro"); got != c.want {
			t.Errorf("ClickHouse reads %q from the object at %s, want %q", got, key, c.want)
		}
	}
	got := content(t, client, s.cfg.Bucket)
	if rest := got["topics/orders/partition=2/orders+2+0000000003.avro"]; len(got) != 3 || !strings.Contains(rest, `"name":"Anything"`) {
		t.Errorf("%d objects, want 3; that of the records without a schema is %q", len(got), rest)
	}
}
