package postgres

import (
	"fmt"
	"math"

	"connectd/record"
)

const microsPerDay = 24 * 60 * 60 * 1_000_000

// The values of infinity and -infinity where a number has to stand for them: the driver's
// timestamps as Debezium writes them, and the ends of the range of a date.
const (
	infiniteMicros      int64 = 9223372036825200000
	minusInfiniteMicros int64 = -9223372036832400000
	infiniteDate        int64 = math.MaxInt32
	minusInfiniteDate   int64 = math.MinInt32
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
	made := f.plain(record.Int32Type, name, decodeDate, zero)
	if f.debezium {
		made.decode = debeziumDate(f.snapshot)
	}
	return made
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
			*v = record.OfInt(infiniteMicros / u.divide)
			return nil
		case string(text) == "-infinity":
			*v = record.OfInt(minusInfiniteMicros / u.divide)
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
