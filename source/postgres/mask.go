package postgres

import (
	"encoding/binary"
	"encoding/hex"
	"hash"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"connectd/record"
)

// mask is what column.mask and column.truncate do to the values of one column. Columns without
// one have no part in this: their decoders are as they were.
type mask struct {
	stars    []byte // instead of the text, also of NULL
	digests  *sync.Pool
	salt     string
	java     bool
	limit    int // of characters, or octets
	schema   record.Schema
	original record.Value // stays what it is; Null for none
}

// mask is the mask of a column whose form is f; nil when it has none. length is that of the
// column's type, and text says whether Debezium counts the type as text.
func (s *Source) mask(name string, f form, length int, text bool) *mask {
	at := slices.IndexFunc(s.masks, func(k maskRule) bool { return k.columns.match(name) })
	if at < 0 {
		return nil
	}
	k := s.masks[at]
	m := &mask{schema: f.schema, limit: length}
	if k.truncate {
		if length <= k.chars || f.schema.Type != record.StringType && (f.schema.Type != record.BytesType || f.schema.Name != "") {
			return nil
		}
		m.limit = k.chars
		m.param("truncateLength", strconv.Itoa(k.chars))
		return m.keeping(f, s.forms)
	}
	switch {
	case text:
	case s.forms.debezium || f.schema.Type != record.StringType:
		s.log.Warn("column is not masked: its type is no text; leave it out with column.exclude.list", "column", name)
		m.param("masked", "true")
		return &mask{schema: m.schema, limit: -1}
	default:
		m.schema = record.Schema{Type: record.StringType} // asterisks are no UUID and no JSON
	}
	m.param("masked", "true")
	if k.digest == nil {
		m.stars = []byte(strings.Repeat("*", k.chars))
		return m
	}
	m.digests = &sync.Pool{New: func() any { return k.digest() }}
	m.salt, m.java = k.salt, k.java
	return m.keeping(f, s.forms)
}

// keeping lets the placeholder of an unchanged value be what it is, so that sinks recognise it;
// Debezium masks it too.
func (m *mask) keeping(f form, all *forms) *mask {
	if !all.debezium {
		m.original = f.unchanged
	}
	return m
}

func (m *mask) param(name, value string) {
	m.schema.Params = append(slices.Clone(m.schema.Params), record.Param{Name: name, Value: value})
}

// value masks a decoded value.
func (m *mask) value(v *record.Value, b *record.Batch) {
	switch {
	case m.limit < 0:
	case m.stars != nil:
		*v = record.OfString(m.stars)
	case v.Kind != record.String && v.Kind != record.Bytes || !m.original.IsNull() && equal(*v, m.original):
	case m.digests != nil:
		*v = record.OfString(m.hash(b, v.B))
	case v.Kind == record.Bytes:
		v.B = v.B[:min(len(v.B), m.limit)]
	default:
		v.B = firstChars(v.B, m.limit)
	}
}

// decoder masks what d decodes.
func (m *mask) decoder(d decoder) decoder {
	return func(v *record.Value, b *record.Batch, text []byte) error {
		err := d(v, b, text)
		if err == nil {
			m.value(v, b)
		}
		return err
	}
}

// hash is the hash of salt and text in hexadecimal digits, as far as the column is long.
func (m *mask) hash(b *record.Batch, text []byte) []byte {
	h := m.digests.Get().(hash.Hash)
	defer m.digests.Put(h)
	h.Reset()
	salted := b.Append(len(m.salt)+2*len(text)+16, func(dst []byte) []byte {
		dst = append(dst, m.salt...)
		if m.java {
			return appendJavaString(dst, text)
		}
		return append(dst, text...)
	})
	h.Write(salted)
	sum := h.Sum(b.Bytes(h.Size())[:0])
	digits := b.Append(2*len(sum), func(dst []byte) []byte { return hex.AppendEncode(dst, sum) })
	return digits[:min(len(digits), m.limit)]
}

// appendJavaString is text as Java serializes a String.
func appendJavaString(dst, text []byte) []byte {
	dst = append(dst, 0xAC, 0xED, 0x00, 0x05)
	start := len(dst)
	dst = append(dst, 0x74, 0, 0)
	body := len(dst)
	dst = appendModifiedUTF8(dst, text)
	n := len(dst) - body
	if n <= 0xFFFF {
		binary.BigEndian.PutUint16(dst[start+1:], uint16(n))
		return dst
	}
	dst = slices.Insert(dst, body, make([]byte, 6)...)
	dst[start] = 0x7C // of a long string
	binary.BigEndian.PutUint64(dst[start+1:], uint64(n))
	return dst
}

// appendModifiedUTF8 is Java's own UTF-8: zero has two bytes, and what is beyond 16 bits is
// written as its two surrogates.
func appendModifiedUTF8(dst, text []byte) []byte {
	three := func(dst []byte, r rune) []byte {
		return append(dst, 0xE0|byte(r>>12), 0x80|byte(r>>6&0x3F), 0x80|byte(r&0x3F))
	}
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == 0:
			dst = append(dst, 0xC0, 0x80)
		case r > 0xFFFF:
			r -= 0x10000
			dst = three(three(dst, 0xD800+r>>10), 0xDC00+r&0x3FF)
		default:
			dst = append(dst, text[:n]...)
		}
		text = text[n:]
	}
	return dst
}

// firstChars is the beginning of text of so many characters. Java counts those beyond 16 bits
// twice; none is cut in half.
func firstChars(text []byte, n int) []byte {
	if len(text) <= n {
		return text
	}
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRune(text[at:])
		if n--; r > 0xFFFF {
			n--
		}
		if n < 0 {
			return text[:at]
		}
		at += size
	}
	return text
}
