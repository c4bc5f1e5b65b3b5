package s3

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"connectd/internal/testenv"
)

// query lets ClickHouse read the only object of the sink's bucket by itself.
func query(t *testing.T, client *s3.Client, s *Sink, columns, format string) string {
	t.Helper()
	list, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &s.cfg.Bucket})
	if err != nil || len(list.Contents) != 1 {
		t.Fatalf("want one object, got %d and %v", len(list.Contents), err)
	}
	url := s.cfg.Endpoint + "/" + s.cfg.Bucket + "/" + *list.Contents[0].Key
	got, err := testenv.SharedClickHouse(t).Query(t.Context(), fmt.Sprintf("SELECT %s FROM s3('%s', '%s', '%s', '%s') ORDER BY 1", columns, url, s.cfg.AccessKey, string(s.cfg.SecretKey), format))
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
