package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/bits"
)

// null is how COPY's text format writes NULL.
const null = `\N`

// errNUL is the refusal of a NUL character, which PostgreSQL's text types can not hold.
var errNUL = errors.New("has a NUL character, which PostgreSQL can not store; null.byte: strip would drop it")

// appendEscaped appends text as COPY's text format takes it. NUL characters are left out or
// refused.
// See https://www.postgresql.org/docs/current/sql-copy.html, section "Text Format".
func appendEscaped(dst, text []byte, strip bool) ([]byte, error) {
	for {
		n := plain(text)
		dst = append(dst, text[:n]...)
		if n == len(text) {
			return dst, nil
		}
		switch c := text[n]; c {
		case '\\':
			dst = append(dst, '\\', '\\')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		case 0:
			if !strip {
				return dst, errNUL
			}
		default:
			dst = append(dst, c)
		}
		text = text[n+1:]
	}
}

// plain is the length of the run at the start of text that needs no look: no control character
// and no backslash. It reads eight bytes at a time.
func plain(text []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(text); i += 8 {
		x := binary.LittleEndian.Uint64(text[i:])
		y := x ^ '\\'*ones
		// The lowest byte that is below a blank, or that the xor made zero, has its high bit set;
		// only bytes above it may have theirs set in error.
		if found := ((x-' '*ones)&^x | (y-ones)&^y) & highs; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(text); i++ {
		if text[i] < ' ' || text[i] == '\\' {
			return i
		}
	}
	return i
}

// unescaped is the text of a field of COPY's text format.
func unescaped(field []byte) []byte {
	if bytes.IndexByte(field, '\\') < 0 {
		return field
	}
	out := make([]byte, 0, len(field))
	for i := 0; i < len(field); i++ {
		c := field[i]
		if c == '\\' && i+1 < len(field) {
			i++
			switch c = field[i]; c {
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			case 't':
				c = '\t'
			}
		}
		out = append(out, c)
	}
	return out
}

var escapedNUL = []byte(`\u0000`)

// withoutNUL is a JSON text without the escapes \u0000 in its strings, which json takes and jsonb
// does not. They are left out or refused.
func withoutNUL(text []byte, strip bool) ([]byte, error) {
	if bytes.IndexByte(text, '\\') < 0 || !bytes.Contains(text, escapedNUL) {
		return text, nil
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			out = append(out, text[i])
			continue
		}
		if bytes.HasPrefix(text[i:], escapedNUL) {
			if !strip {
				return nil, errNUL
			}
			i += len(escapedNUL) - 1
			continue
		}
		out = append(out, text[i], text[i+1])
		i++
	}
	return out, nil
}
