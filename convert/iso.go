package convert

import (
	"errors"
	"strconv"
)

// parser reads dates and times from text: ISO 8601 and what PostgreSQL prints.
type parser struct {
	text []byte
	at   int
}

var (
	errNotTimestamp = errors.New("is not a timestamp such as 2026-11-21T01:02:03.456Z")
	errNotTime      = errors.New("is not a time of day such as 01:02:03.456")
	errTooFine      = errors.New("is finer than nanoseconds")
	errNoSuchDate   = errors.New("is no date of the calendar")
)

// timestamp reads a date with an optional time and offset, infinity or -infinity.
func (p *parser) timestamp() (moment, error) {
	switch string(p.text) {
	case "infinity", "Infinity":
		return moment{}, errPlusInfinity
	case "-infinity", "-Infinity":
		return moment{}, errMinusInfinity
	}
	year, month, day, err := p.date()
	if err != nil {
		return moment{}, err
	}
	var nanos, offset int64
	if c := p.peek(); (c == 'T' || c == 't' || c == ' ') && p.peekAt(1)-'0' <= 9 {
		p.at++
		if nanos, err = p.clock(); err != nil {
			return moment{}, errors.Join(errNotTimestamp, err)
		}
	}
	if offset, _, err = p.offset(); err != nil {
		return moment{}, errNotTimestamp
	}
	if string(p.text[p.at:]) == " BC" {
		year = 1 - year
		p.at = len(p.text)
	}
	if p.at < len(p.text) {
		return moment{}, errNotTimestamp
	}
	days, err := daysOf(year, month, day)
	if err != nil {
		return moment{}, err
	}
	return moment{days*secondsOfDay + nanos/1_000_000_000 - offset, nanos % 1_000_000_000}, nil
}

// timeOfDay reads a time with an optional offset: nanoseconds of the day in UTC.
func (p *parser) timeOfDay() (int64, error) {
	nanos, err := p.clock()
	if err != nil {
		return 0, err
	}
	offset, given, err := p.offset()
	if err != nil || p.at < len(p.text) {
		return 0, errNotTime
	}
	if given && offset != 0 {
		nanos = ((nanos-offset*1_000_000_000)%nanosOfDay + nanosOfDay) % nanosOfDay
	}
	return nanos, nil
}

func (p *parser) peek() byte { return p.peekAt(0) }

func (p *parser) peekAt(n int) byte {
	if p.at+n < len(p.text) {
		return p.text[p.at+n]
	}
	return 0
}

// number reads at least low and at most high digits.
func (p *parser) number(low, high int) (n int64, ok bool) {
	start := p.at
	for p.at-start < high && p.peek()-'0' <= 9 {
		n = n*10 + int64(p.peek()-'0')
		p.at++
	}
	return n, p.at-start >= low
}

// date reads [±]year-month-day. Years before 1 are 0, -1, …
func (p *parser) date() (year, month, day int64, err error) {
	negative := p.peek() == '-'
	if negative || p.peek() == '+' {
		p.at++
	}
	year, ok := p.number(4, 9)
	ok = ok && p.peek() == '-'
	p.at++
	if ok {
		month, ok = p.number(2, 2)
	}
	ok = ok && p.peek() == '-'
	p.at++
	if ok {
		day, ok = p.number(2, 2)
	}
	if !ok {
		return 0, 0, 0, errNotTimestamp
	}
	if negative {
		year = -year
	}
	return year, month, day, nil
}

// clock reads hh:mm[:ss[.fraction]] as nanoseconds of the day.
func (p *parser) clock() (int64, error) {
	hour, ok := p.number(2, 2)
	ok = ok && p.peek() == ':'
	p.at++
	var minute, second, nanos int64
	if ok {
		minute, ok = p.number(2, 2)
	}
	if ok && p.peek() == ':' {
		p.at++
		second, ok = p.number(2, 2)
	}
	if !ok || minute > 59 || second > 59 || hour > 24 {
		return 0, errNotTime
	}
	if p.peek() == '.' {
		p.at++
		var err error
		if nanos, err = p.fraction(); err != nil {
			return 0, err
		}
	}
	nanos += ((hour*60+minute)*60 + second) * 1_000_000_000
	if nanos > nanosOfDay {
		return 0, errNotTime
	}
	return nanos, nil
}

// fraction reads the digits after the point of a second.
func (p *parser) fraction() (int64, error) {
	run, _ := digits(p.text[p.at:])
	if len(run) == 0 {
		return 0, errNotTime
	}
	p.at += len(run)
	var nanos int64
	for i := range max(9, len(run)) {
		var c byte
		if i < len(run) {
			c = run[i] - '0'
		}
		if i < 9 {
			nanos = nanos*10 + int64(c)
		} else if c != 0 {
			return 0, errTooFine
		}
	}
	return nanos, nil
}

// offset reads Z, ±hh, ±hhmm or ±hh:mm[:ss] as seconds east of UTC; nothing is UTC too.
func (p *parser) offset() (seconds int64, given bool, err error) {
	sign := int64(1)
	switch p.peek() {
	case 'Z', 'z':
		p.at++
		return 0, true, nil
	case '-':
		sign = -1
	case '+':
	default:
		return 0, false, nil
	}
	p.at++
	hour, ok := p.number(2, 2)
	var minute, second int64
	if ok && (p.peek() == ':' || p.peek()-'0' <= 9) {
		if p.peek() == ':' {
			p.at++
		}
		minute, ok = p.number(2, 2)
	}
	if ok && p.peek() == ':' {
		p.at++
		second, ok = p.number(2, 2)
	}
	if !ok || hour > 18 || minute > 59 || second > 59 {
		return 0, false, errNotTime
	}
	return sign * ((hour*60+minute)*60 + second), true, nil
}

// daysOf are the days from 1970-01-01 to a date of the proleptic Gregorian calendar.
func daysOf(year, month, day int64) (int64, error) {
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return 0, errNoSuchDate
	}
	// Years that begin in March have their leap day at the end.
	if month <= 2 {
		year--
		month += 12
	}
	era := floorDiv(year, 400)
	yearOfEra := year - era*400
	dayOfYear := (153*(month-3)+2)/5 + day - 1
	return era*146_097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear - 719_468, nil
}

func daysIn(year, month int64) int64 {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

func floorDiv(a, b int64) int64 {
	if q := a / b; a%b >= 0 {
		return q
	} else {
		return q - 1
	}
}

// appendDate appends the date of a day since 1970; years beyond four digits have a sign, as ISO
// 8601 wants.
func appendDate(dst []byte, days int64) []byte {
	days += 719_468
	era := floorDiv(days, 146_097)
	dayOfEra := days - era*146_097
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36_524 - dayOfEra/146_096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	shifted := (5*dayOfYear + 2) / 153
	day := dayOfYear - (153*shifted+2)/5 + 1
	year, month := yearOfEra+era*400, shifted+3
	if month > 12 {
		year, month = year+1, month-12
	}
	switch {
	case year > 9999:
		dst = append(dst, '+')
	case year < 0:
		dst = append(dst, '-')
		year = -year
	}
	for width := int64(1000); width > max(1, year) && width > 1; width /= 10 {
		dst = append(dst, '0')
	}
	dst = strconv.AppendInt(dst, year, 10)
	dst = append(dst, '-')
	dst = appendTwo(dst, month)
	dst = append(dst, '-')
	return appendTwo(dst, day)
}

func appendTwo(dst []byte, n int64) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// appendClock appends a time of day with as many digits after the point as it needs.
func appendClock(dst []byte, nanos int64) []byte {
	seconds := nanos / 1_000_000_000
	dst = appendTwo(dst, seconds/3600)
	dst = append(dst, ':')
	dst = appendTwo(dst, seconds/60%60)
	dst = append(dst, ':')
	dst = appendTwo(dst, seconds%60)
	return appendFraction(dst, nanos%1_000_000_000)
}

// appendFraction appends a point and the digits of nanos without the zeros at their end.
func appendFraction(dst []byte, nanos int64) []byte {
	if nanos == 0 {
		return dst
	}
	dst = append(dst, '.')
	for unit := int64(100_000_000); nanos > 0; unit /= 10 {
		dst = append(dst, byte('0'+nanos/unit))
		nanos %= unit
	}
	return dst
}

// appendMoment appends m without an offset: 2026-11-21T01:02:03.456.
func appendMoment(dst []byte, m moment) []byte {
	days := floorDiv(m.seconds, secondsOfDay)
	dst = appendDate(dst, days)
	dst = append(dst, 'T')
	return appendClock(dst, (m.seconds-days*secondsOfDay)*1_000_000_000+m.nanos)
}
