package s3

import (
	"fmt"
	"io"
	"os"
	"sync"
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
// what is before that in the spool. Both have blocks of one size, so that nothing is copied when more
// comes.
type buffer struct {
	spool  *spool
	blocks []int64 // in the spool
	stored int64   // bytes in them
	memory [][]byte
}

// memoryBlocks are those that no buffer uses.
var memoryBlocks = sync.Pool{New: func() any { return new([blockSize]byte) }}

func (b *buffer) size() int64 { return b.stored + int64(b.inMemory()) }

func (b *buffer) inMemory() int {
	n := len(b.memory)
	if n == 0 {
		return 0
	}
	return (n-1)*blockSize + len(b.memory[n-1])
}

// held is the memory that b uses.
func (b *buffer) held() int {
	n := len(b.memory)
	if n == 0 {
		return 0
	}
	return (n-1)*blockSize + cap(b.memory[n-1])
}

// Write appends to the part in memory.
func (b *buffer) Write(p []byte) (int, error) {
	for left := p; len(left) > 0; {
		last := b.roomFor(len(left))
		part := left[:min(len(left), cap(*last)-len(*last))]
		*last = append(*last, part...)
		left = left[len(part):]
	}
	return len(p), nil
}

// roomFor is the block to write the next of n bytes to. The first one grows to its size: most of
// thousands of buffers have little.
func (b *buffer) roomFor(n int) *[]byte {
	const least = 512
	i := len(b.memory) - 1
	switch {
	case i < 0:
		i = 0
		b.memory = append(b.memory, make([]byte, 0, min(blockSize, max(least, n))))
	case len(b.memory[i]) < cap(b.memory[i]):
	case cap(b.memory[i]) < blockSize:
		full := b.memory[i]
		b.memory[i] = append(make([]byte, 0, min(blockSize, max(2*cap(full), cap(full)+n))), full...)
	default:
		i++
		b.memory = append(b.memory, memoryBlocks.Get().(*[blockSize]byte)[:0])
	}
	return &b.memory[i]
}

// spill moves what is in memory to the spool.
func (b *buffer) spill() error {
	for _, left := range b.memory {
		for len(left) > 0 {
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
	}
	b.forget(0)
	return nil
}

// forget gives the memory from a block on back.
func (b *buffer) forget(from int) {
	for i := from; i < len(b.memory); i++ {
		if cap(b.memory[i]) == blockSize {
			memoryBlocks.Put((*[blockSize]byte)(b.memory[i][:blockSize]))
		}
		b.memory[i] = nil
	}
	b.memory = b.memory[:min(from, len(b.memory))]
}

// ReadAt reads from offset on, as io.ReaderAt.
func (b *buffer) ReadAt(p []byte, offset int64) (n int, err error) {
	for n < len(p) {
		at := offset + int64(n)
		if at >= b.size() {
			return n, io.EOF
		}
		if at >= b.stored {
			at -= b.stored
			n += copy(p[n:], b.memory[at/blockSize][at%blockSize:])
			continue
		}
		block, in := b.blocks[at/blockSize], at%blockSize
		part := p[n:min(len(p), n+int(min(blockSize-in, b.stored-at)))]
		if _, err := b.spool.file.ReadAt(part, block*blockSize+in); err != nil {
			return n, fmt.Errorf("read open files from disk (s3.spool.dir): %w", err)
		}
		n += len(part)
	}
	return n, nil
}

// WriteTo writes all to w, what is in memory from where it is.
func (b *buffer) WriteTo(w io.Writer) (n int64, err error) {
	if b.stored > 0 {
		if n, err = io.Copy(w, b.section(0, b.stored)); err != nil {
			return n, err
		}
	}
	for _, block := range b.memory {
		m, err := w.Write(block)
		if n += int64(m); err != nil {
			return n, err
		}
	}
	return n, nil
}

// section reads n bytes from offset on; it can be read again, as a request is that is repeated.
func (b *buffer) section(offset, n int64) *io.SectionReader { return io.NewSectionReader(b, offset, n) }

// reset forgets everything and keeps one block of memory.
func (b *buffer) reset() error {
	b.forget(1)
	if len(b.memory) > 0 {
		b.memory[0] = b.memory[0][:0]
	}
	blocks := b.blocks
	b.blocks, b.stored = b.blocks[:0], 0
	if len(blocks) == 0 {
		return nil
	}
	return b.spool.give(blocks)
}
