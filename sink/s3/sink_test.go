package s3

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"connectd/config"
	"connectd/connect"
	"connectd/internal/testenv"
	"connectd/record"
)

var orders = record.Partition{Topic: "orders", ID: 2}

// open is a sink on a bucket of its own, with its defaults changed by set.
func open(t *testing.T, set func(*Config)) (*Sink, *s3.Client) {
	t.Helper()
	server, bucket := testenv.Bucket(t)
	c := &Config{}
	c.Defaults()
	c.Bucket, c.Endpoint, c.Region = bucket, server.Endpoint, server.Region
	c.AccessKey, c.SecretKey = server.AccessKey, config.Secret(server.SecretKey)
	if set != nil {
		set(c)
	}
	s, err := New(c, connect.Env{Connector: "to-s3", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*Sink), server.Client()
}

// batch holds one record a value, from the given offset; "" is a tombstone.
func batch(from int64, values ...string) *record.Batch {
	b := &record.Batch{}
	for i, v := range values {
		r := b.Add()
		r.Topic, r.Partition, r.Offset, r.Timestamp = orders.Topic, orders.ID, from+int64(i), 1700000000000
		if v == "" {
			continue
		}
		r.RawValue = []byte(v)
		r.Value = record.Datum{
			Schema: &record.Schema{Type: record.StructType, Fields: []record.Field{{Name: "n", Schema: &record.Schema{}}}},
			Value:  record.OfStruct([]record.Value{record.OfJSON([]byte(v))}),
		}
	}
	return b
}

// flush writes values as the range that begins at from.
func flush(t *testing.T, s *Sink, id string, from int64, values ...string) error {
	t.Helper()
	w, err := s.Open(t.Context(), orders)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Write(t.Context(), batch(from, values...)); err != nil {
		t.Fatal(err)
	}
	return w.Flush(t.Context(), record.Range{Partition: orders, Start: from, End: from + int64(len(values)), ID: id})
}

// content is every object of the bucket by key, decompressed; rows of Parquet files are lines of
// JSON, with what is text without its quotes.
func content(t *testing.T, client *s3.Client, bucket string) map[string]string {
	t.Helper()
	list, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, o := range list.Contents {
		res, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: o.Key})
		if err != nil {
			t.Fatal(err)
		}
		var r io.Reader = res.Body
		if strings.HasSuffix(*o.Key, ".gz") {
			if r, err = gzip.NewReader(res.Body); err != nil {
				t.Fatal(err)
			}
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(*o.Key, ".parquet") {
			text = rowsOf(t, text)
		}
		out[*o.Key] = string(text)
		_ = res.Body.Close()
	}
	return out
}

// expect compares the bucket's objects with want.
func expect(t *testing.T, client *s3.Client, s *Sink, want map[string]string) {
	t.Helper()
	compare(t, content(t, client, s.cfg.Bucket), want)
}

func TestKeysAndLines(t *testing.T) {
	s, client := open(t, nil)
	for from, id := range map[int64]string{0: "a", 3: "b", 6: "c"} {
		if err := flush(t, s, id, from, fmt.Sprintf(`{"n":%d}`, from), `{"n":"x"}`); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, client, s, map[string]string{
		"topics/orders/partition=2/orders+2+0000000000.json.gz": "{\"n\":0}\n{\"n\":\"x\"}\n",
		"topics/orders/partition=2/orders+2+0000000003.json.gz": "{\"n\":3}\n{\"n\":\"x\"}\n",
		"topics/orders/partition=2/orders+2+0000000006.json.gz": "{\"n\":6}\n{\"n\":\"x\"}\n",
	})
}

func TestSameFlushAgainChangesNothing(t *testing.T) {
	s, client := open(t, nil)
	const key = "topics/orders/partition=2/orders+2+0000000000.json.gz"
	if err := flush(t, s, "same", 0, `{"n":1}`, `{"n":2}`); err != nil {
		t.Fatal(err)
	}
	// The topic has been compacted since: the object with more rows stays.
	if err := flush(t, s, "same", 0, `{"n":2}`); err != nil {
		t.Fatal(err)
	}
	expect(t, client, s, map[string]string{key: "{\"n\":1}\n{\"n\":2}\n"})
}

func TestObjectOfAnotherFlush(t *testing.T) {
	const key = "topics/orders/partition=2/orders+2+0000000000.json.gz"
	for _, c := range []struct{ policy, want, err string }{
		{"overwrite", "{\"n\":2}\n", ""},
		{"skip", "{\"n\":1}\n", ""},
		{"fail", "{\"n\":1}\n", "another flush has left an object there"},
	} {
		t.Run(c.policy, func(t *testing.T) {
			s, client := open(t, func(cfg *Config) { cfg.IfExists = c.policy })
			if err := flush(t, s, "first", 0, `{"n":1}`); err != nil {
				t.Fatal(err)
			}
			err := flush(t, s, "second", 0, `{"n":2}`)
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err) || !connect.IsPermanent(err)) {
				t.Errorf("flush returned %v, want %q", err, c.err)
			}
			expect(t, client, s, map[string]string{key: c.want})
		})
	}
}

func TestTombstones(t *testing.T) {
	const key = "topics/orders/partition=2/orders+2+0000000000.json.gz"
	for _, c := range []struct {
		policy, want    string
		skipped, failed int
	}{
		{"ignore", "{\"n\":1}\n", 1, 0},
		{"write", "{\"n\":1}\n", 0, 0},
		{"fail", "{\"n\":1}\n", 0, 1},
	} {
		t.Run(c.policy, func(t *testing.T) {
			s, client := open(t, func(cfg *Config) { cfg.Nulls = c.policy })
			w, err := s.Open(t.Context(), orders)
			if err != nil {
				t.Fatal(err)
			}
			b := batch(0, `{"n":1}`, "")
			if err := w.Write(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			if b.Skipped() != c.skipped || len(b.Failed()) != c.failed {
				t.Errorf("%d skipped and %d failed, want %d and %d", b.Skipped(), len(b.Failed()), c.skipped, c.failed)
			}
			if err := w.Flush(t.Context(), record.Range{Partition: orders, End: 2, ID: "a"}); err != nil {
				t.Fatal(err)
			}
			want := map[string]string{key: c.want}
			if c.policy == "write" {
				want["topics/orders/tombstone/orders+2+0000000001.json.gz"] = "null\n"
			}
			expect(t, client, s, want)
		})
	}
}

func TestPartsAndOrphans(t *testing.T) {
	s, client := open(t, func(c *Config) { c.Compression, c.PartSize = "none", minPartSize })
	// A killed process has left an upload behind.
	key := "topics/orders/partition=2/orders+2+0000000000.json"
	if _, err := client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &s.cfg.Bucket, Key: &key}); err != nil {
		t.Fatal(err)
	}
	large := make([]byte, 3*minPartSize)
	for i := range large {
		large[i] = byte('a' + rand.IntN(26))
	}
	value := `{"n":"` + string(large) + `"}`
	for i := range 2 { // the second finds the object of the first
		if err := flush(t, s, "large", 0, value); err != nil {
			t.Fatalf("flush %d: %v", i, err)
		}
	}
	expect(t, client, s, map[string]string{key: value + "\n"})
	noUploads(t, client, s.cfg.Bucket)
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name  string
		set   func(*Config)
		check bool // Check finds it too
		want  string
	}{
		{"wrong region", func(c *Config) { c.Region = "mars-1" }, false, "is s3.region (mars-1) the bucket's region?"},
		{"no bucket", func(c *Config) { c.Bucket = "nobody-has-this" }, true, `the bucket does not exist; create it, or correct s3.bucket.name`},
		{"wrong secret", func(c *Config) { c.SecretKey = "wrong" }, false, "check aws.access.key.id and aws.secret.access.key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := open(t, c.set)
			w := newWriter(s, orders)
			if err := w.Write(t.Context(), batch(0, `{"n":1}`)); err != nil {
				t.Fatal(err)
			}
			err := w.Flush(t.Context(), record.Range{Partition: orders, End: 1, ID: "a"})
			if checked := s.Check(t.Context()); c.check && (checked == nil || !strings.Contains(checked.Error(), c.want)) {
				t.Errorf("check returned %v, want an error with %q", checked, c.want)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !connect.IsPermanent(err) {
				t.Errorf("flush returned %v, want a permanent error with %q", err, c.want)
			}
		})
	}
}

func TestServerGoneAndBack(t *testing.T) {
	server := testenv.OwnS3(t, testenv.S3Options{})
	bucket := "gone"
	if _, err := server.Client().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	c := &Config{}
	c.Defaults()
	c.Bucket, c.Endpoint, c.Region, c.Retries = bucket, server.Endpoint, server.Region, 1
	c.AccessKey, c.SecretKey = server.AccessKey, config.Secret(server.SecretKey)
	built, err := New(c, connect.Env{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s := built.(*Sink)
	w, err := s.Open(t.Context(), orders)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(t.Context(), batch(0, `{"n":1}`)); err != nil {
		t.Fatal(err)
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	r := record.Range{Partition: orders, End: 1, ID: "a"}
	if err := w.Flush(t.Context(), r); err == nil || connect.IsPermanent(err) {
		t.Fatalf("flush without a server returned %v, want an error that heals", err)
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := flush(t, s, "a", 0, `{"n":1}`); err != nil {
		t.Fatal(err)
	}
	expect(t, server.Client(), s, map[string]string{"topics/orders/partition=2/orders+2+0000000000.json.gz": "{\"n\":1}\n"})
}

// offline is a writer of a sink without a bucket.
func offline(t testing.TB, set func(*Config)) *writer {
	c := &Config{}
	c.Defaults()
	c.Bucket, c.AccessKey, c.SecretKey = "none", "a", "b"
	if set != nil {
		set(c)
	}
	s, err := New(c, connect.Env{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	w := newWriter(s.(*Sink), orders)
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// TestSameBytes makes sure that content is a function of the records, however they come in batches
// and however little memory there is: gzip's header has no time, and its chunks are the records'.
func TestSameBytes(t *testing.T) {
	values := make([]string, 3000)
	for i := range values {
		values[i] = fmt.Sprintf(`{"n":%d,"text":"%x"}`, i, bytes.Repeat([]byte{byte(i), byte(i >> 3)}, 200))
	}
	var bodies [][]byte
	for _, size := range []int{1000, 7} {
		w := offline(t, nil)
		for from := 0; from < len(values); from += size {
			part := values[from:min(len(values), from+size)]
			if err := w.Write(t.Context(), batch(int64(from), part...)); err != nil {
				t.Fatal(err)
			}
			if size == 7 {
				for _, f := range w.files.open {
					if err := f.out.spill(); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		objects, err := w.finish(record.Range{Partition: orders, End: int64(len(values))})
		if err != nil || len(objects) != 1 {
			t.Fatalf("%d objects, %v", len(objects), err)
		}
		body, err := io.ReadAll(objects[0].body.section(0, objects[0].body.size()))
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	if !bytes.Equal(bodies[0], bodies[1]) {
		t.Error("the same records were compressed to different bytes")
	}
	unzip, err := gzip.NewReader(bytes.NewReader(bodies[0]))
	if err != nil {
		t.Fatal(err)
	}
	unzip.Multistream(false) // one member: some readers stop after the first
	text, err := io.ReadAll(unzip)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Join(values, "\n") + "\n"; string(text) != want {
		t.Errorf("%d bytes are in the object, want the %d of the records", len(text), len(want))
	}
}

// BenchmarkWrite compresses a thousand lines an operation.
func BenchmarkWrite(b *testing.B) {
	w := offline(b, nil)
	values := make([]string, 1000)
	for i := range values {
		values[i] = fmt.Sprintf(`{"n":%d,"text":"%x"}`, i, rand.Int64())
	}
	in := batch(0, values...)
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Write(b.Context(), in); err != nil {
			b.Fatal(err)
		}
		if err := w.reset(); err != nil {
			b.Fatal(err)
		}
	}
}
