package clickhouse

import "encoding/binary"

// cut is some of the rows of a column, to be sent without the others.
type cut struct {
	column
	from, to int
}

func (c *cut) segments(dst [][]byte) [][]byte { return c.part(dst, c.from, c.to) }

// part of a column of fixed width.
func (f *fixed) part(dst [][]byte, from, to int) [][]byte {
	return f.pieces.part(dst, from*f.width, to*f.width)
}

func (c *nullableColumn) part(dst [][]byte, from, to int) [][]byte {
	return c.inner.part(c.nulls.part(dst, from, to), from, to)
}

func (c *textColumn) part(dst [][]byte, from, to int) [][]byte {
	return c.pieces.part(dst, c.begin(from), c.begin(to))
}

func (c *arrayColumn) part(dst [][]byte, from, to int) [][]byte {
	offsets, first, last := rebased(c.offsets, from, to)
	return c.elem.part(append(dst, offsets), first, last)
}

func (c *mapColumn) part(dst [][]byte, from, to int) [][]byte {
	offsets, first, last := rebased(c.offsets, from, to)
	return c.value.part(c.key.part(append(dst, offsets), first, last), first, last)
}

func (c *tupleColumn) part(dst [][]byte, from, to int) [][]byte {
	for _, elem := range c.elems {
		dst = elem.part(dst, from, to)
	}
	return dst
}

// rebased are the offsets of the rows from from to to, counted from the first of their elements,
// which are those from first to last.
func rebased(offsets []byte, from, to int) (part []byte, first, last int) {
	first, last = lastOffset(offsets[:from*8]), lastOffset(offsets[:to*8])
	for i := from; i < to; i++ {
		part = binary.LittleEndian.AppendUint64(part, binary.LittleEndian.Uint64(offsets[i*8:])-uint64(first))
	}
	return part, first, last
}
