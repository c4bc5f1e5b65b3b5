package postgres

import (
	"bytes"
	"strconv"
)

// parseTimestamp reads "2016-11-04 13:51:30.123+02 BC" as microseconds since 1970 UTC; the zone
// and BC are optional.
func parseTimestamp(text []byte) (int64, bool) {
	date, bc := bytes.CutSuffix(text, []byte(" BC"))
	at := bytes.IndexByte(date, ' ')
	if at < 0 {
		return 0, false
	}
	clock := date[at+1:]
	days, rest, ok := parseDateOf(date[:at], bc)
	if !ok || len(rest) > 0 {
		return 0, false
	}
	n, rest, ok := parseTime(clock)
	if !ok {
		return 0, false
	}
	if len(rest) > 0 {
		zone, ok := parseZone(rest)
		if !ok {
			return 0, false
		}
		n -= zone
	}
	return days*microsPerDay + n, true
}

// parseDate reads "2016-11-04", or "0044-03-15 BC", as days since 1970 in the proleptic
// Gregorian calendar.
func parseDate(text []byte) (days int64, rest []byte, ok bool) {
	date, bc := bytes.CutSuffix(text, []byte(" BC"))
	return parseDateOf(date, bc)
}

func parseDateOf(text []byte, bc bool) (days int64, rest []byte, ok bool) {
	at := bytes.IndexByte(text, '-')
	if at < 1 || at > 7 || len(text) < at+6 || text[at+3] != '-' {
		return 0, nil, false
	}
	year, ok1 := parseInt(text[:at])
	month, ok2 := digits2(text[at+1:])
	day, ok3 := digits2(text[at+4:])
	if bc {
		year = 1 - year
	}
	return civilDays(year, month, day), text[at+6:], ok1 && ok2 && ok3
}

// parseTime reads "13:51:30.123456" as microseconds of the day.
func parseTime(text []byte) (n int64, rest []byte, ok bool) {
	if len(text) < 8 || text[2] != ':' || text[5] != ':' {
		return 0, nil, false
	}
	h, ok1 := digits2(text)
	m, ok2 := digits2(text[3:])
	s, ok3 := digits2(text[6:])
	if !ok1 || !ok2 || !ok3 {
		return 0, nil, false
	}
	n, rest = ((h*60+m)*60+s)*1_000_000, text[8:]
	if len(rest) > 1 && rest[0] == '.' {
		rest = rest[1:]
		for worth := int64(100_000); len(rest) > 0 && rest[0] >= '0' && rest[0] <= '9'; worth /= 10 {
			n += int64(rest[0]-'0') * worth
			rest = rest[1:]
		}
	}
	return n, rest, true
}

// parseZone reads "+02", "-03:30" or "+00:00:10" as microseconds east of UTC.
func parseZone(text []byte) (int64, bool) {
	if len(text) < 3 || text[0] != '+' && text[0] != '-' {
		return 0, false
	}
	var seconds int64
	worth := int64(3600)
	for rest := text[1:]; ; rest = rest[3:] {
		n, ok := digits2(rest)
		if !ok || worth == 0 {
			return 0, false
		}
		seconds += n * worth
		worth /= 60
		if len(rest) == 2 {
			break
		}
		if len(rest) < 5 || rest[2] != ':' {
			return 0, false
		}
	}
	if text[0] == '-' {
		seconds = -seconds
	}
	return seconds * 1_000_000, true
}

func digits2(text []byte) (int64, bool) {
	if len(text) < 2 || text[0]-'0' > 9 || text[1]-'0' > 9 {
		return 0, false
	}
	return int64(text[0]-'0')*10 + int64(text[1]-'0'), true
}

// appendDate writes the day as ISO 8601; years beyond 4 digits have a sign.
func appendDate(dst []byte, days int64) []byte {
	year, month, day := civil(days)
	switch {
	case year > 9999:
		dst = append(dst, '+')
	case year < 0:
		dst, year = append(dst, '-'), -year
	}
	for limit := int64(1000); limit > 1 && year < limit; limit /= 10 {
		dst = append(dst, '0')
	}
	dst = strconv.AppendInt(dst, year, 10)
	dst = append2(append(dst, '-'), month)
	return append2(append(dst, '-'), day)
}

// appendTime writes the time of the day with so many decimal places, or as many as are needed
// when places is -1.
func appendTime(dst []byte, n int64, places int) []byte {
	seconds, fraction := n/1_000_000, n%1_000_000
	dst = append2(dst, seconds/3600)
	dst = append2(append(dst, ':'), seconds/60%60)
	dst = append2(append(dst, ':'), seconds%60)
	if places == 0 || places < 0 && fraction == 0 {
		return dst
	}
	dst = append(dst, '.')
	for worth := int64(100_000); worth > 0 && (places > 0 || places < 0 && fraction > 0); worth /= 10 {
		dst = append(dst, byte('0'+fraction/worth))
		fraction %= worth
		if places > 0 {
			places--
		}
		if places == 0 {
			break
		}
	}
	return dst
}

func append2(dst []byte, n int64) []byte { return append(dst, byte('0'+n/10%10), byte('0'+n%10)) }

// civilDays is the number of days from 1970-01-01 to a day of the proleptic Gregorian calendar.
// Years are counted from March, so that the leap day is the last of a year.
func civilDays(year, month, day int64) int64 {
	if month <= 2 {
		year--
	}
	era := floorDiv(year, 400)
	yoe := year - era*400
	doy := (153*((month+9)%12)+2)/5 + day - 1
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}

// civil is the reverse of civilDays.
func civil(days int64) (year, month, day int64) {
	days += 719468
	era := floorDiv(days, 146097)
	doe := days - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	month = (mp+2)%12 + 1
	year = yoe + era*400
	if month <= 2 {
		year++
	}
	return year, month, doy - (153*mp+2)/5 + 1
}

func floorDiv(a, b int64) int64 {
	if a < 0 && a%b != 0 {
		return a/b - 1
	}
	return a / b
}
