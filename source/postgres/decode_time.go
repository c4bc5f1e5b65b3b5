package postgres

import (
	"bytes"
	"fmt"
	"math"
	"strconv"

	"connectd/record"
)

const microsPerDay = 24 * 60 * 60 * 1_000_000

// The values of infinity and -infinity where a number has to stand for them: the driver's
// timestamps as Debezium writes them, and the ends of the range of a date.
const (
	infiniteMicros    int64 = 9223372036825200000
	minusInfiniteTime int64 = -9223372036832400000
	infiniteDate      int64 = math.MaxInt32
	minusInfiniteDate int64 = math.MinInt32
)

func (f *forms) date() form {
	name, zero := record.DateName, record.OfInt(0)
	switch f.values.Time {
	case "connect":
		name = record.ConnectDate
	case "isostring":
		made := f.text("io.debezium.time.IsoDate")
		made.decode = decodeISODate
		made.zero, made.initial = record.OfText("1970-01-01Z"), record.OfText("1970-01-01Z")
		return made
	}
	return f.plain(record.Int32Type, name, decodeDate, zero)
}

func decodeDate(v *record.Value, _ *record.Batch, text []byte) error {
	switch string(text) {
	case "infinity":
		*v = record.OfInt(infiniteDate)
		return nil
	case "-infinity":
		*v = record.OfInt(minusInfiniteDate)
		return nil
	}
	days, rest, ok := parseDate(text)
	if !ok || len(rest) > 0 {
		return fmt.Errorf("%q is not a date", text)
	}
	*v = record.OfInt(days)
	return nil
}

// decodeISODate writes "2016-11-04Z".
func decodeISODate(v *record.Value, b *record.Batch, text []byte) error {
	if infinite(text) {
		*v = record.OfString(text)
		return nil
	}
	days, rest, ok := parseDate(text)
	if !ok || len(rest) > 0 {
		return fmt.Errorf("%q is not a date", text)
	}
	*v = record.OfString(b.Append(20, func(dst []byte) []byte { return append(appendDate(dst, days), 'Z') }))
	return nil
}

// unit is a number of microseconds, or for nanoseconds a multiple of a microsecond.
type unit struct{ divide, times int64 }

var (
	millis = unit{1000, 1}
	micros = unit{1, 1}
	nanos  = unit{1, 1000}
)

// timeUnit is the unit that the mode gives a time or timestamp with the modifier typmod.
func (f *forms) timeUnit(typmod int32, adaptive bool) unit {
	switch f.values.Time {
	case "connect":
		return millis
	case "microseconds":
		return micros
	case "nanoseconds":
		return nanos
	}
	if adaptive && typmod >= 0 && typmod <= 3 {
		return millis
	}
	return micros
}

func (f *forms) time(typmod int32) form {
	if f.values.Time == "isostring" {
		made := f.text("io.debezium.time.IsoTime")
		made.decode = decodeISOTime
		made.zero, made.initial = record.OfText("00:00:00Z"), record.OfText("00:00:00Z")
		return made
	}
	u := f.timeUnit(typmod, f.values.Time != "adaptive_time_microseconds")
	t, name := record.Int64Type, record.MicroTimeName
	switch u {
	case millis:
		t, name = record.Int32Type, record.TimeName
		if f.values.Time == "connect" {
			name = record.ConnectTime
		}
	case nanos:
		name = record.NanoTimeName
	}
	return f.plain(t, name, timeDecoder(u), record.OfInt(0))
}

func timeDecoder(u unit) decoder {
	return func(v *record.Value, _ *record.Batch, text []byte) error {
		n, rest, ok := parseTime(text)
		if !ok || len(rest) > 0 {
			return fmt.Errorf("%q is not a time", text)
		}
		*v = record.OfInt(n / u.divide * u.times)
		return nil
	}
}

// decodeISOTime writes "13:51:30.123456Z".
func decodeISOTime(v *record.Value, b *record.Batch, text []byte) error {
	*v = record.OfString(b.Append(len(text)+1, func(dst []byte) []byte { return append(append(dst, text...), 'Z') }))
	return nil
}

// decodeZonedTime moves "13:51:30.123789+02" to UTC: "11:51:30.123789Z", with as many decimal
// places as are needed.
func decodeZonedTime(v *record.Value, b *record.Batch, text []byte) error {
	n, rest, ok := parseTime(text)
	zone, zoneOK := parseZone(rest)
	if !ok || !zoneOK {
		return fmt.Errorf("%q is not a time with time zone", text)
	}
	n = ((n-zone)%microsPerDay + microsPerDay) % microsPerDay
	*v = record.OfString(b.Append(20, func(dst []byte) []byte { return append(appendTime(dst, n, -1), 'Z') }))
	return nil
}

func (f *forms) timestamp(typmod int32) form {
	if f.values.Time == "isostring" {
		made := f.text("io.debezium.time.IsoTimestamp")
		made.decode = zonedTimestampDecoder(-1)
		made.zero, made.initial = record.OfText("1970-01-01T00:00:00Z"), record.OfText("1970-01-01T00:00:00Z")
		return made
	}
	u := f.timeUnit(typmod, true)
	name := record.MicroTimestampName
	switch u {
	case millis:
		name = record.TimestampName
		if f.values.Time == "connect" {
			name = record.ConnectTimestamp
		}
	case nanos:
		name = record.NanoTimestampName
	}
	return f.plain(record.Int64Type, name, timestampDecoder(u), record.OfInt(0))
}

func timestampDecoder(u unit) decoder {
	return func(v *record.Value, _ *record.Batch, text []byte) error {
		switch {
		case string(text) == "infinity" && u == nanos:
			*v = record.OfInt(math.MaxInt64)
			return nil
		case string(text) == "-infinity" && u == nanos:
			*v = record.OfInt(math.MinInt64)
			return nil
		case string(text) == "infinity":
			*v = record.OfInt(infiniteMicros)
			return nil
		case string(text) == "-infinity":
			*v = record.OfInt(minusInfiniteTime)
			return nil
		}
		n, ok := parseTimestamp(text)
		if !ok {
			return fmt.Errorf("%q is not a timestamp", text)
		}
		if u == nanos && (n > math.MaxInt64/1000 || n < math.MinInt64/1000) {
			return fmt.Errorf("%q %w time.precision.mode nanoseconds; set it to microseconds", text, errNoForm)
		}
		*v = record.OfInt(floorDiv(n, u.divide) * u.times)
		return nil
	}
}

// zonedTimestamp has exactly as many decimal places as the column, or 6.
func (f *forms) zonedTimestamp(typmod int32) form {
	places := 6
	if typmod >= 0 {
		places = int(typmod)
	}
	made := f.plain(record.StringType, record.ZonedTimestampName, zonedTimestampDecoder(places), record.Value{})
	epoch := appendTime([]byte("1970-01-01T"), 0, places)
	made.zero = record.OfString(append(epoch, 'Z'))
	made.initial = made.zero
	made.unchanged = record.OfString(f.placeholder)
	return made
}

// zonedTimestampDecoder writes "2016-11-04T11:51:30.123456Z" with so many decimal places, or as
// many as needed when places is -1.
func zonedTimestampDecoder(places int) decoder {
	return func(v *record.Value, b *record.Batch, text []byte) error {
		if len(text) == len("2016-11-04 11:51:30.123456+00") && places == 6 &&
			text[4] == '-' && text[10] == ' ' && text[19] == '.' && text[26] == '+' && text[27] == '0' && text[28] == '0' {
			text[10], text[26] = 'T', 'Z'
			*v = record.OfString(text[:27])
			return nil
		}
		if infinite(text) {
			*v = record.OfString(text)
			return nil
		}
		n, ok := parseTimestamp(text)
		if !ok {
			return fmt.Errorf("%q is not a timestamp", text)
		}
		day := floorDiv(n, microsPerDay)
		*v = record.OfString(b.Append(40, func(dst []byte) []byte {
			dst = append(appendDate(dst, day), 'T')
			return append(appendTime(dst, n-day*microsPerDay, places), 'Z')
		}))
		return nil
	}
}

func infinite(text []byte) bool {
	return string(text) == "infinity" || string(text) == "-infinity"
}

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
