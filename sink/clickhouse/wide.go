package clickhouse

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
)

// wide is an integer of up to 256 bits: its sign and its magnitude, lowest limb first.
type wide struct {
	negative bool
	limbs    [4]uint64
}

var (
	errTooLarge = errors.New("is beyond 256 bits")
	errScale    = errors.New("has more digits after the point than the column")
)

// maxShift bounds the zeros of a number such as 1e999; 256 bits have 78 digits.
const maxShift = 100

// parseWide reads decimal text such as "-12.50" or "1.5e3" and multiplies it by 10^scale. It
// returns errScale together with the number rounded half away from zero when digits are left
// behind the point, and errTooLarge with its sign beyond 256 bits.
func parseWide(text []byte, scale int) (wide, error) {
	var n wide
	digits := text
	if len(digits) > 0 && (digits[0] == '-' || digits[0] == '+') {
		n.negative = digits[0] == '-'
		digits = digits[1:]
	}
	end, point, exponent, err := layout(text, digits)
	if err != nil {
		return n, err
	}
	// shift is how many digits of the text belong before the point, beyond those that do.
	shift := scale + exponent
	keep := point + shift
	var small uint64 // the first 18 digits
	count, at := 0, 0
	var dropped bool // a digit other than 0 is left out
	var next byte    // the first digit that is left out
	for i := range end {
		if i == point {
			continue
		}
		d := digits[i] - '0'
		if at >= keep {
			if at == keep {
				next = d
			}
			dropped = dropped || d != 0
			at++
			continue
		}
		at++
		if count < 18 {
			small = small*10 + uint64(d)
			if small != 0 {
				count++
			}
			if count == 18 {
				n.limbs[0] = small
			}
		} else if !n.push(uint64(d)) {
			return n, errTooLarge
		}
	}
	if count < 18 {
		n.limbs[0] = small
	}
	if keep < 0 {
		next = 0 // all digits are more than one place behind the last that is kept
	}
	if n != (wide{negative: n.negative}) {
		for zeros := keep - at; zeros > 0; zeros-- {
			if !n.push(0) {
				return n, errTooLarge
			}
		}
	}
	if dropped {
		if next >= 5 {
			n.increment()
		}
		return n, errScale
	}
	if n.limbs == [4]uint64{} {
		n.negative = false
	}
	return n, nil
}

// layout finds the end of the digits, the place of the point among them (end without one) and
// the exponent behind them.
func layout(text, digits []byte) (end, point, exponent int, err error) {
	end, point = len(digits), -1
	count := 0
	for i, c := range digits {
		switch {
		case c-'0' <= 9:
			count++
			continue
		case c == '.' && point < 0:
			point = i
			continue
		case (c == 'e' || c == 'E') && i+1 < len(digits):
			if exponent, err = strconv.Atoi(string(digits[i+1:])); err == nil {
				exponent = min(max(exponent, -maxShift*100), maxShift*100)
				end = i
				break
			}
			return 0, 0, 0, fmt.Errorf("%.80q is not a decimal number", text)
		default:
			return 0, 0, 0, fmt.Errorf("%.80q is not a decimal number", text)
		}
		break
	}
	if count == 0 {
		return 0, 0, 0, fmt.Errorf("%.80q is not a decimal number", text)
	}
	if point < 0 {
		point = end
	}
	return end, point, exponent, nil
}

// push multiplies by ten and adds d; false when 256 bits do not hold that.
func (n *wide) push(d uint64) bool {
	carry := d
	for i := range n.limbs {
		hi, lo := bits.Mul64(n.limbs[i], 10)
		var c uint64
		n.limbs[i], c = bits.Add64(lo, carry, 0)
		carry = hi + c
	}
	return carry == 0
}

func (n *wide) increment() {
	for i := range n.limbs {
		n.limbs[i]++
		if n.limbs[i] != 0 {
			return
		}
	}
}

// magnitudeBelow says whether the magnitude is less than o's.
func (n *wide) magnitudeBelow(o *wide) bool {
	for i := len(n.limbs) - 1; i >= 0; i-- {
		if n.limbs[i] != o.limbs[i] {
			return n.limbs[i] < o.limbs[i]
		}
	}
	return false
}

// fits says whether an integer of width bytes holds n.
func (n *wide) fits(width int, signed bool) bool {
	if !signed && n.negative {
		return false
	}
	limit := powerOfTwo(width * 8)
	if signed {
		limit = powerOfTwo(width*8 - 1)
		if n.negative && n.limbs == limit.limbs {
			return true
		}
	}
	return limit.limbs == [4]uint64{} || n.magnitudeBelow(&limit)
}

// limit replaces n by the nearest integer of width bytes; n does not fit.
func (n *wide) limit(width int, signed bool) {
	switch {
	case !signed && n.negative:
		*n = wide{}
	case signed && n.negative:
		n.limbs = powerOfTwo(width*8 - 1).limbs
	default:
		top := width * 8
		if signed {
			top--
		}
		for i := range n.limbs {
			n.limbs[i] = ^uint64(0) >> min(64, max(0, 64*(i+1)-top))
		}
	}
}

// powerOfTwo is 2^n; zero for n = 256, which no wide holds.
func powerOfTwo(n int) (w wide) {
	if n < 256 {
		w.limbs[n/64] = 1 << (n % 64)
	}
	return w
}

// appendTo appends n in two's complement, width bytes.
func (n *wide) appendTo(dst []byte, width int) []byte {
	limbs := n.limbs
	if n.negative {
		carry := uint64(1)
		for i := range limbs {
			limbs[i], carry = bits.Add64(^limbs[i], 0, carry)
		}
	}
	if width == 4 {
		return binary.LittleEndian.AppendUint32(dst, uint32(limbs[0]))
	}
	for _, l := range limbs[:width/8] {
		dst = binary.LittleEndian.AppendUint64(dst, l)
	}
	return dst
}
