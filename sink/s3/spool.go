package s3

import (
	"fmt"
	"io"
	"os"
)

// spool holds what one partition's open files can not keep in memory, in blocks that belong to one
// file each. It is a file without a name, so that it goes with the process however that ends, and
// it is made when it is needed first.
type spool struct {
	dir  string
	file *os.File
	next int64   // blocks in the file
	free []int64 // blocks to use again
}

const blockSize = 64 << 10

// take is a block to write to.
func (s *spool) take() (int64, error) {
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "connectd-s3-")
		if err == nil {
			err = os.Remove(f.Name())
		}
		if err != nil {
			return 0, fmt.Errorf("spool open files to disk (s3.spool.dir): %w", err)
		}
		s.file = f
	}
	if n := len(s.free); n > 0 {
		b := s.free[n-1]
		s.free = s.free[:n-1]
		return b, nil
	}
	s.next++
	return s.next - 1, nil
}

// give takes blocks back. A spool that holds nothing gives its room on disk back, too.
func (s *spool) give(blocks []int64) error {
	s.free = append(s.free, blocks...)
	if int64(len(s.free)) < s.next || s.next == 0 {
		return nil
	}
	s.free, s.next = s.free[:0], 0
	return s.file.Truncate(0)
}

func (s *spool) close() error {
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file, s.free, s.next = nil, nil, 0
	return f.Close()
}

// buffer is a run of bytes that is written at its end and read anywhere: its last part is in memory,
// what is before that in the spool.
type buffer struct {
	spool  *spool
	blocks []int64
	stored int64 // bytes in blocks
	tail   []byte
}

func (b *buffer) size() int64 { return b.stored + int64(len(b.tail)) }

// Write appends to the part in memory.
func (b *buffer) Write(p []byte) (int, error) {
	b.tail = append(b.tail, p...)
	return len(p), nil
}

// spill moves what is in memory to the spool.
func (b *buffer) spill() error {
	for left := b.tail; len(left) > 0; {
		at := b.stored % blockSize
		if at == 0 {
			block, err := b.spool.take()
			if err != nil {
				return err
			}
			b.blocks = append(b.blocks, block)
		}
		part := left[:min(len(left), int(blockSize-at))]
		if _, err := b.spool.file.WriteAt(part, b.blocks[len(b.blocks)-1]*blockSize+at); err != nil {
			return fmt.Errorf("spool open files to disk (s3.spool.dir): %w", err)
		}
		b.stored += int64(len(part))
		left = left[len(part):]
	}
	b.tail = nil
	return nil
}

// ReadAt reads from offset on, as io.ReaderAt.
func (b *buffer) ReadAt(p []byte, offset int64) (n int, err error) {
	for n < len(p) {
		at := offset + int64(n)
		if at >= b.stored {
			n += copy(p[n:], b.tail[min(at-b.stored, int64(len(b.tail))):])
			break
		}
		block, in := b.blocks[at/blockSize], at%blockSize
		part := p[n:min(len(p), n+int(min(blockSize-in, b.stored-at)))]
		if _, err := b.spool.file.ReadAt(part, block*blockSize+in); err != nil {
			return n, fmt.Errorf("read open files from disk (s3.spool.dir): %w", err)
		}
		n += len(part)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// section reads n bytes from offset on; it can be read again, as a request is that is repeated.
func (b *buffer) section(offset, n int64) *io.SectionReader { return io.NewSectionReader(b, offset, n) }

// reset forgets everything and keeps the memory.
func (b *buffer) reset() error {
	blocks := b.blocks
	b.blocks, b.stored, b.tail = b.blocks[:0], 0, b.tail[:0]
	if len(blocks) == 0 {
		return nil
	}
	return b.spool.give(blocks)
}
