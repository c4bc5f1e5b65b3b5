package s3

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// pattern formats times as path.format says: the patterns of Joda-Time, with which Confluent's
// partitioners name folders, such as 'year'=YYYY/'month'=MM.
// See https://www.joda.org/joda-time/apidocs/org/joda/time/format/DateTimeFormat.html.
type pattern []piece

// piece is a run of one letter, or a literal where letter is 0.
type piece struct {
	letter  byte
	count   int
	literal string
}

const patternLetters = "GCYxwyeEDMdaKhHkmsSzZ"

// parsePattern reads text. Letters outside of quotes that stand for nothing are an error.
func parsePattern(text string) (pattern, error) {
	var p pattern
	literal := func(s string) {
		if n := len(p); n > 0 && p[n-1].letter == 0 {
			p[n-1].literal += s
		} else {
			p = append(p, piece{literal: s})
		}
	}
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '\'':
			quoted, n, err := quote(text[i:])
			if err != nil {
				return nil, err
			}
			literal(quoted)
			i += n
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			if strings.IndexByte(patternLetters, c) < 0 {
				return nil, fmt.Errorf("%q is no letter of a time; write text in single quotes, such as 'year'=YYYY/'month'=MM/'day'=dd", string(c))
			}
			n := i + 1
			for n < len(text) && text[n] == c {
				n++
			}
			p = append(p, piece{letter: c, count: n - i})
			i = n
		default:
			literal(string(c))
			i++
		}
	}
	return p, nil
}

// quote reads quoted text at the beginning of s, in which two quotes are one; n is what it takes.
func quote(s string) (text string, n int, err error) {
	if strings.HasPrefix(s, "''") {
		return "'", 2, nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '\'' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		return b.String(), i + 1, nil
	}
	return "", 0, fmt.Errorf("a single quote is not closed")
}

// words says whether names of months, days or zones are written, which differ by locale.
func (p pattern) words() bool {
	for _, e := range p {
		switch {
		case e.letter == 'M' && e.count > 2, e.letter == 'E', e.letter == 'a', e.letter == 'G', e.letter == 'z':
			return true
		}
	}
	return false
}

func (p pattern) append(dst []byte, t time.Time) []byte {
	for _, e := range p {
		if e.letter == 0 {
			dst = append(dst, e.literal...)
		} else {
			dst = e.append(dst, t)
		}
	}
	return dst
}

func (e piece) append(dst []byte, t time.Time) []byte {
	switch e.letter {
	case 'Y', 'y':
		return e.year(dst, t.Year())
	case 'x':
		year, _ := t.ISOWeek()
		return e.year(dst, year)
	case 'C':
		return padded(dst, t.Year()/100, e.count)
	case 'w':
		_, week := t.ISOWeek()
		return padded(dst, week, e.count)
	case 'e':
		return padded(dst, (int(t.Weekday())+6)%7+1, e.count) // Monday is 1
	case 'E':
		if e.count < 4 {
			return append(dst, t.Weekday().String()[:3]...)
		}
		return append(dst, t.Weekday().String()...)
	case 'D':
		return padded(dst, t.YearDay(), e.count)
	case 'M':
		switch {
		case e.count > 3:
			return append(dst, t.Month().String()...)
		case e.count == 3:
			return append(dst, t.Month().String()[:3]...)
		}
		return padded(dst, int(t.Month()), e.count)
	case 'd':
		return padded(dst, t.Day(), e.count)
	case 'G':
		return append(dst, "AD"...)
	}
	return e.clock(dst, t)
}

// clock appends what is shorter than a day.
func (e piece) clock(dst []byte, t time.Time) []byte {
	switch e.letter {
	case 'a':
		return append(dst, [...]string{"AM", "PM"}[t.Hour()/12]...)
	case 'H':
		return padded(dst, t.Hour(), e.count)
	case 'k':
		return padded(dst, (t.Hour()+23)%24+1, e.count)
	case 'K':
		return padded(dst, t.Hour()%12, e.count)
	case 'h':
		return padded(dst, (t.Hour()+11)%12+1, e.count)
	case 'm':
		return padded(dst, t.Minute(), e.count)
	case 's':
		return padded(dst, t.Second(), e.count)
	case 'S':
		digits := fmt.Sprintf("%09d", t.Nanosecond()) + strings.Repeat("0", max(0, e.count-9))
		return append(dst, digits[:e.count]...)
	case 'z':
		name, _ := t.Zone()
		return append(dst, name...)
	}
	switch e.count { // Z
	case 1:
		return t.AppendFormat(dst, "-0700")
	case 2:
		return t.AppendFormat(dst, "-07:00")
	}
	return append(dst, t.Location().String()...)
}

// year appends two digits for a count of two, as Joda does.
func (e piece) year(dst []byte, year int) []byte {
	if e.count == 2 {
		return padded(dst, year%100, 2)
	}
	return padded(dst, year, e.count)
}

func padded(dst []byte, n, width int) []byte {
	text := strconv.Itoa(n)
	for range width - len(text) {
		dst = append(dst, '0')
	}
	return append(dst, text...)
}
