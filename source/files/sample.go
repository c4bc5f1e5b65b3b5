package files

import (
	"bytes"
	"strconv"
)

// maxSample is how much of a file is looked at for the types of its columns.
const maxSample = window / 2

// sample finds the types of the columns from the rows that come next, which are not taken. It is
// errMore when there is no row yet.
func (f *csvRows) sample(columns int, final bool) ([]string, error) {
	guesses := make([]guess, columns)
	at, rows := 0, 0
	for rows < f.config.Sample {
		p, err := f.in.peek(maxSample)
		if err != nil {
			return nil, err
		}
		text, n, _, err := f.cut(p[at:], final)
		if err != nil {
			break // the end of what is here, or a row that is refused later
		}
		if len(text) > 0 {
			row := append([]byte{}, text...)
			for i := range guesses[:min(columns, len(f.cells))] {
				c := &f.cells[i]
				value := f.unquote(row, c)
				if !f.null(c, value) && (len(value) > 0 || c.quoted) {
					guesses[i].see(value)
				}
			}
			rows++
		}
		at += n
	}
	if rows == 0 && !final {
		return nil, errMore
	}
	types := make([]string, columns)
	for i := range guesses {
		types[i] = guesses[i].name()
	}
	return types, nil
}

// guess is what the values of a column may be.
type guess struct {
	seen                   int
	integer, number, truth int
}

// see takes a value into account. What would not come out of a number as it went in, such as
// 007, +1 or 20 digits, is text.
func (g *guess) see(value []byte) {
	g.seen++
	s := string(value)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && strconv.FormatInt(n, 10) == s {
		g.integer++
		g.number++
		return
	}
	if x, err := strconv.ParseFloat(s, 64); err == nil && plainNumber(value) && x-x == 0 {
		g.number++
	}
	if s == "true" || s == "false" {
		g.truth++
	}
}

// plainNumber says whether value is digits with a point, no more than a float64 holds exactly.
func plainNumber(value []byte) bool {
	digits := bytes.TrimPrefix(value, []byte("-"))
	return len(digits) > 0 && len(digits) <= 16 && bytes.Count(digits, []byte(".")) == 1 && digits[0] != '.' &&
		!(digits[0] == '0' && digits[1] != '.') && len(bytes.Trim(digits, "0123456789.")) == 0
}

func (g *guess) name() string {
	switch g.seen {
	case 0:
		return "string"
	case g.integer:
		return "int64"
	case g.number:
		return "double"
	case g.truth:
		return "boolean"
	}
	return "string"
}
