package convert

import (
	"encoding/binary"
	"unicode/utf8"
)

const upperHex = "0123456789ABCDEF"

// plain marks the ASCII characters that stand for themselves in a JSON string.
var plain = func() (t [256]bool) {
	for c := 0x20; c < 0x80; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// AppendQuoted appends text as a JSON string with the bytes that Jackson writes: short escapes
// where JSON has them, \u00XX for the other control characters, characters outside the basic
// plane as a pair of escaped surrogates, everything else as it is. Bytes that are not UTF-8
// become U+FFFD, as they do in a Java string.
func AppendQuoted(dst, text []byte) []byte {
	dst = append(dst, '"')
	start := 0
	for i := plainPrefix(text); i < len(text); {
		c := text[i]
		if plain[c] {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			dst = append(dst, text[start:i]...)
			dst = appendEscaped(dst, c)
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		if r < 0x10000 && (r != utf8.RuneError || n > 1) {
			i += n
			continue
		}
		dst = append(dst, text[start:i]...)
		if r == utf8.RuneError {
			dst = utf8.AppendRune(dst, r)
		} else {
			r -= 0x10000
			dst = appendUnit(dst, 0xD800+r>>10)
			dst = appendUnit(dst, 0xDC00+r&0x3FF)
		}
		i += n
		start = i
	}
	dst = append(dst, text[start:]...)
	return append(dst, '"')
}

// plainPrefix is how many bytes at the begin of text certainly stand for themselves, found eight
// at a time: most texts have no others.
func plainPrefix(text []byte) (n int) {
	for ; len(text)-n >= 8; n += 8 {
		if !plainWord(binary.LittleEndian.Uint64(text[n:])) {
			return n
		}
	}
	// What is left is less than a word: the last word of text, or one that is put together.
	switch {
	case len(text) >= 8:
		if plainWord(binary.LittleEndian.Uint64(text[len(text)-8:])) {
			return len(text)
		}
	case len(text) >= 4:
		first, last := binary.LittleEndian.Uint32(text), binary.LittleEndian.Uint32(text[len(text)-4:])
		if plainWord(uint64(first) | uint64(last)<<32) {
			return len(text)
		}
	}
	return n
}

// plainWord says whether eight bytes stand for themselves.
func plainWord(w uint64) bool {
	quote, slash := w^ones*'"', w^ones*'\\'
	// The high bit of a byte is set where it is below space, a quote or a backslash, or not ASCII.
	return ((w-ones*' ')|(quote-ones)|(slash-ones)|w)&highs == 0
}

func appendEscaped(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\t':
		return append(dst, '\\', 't')
	case '\n':
		return append(dst, '\\', 'n')
	case '\f':
		return append(dst, '\\', 'f')
	case '\r':
		return append(dst, '\\', 'r')
	}
	return appendUnit(dst, rune(c))
}

// appendUnit appends one UTF-16 unit as \uXXXX.
func appendUnit(dst []byte, u rune) []byte {
	return append(dst, '\\', 'u', upperHex[u>>12&15], upperHex[u>>8&15], upperHex[u>>4&15], upperHex[u&15])
}
