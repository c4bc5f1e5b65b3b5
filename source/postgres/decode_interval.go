package postgres

import (
	"fmt"
	"strconv"

	"connectd/record"
)

// microsPerMonth is a twelfth of 365.25 days, Debezium's month.
const microsPerMonth = 30_4375 * microsPerDay / 1_0000

// span is an interval as PostgreSQL keeps it: each part with a sign of its own.
type span struct {
	years, months, days, hours, minutes int64
	micros                              int64 // seconds and fraction
}

func (f *forms) interval() form {
	if f.values.Interval == "string" {
		made := f.text("io.debezium.time.Interval")
		made.decode = decodeIntervalText
		made.zero, made.initial = record.OfText("P0Y0M0DT0H0M0S"), record.OfText("P0Y0M0DT0H0M0S")
		return made
	}
	return f.plain(record.Int64Type, record.MicroDurationName, decodeInterval, record.OfInt(0))
}

func decodeInterval(v *record.Value, _ *record.Batch, text []byte) error {
	s, ok := parseInterval(text)
	if !ok {
		return fmt.Errorf("%q is not an interval", text)
	}
	*v = record.OfInt((s.years*12+s.months)*microsPerMonth + s.days*microsPerDay +
		(s.hours*60+s.minutes)*60_000_000 + s.micros)
	return nil
}

// decodeIntervalText writes all parts, as Debezium does: "P0Y0M3DT0H0M1.5S".
func decodeIntervalText(v *record.Value, b *record.Batch, text []byte) error {
	s, ok := parseInterval(text)
	if !ok {
		return fmt.Errorf("%q is not an interval", text)
	}
	*v = record.OfString(b.Append(64, func(dst []byte) []byte {
		dst = append(strconv.AppendInt(append(dst, 'P'), s.years, 10), 'Y')
		dst = append(strconv.AppendInt(dst, s.months, 10), 'M')
		dst = append(strconv.AppendInt(dst, s.days, 10), 'D', 'T')
		dst = append(strconv.AppendInt(dst, s.hours, 10), 'H')
		dst = append(strconv.AppendInt(dst, s.minutes, 10), 'M')
		n := s.micros
		if n < 0 {
			dst, n = append(dst, '-'), -n
		}
		dst = strconv.AppendInt(dst, n/1_000_000, 10)
		if fraction := n % 1_000_000; fraction > 0 {
			dst = append(dst, '.')
			for worth := int64(100_000); fraction > 0; worth /= 10 {
				dst = append(dst, byte('0'+fraction/worth))
				fraction %= worth
			}
		}
		return append(dst, 'S')
	}))
	return nil
}

// parseInterval reads "P1Y2M3DT4H5M6.78S" (IntervalStyle iso_8601, which our sessions set).
func parseInterval(text []byte) (s span, ok bool) {
	if len(text) < 2 || text[0] != 'P' {
		return s, false
	}
	inTime := false
	for rest := text[1:]; len(rest) > 0; {
		if rest[0] == 'T' {
			inTime, rest = true, rest[1:]
			continue
		}
		end := 0
		for end < len(rest) && (rest[end] == '-' || rest[end] == '.' || rest[end] >= '0' && rest[end] <= '9') {
			end++
		}
		if end == len(rest) {
			return s, false
		}
		number, letter := rest[:end], rest[end]
		rest = rest[end+1:]
		if inTime && letter == 'S' {
			if s.micros, ok = parseSeconds(number); !ok {
				return s, false
			}
			continue
		}
		part := s.part(letter, inTime)
		n, ok := parseInt(number)
		if part == nil || !ok {
			return s, false
		}
		*part = n
	}
	return s, true
}

func (s *span) part(letter byte, inTime bool) *int64 {
	switch {
	case letter == 'Y' && !inTime:
		return &s.years
	case letter == 'M' && !inTime:
		return &s.months
	case letter == 'D' && !inTime:
		return &s.days
	case letter == 'H' && inTime:
		return &s.hours
	case letter == 'M' && inTime:
		return &s.minutes
	}
	return nil
}

// parseSeconds reads "-6.78" as microseconds.
func parseSeconds(text []byte) (int64, bool) {
	negative := len(text) > 0 && text[0] == '-'
	if negative {
		text = text[1:]
	}
	var whole, fraction int64
	worth := int64(1_000_000)
	point := false
	for _, c := range text {
		switch {
		case c == '.' && !point:
			point = true
		case c < '0' || c > '9':
			return 0, false
		case point:
			worth /= 10
			fraction += int64(c-'0') * worth
		default:
			whole = whole*10 + int64(c-'0')
		}
	}
	n := whole*1_000_000 + fraction
	if negative {
		n = -n
	}
	return n, len(text) > 0
}
