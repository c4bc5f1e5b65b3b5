package clickhouse

import (
	"io"
	"net/http"

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
		r.Body = &compressed{from: r.Body, raw: make([]byte, frameSize), writer: compress.NewWriter(0, compress.LZ4)}
	}
	return t.Transport.RoundTrip(r)
}

// frameSize is how much a compressed frame holds. ClickHouse's own clients take 1 MiB; the tables of lz4
// for 64 KiB stay in the cache of the processor, and it finds next to nothing further back.
const frameSize = 64 << 10

// compressed reads the compressed frames of what it reads from.
type compressed struct {
	from   io.ReadCloser
	raw    []byte
	writer *compress.Writer
	frame  []byte // not yet read
}

func (c *compressed) Read(p []byte) (int, error) {
	if len(c.frame) == 0 {
		n, err := io.ReadFull(c.from, c.raw)
		if n == 0 {
			return 0, err
		}
		if err := c.writer.Compress(c.raw[:n]); err != nil {
			return 0, err
		}
		c.frame = c.writer.Data
	}
	n := copy(p, c.frame)
	c.frame = c.frame[n:]
	return n, nil
}

func (c *compressed) Close() error { return c.from.Close() }
