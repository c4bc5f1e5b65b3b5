package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, written "65536", "64KiB", "16MiB" or "1GB".
type Size int64

// units are the suffixes of a Size, longest first so that "KiB" is not taken for "B". Kafka and
// PostgreSQL mean 1024 with k, m and g, as everybody does who writes one letter.
var units = []struct {
	suffix string
	bytes  int64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12},
	{"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}, {"t", 1 << 40},
	{"b", 1},
}

// ParseSize reads a Size. The suffix may be in capitals or not.
func ParseSize(text string) (Size, error) {
	digits, factor := strings.TrimSpace(text), int64(1)
	for _, u := range units {
		if n := len(digits) - len(u.suffix); n > 0 && strings.EqualFold(digits[n:], u.suffix) {
			digits, factor = strings.TrimSpace(digits[:n]), u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(digits, 64)
	switch {
	case err != nil || n != n:
		return 0, fmt.Errorf("is not a size; write bytes or a number with a unit, such as 65536, 16MiB or 1GB")
	case math.Abs(n) > float64(math.MaxInt64/factor):
		return 0, fmt.Errorf("is too large; the largest size is 8191PiB, which is %d bytes", int64(math.MaxInt64))
	}
	if whole, err := strconv.ParseInt(digits, 10, 64); err == nil {
		return Size(whole * factor), nil // exact, where a float is not
	}
	return Size(n * float64(factor)), nil
}

// String is the shortest exact form, such as 16MiB.
func (s Size) String() string {
	for _, u := range []struct {
		name  string
		bytes Size
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if s != 0 && s%u.bytes == 0 {
			return strconv.FormatInt(int64(s/u.bytes), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
