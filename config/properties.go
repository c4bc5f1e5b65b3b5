package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// parseProperties reads a Java properties file, in UTF-8: comments after # and !, keys that end
// at =, : or white space, lines continued by a backslash, and the escapes \t \n \r \f \uXXXX.
// The last of several lines with the same key counts, as in Java. An error names the line and
// never its text.
// See https://docs.oracle.com/javase/8/docs/api/java/util/Properties.html#load-java.io.Reader-.
func parseProperties(data []byte) (map[string]string, error) {
	properties := map[string]string{}
	lines := strings.Split(lineEnds.Replace(string(data)), "\n")
	for i := 0; i < len(lines); i++ {
		first := i
		line := strings.TrimLeft(lines[i], whiteSpace)
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		for continues(line) {
			line = line[:len(line)-1]
			if i++; i == len(lines) {
				break
			}
			line += strings.TrimLeft(lines[i], whiteSpace)
		}
		key, value := splitProperty(line)
		key, keyErr := unescape(key)
		value, valueErr := unescape(value)
		if keyErr != nil || valueErr != nil {
			return nil, fmt.Errorf(`line %d has a \u that four hexadecimal digits do not follow; write \\u for the text \u`, first+1)
		}
		properties[key] = value
	}
	return properties, nil
}

const whiteSpace = " \t\f"

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// continues says whether line ends in an odd number of backslashes.
func continues(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// splitProperty cuts line at the first separator that is not escaped.
func splitProperty(line string) (key, value string) {
	end := 0
	for end < len(line) && !strings.ContainsRune("=:"+whiteSpace, rune(line[end])) {
		if line[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end, len(line))
	value = strings.TrimLeft(line[end:], whiteSpace)
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = strings.TrimLeft(value[1:], whiteSpace)
	}
	return line[:end], value
}

// unescape replaces the escapes of s; a backslash before any other letter is dropped.
func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			break
		}
		switch s[i] {
		case 't':
			out.WriteByte('\t')
		case 'n':
			out.WriteByte('\n')
		case 'r':
			out.WriteByte('\r')
		case 'f':
			out.WriteByte('\f')
		case 'u':
			units, err := hexUnits(s[i-1:])
			if err != nil {
				return "", err
			}
			out.WriteString(string(utf16.Decode(units)))
			i += 6*len(units) - 2
		default:
			out.WriteByte(s[i])
		}
	}
	return out.String(), nil
}

// hexUnits are the UTF-16 units of the run of \uXXXX that s begins with: a character beyond
// U+FFFF is written as two.
func hexUnits(s string) ([]uint16, error) {
	var units []uint16
	for strings.HasPrefix(s, `\u`) {
		if len(s) < 6 {
			return nil, strconv.ErrSyntax
		}
		n, err := strconv.ParseUint(s[2:6], 16, 16)
		if err != nil {
			return nil, err
		}
		units, s = append(units, uint16(n)), s[6:]
	}
	return units, nil
}
