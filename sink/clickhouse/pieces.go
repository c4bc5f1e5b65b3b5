package clickhouse

import "sync"

// pieceSize is the length of the pieces that the memory of a column consists of.
const pieceSize = 32 << 10

// pieces is the memory of a column. One slice of all of it would be copied each time that it grows,
// and leave what it was behind; pieces stay where they are, and go from one column to the next.
type pieces struct {
	data []byte   // the newest, which room makes room in
	full [][]byte // those before
	size int      // of full
}

// spares are pieces that no column needs, for those of all partitions.
var spares sync.Pool // of *[pieceSize]byte

// length is how many bytes there are.
func (p *pieces) length() int { return p.size + len(p.data) }

// room makes room for n more bytes in data, all in one piece.
func (p *pieces) room(n int) {
	if cap(p.data)-len(p.data) < n {
		p.grow(n)
	}
}

// grow doubles the first piece until it has its full length, and begins another one then: most
// topics are small.
func (p *pieces) grow(n int) {
	const least = 256
	if need := len(p.data) + n; need <= pieceSize && cap(p.data) < pieceSize {
		p.data = append(newPiece(min(max(2*cap(p.data), need, least), pieceSize)), p.data...)
		return
	}
	if len(p.data) > 0 {
		p.full = append(p.full, p.data)
		p.size += len(p.data)
	}
	p.data = newPiece(max(n, pieceSize))
}

func newPiece(n int) []byte {
	if n == pieceSize {
		if spare, ok := spares.Get().(*[pieceSize]byte); ok {
			return spare[:0]
		}
	}
	return make([]byte, 0, n)
}

// write appends b, over several pieces if need be.
func (p *pieces) write(b []byte) {
	for {
		n := min(cap(p.data)-len(p.data), len(b))
		p.data = append(p.data, b[:n]...)
		if b = b[n:]; len(b) == 0 {
			return
		}
		p.grow(min(len(b), pieceSize))
	}
}

// truncate forgets all but the first n bytes. One piece stays, which is all that a small topic
// needs.
func (p *pieces) truncate(n int) {
	for n < p.size {
		if cap(p.data) == pieceSize {
			spares.Put((*[pieceSize]byte)(p.data[:pieceSize]))
		}
		last := len(p.full) - 1
		p.data, p.full[last] = p.full[last], nil
		p.full = p.full[:last]
		p.size -= len(p.data)
	}
	p.data = p.data[:n-p.size]
}

// segments appends the pieces to dst.
func (p *pieces) segments(dst [][]byte) [][]byte {
	return append(append(dst, p.full...), p.data)
}

// part appends the bytes from from to to.
func (p *pieces) part(dst [][]byte, from, to int) [][]byte {
	for _, piece := range p.segments(nil) {
		if a, b := max(from, 0), min(to, len(piece)); a < b {
			dst = append(dst, piece[a:b])
		}
		from, to = from-len(piece), to-len(piece)
	}
	return dst
}
