package clickhouse

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"

	"connectd/convert"
	"connectd/record"
)

// textColumn holds String, and JSON, which is sent as its text.
type textColumn struct {
	pieces  // length and octets of each row
	rows    int
	marks   []int // where every row begins whose number is a multiple of markEvery
	policy  policy
	json    bool
	scratch []byte
}

func (c *textColumn) append(s *record.Schema, v *record.Value) error {
	text := v.B
	switch {
	case v.Kind == record.Null:
		if c.policy != clamp {
			return errNull
		}
		c.appendDefault(1)
		return nil
	case c.json:
		var err error
		if text, err = convert.AppendJSON(c.scratch[:0], record.Datum{Schema: s, Value: *v}); err != nil {
			return err
		}
		c.scratch = text
	case v.Kind == record.String || v.Kind == record.JSON || v.Kind == record.Number:
	case v.Kind == record.Bytes:
		var err error
		if text, err = convert.AsBytes(c.scratch[:0], record.Datum{Schema: s, Value: *v}); err != nil {
			return err
		}
		c.scratch = text
	default:
		var err error
		if text, err = convert.AppendText(c.scratch[:0], record.Datum{Schema: s, Value: *v}); err != nil {
			return err
		}
		c.scratch = text
	}
	c.add(text)
	return nil
}

// markEvery bounds what begin looks through.
const markEvery = 256

func (c *textColumn) add(text []byte) {
	if c.rows%markEvery == 0 {
		c.marks = append(c.marks, c.length())
	}
	c.rows++
	c.room(binary.MaxVarintLen64) // a length is in one piece, unlike a text
	c.data = binary.AppendUvarint(c.data, uint64(len(text)))
	c.write(text)
}

// begin is where the n-th row begins, or the end of the last one.
func (c *textColumn) begin(n int) int {
	if n == c.rows {
		return c.length()
	}
	at, n := c.marks[n/markEvery], n%markEvery
	from := 0 // of the piece
	for _, piece := range c.segments(nil) {
		for n > 0 && at < from+len(piece) {
			length, width := binary.Uvarint(piece[at-from:])
			at += width + int(length)
			n--
		}
		from += len(piece)
	}
	return at
}

// appendDefault adds empty texts; for JSON the empty object, which the server can parse.
func (c *textColumn) appendDefault(n int) {
	for range n {
		if c.json {
			c.add([]byte("{}"))
		} else {
			c.add(nil)
		}
	}
}

func (c *textColumn) truncate(n int) {
	c.pieces.truncate(c.begin(n))
	c.rows, c.marks = n, c.marks[:(n+markEvery-1)/markEvery]
}

// fixedTextColumn holds FixedString(N): shorter texts are filled up with zero bytes, as the
// server does.
type fixedTextColumn struct {
	fixed
	policy  policy
	scratch []byte
}

func (c *fixedTextColumn) append(s *record.Schema, v *record.Value) error {
	text, err := textOf(&c.scratch, s, v)
	if err != nil {
		return err
	}
	if text == nil {
		return c.null(c.policy)
	}
	if len(text) > c.width {
		if c.policy != clamp {
			return outOfRange("text of %d bytes is longer than %d", len(text), c.width)
		}
		text = text[:c.width]
	}
	c.room(c.width)
	c.data = append(c.data, text...)
	c.data = append(c.data, make([]byte, c.width-len(text))...)
	return nil
}

// textOf is the text of v, in *scratch or in v's own memory; nil for null.
func textOf(scratch *[]byte, s *record.Schema, v *record.Value) ([]byte, error) {
	switch v.Kind {
	case record.Null:
		return nil, nil
	case record.String, record.Bytes:
		if v.B == nil {
			return []byte{}, nil
		}
		return v.B, nil
	}
	if *scratch == nil {
		*scratch = make([]byte, 0, 64)
	}
	text, err := convert.AppendText((*scratch)[:0], record.Datum{Schema: s, Value: *v})
	if err != nil {
		return nil, err
	}
	*scratch = text
	return text, nil
}

// enumColumn holds Enum8 and Enum16; values are given by name, or by number.
type enumColumn struct {
	fixed
	names   map[string]int16
	policy  policy
	scratch []byte
}

func (c *enumColumn) append(s *record.Schema, v *record.Value) error {
	if v.Kind == record.Int {
		for _, n := range c.names {
			if int64(n) == v.N {
				c.add(n)
				return nil
			}
		}
		return fmt.Errorf("%d is not a value of the enum", v.N)
	}
	text, err := textOf(&c.scratch, s, v)
	if err != nil {
		return err
	}
	if text == nil {
		if c.policy != clamp {
			return errNull
		}
		c.appendDefault(1)
		return nil
	}
	n, ok := c.names[string(text)]
	if !ok {
		return outOfRange("%.80q is not a name of the enum", text)
	}
	c.add(n)
	return nil
}

func (c *enumColumn) add(n int16) {
	if c.width == 1 {
		c.put8(byte(n))
	} else {
		c.put16(uint16(n))
	}
}

// appendDefault adds the enum's lowest value, which is its default.
func (c *enumColumn) appendDefault(n int) {
	first, lowest := true, int16(0)
	for _, v := range c.names {
		if first || v < lowest {
			first, lowest = false, v
		}
	}
	for range n {
		c.add(lowest)
	}
}

// uuidColumn holds UUID: two little-endian halves.
type uuidColumn struct {
	fixed
	policy  policy
	scratch []byte
}

func (c *uuidColumn) append(s *record.Schema, v *record.Value) error {
	text, err := textOf(&c.scratch, s, v)
	if err != nil {
		return err
	}
	if text == nil {
		return c.null(c.policy)
	}
	var id [16]byte
	if !parseUUID(&id, text) {
		return fmt.Errorf("%.80q is not a UUID", text)
	}
	c.room(c.width)
	c.data = binary.LittleEndian.AppendUint64(c.data, binary.BigEndian.Uint64(id[:8]))
	c.data = binary.LittleEndian.AppendUint64(c.data, binary.BigEndian.Uint64(id[8:]))
	return nil
}

// parseUUID reads 8-4-4-4-12 hex digits, or 32 without hyphens.
func parseUUID(id *[16]byte, text []byte) bool {
	var digits [32]byte
	switch len(text) {
	case 32:
		copy(digits[:], text)
	case 36:
		if text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
			return false
		}
		copy(digits[:], text[:8])
		copy(digits[8:], text[9:13])
		copy(digits[12:], text[14:18])
		copy(digits[16:], text[19:23])
		copy(digits[20:], text[24:])
	default:
		return false
	}
	_, err := hex.Decode(id[:], digits[:])
	return err == nil
}

// ipColumn holds IPv4 and IPv6. An IPv4 address fits into both.
type ipColumn struct {
	fixed
	policy  policy
	scratch []byte
}

func (c *ipColumn) append(s *record.Schema, v *record.Value) error {
	text, err := textOf(&c.scratch, s, v)
	if err != nil {
		return err
	}
	if text == nil {
		return c.null(c.policy)
	}
	a, err := netip.ParseAddr(string(text))
	if err != nil || a.Zone() != "" {
		return fmt.Errorf("%.80q is not an IP address", text)
	}
	if c.width == 16 {
		b := a.As16()
		c.room(c.width)
		c.data = append(c.data, b[:]...)
		return nil
	}
	a = a.Unmap()
	if !a.Is4() {
		return outOfRange("%s is not an IPv4 address", text)
	}
	b := a.As4()
	c.put32(binary.BigEndian.Uint32(b[:]))
	return nil
}
