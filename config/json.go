package config

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// yamlOfJSON is data with what JSON has and our YAML parser has not: the escape \/, and
// characters that are written as two \u escapes. A string that gets shorter is followed by
// spaces, so that everything after it keeps its place. Data that is not JSON comes back as it is.
func yamlOfJSON(data []byte) []byte {
	if !bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) || !bytes.Contains(data, []byte(`\`)) || !json.Valid(data) {
		return data
	}
	out := make([]byte, 0, len(data))
	inside, shorter := false, 0
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			out = append(out, c)
			if inside = !inside; !inside {
				out = append(out, bytes.Repeat([]byte(" "), shorter)...)
				shorter = 0
			}
		case c != '\\':
			out = append(out, c)
		case data[i+1] == '/':
			out = append(out, '/')
			shorter++
			i++
		case data[i+1] != 'u':
			out = append(out, c, data[i+1])
			i++
		default:
			text, length := surrogates(data[i:])
			out = append(out, text...)
			if utf8.RuneCount(text) == 1 {
				shorter += length - 1
			}
			i += length - 1
		}
	}
	return out
}

// surrogates is the character that the \uXXXX at the begin of data stands for, together with
// the next one when they are a pair; half a pair is U+FFFD. Other escapes stay escaped.
func surrogates(data []byte) (text []byte, length int) {
	high := unit(data)
	if !utf16.IsSurrogate(high) {
		return data[:6], 6
	}
	if len(data) >= 12 && data[6] == '\\' && data[7] == 'u' {
		if r := utf16.DecodeRune(high, unit(data[6:])); r != utf8.RuneError {
			return utf8.AppendRune(nil, r), 12
		}
	}
	return utf8.AppendRune(nil, utf8.RuneError), 6
}

// unit is the number in the \uXXXX that data begins with, which json.Valid has checked.
func unit(data []byte) rune {
	n, _ := strconv.ParseUint(string(data[2:6]), 16, 16)
	return rune(n)
}
