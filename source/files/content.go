package files

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// content is an open file as UTF-8 text without compression. All positions of this package are
// positions in it, so that a file keeps its position when it is compressed after a rotation.
type content struct {
	io.Reader
	file   blob
	packed *counted // what decompression reads; nil when the file is not compressed
	plain  bool     // a position in the content is one in the file
	close  func()
}

// counted counts what is read.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// magics are how compressed files begin.
var magics = []struct {
	begin []byte
	open  func(io.Reader) (io.Reader, func(), error)
}{
	{[]byte{0x1f, 0x8b, 0x08}, openGzip},
	{[]byte{0x28, 0xb5, 0x2f, 0xfd}, openZstd},
	{[]byte("\xff\x06\x00\x00sNaPpY"), openSnappy},
}

const longestMagic = 10

func openGzip(f io.Reader) (io.Reader, func(), error) {
	r, err := gzip.NewReader(f)
	return r, func() {}, err
}

func openZstd(f io.Reader) (io.Reader, func(), error) {
	r, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
	if err != nil {
		return nil, nil, err
	}
	return r, r.Close, nil
}

func openSnappy(f io.Reader) (io.Reader, func(), error) { return snappy.NewReader(f), func() {}, nil }

// openContent opens e at its begin.
func (s *Source) openContent(e entry) (*content, error) {
	f, err := s.store.open(e)
	if err != nil {
		return nil, err
	}
	c, err := s.newContent(f)
	if err != nil {
		_ = f.Close() // read only
		return nil, fmt.Errorf("open %q: %w", e.path, err)
	}
	return c, nil
}

// newContent takes f over. f is at its begin.
func (s *Source) newContent(f blob) (*content, error) {
	c := &content{Reader: f, file: f, plain: true, close: func() {}}
	var begin [longestMagic]byte
	n, err := f.ReadAt(begin[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if s.config.Compression != "none" {
		for _, m := range magics {
			if !bytes.HasPrefix(begin[:n], m.begin) {
				continue
			}
			c.plain, c.packed = false, &counted{r: f}
			if c.Reader, c.close, err = m.open(c.packed); err != nil {
				return nil, fmt.Errorf("decompress: %w", err)
			}
			break
		}
	}
	utf16 := bytes.HasPrefix(begin[:n], []byte{0xff, 0xfe}) || bytes.HasPrefix(begin[:n], []byte{0xfe, 0xff})
	if s.charset != nil || c.plain && utf16 {
		c.plain = false
		var fallback transform.Transformer = unicode.UTF8.NewDecoder()
		if s.charset != nil {
			fallback = s.charset.NewDecoder()
		}
		c.Reader = transform.NewReader(c.Reader, unicode.BOMOverride(fallback))
	}
	return c, nil
}

// Close closes the file.
func (c *content) Close() {
	c.close()
	_ = c.file.Close() // read only
}

// seek moves a content that was not read yet to a position.
func (c *content) seek(position int64) error {
	if c.plain {
		_, err := c.file.Seek(position, io.SeekStart)
		return err
	}
	n, err := io.CopyN(io.Discard, c.Reader, position)
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the content ends at %d, before the stored position %d: %w", n, position, errOther)
	}
	return err
}

var (
	// errOther says that a file does not have the content that a position is about.
	errOther = errors.New("the file has other content than what was read from it")
	// errMoved says that another file has come to the path since it was listed.
	errMoved = errors.New("the file was moved")
)
