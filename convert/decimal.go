package convert

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"strconv"
)

// maxExponent bounds the zeros that a number such as 1e999999999 may expand to.
const maxExponent = 5000

// decimal is a decimal number taken apart: ±digits·10^-scale. digits has no sign and no point,
// and may have leading zeros.
type decimal struct {
	negative bool
	whole    []byte // digits before the point
	fraction []byte // digits after the point
	exponent int
}

// parseDecimal takes text such as "-12.50" or "1.5e3" apart. Both parts of the result point into
// text.
func parseDecimal(text []byte) (d decimal, err error) {
	p := text
	if len(p) > 0 && (p[0] == '-' || p[0] == '+') {
		d.negative = p[0] == '-'
		p = p[1:]
	}
	d.whole, p = digits(p)
	if len(p) > 0 && p[0] == '.' {
		d.fraction, p = digits(p[1:])
	}
	if len(d.whole)+len(d.fraction) == 0 {
		return d, fmt.Errorf("%.40q is not a decimal number", text)
	}
	if len(p) > 1 && (p[0] == 'e' || p[0] == 'E') {
		n, convErr := strconv.Atoi(string(p[1:]))
		if errors.Is(convErr, strconv.ErrRange) || convErr == nil && (n > maxExponent || n < -maxExponent) {
			return d, fmt.Errorf("the exponent of %.40q is beyond ±%d", text, maxExponent)
		}
		if convErr == nil {
			d.exponent, p = n, nil
		}
	}
	if len(p) > 0 {
		return d, fmt.Errorf("%.40q is not a decimal number", text)
	}
	return d, nil
}

func digits(p []byte) (run, rest []byte) {
	i := 0
	for i < len(p) && p[i]-'0' <= 9 {
		i++
	}
	return p[:i], p[i:]
}

// scale is the number of digits after the point; negative when the last digits are zeros that
// the exponent stands for.
func (d *decimal) scale() int { return len(d.fraction) - d.exponent }

// digit is the i-th of all digits.
func (d *decimal) digit(i int) byte {
	if i < len(d.whole) {
		return d.whole[i]
	}
	return d.fraction[i-len(d.whole)]
}

func (d *decimal) len() int { return len(d.whole) + len(d.fraction) }

// unscaled is the integer that is d times 10^scale. fits is false when it is beyond an int64; big
// is set then.
func (d *decimal) unscaled(scale int) (n int64, large *big.Int, err error) {
	shift := scale - d.scale()
	last := d.len()
	for ; shift < 0 && last > 0; shift++ {
		if d.digit(last-1) != '0' {
			return 0, nil, fmt.Errorf("has more than %d digits after the point", scale)
		}
		last--
	}
	if shift < 0 || last == 0 {
		return 0, nil, nil // zero, whatever its scale
	}
	if last+shift <= 18 {
		for i := range last {
			n = n*10 + int64(d.digit(i)-'0')
		}
		for range shift {
			n *= 10
		}
		if d.negative {
			n = -n
		}
		return n, nil, nil
	}
	return d.large(last, shift)
}

// large is unscaled for numbers of more than 18 digits.
func (d *decimal) large(last, shift int) (int64, *big.Int, error) {
	text := make([]byte, 0, last+shift+1)
	if d.negative {
		text = append(text, '-')
	}
	for i := range last {
		text = append(text, d.digit(i))
	}
	for range shift {
		text = append(text, '0')
	}
	large, ok := new(big.Int).SetString(string(text), 10)
	if !ok {
		return 0, nil, errors.New("is not a decimal number")
	}
	if large.IsInt64() {
		return large.Int64(), nil, nil
	}
	return 0, large, nil
}

// appendPlain appends d without an exponent: 1500, -0.00015.
func (d *decimal) appendPlain(dst []byte) []byte {
	if d.negative {
		dst = append(dst, '-')
	}
	point := len(d.whole) + d.exponent // digits before the point
	start := len(dst)
	for i := 0; i < point; i++ {
		c := byte('0')
		if i < d.len() {
			c = d.digit(i)
		}
		if c != '0' || len(dst) > start {
			dst = append(dst, c)
		}
	}
	if len(dst) == start {
		dst = append(dst, '0')
	}
	if point >= d.len() {
		return dst
	}
	dst = append(dst, '.')
	for i := point; i < d.len(); i++ {
		if i < 0 {
			dst = append(dst, '0')
		} else {
			dst = append(dst, d.digit(i))
		}
	}
	return dst
}

// appendTwosComplement appends the shortest big-endian two's complement form of n, or of large
// when it is set: Java's BigInteger.toByteArray.
func appendTwosComplement(dst []byte, n int64, large *big.Int) []byte {
	if large == nil {
		size := 1
		for v := n; v > math.MaxInt8 || v < math.MinInt8; v >>= 8 {
			size++
		}
		for i := size - 1; i >= 0; i-- {
			dst = append(dst, byte(n>>(8*i)))
		}
		return dst
	}
	size := large.BitLen()/8 + 1
	if large.Sign() < 0 {
		// -2^(8k-1) needs no further octet for its sign.
		size = new(big.Int).Not(large).BitLen()/8 + 1
		large = new(big.Int).Add(large, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
	}
	at := len(dst)
	dst = append(dst, make([]byte, size)...)
	large.FillBytes(dst[at:])
	return dst
}

// AppendUnscaled appends the decimal text of the two's complement number in octets at scale.
func AppendUnscaled(dst, octets []byte, scale int) ([]byte, error) {
	if scale > maxExponent || scale < -maxExponent {
		return dst, fmt.Errorf("the scale %d of a decimal is beyond ±%d", scale, maxExponent)
	}
	if len(octets) == 0 {
		return dst, errors.New("a decimal of no octets has no value")
	}
	var room [64]byte
	d := decimal{negative: octets[0] >= 0x80, whole: appendMagnitude(room[:0], octets), exponent: -scale}
	return d.appendPlain(dst), nil
}

// appendMagnitude appends the digits of the two's complement number in octets without its sign.
func appendMagnitude(dst, octets []byte) []byte {
	negative := octets[0] >= 0x80
	if len(octets) > 16 {
		large := new(big.Int).SetBytes(octets)
		if negative {
			large.Sub(new(big.Int).Lsh(big.NewInt(1), uint(8*len(octets))), large)
		}
		return large.Append(dst, 10)
	}
	var high, low uint64
	if negative {
		high, low = math.MaxUint64, math.MaxUint64
	}
	for _, o := range octets {
		high, low = high<<8|low>>56, low<<8|uint64(o)
	}
	if negative {
		var borrow uint64
		low, borrow = bits.Sub64(0, low, 0)
		high, _ = bits.Sub64(0, high, borrow)
	}
	if high == 0 {
		return strconv.AppendUint(dst, low, 10)
	}
	const digits, unit = 19, 10_000_000_000_000_000_000 // as many digits as a uint64 has room for
	high, low = bits.Div64(high, low, unit)             // high is at most 2^63, which is less than unit
	dst = strconv.AppendUint(dst, high, 10)
	at := len(dst)
	dst = append(dst, "0000000000000000000"...)
	for i := digits - 1; low > 0; i-- {
		dst[at+i] = '0' + byte(low%10)
		low /= 10
	}
	return dst
}

// AppendDecimal appends the octets of Connect's Decimal: the unscaled value of text at scale, in
// two's complement.
func AppendDecimal(dst, text []byte, scale int) ([]byte, error) {
	d, err := parseDecimal(text)
	if err != nil {
		return dst, err
	}
	n, large, err := d.unscaled(scale)
	if err != nil {
		return dst, fmt.Errorf("the decimal %.40s %w", text, err)
	}
	return appendTwosComplement(dst, n, large), nil
}

// appendDecimalBase64 appends the base64 text of Connect's Decimal.
func appendDecimalBase64(dst, text []byte, scale int) ([]byte, error) {
	var room [16]byte
	octets, err := AppendDecimal(room[:0], text, scale)
	if err != nil {
		return dst, err
	}
	return base64.StdEncoding.AppendEncode(dst, octets), nil
}

// appendDecimalNumber appends text at scale as a JSON number in the form of Java's
// BigDecimal.toString: 1234.50, 1E-8.
func appendDecimalNumber(dst, text []byte, scale int) ([]byte, error) {
	d, err := parseDecimal(text)
	if err != nil {
		return dst, err
	}
	n, large, err := d.unscaled(scale)
	if err != nil {
		return dst, fmt.Errorf("the decimal %.40s %w", text, err)
	}
	var room [64]byte
	unscaled := room[:0]
	if large != nil {
		unscaled = large.Append(unscaled, 10)
	} else {
		unscaled = strconv.AppendInt(unscaled, n, 10)
	}
	if unscaled[0] == '-' {
		dst = append(dst, '-')
		unscaled = unscaled[1:]
	}
	exponent := len(unscaled) - 1 - scale
	if scale >= 0 && exponent >= -6 {
		plain := decimal{whole: unscaled, exponent: -scale}
		return plain.appendPlain(dst), nil
	}
	dst = append(dst, unscaled[0])
	if len(unscaled) > 1 {
		dst = append(dst, '.')
		dst = append(dst, unscaled[1:]...)
	}
	if exponent == 0 {
		return dst, nil
	}
	dst = append(dst, 'E')
	if exponent > 0 {
		dst = append(dst, '+')
	}
	return strconv.AppendInt(dst, int64(exponent), 10), nil
}
