package s3

import (
	"fmt"
	"strconv"
	"time"

	"connectd/convert"
	"connectd/record"
)

// moment is the time by which a record is put into a folder, in milliseconds since 1970.
type moment func(r *record.Record) (int64, error)

// newMoment is the one that timestamp.extractor names, nil for the wall clock: that is the time of
// the flush, which is the same on every attempt at it.
func newMoment(c *Config) moment {
	switch c.extractor() {
	case "record":
		return func(r *record.Record) (int64, error) {
			if r.Timestamp < 0 {
				return 0, fmt.Errorf("the record has no timestamp; write timestamp.extractor: RecordField or Wallclock")
			}
			return r.Timestamp, nil
		}
	case "recordfield":
		field := newPath(c.TimestampField)
		return func(r *record.Record) (int64, error) {
			d, err := field.of(r.Value)
			if err != nil {
				return 0, err
			}
			ms, err := millis(d)
			if err != nil {
				return 0, fmt.Errorf("timestamp.field %s: %w", field.name, err)
			}
			return ms, nil
		}
	}
	return nil
}

// millis is d in milliseconds, rounded down: a moment belongs to the millisecond that it is in. A
// number without a logical type, also as text, counts milliseconds.
func millis(d record.Datum) (int64, error) {
	if d.Value.IsNull() {
		return 0, fmt.Errorf("is null")
	}
	if d.Value.Kind == record.String {
		if n, err := strconv.ParseInt(string(d.Value.B), 10, 64); err == nil {
			return n, nil
		}
	}
	ns, err := convert.AsNanos(d, time.Millisecond)
	if err != nil {
		return 0, err
	}
	return floor(ns, int64(time.Millisecond)), nil
}

// floor is the largest multiple of unit below n or at it, in units; also of times before 1970.
func floor(n, unit int64) int64 {
	q := n / unit
	if n%unit < 0 {
		q--
	}
	return q
}
