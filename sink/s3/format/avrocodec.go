package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/s2"
	"github.com/twmb/avro/ocf"
)

// blockCodec compresses the blocks of one Avro file. Unlike the library's own codecs it takes its
// compressors from a pool: they are larger than many files.
type blockCodec struct {
	name     string
	compress func(dst *bytes.Buffer, block []byte) error
	room     bytes.Buffer
}

// avroCodec is the codec for avro.codec.
func avroCodec(name string) ocf.Codec {
	compress, ok := map[string]func(dst *bytes.Buffer, block []byte) error{"deflate": deflateBlock, "snappy": snappyBlock, "zstandard": zstdBlock}[name]
	if !ok {
		return nil // the library takes that for none
	}
	return &blockCodec{name: name, compress: compress}
}

// Name is what avro.codec says.
func (c *blockCodec) Name() string { return c.name }

// Compress returns block, valid until the next call.
func (c *blockCodec) Compress(block []byte) ([]byte, error) {
	c.room.Reset()
	err := c.compress(&c.room, block)
	return c.room.Bytes(), err
}

// Decompress is not needed to write.
func (c *blockCodec) Decompress([]byte) ([]byte, error) { return nil, errors.ErrUnsupported }

// Close has nothing to end.
func (c *blockCodec) Close() error { return nil }

var deflaters = pool[*flate.Writer]{make: func() (*flate.Writer, error) { return flate.NewWriter(nil, flate.DefaultCompression) }}

func deflateBlock(dst *bytes.Buffer, block []byte) error {
	w, err := deflaters.get()
	if err != nil {
		return err
	}
	defer deflaters.put(w)
	w.Reset(dst)
	if _, err := w.Write(block); err != nil {
		return err
	}
	return w.Close()
}

// snappyBlock writes what Avro's Snappy is: the block, and a checksum of what it holds.
func snappyBlock(dst *bytes.Buffer, block []byte) error {
	dst.Grow(s2.MaxEncodedLen(len(block)) + 4)
	dst.Write(s2.EncodeSnappy(dst.AvailableBuffer()[:dst.Available()], block))
	dst.Write(binary.BigEndian.AppendUint32(dst.AvailableBuffer(), crc32.ChecksumIEEE(block)))
	return nil
}

var zstds = pool[framer]{make: func() (framer, error) { return newZstd(-1) }}

func zstdBlock(dst *bytes.Buffer, block []byte) error {
	w, err := zstds.get()
	if err != nil {
		return err
	}
	defer zstds.put(w)
	w.Reset(dst)
	if _, err := w.Write(block); err != nil {
		return err
	}
	return w.Close()
}
