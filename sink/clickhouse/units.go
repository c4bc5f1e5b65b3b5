package clickhouse

import (
	"errors"
	"math"
	"strconv"
	"time"
)

// seconds and millis are durations whose keys say their unit in Java's way (timeoutSeconds,
// clickhouseClientInsertTimeoutMs): bare numbers, or durations with a unit.
type (
	seconds time.Duration
	millis  time.Duration
)

// UnmarshalText reads seconds, or a duration such as 30s.
func (d *seconds) UnmarshalText(text []byte) error {
	v, err := parseUnits(string(text), time.Second)
	*d = seconds(v)
	return err
}

// String is the number of seconds.
func (d seconds) String() string { return strconv.FormatInt(int64(time.Duration(d)/time.Second), 10) }

// UnmarshalText reads milliseconds, or a duration such as 30s.
func (d *millis) UnmarshalText(text []byte) error {
	v, err := parseUnits(string(text), time.Millisecond)
	*d = millis(v)
	return err
}

// String is the number of milliseconds.
func (d millis) String() string { return strconv.FormatInt(time.Duration(d).Milliseconds(), 10) }

func parseUnits(text string, unit time.Duration) (time.Duration, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n < 0 || n > math.MaxInt64/int64(unit) {
			return 0, errors.New("is out of range; write 0 or more")
		}
		return time.Duration(n) * unit, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, errors.New("is not a duration; write digits, or a number with ms, s, m or h, such as 30s")
	}
	return d, nil
}
