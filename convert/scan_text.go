package convert

import (
	"encoding/binary"
	"unicode/utf8"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// text reads a string and returns what is between its quotes. escaped says that it has escapes:
// unescape then gives its content.
func (s *scanner) text() (body []byte, escaped bool, err error) {
	data, i := s.data, s.at+1
	for {
		// Eight bytes at a time, while none of them is a quote, a backslash, a control
		// character or the begin of a longer character.
		for i+8 <= len(data) {
			w := binary.LittleEndian.Uint64(data[i:])
			quote, backslash := w^(ones*'"'), w^(ones*'\\')
			if ((w-ones*0x20)|(quote-ones)|(backslash-ones)|w)&highs != 0 {
				break
			}
			i += 8
		}
		for i < len(data) && plain[data[i]] {
			i++
		}
		if i >= len(data) {
			s.at = len(data)
			return nil, false, s.fail("the text ends inside a string")
		}
		switch c := data[i]; {
		case c == '"':
			body = data[s.at+1 : i : i]
			s.at = i + 1
			return body, escaped, nil
		case c == '\\':
			escaped = true
			n := escapeLen(data[i:])
			if n == 0 {
				s.at = i
				return nil, false, s.fail("not an escape: %.6q", data[i:])
			}
			i += n
		case c < 0x20:
			s.at = i
			return nil, false, s.fail("control character %#02x inside a string", c)
		default:
			r, n := utf8.DecodeRune(data[i:])
			if r == utf8.RuneError && n <= 1 {
				s.at = i
				return nil, false, s.fail("the byte %#02x is not UTF-8", c)
			}
			i += n
		}
	}
}

// escapeLen is the length of the escape that p begins with, 0 when there is none.
func escapeLen(p []byte) int {
	if len(p) < 2 {
		return 0
	}
	switch p[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := unit(p); ok {
			return 6
		}
	}
	return 0
}

// unit reads \uXXXX.
func unit(p []byte) (u rune, ok bool) {
	if len(p) < 6 || p[0] != '\\' || p[1] != 'u' {
		return 0, false
	}
	for _, c := range p[2:6] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c-'a' <= 5:
			c -= 'a' - 10
		case c-'A' <= 5:
			c -= 'A' - 10
		default:
			return 0, false
		}
		u = u<<4 | rune(c)
	}
	return u, true
}

// unescape appends the content of a string whose body is valid. A surrogate without its other
// half becomes U+FFFD.
func unescape(dst, body []byte) []byte {
	for i := 0; i < len(body); {
		c := body[i]
		if c != '\\' {
			dst = append(dst, c)
			i++
			continue
		}
		switch c := body[i+1]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			u, _ := unit(body[i:])
			i += 6
			if low, ok := unit(body[i:]); u>>10 == 0xD800>>10 && ok && low>>10 == 0xDC00>>10 {
				u = 0x10000 + (u&0x3FF)<<10 + low&0x3FF
				i += 6
			}
			dst = utf8.AppendRune(dst, u)
			continue
		default: // " \ /
			dst = append(dst, c)
		}
		i += 2
	}
	return dst
}
