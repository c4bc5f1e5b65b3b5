package format

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// Codec compresses an object in chunks. It keeps nothing of its compressor between two chunks, so
// that thousands of objects can be open; a codec itself belongs to one object.
type Codec interface {
	// Chunk compresses what it reads from in.
	Chunk(out io.Writer, in io.Reader) error
	// End writes what comes after the last chunk.
	End(out io.Writer) error
}

// Compressors are what all codecs of a sink share.
type Compressors struct {
	cfg  *Config
	gzip pool[*flate.Writer]
}

// NewCompressors makes them by s3.compression.type and s3.compression.level.
func NewCompressors(c *Config) *Compressors {
	s := &Compressors{cfg: c}
	s.gzip.make = func() (*flate.Writer, error) { return flate.NewWriter(nil, c.Level) }
	return s
}

// Codec is one for a new object, nil for no compression or where the format has its own.
func (s *Compressors) Codec() Codec {
	if s.cfg.Compression == "gzip" && !s.cfg.parquet() {
		return &gzipCodec{pool: &s.gzip}
	}
	return nil
}

// gzipCodec makes one gzip member whose deflate blocks are compressed apart.
type gzipCodec struct {
	pool  *pool[*flate.Writer]
	begun bool
	sum   uint32
	size  uint32
}

// Chunk compresses one run of deflate blocks.
func (g *gzipCodec) Chunk(out io.Writer, in io.Reader) error {
	if !g.begun {
		g.begun = true
		// No name and no time, so that the same records are the same bytes; 255: no known system.
		if _, err := out.Write([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}); err != nil {
			return err
		}
	}
	w, err := g.pool.get()
	if err != nil {
		return err
	}
	defer g.pool.put(w)
	w.Reset(out)
	n, err := io.Copy(io.MultiWriter(w, g), in)
	g.size += uint32(n)
	if err != nil {
		return err
	}
	return w.Flush() // ends at a whole byte, and refers to nothing before it
}

// Write counts the uncompressed bytes.
func (g *gzipCodec) Write(p []byte) (int, error) {
	g.sum = crc32.Update(g.sum, crc32.IEEETable, p)
	return len(p), nil
}

// End writes an empty last block, the checksum and the size.
func (g *gzipCodec) End(out io.Writer) error {
	tail := binary.LittleEndian.AppendUint32([]byte{3, 0}, g.sum)
	_, err := out.Write(binary.LittleEndian.AppendUint32(tail, g.size))
	return err
}

// pool keeps compressors, which are large, for the next chunk of any object.
type pool[T any] struct {
	kept sync.Pool
	make func() (T, error)
}

func (p *pool[T]) get() (T, error) {
	if kept, ok := p.kept.Get().(T); ok {
		return kept, nil
	}
	return p.make()
}

func (p *pool[T]) put(c T) { p.kept.Put(c) }
