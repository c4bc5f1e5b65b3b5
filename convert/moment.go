package convert

import (
	"errors"
	"math"
	"math/bits"
	"time"

	"connectd/record"
)

const (
	secondsOfDay = 86_400
	nanosOfDay   = secondsOfDay * 1_000_000_000
	microsOfDay  = secondsOfDay * 1_000_000
)

// What the PostgreSQL connector of Debezium writes for the timestamps infinity and -infinity.
const (
	debeziumInfinity    = 9223372036825200000
	debeziumNegInfinity = -9223372036832400000
)

// moment is a point in time: seconds since 1970 in UTC and the nanoseconds after them.
type moment struct {
	seconds int64
	nanos   int64 // 0 … 999,999,999
}

var (
	errPlusInfinity  = infinite{math.MaxInt64}
	errMinusInfinity = infinite{math.MinInt64}
)

// infinite is the error for infinity, and what to give to those who know it.
type infinite struct{ limit int64 }

func (infinite) Error() string { return ErrNotFinite.Error() }
func (infinite) Unwrap() error { return ErrNotFinite }

// AsMicros is d as microseconds since 1970 in UTC: the timestamps and dates of Debezium and
// Kafka Connect by their names, texts in ISO 8601 or PostgreSQL's form. A text without an offset
// is taken as UTC. An integer without a name has no unit and is an error.
func AsMicros(d record.Datum) (int64, error) { return AsMicrosIn(d, 0) }

// AsMicrosIn is AsMicros where an integer without a name counts units since 1970.
func AsMicrosIn(d record.Datum, unit time.Duration) (int64, error) {
	m, err := asMoment(d, unit)
	if err != nil {
		return limitOf(err), err
	}
	if m.nanos%1000 != 0 {
		return 0, refuse(d, "is finer than the microseconds of the target")
	}
	n, ok := m.in(1_000_000)
	if !ok {
		return 0, refuse(d, "is beyond the microseconds of an int64, years -290308 to 294247")
	}
	return n, nil
}

// AsNanos is d as nanoseconds since 1970 in UTC, read as AsMicrosIn does; unit may be 0.
func AsNanos(d record.Datum, unit time.Duration) (int64, error) {
	m, err := asMoment(d, unit)
	if err != nil {
		return limitOf(err), err
	}
	n, ok := m.in(1_000_000_000)
	if !ok {
		return 0, refuse(d, "is beyond the nanoseconds of an int64, 1677-09-21 to 2262-04-11")
	}
	return n, nil
}

// limitOf is the value beside ErrNotFinite.
func limitOf(err error) int64 {
	var i infinite
	if errors.As(err, &i) {
		return i.limit
	}
	return 0
}

// in is m as a count of 1/perSecond seconds.
func (m moment) in(perSecond int64) (n int64, ok bool) {
	seconds, part := m.seconds, m.nanos/(1_000_000_000/perSecond)
	if seconds < 0 && part > 0 {
		seconds, part = seconds+1, part-perSecond
	}
	n, ok = multiply(seconds, perSecond)
	if !ok {
		return 0, false
	}
	sum := n + part
	return sum, (sum >= n) == (part >= 0)
}

func multiply(a, b int64) (n int64, ok bool) {
	high, low := bits.Mul64(uint64(max(a, -a)), uint64(b))
	if high != 0 || low > math.MaxInt64 {
		return 0, false
	}
	if a < 0 {
		return -int64(low), true
	}
	return int64(low), true
}

// since is the moment n units after 1970.
func since(n int64, unit time.Duration) moment {
	if unit >= time.Second {
		seconds, ok := multiply(n, int64(unit/time.Second))
		if !ok {
			seconds = math.MaxInt64 / 2 // beyond everything: no target takes it
			if n < 0 {
				seconds = -seconds
			}
		}
		return moment{seconds: seconds}
	}
	perSecond := int64(time.Second / unit)
	seconds, part := n/perSecond, n%perSecond
	if part < 0 {
		seconds, part = seconds-1, part+perSecond
	}
	return moment{seconds, part * int64(unit)}
}

func asMoment(d record.Datum, unit time.Duration) (moment, error) {
	v := &d.Value
	switch v.Kind {
	case record.Int:
		return momentOfInt(d, unit)
	case record.String:
		p := parser{text: v.B}
		m, err := p.timestamp()
		if err != nil {
			return moment{}, refuse(d, "%w", err)
		}
		return m, nil
	}
	return moment{}, refuse(d, "a %s is not a moment in time", kindNames[v.Kind])
}

func momentOfInt(d record.Datum, unit time.Duration) (moment, error) {
	n := d.Value.N
	switch name(d.Schema) {
	case record.MicroTimestampName:
		unit = time.Microsecond
	case record.TimestampName, record.ConnectTimestamp:
		unit = time.Millisecond
	case record.NanoTimestampName:
		unit = time.Nanosecond
	case record.DateName, record.ConnectDate:
		days, err := AsDays(d)
		return moment{seconds: days * secondsOfDay}, err
	case record.MicroTimeName, record.TimeName, record.ConnectTime, record.NanoTimeName, record.MicroDurationName:
		return moment{}, refuse(d, "is not a moment in time")
	default:
		if unit == 0 {
			return moment{}, refuse(d, "an integer is no moment in time without a unit; give it one (ms, us, ns) or keep the source's schema")
		}
		return since(n, unit), nil
	}
	switch n {
	case math.MaxInt64, debeziumInfinity:
		return moment{}, refuse(d, "%w", errPlusInfinity)
	case math.MinInt64, debeziumNegInfinity:
		return moment{}, refuse(d, "%w", errMinusInfinity)
	}
	return since(n, unit), nil
}

// AsDays is d as days since 1970: dates by their names, texts of dates, and timestamps at
// midnight UTC.
func AsDays(d record.Datum) (int64, error) {
	if d.Value.Kind == record.Int {
		switch name(d.Schema) {
		case record.DateName, record.ConnectDate:
			// Debezium has two pairs of its own for infinity: one in snapshots, one in streams.
			switch d.Value.N {
			case math.MaxInt32, -622191234, -2147472692:
				return math.MaxInt64, refuse(d, "%w", errPlusInfinity)
			case math.MinInt32, -625821272, -2147472691:
				return math.MinInt64, refuse(d, "%w", errMinusInfinity)
			}
			return d.Value.N, nil
		case "":
			return 0, refuse(d, "an integer is no date without a unit; keep the source's schema")
		}
	}
	m, err := asMoment(d, 0)
	if err != nil {
		return limitOf(err), err
	}
	if m.nanos != 0 || m.seconds%secondsOfDay != 0 {
		return 0, refuse(d, "has a time of day, a date has none")
	}
	return m.seconds / secondsOfDay, nil
}

// AsMicrosOfDay is d as microseconds since midnight, 24:00:00 included: times by their names and
// texts of times. A text with an offset is turned into UTC.
func AsMicrosOfDay(d record.Datum) (int64, error) {
	v := &d.Value
	n := v.N
	switch v.Kind {
	case record.Int:
		switch name(d.Schema) {
		case record.MicroTimeName:
		case record.TimeName, record.ConnectTime:
			if n >= 0 && n <= microsOfDay {
				n *= 1000
			}
		case record.NanoTimeName:
			if n%1000 != 0 {
				return 0, refuse(d, "is finer than the microseconds of the target")
			}
			n /= 1000
		default:
			return 0, refuse(d, "an integer is no time of day without a unit; keep the source's schema")
		}
	case record.String:
		p := parser{text: v.B}
		nanos, err := p.timeOfDay()
		if err != nil {
			return 0, refuse(d, "%w", err)
		}
		if nanos%1000 != 0 {
			return 0, refuse(d, "is finer than the microseconds of the target")
		}
		n = nanos / 1000
	default:
		return 0, refuse(d, "a %s is not a time of day", kindNames[v.Kind])
	}
	if n < 0 || n > microsOfDay {
		return 0, refuse(d, "is not between 00:00:00 and 24:00:00")
	}
	return n, nil
}
