package files

import (
	"encoding/binary"
	"errors"
	"math"
)

var errAvroShort = errors.New("the data ends inside of a value")

// avroCursor reads Avro's binary encoding. After an error everything is zero, and err stays.
// See https://avro.apache.org/docs/1.12.0/specification/#binary-encoding.
type avroCursor struct {
	p     []byte // not read yet
	err   error
	empty int64 // items so far beyond those that the data has bytes for
}

func (c *avroCursor) fail(err error) {
	if c.err == nil {
		c.err = err
	}
	c.p = nil
}

// take is the next n bytes.
func (c *avroCursor) take(n int) []byte {
	if n < 0 || n > len(c.p) {
		c.fail(errAvroShort)
		return nil
	}
	p := c.p[:n:n]
	c.p = c.p[n:]
	return p
}

// long is an int or a long: zigzag in groups of seven bits.
func (c *avroCursor) long() int64 {
	v, n := binary.Varint(c.p)
	if n == 0 {
		c.fail(errAvroShort)
		return 0
	}
	if n < 0 {
		c.fail(errors.New("a number has more than 64 bits"))
		return 0
	}
	c.p = c.p[n:]
	return v
}

// octets is bytes or a string: its length before it.
func (c *avroCursor) octets() []byte {
	n := c.long()
	if n < 0 || n > int64(len(c.p)) {
		c.fail(errAvroShort)
		return nil
	}
	return c.take(int(n))
}

// count is the number of items in the next block of an array or a map; 0 ends them. A negative
// one is followed by the block's size, for those who skip it.
func (c *avroCursor) count() int64 {
	n := c.long()
	if n < 0 {
		c.long()
		n = -n
	}
	if n < 0 || n > int64(len(c.p)) && n-int64(len(c.p)) > maxEmptyItems-c.empty {
		c.fail(errAvroShort)
		return 0
	}
	c.empty += max(0, n-int64(len(c.p)))
	return n
}

// maxEmptyItems bounds the items of arrays that take no bytes, such as nulls, in one block.
const maxEmptyItems = 1 << 16

func (c *avroCursor) float32() float64 {
	p := c.take(4)
	if p == nil {
		return 0
	}
	return float64(math.Float32frombits(binary.LittleEndian.Uint32(p)))
}

func (c *avroCursor) float64() float64 {
	p := c.take(8)
	if p == nil {
		return 0
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(p))
}

func (c *avroCursor) bool() bool {
	p := c.take(1)
	return p != nil && p[0] != 0
}
