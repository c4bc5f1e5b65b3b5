package clickhouse

import (
	"encoding/binary"
	"strings"

	"connectd/convert"
	"connectd/record"
)

// intColumn holds integers whose values all fit into an int64.
type intColumn struct {
	fixed
	name     string
	min, max int64
	policy   policy
}

func newInt(name string, p policy) *intColumn {
	bits := bitsOf(name)
	c := &intColumn{fixed: fixed{width: bits / 8}, name: name, policy: p}
	if strings.HasPrefix(name, "U") {
		c.max = 1<<bits - 1
	} else {
		c.min, c.max = -1<<(bits-1), 1<<(bits-1)-1
	}
	return c
}

func (c *intColumn) append(s *record.Schema, v *record.Value) error {
	n := v.N
	switch v.Kind {
	case record.Int, record.Bool:
	case record.Null:
		return c.null(c.policy)
	default:
		var err error
		if n, err = convert.AsInt(record.Datum{Schema: s, Value: *v}); err != nil {
			return err
		}
	}
	if n < c.min || n > c.max {
		if c.policy != clamp {
			return outOfRange("%d is out of range, %d to %d", n, c.min, c.max)
		}
		n = min(max(n, c.min), c.max)
	}
	switch c.width {
	case 8:
		c.put64(uint64(n))
	case 4:
		c.put32(uint32(n))
	case 2:
		c.put16(uint16(n))
	default:
		c.put8(byte(n))
	}
	return nil
}

// wideIntColumn holds integers that may be beyond an int64.
type wideIntColumn struct {
	fixed
	name    string
	signed  bool
	policy  policy
	scratch []byte
}

func newWideInt(name string, p policy) *wideIntColumn {
	return &wideIntColumn{fixed: fixed{width: bitsOf(name) / 8}, name: name, signed: name[0] == 'I', policy: p}
}

func (c *wideIntColumn) append(s *record.Schema, v *record.Value) error {
	if v.Kind == record.Null {
		return c.null(c.policy)
	}
	if v.Kind == record.Int && (c.signed || v.N >= 0) {
		c.room(c.width)
		c.data = appendInt(c.data, v.N, c.width)
		return nil
	}
	text, err := decimalText(&c.scratch, s, v)
	if err != nil {
		return err
	}
	n, err := parseWide(text, 0)
	if err != nil && err != errTooLarge {
		return err
	}
	if err == errTooLarge || !n.fits(c.width, c.signed) {
		if c.policy != clamp {
			return outOfRange("%.80s is out of range of %s", text, c.name)
		}
		n.limit(c.width, c.signed)
	}
	c.room(c.width)
	c.data = n.appendTo(c.data, c.width)
	return nil
}

// appendInt appends n as an integer of width bytes.
func appendInt(dst []byte, n int64, width int) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(n))
	for range width/8 - 1 {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(n>>63))
	}
	return dst
}

// decimalText is the decimal text of v, in *scratch or in v's own memory.
func decimalText(scratch *[]byte, s *record.Schema, v *record.Value) ([]byte, error) {
	if v.Kind == record.Number {
		return v.B, nil
	}
	text, err := convert.AsDecimal((*scratch)[:0], record.Datum{Schema: s, Value: *v})
	if err != nil {
		return nil, err
	}
	*scratch = text
	return text, nil
}
