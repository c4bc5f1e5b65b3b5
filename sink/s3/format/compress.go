package format

import (
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Codec compresses an object in chunks. It keeps nothing of its compressor between two chunks, so
// that thousands of objects can be open; a codec itself belongs to one object.
type Codec interface {
	// Chunk compresses in.
	Chunk(out io.Writer, in io.WriterTo) error
	// End writes what comes after the last chunk.
	End(out io.Writer) error
}

// Compressors are what all codecs of a sink share.
type Compressors struct {
	cfg    *Config
	gzip   pool[*flate.Writer]
	frames pool[framer]
}

// NewCompressors makes them by s3.compression.type and s3.compression.level.
func NewCompressors(c *Config) *Compressors {
	s := &Compressors{cfg: c}
	s.gzip.make = func() (*flate.Writer, error) { return flate.NewWriter(nil, c.Level) }
	switch c.Compression {
	case "zstd":
		s.frames.make = func() (framer, error) { return newZstd(c.Level) }
	case "snappy":
		s.frames.make = newSnappy
	}
	return s
}

// Codec is one for a new object, nil for no compression or where the format has its own.
func (s *Compressors) Codec() Codec {
	switch s.cfg.compression() {
	case "gzip":
		return &gzipCodec{pool: &s.gzip}
	case "zstd", "snappy":
		return &frameCodec{pool: &s.frames}
	}
	return nil
}

// frameCodec makes each chunk a stream of its own: readers of both formats read on after the end
// of the first.
type frameCodec struct{ pool *pool[framer] }

// framer compresses one stream after the other, without goroutines, so that the same records are
// the same bytes.
type framer interface {
	io.WriteCloser
	Reset(io.Writer)
}

// zstdWindow is how far back a match may lie: no chunk is much longer.
const zstdWindow = 128 << 10

func newZstd(level int) (framer, error) {
	speed := zstd.SpeedDefault
	if level > 0 {
		speed = zstd.EncoderLevelFromZstd(level)
	}
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(speed), zstd.WithWindowSize(zstdWindow), zstd.WithEncoderConcurrency(1))
}

func newSnappy() (framer, error) {
	return s2.NewWriter(nil, s2.WriterSnappyCompat(), s2.WriterConcurrency(1)), nil
}

// Chunk compresses one stream.
func (f *frameCodec) Chunk(out io.Writer, in io.WriterTo) error {
	w, err := f.pool.get()
	if err != nil {
		return err
	}
	defer f.pool.put(w)
	w.Reset(out)
	if _, err := in.WriteTo(w); err != nil {
		return err
	}
	return w.Close()
}

// End has nothing to add after the last stream.
func (f *frameCodec) End(io.Writer) error { return nil }
