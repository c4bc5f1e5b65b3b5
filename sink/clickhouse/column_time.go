package clickhouse

import (
	"errors"
	"fmt"
	"math"
	"time"

	"connectd/convert"
	"connectd/record"
)

// dateColumn holds Date (days in a uint16) and Date32 (days in an int32).
type dateColumn struct {
	fixed
	min, max int64 // days since 1970
	policy   policy
}

func newDate(name string, p policy) *dateColumn {
	if name == "Date" {
		return &dateColumn{fixed: fixed{width: 2}, max: math.MaxUint16, policy: p}
	}
	return &dateColumn{fixed: fixed{width: 4}, min: minDay, max: maxDay, policy: p}
}

// Date32 and DateTime64 reach from 1900-01-01 to 2299-12-31.
// See https://clickhouse.com/docs/sql-reference/data-types/date32.
const (
	minDay = -25567
	maxDay = 120529

	daySeconds = 86400
	minMicros  = minDay * daySeconds * 1_000_000
	maxMicros  = (maxDay+1)*daySeconds*1_000_000 - 1
)

func (c *dateColumn) append(s *record.Schema, v *record.Value) error {
	if v.Kind == record.Null {
		return c.null(c.policy)
	}
	n, err := convert.AsDays(record.Datum{Schema: s, Value: *v})
	if err != nil && !errors.Is(err, convert.ErrNotFinite) {
		return err
	}
	if n < c.min || n > c.max {
		if c.policy != clamp {
			return outOfRange("%s is out of range, %s to %s", day(n), day(c.min), day(c.max))
		}
		n = min(max(n, c.min), c.max)
	}
	if c.width == 2 {
		c.put16(uint16(n))
	} else {
		c.put32(uint32(n))
	}
	return nil
}

// day is the date n days after 1970, for messages.
func day(n int64) string {
	switch {
	case n == math.MaxInt64:
		return "infinity"
	case n == math.MinInt64:
		return "-infinity"
	case n < math.MinInt32 || n > math.MaxInt32:
		return fmt.Sprintf("day %d", n)
	}
	return time.Unix(n*daySeconds, 0).UTC().Format(time.DateOnly)
}

// dateTimeColumn holds DateTime: seconds in a uint32. Fractions of a second are cut off, as the
// column's type says.
type dateTimeColumn struct {
	fixed
	policy policy
}

func (c *dateTimeColumn) append(s *record.Schema, v *record.Value) error {
	if v.Kind == record.Null {
		return c.null(c.policy)
	}
	micros, err := convert.AsMicros(record.Datum{Schema: s, Value: *v})
	if err != nil && !errors.Is(err, convert.ErrNotFinite) {
		return err
	}
	n := floorDiv(micros, 1_000_000)
	if n < 0 || n > math.MaxUint32 {
		if c.policy != clamp {
			return outOfRange("%s is out of range, %s to %s", moment(micros), moment(0), moment(math.MaxUint32*1_000_000))
		}
		n = min(max(n, 0), math.MaxUint32)
	}
	c.put32(uint32(n))
	return nil
}

// moment is micros since 1970 in UTC, for messages.
func moment(micros int64) string {
	switch micros {
	case math.MaxInt64:
		return "infinity"
	case math.MinInt64:
		return "-infinity"
	}
	return time.UnixMicro(micros).UTC().Format("2006-01-02T15:04:05.999999Z")
}

// floorDiv divides towards minus infinity, so that times before 1970 are cut off like later ones.
func floorDiv(n, by int64) int64 {
	q := n / by
	if n%by < 0 {
		q--
	}
	return q
}

// dateTime64Column holds DateTime64(P): ticks of 10^-P seconds in an int64. Finer fractions are
// cut off, as the column's precision says.
type dateTime64Column struct {
	fixed
	precision int
	min, max  int64 // microseconds
	policy    policy
}

func newDateTime64(t chType, p policy) (*dateTime64Column, error) {
	precision, err := t.int(0, 3)
	if err != nil {
		return nil, err
	}
	if precision < 0 || precision > 9 {
		return nil, fmt.Errorf("type %q has no precision from 0 to 9", t.text)
	}
	c := &dateTime64Column{fixed: fixed{width: 8}, precision: precision, min: minMicros, max: maxMicros, policy: p}
	if precision == 9 {
		// Nanoseconds reach to 2262 only.
		c.min, c.max = max(c.min, math.MinInt64/1000), min(c.max, math.MaxInt64/1000-1)
	}
	return c, nil
}

var powersOfTen = [...]int64{1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}

func (c *dateTime64Column) append(s *record.Schema, v *record.Value) error {
	if v.Kind == record.Null {
		return c.null(c.policy)
	}
	micros, nanos, err := c.moment(s, v)
	if err != nil {
		return err
	}
	if micros < c.min || micros > c.max {
		if c.policy != clamp {
			return outOfRange("%s is out of range, %s to %s", moment(micros), moment(c.min), moment(c.max))
		}
		micros, nanos = min(max(micros, c.min), c.max), 0
	}
	n := micros
	if c.precision < 6 {
		n = floorDiv(micros, powersOfTen[6-c.precision])
	} else if c.precision > 6 {
		n = micros*powersOfTen[c.precision-6] + nanos/powersOfTen[9-c.precision]
	}
	c.put64(uint64(n))
	return nil
}

// moment is v in microseconds since 1970, and the nanoseconds beyond them where the column has
// room for them.
func (c *dateTime64Column) moment(s *record.Schema, v *record.Value) (micros, nanos int64, err error) {
	d := record.Datum{Schema: s, Value: *v}
	if c.precision > 6 {
		if n, err := convert.AsNanos(d, 0); err == nil {
			micros = floorDiv(n, 1000)
			return micros, n - micros*1000, nil
		}
		// Beyond the nanoseconds of an int64: the message needs the microseconds.
	}
	if micros, err = convert.AsMicros(d); errors.Is(err, convert.ErrNotFinite) {
		err = nil // the result is beyond every column's range
	}
	return micros, 0, err
}

// timeColumn holds Time (seconds in an int32) and Time64(P) (ticks in an int64) of a day.
type timeColumn struct {
	fixed
	precision int
	policy    policy
}

func newTime64(t chType, p policy) (*timeColumn, error) {
	precision, err := t.int(0, 3)
	if err != nil {
		return nil, err
	}
	if precision < 0 || precision > 9 {
		return nil, fmt.Errorf("type %q has no precision from 0 to 9", t.text)
	}
	return &timeColumn{fixed: fixed{width: 8}, precision: precision, policy: p}, nil
}

func (c *timeColumn) append(s *record.Schema, v *record.Value) error {
	if v.Kind == record.Null {
		return c.null(c.policy)
	}
	micros, err := convert.AsMicrosOfDay(record.Datum{Schema: s, Value: *v})
	if err != nil {
		return err
	}
	if c.width == 4 {
		c.put32(uint32(micros / 1_000_000))
		return nil
	}
	n := micros
	if c.precision < 6 {
		n = floorDiv(micros, powersOfTen[6-c.precision])
	} else {
		n *= powersOfTen[c.precision-6]
	}
	c.put64(uint64(n))
	return nil
}
