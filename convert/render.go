package convert

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"

	"connectd/record"
)

// AppendText appends d as text for a text column: strings as they are, numbers in decimal, dates
// and times in ISO 8601, durations as PT…S, bit strings as 0 and 1, bytes in PostgreSQL's hex
// form, and what has parts as JSON.
func AppendText(dst []byte, d record.Datum) ([]byte, error) {
	v := &d.Value
	switch v.Kind {
	case record.String, record.JSON:
		return append(dst, v.B...), nil
	case record.Bool:
		return strconv.AppendBool(dst, v.Bool()), nil
	case record.Int:
		if out, ok := appendTemporal(dst, d); ok {
			return out, nil
		}
		return strconv.AppendInt(dst, v.N, 10), nil
	case record.Float:
		if f := v.Float(); f != f || math.IsInf(f, 0) {
			return appendNotFinite(dst, f), nil
		}
		return strconv.AppendFloat(dst, v.Float(), 'g', -1, floatBits(d.Schema)), nil
	case record.Number:
		return append(dst, v.B...), nil
	case record.Bytes:
		if name(d.Schema) == record.BitsName {
			return appendBits(dst, d), nil
		}
		return hex.AppendEncode(append(dst, `\x`...), v.B), nil
	case record.Struct:
		if name(d.Schema) == record.VariableScaleName {
			return AsDecimal(dst, d)
		}
		return AppendJSON(dst, d)
	case record.Array, record.Map:
		return AppendJSON(dst, d)
	}
	return dst, refuse(d, "has no text")
}

// appendTemporal appends an integer whose schema says that it is a date, a time or a duration.
// What its form can not hold stays the integer.
func appendTemporal(dst []byte, d record.Datum) (out []byte, ok bool) {
	n := d.Value.N
	switch name(d.Schema) {
	case record.DateName, record.ConnectDate:
		days, err := AsDays(d)
		if err != nil {
			return appendInfinity(dst, days), true
		}
		return appendDate(dst, days), true
	case record.TimestampName, record.ConnectTimestamp, record.MicroTimestampName, record.NanoTimestampName:
		m, err := asMoment(d, 0)
		if err != nil {
			return appendInfinity(dst, limitOf(err)), true
		}
		return appendMoment(dst, m), true
	case record.TimeName, record.ConnectTime:
		n *= 1_000_000
	case record.MicroTimeName:
		n *= 1000
	case record.NanoTimeName:
	case record.MicroDurationName:
		return appendDuration(dst, n), true
	default:
		return dst, false
	}
	if n < 0 || n > nanosOfDay {
		return dst, false
	}
	return appendClock(dst, n), true
}

func appendInfinity(dst []byte, limit int64) []byte {
	if limit < 0 {
		dst = append(dst, '-')
	}
	return append(dst, "infinity"...)
}

// appendDuration appends microseconds as a duration of ISO 8601, which PostgreSQL reads too.
func appendDuration(dst []byte, micros int64) []byte {
	dst = append(dst, "PT"...)
	if micros < 0 {
		dst = append(dst, '-')
	}
	u := uint64(micros)
	if micros < 0 {
		u = -u
	}
	dst = strconv.AppendUint(dst, u/1_000_000, 10)
	dst = appendFraction(dst, int64(u%1_000_000)*1000)
	return append(dst, 'S')
}

// appendBits appends a bit string from its little-endian octets, as long as the schema says.
func appendBits(dst []byte, d record.Datum) []byte {
	octets := d.Value.B
	top := 8 * len(octets)
	for top > 0 && octets[(top-1)/8]>>((top-1)%8)&1 == 0 {
		top--
	}
	// A bit string without a limit has the limit of int32: only its ones are known.
	if n, err := strconv.Atoi(d.Schema.Param("length")); err == nil && n < math.MaxInt32 && n <= 8*len(octets)+7 {
		top = max(top, n)
	}
	for i := top - 1; i >= 0; i-- {
		bit := byte(0)
		if i/8 < len(octets) {
			bit = octets[i/8] >> (i % 8) & 1
		}
		dst = append(dst, '0'+bit)
	}
	return dst
}

// AsBytes appends the octets of d for a bytes column: bytes as they are; a string whose schema
// says that it is one, as UTF-8; a string of which nothing is known as base64, the only form that
// bytes have in JSON.
func AsBytes(dst []byte, d record.Datum) ([]byte, error) {
	v := &d.Value
	switch v.Kind {
	case record.Bytes:
		return append(dst, v.B...), nil
	case record.JSON:
		return append(dst, v.B...), nil
	case record.String:
		if d.Schema != nil && d.Schema.Type == record.StringType {
			return append(dst, v.B...), nil
		}
		out, err := appendDecoded(dst, v.B)
		if err != nil {
			return dst, refuse(d, "is not base64, the form of bytes in JSON without a schema")
		}
		return out, nil
	}
	return dst, refuse(d, "a %s is not bytes", kindNames[v.Kind])
}

var errNotJSON = errors.New("is not JSON")

// AppendJSON appends d as JSON for a JSON column: the logical types in the form that people
// read (dates and times in ISO 8601, decimals as numbers, JSON texts as what they say), bytes in
// base64, NaN and the infinities as strings.
func AppendJSON(dst []byte, d record.Datum) ([]byte, error) {
	v := &d.Value
	switch v.Kind {
	case record.Null:
		return append(dst, "null"...), nil
	case record.String:
		if name(d.Schema) == record.JSONName {
			return appendVerbatim(dst, d)
		}
		return AppendQuoted(dst, v.B), nil
	case record.JSON:
		return append(dst, v.B...), nil
	case record.Bool:
		return strconv.AppendBool(dst, v.Bool()), nil
	case record.Int:
		if out, ok := appendTemporal(append(dst, '"'), d); ok {
			return append(out, '"'), nil
		}
		return strconv.AppendInt(dst, v.N, 10), nil
	case record.Float:
		if f := v.Float(); f != f || math.IsInf(f, 0) {
			return append(appendNotFinite(append(dst, '"'), f), '"'), nil
		}
		return strconv.AppendFloat(dst, v.Float(), 'g', -1, floatBits(d.Schema)), nil
	case record.Number:
		out, err := AsDecimal(dst, d)
		if errors.Is(err, ErrNotFinite) {
			return AppendQuoted(dst, v.B), nil
		}
		return out, err
	case record.Bytes:
		if name(d.Schema) == record.BitsName {
			return append(appendBits(append(dst, '"'), d), '"'), nil
		}
		return appendBase64(dst, v.B), nil
	}
	return appendParts(dst, d)
}

// appendVerbatim appends a string that holds JSON text.
func appendVerbatim(dst []byte, d record.Datum) ([]byte, error) {
	s := scanner{data: d.Value.B}
	err := s.skip()
	if err == nil {
		err = s.end()
	}
	if err != nil {
		return dst, refuse(d, "%w: %w", errNotJSON, err)
	}
	return append(dst, d.Value.B...), nil
}

// appendParts appends structs, arrays and maps.
func appendParts(dst []byte, d record.Datum) ([]byte, error) {
	s, items := d.Schema, d.Value.Items
	if s == nil {
		s = anySchema
	}
	var err error
	switch d.Value.Kind {
	case record.Struct:
		if s.Name == record.VariableScaleName {
			return AsDecimal(dst, d)
		}
		if len(s.Fields) != len(items) {
			return dst, refuse(d, "has %d values for %d fields", len(items), len(s.Fields))
		}
		dst = append(dst, '{')
		for i := range items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(AppendQuoted(dst, []byte(s.Fields[i].Name)), ':')
			if dst, err = AppendJSON(dst, record.Datum{Schema: s.Fields[i].Schema, Value: items[i]}); err != nil {
				return dst, fmt.Errorf("field %q: %w", s.Fields[i].Name, err)
			}
		}
		return append(dst, '}'), nil
	case record.Array:
		dst = append(dst, '[')
		for i := range items {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = AppendJSON(dst, record.Datum{Schema: s.Elem, Value: items[i]}); err != nil {
				return dst, fmt.Errorf("element %d: %w", i, err)
			}
		}
		return append(dst, ']'), nil
	case record.Map:
		dst = append(dst, '{')
		for i := 0; i+1 < len(items); i += 2 {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = appendKey(dst, record.Datum{Schema: s.Key, Value: items[i]}); err != nil {
				return dst, err
			}
			if dst, err = AppendJSON(append(dst, ':'), record.Datum{Schema: s.Elem, Value: items[i+1]}); err != nil {
				return dst, fmt.Errorf("value of a map: %w", err)
			}
		}
		return append(dst, '}'), nil
	}
	return dst, refuse(d, "has no JSON")
}

// appendKey appends the key of a map as the name of a member.
func appendKey(dst []byte, d record.Datum) ([]byte, error) {
	text, err := AppendText(nil, d)
	if err != nil {
		return dst, fmt.Errorf("key of a map: %w", err)
	}
	return AppendQuoted(dst, text), nil
}
