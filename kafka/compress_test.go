package kafka

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// rows is a batch of n rows of JSON that look alike.
func rows(n int) []byte {
	var b []byte
	for i := range n {
		b = fmt.Appendf(b, `{"id":%d,"user_id":%d,"kind":"click","amount":"%d.25","payload":"{\"ok\": true, \"ref\": \"%x\", \"page\": \"/products/%d\"}","created_at":"2026-11-21T10:00:00.%06dZ"}`,
			i, i*7919%100000, i%1000, i*2654435761, i%5000, i)
	}
	return b
}

func TestCompressor(t *testing.T) {
	for _, c := range []struct {
		name string
		want kgo.CompressionCodecType
	}{{"none", kgo.CodecNone}, {"gzip", kgo.CodecGzip}, {"snappy", kgo.CodecSnappy}, {"lz4", kgo.CodecLz4}, {"zstd", kgo.CodecZstd}} {
		t.Run(c.name, func(t *testing.T) {
			made, err := newCompressor(c.name)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []int{1, 2, 100, 5000} {
				src := rows(n)
				want := c.want
				if len(src) < worthCompressing {
					want = kgo.CodecNone
				}
				for range 2 { // the second uses a writer again
					out, codec := made.Compress(new(bytes.Buffer), src)
					if codec != want {
						t.Fatalf("%d rows: codec %d, want %d", n, codec, want)
					}
					back, err := kgo.DefaultDecompressor().Decompress(out, codec)
					if err != nil || !bytes.Equal(back, src) {
						t.Fatalf("%d rows: %d octets came back of %d, %v", n, len(back), len(src), err)
					}
				}
			}
		})
	}
}

// BenchmarkCompress compares lz4 with the client library's own.
func BenchmarkCompress(b *testing.B) {
	theirs, err := kgo.DefaultCompressor(kgo.Lz4Compression())
	if err != nil {
		b.Fatal(err)
	}
	ours, err := newCompressor("lz4")
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{1, 2048} {
		src := rows(n)
		for name, c := range map[string]kgo.Compressor{"ours": ours, "theirs": theirs} {
			b.Run(fmt.Sprintf("%d rows/%s", n, name), func(b *testing.B) {
				dst := new(bytes.Buffer)
				b.SetBytes(int64(len(src)))
				b.ReportAllocs()
				size := 0
				for b.Loop() {
					dst.Reset()
					out, _ := c.Compress(dst, src)
					size = len(out)
				}
				b.ReportMetric(float64(size)/float64(len(src)), "ratio")
			})
		}
	}
}
