package convert

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"unsafe"

	"connectd/record"
)

// The As… functions give the meaning of a value to sinks: first by the logical name of its
// schema, else by the value itself. What a result can not hold is an error, never another value.
// Null is an error too: sinks look for it first.

// ErrNotFinite is wrapped by the errors for "infinity" and NaN. The result beside it is what a
// target that knows such values can use: math.MaxInt64 and math.MinInt64 for moments and days,
// the text NaN, Infinity or -Infinity for decimals.
var ErrNotFinite = errors.New("is not finite")

// refuse is the error for a value that can not be what is asked for: "int64 (name) 5: why".
func refuse(d record.Datum, format string, args ...any) error {
	schema := d.Schema
	if schema == nil || schema.Type == record.AnyType {
		return fmt.Errorf("%s: %w", Shown(&d.Value), fmt.Errorf(format, args...))
	}
	return fmt.Errorf("%s %s: %w", Described(schema), Shown(&d.Value), fmt.Errorf(format, args...))
}

var kindNames = [...]string{"null", "boolean", "integer", "float", "string", "bytes", "number", "JSON", "struct", "array", "map"}

// Shown is a value in messages: cut to what one can read.
func Shown(v *record.Value) string {
	switch v.Kind {
	case record.Bool:
		return strconv.FormatBool(v.Bool())
	case record.Int:
		return strconv.FormatInt(v.N, 10)
	case record.Float:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case record.String:
		return fmt.Sprintf("%.40q", v.B)
	case record.Number, record.JSON:
		return fmt.Sprintf("%.40s", v.B)
	case record.Bytes:
		return fmt.Sprintf("of %d bytes", len(v.B))
	case record.Null:
		return "null"
	}
	return "a " + kindNames[v.Kind]
}

// borrow is b as a string for a parser that keeps no part of it.
func borrow(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func name(s *record.Schema) string {
	if s == nil {
		return ""
	}
	return s.Name
}

// AsInt is d as an integer: integers, numbers and texts of integers (12, 12.00, "12"), booleans
// as 0 and 1, bit strings as the number that they write, and floats without a fraction.
func AsInt(d record.Datum) (int64, error) {
	v := &d.Value
	switch v.Kind {
	case record.Int, record.Bool:
		return v.N, nil
	case record.Float:
		f := v.Float()
		if f != math.Trunc(f) || f != f {
			return 0, refuse(d, "is not an integer")
		}
		if f < -(1<<63) || f >= 1<<63 {
			return 0, refuse(d, "is beyond the 64 bits of an integer")
		}
		return int64(f), nil
	case record.Number, record.String:
		if n, ok := parseInt(v.B); ok {
			return n, nil
		}
		dec, err := parseDecimal(v.B)
		if err != nil {
			return 0, refuse(d, "is not an integer")
		}
		return asInt(d, &dec)
	case record.Bytes:
		if name(d.Schema) == record.BitsName {
			return bitsAsInt(d)
		}
	case record.Struct:
		dec, err := variable(d)
		if err != nil {
			return 0, err
		}
		return asInt(d, &dec)
	}
	return 0, refuse(d, "a %s is not an integer", kindNames[v.Kind])
}

func asInt(d record.Datum, dec *decimal) (int64, error) {
	n, large, err := dec.unscaled(0)
	if err != nil {
		return 0, refuse(d, "is not an integer")
	}
	if large != nil {
		return 0, refuse(d, "is beyond the 64 bits of an integer")
	}
	return n, nil
}

// bitsAsInt reads Debezium's bit strings: little-endian octets.
func bitsAsInt(d record.Datum) (int64, error) {
	var n uint64
	for i, o := range d.Value.B {
		if o != 0 && (i > 7 || i == 7 && o > 0x7F) {
			return 0, refuse(d, "is beyond the 64 bits of an integer")
		}
		if i < 8 {
			n |= uint64(o) << (8 * i)
		}
	}
	return int64(n), nil
}

// AsFloat is d as a float64: floats, integers that a float64 holds exactly, decimals as the
// nearest float64, and their texts; NaN and the infinities are floats.
func AsFloat(d record.Datum) (float64, error) {
	v := &d.Value
	switch v.Kind {
	case record.Float:
		return v.Float(), nil
	case record.Int:
		if f := float64(v.N); f < 1<<63 && int64(f) == v.N {
			return f, nil
		}
		return 0, refuse(d, "is not exactly a float64, which has 53 bits")
	case record.Bool:
		return float64(v.N), nil
	case record.Number, record.String:
		if f, ok := notFinite(v.B); ok {
			return f, nil
		}
		if _, err := parseDecimal(v.B); err != nil {
			return 0, refuse(d, "is not a number")
		}
		f, err := strconv.ParseFloat(borrow(v.B), 64)
		if err != nil {
			return 0, refuse(d, "is beyond a float64, whose limit is about 1.8e308")
		}
		return f, nil
	case record.Struct:
		dec, err := variable(d)
		if err != nil {
			return 0, err
		}
		var room [64]byte
		f, err := strconv.ParseFloat(borrow(dec.appendPlain(room[:0])), 64)
		if err != nil {
			return 0, refuse(d, "is beyond a float64, whose limit is about 1.8e308")
		}
		return f, nil
	}
	return 0, refuse(d, "a %s is not a number", kindNames[v.Kind])
}

// notFinite reads the names that PostgreSQL, Java and Debezium have for what is no number.
func notFinite(text []byte) (f float64, ok bool) {
	switch string(text) {
	case "NaN", "NAN", "nan":
		return math.NaN(), true
	case "Infinity", "infinity", "+Infinity", "inf", "POSITIVE_INFINITY":
		return math.Inf(1), true
	case "-Infinity", "-infinity", "-inf", "NEGATIVE_INFINITY":
		return math.Inf(-1), true
	}
	return 0, false
}

// AsBool is d as a boolean: booleans, 0 and 1, bit strings of one bit, and the texts true, false,
// t, f, 1, 0.
func AsBool(d record.Datum) (bool, error) {
	v := &d.Value
	switch v.Kind {
	case record.Bool:
		return v.Bool(), nil
	case record.Int:
		if v.N == 0 || v.N == 1 {
			return v.N == 1, nil
		}
		return false, refuse(d, "is not a boolean; 0 and 1 are")
	case record.String, record.Number:
		switch string(v.B) {
		case "true", "t", "1", "TRUE", "True":
			return true, nil
		case "false", "f", "0", "FALSE", "False":
			return false, nil
		}
		return false, refuse(d, "is not a boolean; true, false, t, f, 1 and 0 are")
	case record.Bytes:
		if n, err := AsInt(d); err == nil && (n == 0 || n == 1) {
			return n == 1, nil
		}
	}
	return false, refuse(d, "a %s is not a boolean", kindNames[v.Kind])
}

// AsDecimal appends d as plain decimal text, such as "-12.50": no exponent, the digits after the
// point as they are. NaN and the infinities append their names and are ErrNotFinite.
func AsDecimal(dst []byte, d record.Datum) ([]byte, error) {
	v := &d.Value
	switch v.Kind {
	case record.Int, record.Bool:
		return strconv.AppendInt(dst, v.N, 10), nil
	case record.Float:
		if f := v.Float(); f != f || math.IsInf(f, 0) {
			return appendNotFinite(dst, f), refuse(d, "%w", ErrNotFinite)
		}
		return strconv.AppendFloat(dst, v.Float(), 'f', -1, floatBits(d.Schema)), nil
	case record.Number, record.String:
		dec, err := parseDecimal(v.B)
		if err == nil {
			return dec.appendPlain(dst), nil
		}
		if f, ok := notFinite(v.B); ok {
			return appendNotFinite(dst, f), refuse(d, "%w", ErrNotFinite)
		}
		return dst, refuse(d, "is not a decimal number; when it is the base64 of a Decimal, it needs its schema (or decimal.handling.mode=string at the source)")
	case record.Struct:
		dec, err := variable(d)
		if err != nil {
			return dst, err
		}
		return dec.appendPlain(dst), nil
	}
	return dst, refuse(d, "a %s is not a decimal number", kindNames[v.Kind])
}

func appendNotFinite(dst []byte, f float64) []byte {
	switch {
	case f > 0:
		return append(dst, "Infinity"...)
	case f < 0:
		return append(dst, "-Infinity"...)
	}
	return append(dst, "NaN"...)
}

func floatBits(s *record.Schema) int {
	if s != nil && s.Type == record.Float32Type {
		return 32
	}
	return 64
}

// variable reads a VariableScaleDecimal.
func variable(d record.Datum) (decimal, error) {
	items := d.Value.Items
	if name(d.Schema) != record.VariableScaleName || len(items) != 2 || items[0].Kind != record.Int || items[1].Kind != record.Bytes {
		return decimal{}, refuse(d, "is not a number")
	}
	text, err := AppendUnscaled(nil, items[1].B, int(items[0].N))
	if err != nil {
		return decimal{}, refuse(d, "%w", err)
	}
	return parseDecimal(text)
}
