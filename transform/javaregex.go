package transform

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// compileJava compiles a regular expression of java.util.regex on Go's engine, which never
// backtracks. What that engine does not have, or would read as something else, is refused with
// its position.
func compileJava(expr string) (*regexp.Regexp, error) {
	if err := refuseJava(expr); err != nil {
		return nil, err
	}
	re, err := regexp.Compile(expr)
	if err == nil {
		return re, nil
	}
	var bad *syntax.Error
	if errors.As(err, &bad) {
		at := ""
		if i := strings.Index(expr, bad.Expr); i >= 0 && bad.Expr != "" && bad.Expr != expr {
			at = fmt.Sprintf(" at character %d", i+1)
		}
		return nil, fmt.Errorf("%q is not a regular expression: %s%s; correct it", expr, bad.Code, at)
	}
	return nil, fmt.Errorf("%q is not a regular expression: %w", expr, err)
}

// refuseJava finds what Java's expressions have and Go's have not.
func refuseJava(expr string) error {
	class := 0 // depth of character classes
	for i := 0; i < len(expr); i++ {
		rest := expr[i:]
		switch {
		case strings.HasPrefix(rest, `\Q`):
			end := strings.Index(rest, `\E`)
			if end < 0 {
				return fmt.Errorf(`%q: \Q at character %d has no \E`, expr, i+1)
			}
			i += end + 1
		case rest[0] == '\\' && len(rest) > 1:
			if what := javaEscape(rest[1]); what != "" && (class == 0 || rest[1] > '9') {
				return refused(expr, i, rest[:2], what)
			}
			i++
		case rest[0] == '[':
			if class > 0 {
				return refused(expr, i, "[", "a class inside of a class")
			}
			class++
			// A bracket that comes first stands for itself in Go; in Java it may not come first.
			if strings.HasPrefix(rest, "[]") || strings.HasPrefix(rest, "[^]") {
				return refused(expr, i, rest[:2], `a class that begins with a bracket; write \]`)
			}
		case rest[0] == ']' && class > 0:
			class--
		case class > 0 && strings.HasPrefix(rest, "&&"):
			return refused(expr, i, "&&", "an intersection of classes")
		case class == 0 && strings.HasPrefix(rest, "(?"):
			if token, what := javaGroup(rest); what != "" {
				return refused(expr, i, token, what)
			}
		case class == 0 && i > 0 && rest[0] == '+' && strings.IndexByte("*+?}", expr[i-1]) >= 0 && !escapedAt(expr, i-1):
			return refused(expr, i-1, expr[i-1:i+1], "a possessive quantifier")
		}
	}
	return nil
}

func escapedAt(expr string, i int) bool {
	slashes := 0
	for i--; i >= 0 && expr[i] == '\\'; i-- {
		slashes++
	}
	return slashes%2 == 1
}

func refused(expr string, at int, token, what string) error {
	return fmt.Errorf("%q has %s (%s) at character %d, which is not supported: the engine never backtracks; write the expression without it", expr, what, token, at+1)
}

// javaEscape names the escapes that Go does not have; the others are the same in both.
func javaEscape(c byte) string {
	switch {
	case c >= '1' && c <= '9', c == 'k':
		return "a back-reference"
	case c == 'G':
		return "the end of the match before"
	case c == 'Z':
		return `the end before a line break; write \z`
	case c == 'R', c == 'X', c == 'h', c == 'H', c == 'V':
		return "an escape of Java"
	}
	return ""
}

// javaGroup names the groups that Go does not have.
func javaGroup(rest string) (token, what string) {
	for _, g := range []struct{ token, what string }{
		{"(?<=", "look-behind"}, {"(?<!", "look-behind"}, {"(?=", "look-ahead"}, {"(?!", "look-ahead"}, {"(?>", "an atomic group"},
	} {
		if strings.HasPrefix(rest, g.token) {
			return g.token, g.what
		}
	}
	return "", ""
}

// replacement is the parsed replacement of java.util.regex: text and groups by turns.
type replacement []piece

// piece is a text, or a group when group is not negative.
type piece struct {
	text  string
	group int
}

// parseReplacement reads $1, ${name} and \ before a character that stands for itself. As in
// Java, $12 is group 12 when there are that many, else group 1 and a 2.
func parseReplacement(text string, re *regexp.Regexp) (replacement, error) {
	var out replacement
	var plain []byte
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			if i++; i == len(text) {
				return nil, fmt.Errorf(`%q ends with a \; write \\ for one`, text)
			}
			plain = append(plain, text[i])
		case '$':
			group, length, err := parseGroup(text[i:], re)
			if err != nil {
				return nil, fmt.Errorf("%q at character %d: %w", text, i+1, err)
			}
			out = append(out, piece{string(plain), -1}, piece{"", group})
			plain = nil
			i += length - 1
		default:
			plain = append(plain, text[i])
		}
	}
	return append(out, piece{string(plain), -1}), nil
}

// parseGroup reads the group that text begins with.
func parseGroup(text string, re *regexp.Regexp) (group, length int, err error) {
	if strings.HasPrefix(text, "${") {
		end := strings.IndexByte(text, '}')
		if end < 0 {
			return 0, 0, errors.New("${ without }")
		}
		if group = re.SubexpIndex(text[2:end]); group < 0 {
			return 0, 0, fmt.Errorf("the expression has no group called %q", text[2:end])
		}
		return group, end + 1, nil
	}
	if len(text) < 2 || text[1]-'0' > 9 {
		return 0, 0, errors.New(`$ without a group; write \$ for the character`)
	}
	group, length = int(text[1]-'0'), 2
	if group > re.NumSubexp() {
		return 0, 0, fmt.Errorf("the expression has no group %d, it has %d", group, re.NumSubexp())
	}
	for length < len(text) && text[length]-'0' <= 9 {
		longer := group*10 + int(text[length]-'0')
		if longer > re.NumSubexp() {
			break
		}
		group = longer
		length++
	}
	return group, length, nil
}

// append appends the replacement for one match of topic.
func (r replacement) append(dst []byte, topic string, match []int) []byte {
	for _, p := range r {
		dst = append(dst, p.text...)
		if p.group >= 0 && match[2*p.group] >= 0 {
			dst = append(dst, topic[match[2*p.group]:match[2*p.group+1]]...)
		}
	}
	return dst
}
