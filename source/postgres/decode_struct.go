package postgres

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"connectd/record"
)

func (f *forms) point() form {
	zero := record.OfStruct([]record.Value{record.OfFloat(0), record.OfFloat(0), record.OfBytes(wkbPoint(nil, 0, 0)), {}})
	made := f.plain(record.StructType, "io.debezium.data.geometry.Point", decodePoint, zero)
	made.schema.Doc = "Geometry (POINT)"
	double := &record.Schema{Type: record.Float64Type}
	made.schema.Fields = []record.Field{
		{Name: "x", Schema: double},
		{Name: "y", Schema: double},
		{Name: "wkb", Schema: &record.Schema{Type: record.BytesType, Optional: true}},
		{Name: "srid", Schema: &record.Schema{Type: record.Int32Type, Optional: true}},
	}
	return made
}

// decodePoint decodes "(1,2)".
func decodePoint(v *record.Value, b *record.Batch, text []byte) error {
	inner := bytes.TrimSuffix(bytes.TrimPrefix(text, []byte("(")), []byte(")"))
	first, second, ok := bytes.Cut(inner, []byte(","))
	x, err1 := strconv.ParseFloat(string(first), 64)
	y, err2 := strconv.ParseFloat(string(second), 64)
	if !ok || err1 != nil || err2 != nil {
		return fmt.Errorf("%q is not a point", text)
	}
	cells := b.Cells(4)
	cells[0], cells[1] = record.OfFloat(x), record.OfFloat(y)
	cells[2] = record.OfBytes(b.Append(21, func(dst []byte) []byte { return wkbPoint(dst, x, y) }))
	*v = record.OfStruct(cells)
	return nil
}

// wkbPoint appends the well-known binary of a point, little-endian.
func wkbPoint(dst []byte, x, y float64) []byte {
	dst = append(dst, 1, 1, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(x))
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(y))
}

// geometry is the form of PostGIS's types, whose text is extended well-known binary in hex.
func (f *forms) geometry(name, doc string) form {
	empty := []byte{1, 7, 0, 0, 0, 0, 0, 0, 0} // GEOMETRYCOLLECTION EMPTY
	made := f.plain(record.StructType, name, decodeGeometry, record.OfStruct([]record.Value{record.OfBytes(empty), {}}))
	if !f.debezium {
		made.unchanged = record.OfStruct([]record.Value{record.OfBytes(f.placeholder), {}})
	}
	made.schema.Doc = doc
	made.schema.Fields = []record.Field{
		{Name: "wkb", Schema: &record.Schema{Type: record.BytesType}},
		{Name: "srid", Schema: &record.Schema{Type: record.Int32Type, Optional: true}},
	}
	return made
}

func decodeGeometry(v *record.Value, b *record.Batch, text []byte) error {
	n, err := hex.Decode(text, text)
	if err != nil || n < 5 {
		return fmt.Errorf("a geometry is not well-known binary")
	}
	wkb := text[:n]
	var order binary.ByteOrder = binary.BigEndian
	if wkb[0] == 1 {
		order = binary.LittleEndian
	}
	const hasSRID = 0x20000000 // the flag in the type that says that an SRID follows
	cells := b.Cells(2)
	cells[0] = record.OfBytes(wkb)
	if order.Uint32(wkb[1:])&hasSRID != 0 && n >= 9 {
		cells[1] = record.OfInt(int64(int32(order.Uint32(wkb[5:]))))
	}
	*v = record.OfStruct(cells)
	return nil
}

func (f *forms) hstore() form {
	if f.values.HStore == "map" {
		return form{
			schema: record.Schema{
				Type: record.MapType,
				Key:  &record.Schema{Type: record.StringType},
				Elem: &record.Schema{Type: record.StringType, Optional: true},
			},
			decode: decodeHStoreMap,
			zero:   record.OfMap([]record.Value{}), initial: record.OfMap([]record.Value{}),
			unchanged: record.OfMap([]record.Value{record.OfString(f.placeholder), record.OfString(f.placeholder)}),
		}
	}
	made := f.text(record.JSONName)
	made.decode, made.initial = decodeHStoreJSON, record.OfText("{}")
	p := appendJSONString(nil, f.placeholder)
	made.unchanged = record.OfString(append(append(append(append([]byte{'{'}, p...), ':'), p...), '}'))
	return made
}

var errHStore = errors.New("is not an hstore")

func decodeHStoreMap(v *record.Value, b *record.Batch, text []byte) error {
	pairs := b.Cells(2 * bytes.Count(text, []byte("=>")))[:0]
	err := eachPair(text, func(key, value []byte, null bool) {
		item := record.OfString(value)
		if null {
			item = record.Value{}
		}
		pairs = append(pairs, record.OfString(key), item)
	})
	*v = record.OfMap(pairs)
	return err
}

func decodeHStoreJSON(v *record.Value, b *record.Batch, text []byte) (err error) {
	*v = record.OfString(b.Append(2*len(text)+2, func(dst []byte) []byte {
		dst = append(dst, '{')
		first := true
		err = eachPair(text, func(key, value []byte, null bool) {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = append(appendJSONString(dst, key), ':')
			if null {
				dst = append(dst, "null"...)
			} else {
				dst = appendJSONString(dst, value)
			}
		})
		return append(dst, '}')
	}))
	return err
}

// eachPair calls f for each pair of `"k"=>"v", "n"=>NULL`, unescaped in place.
func eachPair(text []byte, f func(key, value []byte, null bool)) error {
	for len(text) > 0 {
		key, rest, ok := quoted(text)
		rest, arrow := bytes.CutPrefix(rest, []byte("=>"))
		if !ok || !arrow {
			return errHStore
		}
		if after, null := bytes.CutPrefix(rest, []byte("NULL")); null {
			f(key, nil, true)
			text = after
		} else {
			value, after, ok := quoted(rest)
			if !ok {
				return errHStore
			}
			f(key, value, false)
			text = after
		}
		if len(text) > 0 {
			if text, ok = bytes.CutPrefix(text, []byte(", ")); !ok {
				return errHStore
			}
		}
	}
	return nil
}

// quoted cuts the string in double quotes off text.
func quoted(text []byte) (s, rest []byte, ok bool) {
	if len(text) == 0 || text[0] != '"' {
		return nil, nil, false
	}
	end := 1
	for i := 1; i < len(text); i++ {
		c := text[i]
		if c == '"' {
			return text[1:end:end], text[i+1:], true
		}
		if c == '\\' {
			if i++; i == len(text) {
				break
			}
			c = text[i]
		}
		text[end] = c
		end++
	}
	return nil, nil, false
}

// appendJSONString writes s as a JSON string, with no more escapes than JSON demands.
func appendJSONString(dst, s []byte) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for len(s) > 0 {
		c := s[0]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		case c >= utf8.RuneSelf:
			_, n := utf8.DecodeRune(s)
			dst = append(dst, s[:n]...)
			s = s[n:]
			continue
		default:
			dst = append(dst, c)
		}
		s = s[1:]
	}
	return append(dst, '"')
}
