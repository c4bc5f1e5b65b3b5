package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"

	"connectd/record"
)

// errNoForm is what a decoder returns for a value that the configured mode cannot express.
var errNoForm = errors.New("cannot be written in the configured form")

func decodeBool(v *record.Value, _ *record.Batch, text []byte) error {
	if len(text) != 1 || text[0] != 't' && text[0] != 'f' {
		return fmt.Errorf("%q is not a boolean", text)
	}
	*v = record.OfBool(text[0] == 't')
	return nil
}

func decodeInt(v *record.Value, _ *record.Batch, text []byte) error {
	n, ok := parseInt(text)
	if !ok {
		return fmt.Errorf("%q is not an integer", text)
	}
	v.Kind, v.N = record.Int, n
	return nil
}

// parseInt parses decimal digits with an optional minus.
func parseInt(text []byte) (int64, bool) {
	digits, negative := text, false
	if len(digits) > 0 && digits[0] == '-' {
		digits, negative = digits[1:], true
	}
	if len(digits) == 0 || len(digits) > 19 {
		return 0, false
	}
	var n uint64
	for _, c := range digits {
		if c -= '0'; c > 9 {
			return 0, false
		}
		n = n*10 + uint64(c)
	}
	switch {
	case !negative && n <= math.MaxInt64:
		return int64(n), true
	case negative && n <= 1<<63:
		return -int64(n), true
	}
	return 0, false
}

func decodeFloat32(v *record.Value, _ *record.Batch, text []byte) error {
	return decodeFloat(v, text, 32)
}

func decodeFloat64(v *record.Value, _ *record.Batch, text []byte) error {
	return decodeFloat(v, text, 64)
}

func decodeFloat(v *record.Value, text []byte, bits int) error {
	n, err := strconv.ParseFloat(string(text), bits)
	if err != nil {
		return fmt.Errorf("%q is not a floating-point number", text)
	}
	*v = record.OfFloat(n)
	return nil
}

// numeric is the form of numeric(precision, scale), or of numeric when typmod has neither.
func (f *forms) numeric(typmod int32) form {
	switch f.values.Decimal {
	case "string":
		return f.decimalText()
	case "double":
		return f.plain(record.Float64Type, "", decodeFloat64, record.OfFloat(0))
	}
	if typmod < 4 {
		return f.variableScale()
	}
	// The modifier of numeric: precision in the upper half, an 11-bit signed scale in the lower,
	// and 4 for the header of a varlena.
	precision, scale := int(typmod-4)>>16, int(int16((typmod-4)&0x7ff<<5)>>5)
	return f.decimal(scale, record.Param{Name: "connect.decimal.precision", Value: strconv.Itoa(precision)})
}

// decimal is Connect's Decimal of a fixed scale.
func (f *forms) decimal(scale int, more ...record.Param) form {
	zero := record.OfNumber(zeroDecimal("0", scale))
	made := f.plain(record.BytesType, record.DecimalName, decodeDecimal, zero)
	made.schema.Params = append([]record.Param{{Name: "scale", Value: strconv.Itoa(scale)}}, more...)
	return made
}

func (f *forms) decimalText() form {
	made := f.text("")
	made.decode = decodeDecimalText
	made.zero, made.initial = record.OfText("0"), record.OfText("0")
	return made
}

// zeroDecimal is whole with scale zeros after the point.
func zeroDecimal(whole string, scale int) []byte {
	if scale <= 0 {
		return []byte(whole)
	}
	return append([]byte(whole+"."), bytes.Repeat([]byte("0"), scale)...)
}

func decimalScale(s *record.Schema) int {
	scale, err := strconv.Atoi(s.Param("scale"))
	if err != nil {
		return 0
	}
	return scale
}

func decodeDecimal(v *record.Value, _ *record.Batch, text []byte) error {
	if !finite(text) {
		return fmt.Errorf("%s %w decimal.handling.mode precise; set it to string or double", text, errNoForm)
	}
	*v = record.OfNumber(text)
	return nil
}

// finite says whether the text of a numeric is a number, not NaN or an infinity.
func finite(text []byte) bool {
	last := len(text) - 1
	return last >= 0 && text[last] >= '0' && text[last] <= '9'
}

func decodeDecimalText(v *record.Value, _ *record.Batch, text []byte) error {
	switch string(text) { // Debezium's names
	case "NaN":
		text = []byte("NAN")
	case "Infinity":
		text = []byte("POSITIVE_INFINITY")
	case "-Infinity":
		text = []byte("NEGATIVE_INFINITY")
	}
	*v = record.OfString(text)
	return nil
}

// variableScale is Debezium's form of numeric without a declared scale.
func (f *forms) variableScale() form {
	zero := record.OfStruct([]record.Value{record.OfInt(0), record.OfBytes([]byte{0})})
	made := f.plain(record.StructType, record.VariableScaleName, decodeVariableScale, zero)
	made.schema.Doc = "Variable scaled decimal"
	made.schema.Fields = []record.Field{
		{Name: "scale", Schema: &record.Schema{Type: record.Int32Type}},
		{Name: "value", Schema: &record.Schema{Type: record.BytesType}},
	}
	return made
}

// decodeVariableScale takes the number apart into its scale, without trailing zeros, and its
// unscaled value as big-endian two's complement.
func decodeVariableScale(v *record.Value, b *record.Batch, text []byte) error {
	if !finite(text) {
		return fmt.Errorf("%s %w decimal.handling.mode precise; set it to string or double", text, errNoForm)
	}
	digits, scale := text, 0
	if point := bytes.IndexByte(text, '.'); point >= 0 {
		for digits[len(digits)-1] == '0' {
			digits = digits[:len(digits)-1]
		}
		scale = len(digits) - point - 1
		copy(digits[point:], digits[point+1:])
		digits = digits[:len(digits)-1]
	}
	value, ok := unscaled(b, digits)
	if !ok {
		return fmt.Errorf("%q is not a number", text)
	}
	cells := b.Cells(2)
	cells[0], cells[1] = record.OfInt(int64(scale)), record.OfBytes(value)
	*v = record.OfStruct(cells)
	return nil
}

// unscaled is the shortest big-endian two's complement of the integer written in digits.
func unscaled(b *record.Batch, digits []byte) ([]byte, bool) {
	if n, ok := parseInt(digits); ok {
		size := 1
		for size < 8 && n>>(8*size-1) != 0 && n>>(8*size-1) != -1 {
			size++
		}
		p := b.Bytes(size)
		for i := range p {
			p[i] = byte(n >> (8 * (size - 1 - i)))
		}
		return p, true
	}
	n, ok := new(big.Int).SetString(string(digits), 10)
	if !ok {
		return nil, false
	}
	if n.Sign() < 0 {
		// Of a negative number the bits of -n-1 are the complement.
		m := new(big.Int).Not(n)
		p := b.Bytes(m.BitLen()/8 + 1)
		m.FillBytes(p)
		for i := range p {
			p[i] = ^p[i]
		}
		return p, true
	}
	return n.FillBytes(b.Bytes(n.BitLen()/8 + 1)), true
}

// money is the form of money, whose text has a currency sign and separators.
func (f *forms) money() form {
	switch f.values.Decimal {
	case "string":
		made := f.decimalText()
		made.decode = moneyDecoder(-1, decodeDecimalText)
		return made
	case "double":
		return f.plain(record.Float64Type, "", moneyDecoder(-1, decodeFloat64), record.OfFloat(0))
	}
	made := f.decimal(f.values.MoneyDigits)
	made.decode = moneyDecoder(f.values.MoneyDigits, decodeDecimal)
	return made
}

// moneyDecoder strips "-$1,234.11" (the locale C, which our sessions set) to its number, rounded
// to places decimal places unless that is -1, and lets d decode that.
func moneyDecoder(places int, d decoder) decoder {
	return func(v *record.Value, b *record.Batch, text []byte) error {
		number := b.Append(len(text)+places+2, func(dst []byte) []byte {
			start := len(dst)
			for _, c := range text {
				if c == '-' || c == '.' || c >= '0' && c <= '9' {
					dst = append(dst, c)
				}
			}
			if places < 0 {
				return dst
			}
			return rounded(dst, start, places)
		})
		return d(v, b, number)
	}
}

// rounded is the number that begins at start of dst with places decimal places, half rounded away
// from zero.
func rounded(dst []byte, start, places int) []byte {
	point := bytes.IndexByte(dst[start:], '.')
	if point < 0 {
		point = len(dst) - start
		dst = append(dst, '.')
	}
	for len(dst)-start-point-1 < places {
		dst = append(dst, '0')
	}
	end := start + point + 1 + places
	up := end < len(dst) && dst[end] >= '5'
	dst = dst[:end]
	if places == 0 {
		dst = dst[:end-1]
	}
	for i := len(dst) - 1; up && i >= start; i-- {
		switch dst[i] {
		case '.', '-':
		case '9':
			dst[i] = '0'
		default:
			dst[i]++
			up = false
		}
	}
	if up { // all digits were 9
		first := start
		if dst[start] == '-' {
			first++
		}
		dst = slices.Insert(dst, first, '1')
	}
	return dst
}
