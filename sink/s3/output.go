package s3

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// chunkSize is how much of an object is compressed at once. Nothing of the compressor is kept from
// one chunk to the next, so that thousands of objects can be open; of the compression it takes
// about a hundredth. What an object's chunks are depends on its records alone.
const chunkSize = 512 << 10

// output is the content of an open object: compressed chunks, and what is not a chunk yet.
type output struct {
	raw, body buffer
	codec     codec // nil for none
	err       error // what went wrong when a chunk was compressed
}

// codec compresses chunks that make one stream.
type codec interface {
	// chunk compresses what it reads from in.
	chunk(out io.Writer, in io.Reader) error
	// end writes what comes after the last chunk.
	end(out io.Writer) error
}

func newOutput(s *spool, c codec) *output {
	return &output{raw: buffer{spool: s}, body: buffer{spool: s}, codec: c}
}

// Write takes what the format has encoded. It returns no error, which would be taken for one of a
// record: it is kept.
func (o *output) Write(p []byte) (int, error) {
	if o.codec == nil {
		return o.body.Write(p)
	}
	_, _ = o.raw.Write(p)
	if o.raw.size() >= chunkSize && o.err == nil {
		o.err = o.pack()
	}
	return len(p), nil
}

func (o *output) pack() error {
	if err := o.codec.chunk(&o.body, o.raw.section(0, o.raw.size())); err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	return o.raw.reset()
}

// finish compresses the rest.
func (o *output) finish() error {
	if o.codec == nil || o.err != nil {
		return o.err
	}
	if o.raw.size() > 0 {
		if err := o.pack(); err != nil {
			return err
		}
	}
	return o.codec.end(&o.body)
}

// size is about what the object's size is so far.
func (o *output) size() int64 {
	if o.codec == nil || o.body.size() == 0 {
		return o.body.size() + o.raw.size()
	}
	return o.body.size() + o.raw.size()/4
}

// held is the memory that o uses.
func (o *output) held() int { return cap(o.raw.tail) + cap(o.body.tail) }

// spill moves to disk what o holds in memory.
func (o *output) spill() error {
	if err := o.raw.spill(); err != nil {
		return err
	}
	return o.body.spill()
}

// reset gives back what o holds on disk.
func (o *output) reset() error {
	if err := o.raw.reset(); err != nil {
		return err
	}
	return o.body.reset()
}

// gzipCodec makes one gzip member whose deflate blocks are compressed apart.
type gzipCodec struct {
	pool  *pool[*flate.Writer]
	begun bool
	sum   uint32
	size  uint32
}

func (g *gzipCodec) chunk(out io.Writer, in io.Reader) error {
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

// end writes an empty last block, the checksum and the size.
func (g *gzipCodec) end(out io.Writer) error {
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
