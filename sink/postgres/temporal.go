package postgres

import (
	"strconv"
	"time"

	"connectd/record"
)

const (
	microsPerSecond = 1_000_000
	microsPerDay    = 24 * 60 * 60 * microsPerSecond
)

// appendDate appends the day that is days after 1970-01-01 as PostgreSQL reads it: years have
// four digits or more, and those before year 1 are counted backwards and marked BC.
func appendDate(dst []byte, days int64) (out []byte, bc bool) {
	// Days from the civil calendar: http://howardhinnant.github.io/date_algorithms.html
	z := days + 719468
	era := floorDiv(z, 146097)
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day, month := doy-(153*mp+2)/5+1, mp+3
	year := yoe + era*400
	if month > 12 {
		month -= 12
		year++
	}
	if bc = year <= 0; bc {
		year = 1 - year
	}
	if year > 9999 {
		dst = strconv.AppendInt(dst, year, 10)
	} else {
		dst = append(dst, byte('0'+year/1000), byte('0'+year/100%10), byte('0'+year/10%10), byte('0'+year%10))
	}
	return append(dst, '-', byte('0'+month/10), byte('0'+month%10), '-', byte('0'+day/10), byte('0'+day%10)), bc
}

// appendTime appends the time of the day that is micros after midnight.
func appendTime(dst []byte, micros int64) []byte {
	s, frac := micros/microsPerSecond, micros%microsPerSecond
	h, m, s := s/3600, s/60%60, s%60
	dst = append(dst, byte('0'+h/10), byte('0'+h%10), ':', byte('0'+m/10), byte('0'+m%10), ':', byte('0'+s/10), byte('0'+s%10))
	if frac == 0 {
		return dst
	}
	dst = append(dst, '.')
	for unit := int64(microsPerSecond / 10); frac > 0; unit /= 10 {
		dst = append(dst, byte('0'+frac/unit))
		frac %= unit
	}
	return dst
}

// appendMoment appends the moment that is micros after 1970-01-01 00:00 UTC. With utc it says
// that it is in UTC; otherwise it is a wall clock's.
func appendMoment(dst []byte, micros int64, utc bool) []byte {
	days := floorDiv(micros, microsPerDay)
	dst, bc := appendDate(dst, days)
	dst = append(dst, ' ')
	dst = appendTime(dst, micros-days*microsPerDay)
	if utc {
		dst = append(dst, "+00"...)
	}
	if bc {
		dst = append(dst, " BC"...)
	}
	return dst
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// isInstant says whether v names a moment, and not what some wall clock showed.
func isInstant(s *record.Schema, v *record.Value) bool {
	if v.Kind == record.String {
		return hasZone(v.B)
	}
	return s != nil && (s.Name == record.ConnectTimestamp || s.Name == record.ZonedTimestampName)
}

// wallClock is what a clock in location shows at micros, in microseconds.
func wallClock(micros int64, location *time.Location) int64 {
	if location == time.UTC {
		return micros
	}
	_, seconds := time.UnixMicro(micros).In(location).Zone()
	return micros + int64(seconds)*microsPerSecond
}

// instantOf is the moment at which a clock in location shows wall, in microseconds.
func instantOf(wall int64, location *time.Location) int64 {
	shown := time.UnixMicro(wall).UTC()
	return time.Date(shown.Year(), shown.Month(), shown.Day(), shown.Hour(), shown.Minute(), shown.Second(), shown.Nanosecond(), location).UnixMicro()
}

// hasZone says whether the text of a timestamp ends with a zone: Z or ±hh[:mm].
func hasZone(text []byte) bool {
	for i := len(text) - 1; i > len("2026-11-21"); i-- {
		switch c := text[i]; {
		case c == 'Z' || c == 'z' || c == '+' || c == '-':
			return true
		case c != ':' && (c < '0' || c > '9'):
			return false
		}
	}
	return false
}

// isUTC says whether the zone at the end of text is no offset at all.
func isUTC(text []byte) bool {
	return len(text) > 0 && (text[len(text)-1] == 'Z' || text[len(text)-1] == 'z')
}

// isDate says whether text is YYYY-MM-DD, a day that PostgreSQL reads the same way.
func isDate(text []byte) bool {
	return len(text) == 10 && text[4] == '-' && text[7] == '-' && isNumber(text[0:4], 1, 9999) &&
		isNumber(text[5:7], 1, 12) && isNumber(text[8:10], 1, 31)
}

// isClock says whether text is hh:mm:ss with or without a fraction.
func isClock(text []byte) bool {
	if len(text) < 8 || text[2] != ':' || text[5] != ':' ||
		!isNumber(text[0:2], 0, 23) || !isNumber(text[3:5], 0, 59) || !isNumber(text[6:8], 0, 59) {
		return false
	}
	if len(text) == 8 {
		return true
	}
	return text[8] == '.' && len(text) > 9 && isNumber(text[9:], 0, -1)
}

// isISO says whether text is a date, a T or a blank, a time of the day, and Z or ±hh:mm or
// nothing, so that PostgreSQL reads it as it is meant.
func isISO(text []byte) bool {
	if len(text) < 19 || text[10] != 'T' && text[10] != ' ' || !isDate(text[:10]) {
		return false
	}
	clock := text[11:]
	if isUTC(clock) {
		return isClock(clock[:len(clock)-1])
	}
	if n := len(clock) - 6; n >= 8 && (clock[n] == '+' || clock[n] == '-') {
		return clock[n+3] == ':' && isNumber(clock[n+1:n+3], 0, 15) && isNumber(clock[n+4:], 0, 59) && isClock(clock[:n])
	}
	return isClock(clock)
}

// isNumber says whether text is only digits, of a number from low to high; high -1 is no limit.
func isNumber(text []byte, low, high int) bool {
	n := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
		if high >= 0 {
			n = n*10 + int(c-'0')
		}
	}
	return high < 0 || low <= n && n <= high
}
