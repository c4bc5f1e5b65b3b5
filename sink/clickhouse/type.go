package clickhouse

import (
	"fmt"
	"strconv"
	"strings"
)

// chType is a ClickHouse type taken apart: Decimal(10, 2) is name Decimal with args 10 and 2.
type chType struct {
	name string
	args []string
	text string // as the server writes it
}

// parseType takes the text of a type apart; its arguments stay text.
func parseType(text string) (chType, error) {
	text = strings.TrimSpace(text)
	open := strings.IndexByte(text, '(')
	if open < 0 {
		return chType{name: text, text: text}, nil
	}
	if !strings.HasSuffix(text, ")") {
		return chType{}, fmt.Errorf("type %q has no closing parenthesis", text)
	}
	args, err := splitArgs(text[open+1 : len(text)-1])
	if err != nil {
		return chType{}, fmt.Errorf("type %q: %w", text, err)
	}
	return chType{name: text[:open], args: args, text: text}, nil
}

// splitArgs cuts at the commas that are in no parenthesis and no quotes.
func splitArgs(s string) ([]string, error) {
	var args []string
	depth, from := 0, 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '(':
			depth++
		case ')':
			depth--
		case '\'', '`':
			end := closingQuote(s, i)
			if end < 0 {
				return nil, fmt.Errorf("unclosed quote in %q", s)
			}
			i = end
		case ',':
			if depth == 0 {
				args = append(args, strings.TrimSpace(s[from:i]))
				from = i + 1
			}
		}
	}
	if last := strings.TrimSpace(s[from:]); last != "" {
		args = append(args, last)
	}
	return args, nil
}

// closingQuote is the place of the quote that ends the text that begins at s[open], or -1.
func closingQuote(s string, open int) int {
	for i := open + 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[open]:
			return i
		}
	}
	return -1
}

// int is the i-th argument as a number, or otherwise when there is none.
func (t chType) int(i, otherwise int) (int, error) {
	if i >= len(t.args) {
		return otherwise, nil
	}
	n, err := strconv.Atoi(t.args[i])
	if err != nil {
		return 0, fmt.Errorf("type %q: argument %d is not a number", t.text, i+1)
	}
	return n, nil
}

// enumNames are the values of an Enum8 or Enum16 by their names.
func (t chType) enumNames() (map[string]int16, error) {
	names := make(map[string]int16, len(t.args))
	for _, a := range t.args {
		if a == "" || a[0] != '\'' {
			return nil, fmt.Errorf("type %q: %q is not 'name' = number", t.text, a)
		}
		end := closingQuote(a, 0)
		if end < 0 {
			return nil, fmt.Errorf("type %q: unclosed quote", t.text)
		}
		number := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(a[end+1:]), "="))
		n, err := strconv.ParseInt(number, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("type %q: %q is not a number", t.text, number)
		}
		names[unquote(a[1:end])] = int16(n)
	}
	return names, nil
}

// unquote takes the backslashes out of the inside of quotes.
func unquote(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			out.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 'n':
			out.WriteByte('\n')
		case 't':
			out.WriteByte('\t')
		case 'r':
			out.WriteByte('\r')
		case '0':
			out.WriteByte(0)
		default:
			out.WriteByte(s[i])
		}
	}
	return out.String()
}

// quoteName quotes the name of a column, table or database.
func quoteName(s string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(s) + "`"
}

// quoteText is s as a literal.
func quoteText(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}
