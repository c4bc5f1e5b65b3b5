package convert

import (
	"math"
	"strconv"
)

// appendFloat appends f as Java's Double.toString (bits 64) or Float.toString (bits 32) writes
// it, the form of Jackson: at least one digit after the point, scientific from 1.0E7 up and
// below 1.0E-3. The values that are no numbers become JSON strings.
func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case f != f:
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	return AppendJavaFloat(dst, f, bits)
}

// AppendJavaFloat appends a finite f as Java writes it, as Double.toString (bits 64) or
// Float.toString (bits 32) do.
func AppendJavaFloat(dst []byte, f float64, bits int) []byte {
	if a := math.Abs(f); a == 0 || a >= 1e-3 && a < 1e7 {
		start := len(dst)
		dst = strconv.AppendFloat(dst, f, 'f', -1, bits)
		for _, c := range dst[start:] {
			if c == '.' {
				return dst
			}
		}
		return append(dst, '.', '0')
	}
	var room [32]byte
	text := strconv.AppendFloat(room[:0], f, 'e', -1, bits)
	digits := 0
	for text[digits] != 'e' {
		digits++
	}
	if digits <= 2 && text[digits-1] != '.' && (digits == 1 || text[0] == '-') {
		// Java writes two digits at least, and then the two that are nearest: 4.9E-324.
		text = strconv.AppendFloat(room[:0], f, 'e', 1, bits)
		digits += 2
	}
	dst = append(dst, text[:digits]...)
	dst = append(dst, 'E')
	exponent := text[digits+1:]
	if exponent[0] == '-' {
		dst = append(dst, '-')
	}
	exponent = exponent[1:]
	for len(exponent) > 1 && exponent[0] == '0' {
		exponent = exponent[1:]
	}
	return append(dst, exponent...)
}
