package kafka

import (
	"bytes"
	"sync"

	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
)

// worthCompressing is the smallest batch that is compressed. A row that comes alone has nothing
// that repeats; compressing it costs the producer, the broker and every consumer more than it saves.
const worthCompressing = 512

// compressor compresses the batches of a producer.
type compressor struct{ kgo.Compressor }

// newCompressor is the compressor for a value of compression.type.
func newCompressor(name string) (kgo.Compressor, error) {
	switch name {
	case "none":
		return uncompressed{}, nil
	case "lz4":
		return compressor{newLZ4()}, nil
	}
	codecs := map[string]kgo.CompressionCodec{"gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "zstd": kgo.ZstdCompression()}
	c, err := kgo.DefaultCompressor(codecs[name])
	return compressor{c}, err
}

// Compress implements kgo.Compressor.
func (c compressor) Compress(dst *bytes.Buffer, src []byte, flags ...kgo.CompressFlag) ([]byte, kgo.CompressionCodecType) {
	if len(src) < worthCompressing {
		return src, kgo.CodecNone
	}
	return c.Compressor.Compress(dst, src, flags...)
}

// uncompressed is compression.type none: without a compressor the client would take one of its own.
type uncompressed struct{}

func (uncompressed) Compress(_ *bytes.Buffer, src []byte, _ ...kgo.CompressFlag) ([]byte, kgo.CompressionCodecType) {
	return src, kgo.CodecNone
}

// lz4Frames writes what Kafka's own clients write: frames of 64 KiB blocks without a checksum of
// the content, which the batch has already. The library's default, blocks of 4 MiB, holds that
// much memory here and in every consumer.
type lz4Frames struct{ writers sync.Pool }

func newLZ4() *lz4Frames {
	return &lz4Frames{sync.Pool{New: func() any {
		w := lz4.NewWriter(nil)
		if err := w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false)); err != nil {
			panic(err) // both are valid
		}
		return w
	}}}
}

func (c *lz4Frames) Compress(dst *bytes.Buffer, src []byte, _ ...kgo.CompressFlag) ([]byte, kgo.CompressionCodecType) {
	w := c.writers.Get().(*lz4.Writer)
	defer c.writers.Put(w)
	w.Reset(dst)
	if _, err := w.Write(src); err != nil {
		return nil, kgo.CodecError
	}
	if err := w.Close(); err != nil {
		return nil, kgo.CodecError
	}
	return dst.Bytes(), kgo.CodecLz4
}
