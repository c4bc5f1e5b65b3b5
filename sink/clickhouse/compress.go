package clickhouse

import (
	"io"
	"net/http"
	"sync"

	"github.com/ClickHouse/ch-go/compress"
)

// compressing sends the bodies of inserts in ClickHouse's compressed frames. clickhouse-go leaves
// bodies that it has not encoded itself as they are; to ask for decompression with the settings
// of the insert would not do, because they also go with the query that opens a connection.
type compressing struct{ *http.Transport }

// RoundTrip compresses the body when it is an insert's.
func (t compressing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Content-Type") == "application/octet-stream" && r.Body != nil {
		r = r.Clone(r.Context())
		q := r.URL.Query()
		q.Set("decompress", "1")
		r.URL.RawQuery = q.Encode()
		r.ContentLength, r.GetBody = -1, nil
		by, ok := compressors.Get().(*compressor)
		if !ok {
			by = &compressor{writer: compress.NewWriter(0, compress.LZ4)}
		}
		r.Body = &compressed{from: r.Body, by: by}
	}
	return t.Transport.RoundTrip(r)
}

// frameSize is how much a compressed frame holds. ClickHouse's own clients take 1 MiB; the tables of lz4
// for 64 KiB stay in the cache of the processor, and it finds next to nothing further back.
const frameSize = 64 << 10

// compressor is what a frame is made in: a quarter of a megabyte with the tables of lz4.
type compressor struct {
	raw    [frameSize]byte
	writer *compress.Writer
}

// compressors are at rest.
var compressors sync.Pool // of *compressor

// compressed reads the compressed frames of what it reads from.
type compressed struct {
	from  io.ReadCloser
	by    *compressor // nil at the end
	frame []byte      // not yet read
	err   error       // of the end
}

func (c *compressed) Read(p []byte) (int, error) {
	if len(c.frame) == 0 {
		if c.by == nil {
			return 0, c.err
		}
		n, err := io.ReadFull(c.from, c.by.raw[:])
		if n == 0 {
			// Not in Close, which may come while a Read is under way.
			compressors.Put(c.by)
			c.by, c.err = nil, err
			return 0, err
		}
		if err := c.by.writer.Compress(c.by.raw[:n]); err != nil {
			return 0, err
		}
		c.frame = c.by.writer.Data
	}
	n := copy(p, c.frame)
	c.frame = c.frame[n:]
	return n, nil
}

func (c *compressed) Close() error { return c.from.Close() }
