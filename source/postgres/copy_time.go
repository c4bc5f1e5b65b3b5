package postgres

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"

	"connectd/record"
)

// firstServerDay is 2000-01-01, where the server counts from, in days since 1970.
const firstServerDay = 10957

func wireDate(b *record.Batch, octets []byte) ([]byte, error) {
	if len(octets) != 4 {
		return nil, errWidth
	}
	days := int32(binary.BigEndian.Uint32(octets))
	if end := endOf(int64(days), math.MinInt32, math.MaxInt32); end != "" {
		return b.Copy([]byte(end)), nil
	}
	return b.Append(16, func(dst []byte) []byte {
		dst, bc := appendServerDate(dst, int64(days)+firstServerDay)
		return append(dst, bc...)
	}), nil
}

func wireTime(b *record.Batch, octets []byte) ([]byte, error) {
	if len(octets) != 8 {
		return nil, errWidth
	}
	n := int64(binary.BigEndian.Uint64(octets))
	return b.Append(16, func(dst []byte) []byte { return appendServerTime(dst, n) }), nil
}

func wireTimestamp(b *record.Batch, octets []byte) ([]byte, error) {
	return timestampText(b, octets, "")
}

func wireTimestamptz(b *record.Batch, octets []byte) ([]byte, error) {
	return timestampText(b, octets, "+00") // our sessions are in UTC
}

func timestampText(b *record.Batch, octets []byte, zone string) ([]byte, error) {
	if len(octets) != 8 {
		return nil, errWidth
	}
	n := int64(binary.BigEndian.Uint64(octets))
	if end := endOf(n, math.MinInt64, math.MaxInt64); end != "" {
		return b.Copy([]byte(end)), nil
	}
	day := floorDiv(n, microsPerDay)
	return b.Append(40, func(dst []byte) []byte {
		dst, bc := appendServerDate(dst, day+firstServerDay)
		dst = appendServerTime(append(dst, ' '), n-day*microsPerDay)
		return append(append(dst, zone...), bc...)
	}), nil
}

// endOf is the name of the values that stand before and after all others.
func endOf(n, first, last int64) string {
	switch n {
	case first:
		return "-infinity"
	case last:
		return "infinity"
	}
	return ""
}

// appendServerDate writes the day as the server does; bc is what the whole text ends with.
func appendServerDate(dst []byte, days int64) (out []byte, bc string) {
	year, month, day := civil(days)
	if year <= 0 {
		year, bc = 1-year, " BC"
	}
	if year < 10000 {
		dst = append4(dst, int(year))
	} else {
		dst = strconv.AppendInt(dst, year, 10)
	}
	dst = append2(append(dst, '-'), month)
	return append2(append(dst, '-'), day), bc
}

// appendServerTime writes the time of the day as the server does, without zeros at the end. It is
// appendTime with divisors that the compiler knows.
func appendServerTime(dst []byte, n int64) []byte {
	seconds, fraction := n/1_000_000, int(n%1_000_000)
	dst = append2(dst, seconds/3600)
	dst = append2(append(dst, ':'), seconds/60%60)
	dst = append2(append(dst, ':'), seconds%60)
	if fraction == 0 {
		return dst
	}
	dst = append(dst, '.', byte('0'+fraction/100_000))
	dst = append(append4(dst, fraction/10%10_000), byte('0'+fraction%10))
	return bytes.TrimRight(dst, "0")
}
