package avro

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"connectd/record"
)

var (
	errShort = errors.New("the data ends inside of a value")
	errLong  = errors.New("a number has more than 64 bits")
	errDeep  = errors.New("a record is nested too deeply in itself")
)

const (
	maxEmpty = 1 << 16 // items without octets, such as nulls, in one record
	maxDepth = 100     // records inside of themselves
)

// cursor reads Avro's binary encoding. After an error everything is zero, and err stays.
// See https://avro.apache.org/docs/1.12.0/specification/#binary-encoding.
type cursor struct {
	data  []byte
	at    int
	err   error
	empty int // items so far beyond those that the data has octets for
	depth int
}

func (c *cursor) fail(err error) {
	if c.err == nil {
		c.err = err
	}
	c.at = len(c.data)
}

// long is an int or a long: zigzag in groups of seven bits.
func (c *cursor) long() int64 {
	if c.at < len(c.data) && c.data[c.at] < 0x80 {
		u := c.data[c.at]
		c.at++
		return int64(u>>1) ^ -int64(u&1)
	}
	v, n := binary.Varint(c.data[c.at:])
	if n <= 0 {
		if n < 0 {
			c.fail(errLong)
		}
		c.fail(errShort)
		return 0
	}
	c.at += n
	return v
}

// take is the next n octets.
func (c *cursor) take(n int64) []byte {
	if n < 0 || n > int64(len(c.data)-c.at) {
		c.fail(errShort)
		return nil
	}
	from := c.at
	c.at += int(n)
	return c.data[from:c.at:c.at]
}

// octets are bytes or a string: its length before it.
func (c *cursor) octets() []byte { return c.take(c.long()) }

// count is the number of items in the next block of an array or a map; 0 ends them. A negative
// one is followed by the block's size, for those who skip it.
func (c *cursor) count() int {
	n := c.long()
	if n < 0 {
		c.long()
		n = -n
	}
	left := int64(len(c.data) - c.at)
	if n < 0 || n-left > int64(maxEmpty-c.empty) {
		c.fail(errShort)
		return 0
	}
	c.empty += int(max(0, n-left))
	return int(n)
}

func (c *cursor) float32() float64 {
	p := c.take(4)
	if p == nil {
		return 0
	}
	return float64(math.Float32frombits(binary.LittleEndian.Uint32(p)))
}

func (c *cursor) float64() float64 {
	p := c.take(8)
	if p == nil {
		return 0
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(p))
}

func (c *cursor) bool() record.Value {
	p := c.take(1)
	if p != nil && p[0] > 1 {
		c.fail(fmt.Errorf("%#02x is not a boolean", p[0]))
		return record.Value{}
	}
	return record.OfBool(p != nil && p[0] == 1)
}
