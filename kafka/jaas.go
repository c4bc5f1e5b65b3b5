package kafka

import (
	"errors"
	"strings"
)

// errJAAS shows the form, because the text itself holds a password and is never quoted.
var errJAAS = errors.New(`is not understood; write it as org.apache.kafka.common.security.scram.ScramLoginModule required username="USER" password="PASSWORD"; (PlainLoginModule for PLAIN)`)

// parseJAAS reads the one login module of a sasl.jaas.config: its class, and the values of its
// username and password options. No error shows any part of the text.
func parseJAAS(text string) (module, user, password string, err error) {
	if strings.TrimSpace(text) == "" {
		return "", "", "", errors.New(`is missing; it holds the user and the password for SASL, such as org.apache.kafka.common.security.scram.ScramLoginModule required username="USER" password="PASSWORD";`)
	}
	words, ok := jaasWords(text)
	if !ok || len(words) < 3 {
		return "", "", "", errJAAS
	}
	module = words[0]
	for i := 2; i < len(words); i++ { // words[1] is the flag: required
		if words[i] != "=" || i+1 == len(words) {
			continue
		}
		switch words[i-1] {
		case "username":
			user = words[i+1]
		case "password":
			password = words[i+1]
		}
	}
	if user == "" {
		return "", "", "", errJAAS
	}
	return module, user, password, nil
}

// jaasWords splits a JAAS entry as Java's StreamTokenizer does: words, quoted strings with
// backslash escapes, and = by itself. The entry ends at its semicolon; ok says that it is there.
func jaasWords(text string) (words []string, ok bool) {
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == ';':
			return words, true
		case c == '=':
			words = append(words, "=")
			i++
		case c == '"' || c == '\'':
			var word strings.Builder
			for i++; i < len(text) && text[i] != c; i++ {
				if text[i] == '\\' && i+1 < len(text) {
					i++
				}
				word.WriteByte(text[i])
			}
			if i == len(text) {
				return nil, false
			}
			i++
			words = append(words, word.String())
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		default:
			end := i
			for end < len(text) && !strings.ContainsRune(" \t\r\n=;\"'", rune(text[end])) {
				end++
			}
			words = append(words, text[i:end])
			i = end
		}
	}
	return nil, false
}
