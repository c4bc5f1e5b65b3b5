package format

import (
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
)

// gzipCodec makes one gzip member whose deflate blocks are compressed apart.
type gzipCodec struct {
	pool  *pool[*flate.Writer]
	begun bool
	sum   uint32
	size  uint32
}

// Chunk compresses one run of deflate blocks.
func (g *gzipCodec) Chunk(out io.Writer, in io.WriterTo) error {
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
	n, err := in.WriteTo(io.MultiWriter(w, g))
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
