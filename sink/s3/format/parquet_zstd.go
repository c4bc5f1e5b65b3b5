package format

import (
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
)

// pageZstd is the library's zstd, at its level, with encoders that look back over one page. The
// library's own look back over 8 MiB, which each of them has in memory though no page has so much.
type pageZstd struct {
	compress.Codec
	encoders pool[*zstd.Encoder]
}

var zstdPages = &pageZstd{Codec: &parquet.Zstd, encoders: pool[*zstd.Encoder]{make: func() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithWindowSize(parquetPage), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithZeroFrames(true))
}}}

// Encode compresses one page.
func (c *pageZstd) Encode(dst, src []byte) ([]byte, error) {
	e, err := c.encoders.get()
	if err != nil {
		return nil, err
	}
	defer c.encoders.put(e)
	return e.EncodeAll(src, dst[:0]), nil
}
