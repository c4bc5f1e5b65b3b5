package postgres

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"

	"connectd/record"
)

// The binary form of COPY costs the server a quarter less than text, because most of its work is
// to write dates and numbers and to look for characters to escape. What a binary value is turned
// into here is the text that the server would have written, so that there is one decoder for each
// type. See https://www.postgresql.org/docs/current/sql-copy.html.

// wire is how the binary form of a column's values is read.
type wire struct {
	text    wireDecoder
	integer bool // the column's decoder does no more than to read an integer, which needs no text
}

// wireDecoder turns the binary form of a value into its text, in b's memory. The octets are in b's
// memory, too, and belong to it.
type wireDecoder func(b *record.Batch, octets []byte) ([]byte, error)

// wireOf is the wire of a column of the type id; its text is nil where there is none.
func wireOf(types typeTable, id uint32, c *column) wire {
	w := wire{text: wireDecoderOf(types, id)}
	// A column that is masked, say, has another decoder around decodeInt.
	w.integer = same(w.text, wireInt) && same(c.decode, decodeInt)
	return w
}

// same says whether a and b are the same function.
func same(a, b any) bool { return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer() }

func wireDecoderOf(types typeTable, id uint32) wireDecoder {
	t := types[id]
	switch {
	case t.kind == 'd':
		return wireDecoderOf(types, t.base)
	case t.kind == 'e':
		return wireText
	case t.schema != "pg_catalog" || t.kind != 'b':
		return nil
	}
	switch t.name {
	case "text", "varchar", "bpchar", "name", "json":
		return wireText
	case "jsonb":
		return wireJSONB
	case "bool":
		return wireBool
	case "int2", "int4", "int8":
		return wireInt
	case "oid":
		return wireOID
	case "float4":
		return wireFloat4
	case "float8":
		return wireFloat8
	case "numeric":
		return wireNumeric
	case "uuid":
		return wireUUID
	case "bytea":
		return wireBytea
	case "date":
		return wireDate
	case "time":
		return wireTime
	case "timestamp":
		return wireTimestamp
	case "timestamptz":
		return wireTimestamptz
	}
	return nil
}

var copySignature = []byte("PGCOPY\n\xff\r\n\x00")

// errNoRow says that a message of COPY has no row: the end of the data.
var errNoRow = errors.New("no row")

// binaryRow is the row in a message of COPY's binary form: without the header that stands before
// the first row.
func binaryRow(message []byte) ([]byte, error) {
	const fixed = len("PGCOPY\n\xff\r\n\x00") + 8
	if bytes.HasPrefix(message, copySignature) {
		if len(message) < fixed {
			return nil, errTruncated
		}
		extension := binary.BigEndian.Uint32(message[fixed-4:])
		if uint64(len(message)-fixed) < uint64(extension) {
			return nil, errTruncated
		}
		message = message[fixed+int(extension):]
	}
	if len(message) == 0 || len(message) == 2 && message[0] == 0xff && message[1] == 0xff {
		return nil, errNoRow
	}
	return message, nil
}

// copiedBinary decodes one row of COPY's binary format into cells. columns are the table's columns
// in the order of the row; row is in b's memory.
func (t *table) copiedBinary(b *record.Batch, columns []*column, wires []wire, row []byte) ([]record.Value, error) {
	cells := b.Cells(t.cells)
	m := message{rest: row}
	if n := int(m.uint16()); n != len(columns) {
		return nil, fmt.Errorf("table %s: a row of COPY has %d values, want %d", t, n, len(columns))
	}
	for i, c := range columns {
		n := int32(m.uint32())
		if n == -1 && !m.bad {
			if c.null.Kind != record.Null {
				cells[c.cell] = c.null
			}
			continue
		}
		octets := m.bytes(int(n))
		if m.bad {
			return nil, fmt.Errorf("table %s, column %q: %w", t, c.name, errTruncated)
		}
		var err error
		if wires[i].integer {
			cells[c.cell].Kind = record.Int
			cells[c.cell].N, err = integer(octets)
		} else if octets, err = wires[i].text(b, octets); err == nil {
			err = c.decode(&cells[c.cell], b, octets)
		}
		if err != nil {
			return nil, fmt.Errorf("table %s, column %q: %w", t, c.name, err)
		}
	}
	t.maskKeys(b, cells)
	return cells, nil
}

// errWidth says that a binary value does not have the width of its type.
var errWidth = errors.New("a binary value has another width than its type")

func wireText(_ *record.Batch, octets []byte) ([]byte, error) { return octets, nil }

// wireJSONB takes off the version of the format.
func wireJSONB(_ *record.Batch, octets []byte) ([]byte, error) {
	if len(octets) == 0 || octets[0] != 1 {
		return nil, errors.New("a jsonb has an unknown version")
	}
	return octets[1:], nil
}

func wireBool(_ *record.Batch, octets []byte) ([]byte, error) {
	if len(octets) != 1 {
		return nil, errWidth
	}
	octets[0] = "ft"[octets[0]&1]
	return octets, nil
}

// integer is the value of a signed integer of any width.
func integer(octets []byte) (int64, error) {
	switch len(octets) {
	case 2:
		return int64(int16(binary.BigEndian.Uint16(octets))), nil
	case 4:
		return int64(int32(binary.BigEndian.Uint32(octets))), nil
	case 8:
		return int64(binary.BigEndian.Uint64(octets)), nil
	}
	return 0, errWidth
}

func wireInt(b *record.Batch, octets []byte) ([]byte, error) {
	n, err := integer(octets)
	if err != nil {
		return nil, err
	}
	return b.Append(20, func(dst []byte) []byte { return strconv.AppendInt(dst, n, 10) }), nil
}

func wireOID(b *record.Batch, octets []byte) ([]byte, error) {
	if len(octets) != 4 {
		return nil, errWidth
	}
	n := binary.BigEndian.Uint32(octets)
	return b.Append(10, func(dst []byte) []byte { return strconv.AppendUint(dst, uint64(n), 10) }), nil
}

func wireFloat4(b *record.Batch, octets []byte) ([]byte, error) {
	if len(octets) != 4 {
		return nil, errWidth
	}
	return floatText(b, float64(math.Float32frombits(binary.BigEndian.Uint32(octets))), 32), nil
}

func wireFloat8(b *record.Batch, octets []byte) ([]byte, error) {
	if len(octets) != 8 {
		return nil, errWidth
	}
	return floatText(b, math.Float64frombits(binary.BigEndian.Uint64(octets)), 64), nil
}

// floatText is the shortest text that is read as f.
func floatText(b *record.Batch, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return b.Copy([]byte("NaN"))
	case math.IsInf(f, 1):
		return b.Copy([]byte("Infinity"))
	case math.IsInf(f, -1):
		return b.Copy([]byte("-Infinity"))
	}
	return b.Append(32, func(dst []byte) []byte { return strconv.AppendFloat(dst, f, 'g', -1, bits) })
}

func wireUUID(b *record.Batch, octets []byte) ([]byte, error) {
	if len(octets) != 16 {
		return nil, errWidth
	}
	text := b.Bytes(36)
	at := 0
	for i, part := range [...]int{4, 2, 2, 2, 6} {
		if i > 0 {
			text[at] = '-'
			at++
		}
		at += hex.Encode(text[at:], octets[:part])
		octets = octets[part:]
	}
	return text, nil
}

func wireBytea(b *record.Batch, octets []byte) ([]byte, error) {
	text := b.Bytes(2 + 2*len(octets))
	copy(text, `\x`)
	hex.Encode(text[2:], octets)
	return text, nil
}

// Signs of a numeric.
const (
	numericNegative   = 0x4000
	numericNaN        = 0xC000
	numericInfinity   = 0xD000
	numericNoInfinity = 0xF000
)

// wireNumeric writes a number that is sent as digits of base 10000, the first of which counts
// 10000^weight, with so many decimal places.
func wireNumeric(b *record.Batch, octets []byte) ([]byte, error) {
	m := message{rest: octets}
	n, weight, sign, places := int(m.uint16()), int(int16(m.uint16())), m.uint16(), int(m.uint16())
	if m.bad || len(m.rest) != 2*n || places > 0x3fff {
		return nil, errWidth
	}
	switch sign {
	case numericNaN:
		return b.Copy([]byte("NaN")), nil
	case numericInfinity:
		return b.Copy([]byte("Infinity")), nil
	case numericNoInfinity:
		return b.Copy([]byte("-Infinity")), nil
	}
	digits := m.rest
	digit := func(place int) int { // of 10000^place
		i := weight - place
		if i < 0 || i >= n {
			return 0
		}
		return int(binary.BigEndian.Uint16(digits[2*i:]))
	}
	return b.Append(8+4*max(weight+1, 1)+places+4, func(dst []byte) []byte {
		if sign == numericNegative {
			dst = append(dst, '-')
		}
		if weight < 0 {
			dst = append(dst, '0')
		} else {
			dst = strconv.AppendInt(dst, int64(digit(weight)), 10)
		}
		for place := weight - 1; place >= 0; place-- {
			dst = append4(dst, digit(place))
		}
		if places == 0 {
			return dst
		}
		dst = append(dst, '.')
		end := len(dst) + places
		for place := -1; len(dst) < end; place-- {
			dst = append4(dst, digit(place))
		}
		return dst[:end]
	}), nil
}

func append4(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/1000%10), byte('0'+n/100%10), byte('0'+n/10%10), byte('0'+n%10))
}
