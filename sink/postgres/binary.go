package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"connectd/convert"
	"connectd/record"
)

// COPY's binary format saves the server the reading of text and us the escaping. It needs the
// exact form of each type, so a table with a column of any other type is written as text.
// See https://www.postgresql.org/docs/current/sql-copy.html, section "Binary Format".
const (
	binaryHeader  = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"
	binaryTrailer = "\xff\xff"
	binaryNull    = "\xff\xff\xff\xff"
)

// hasBinary says whether content knows the binary form of f.
func (f form) hasBinary() bool {
	switch f {
	case boolForm, int2Form, int4Form, int8Form, float4Form, float8Form, numericForm, textForm, byteaForm,
		dateForm, timeForm, timestampForm, timestamptzForm, uuidForm, jsonForm, jsonbForm, enumForm:
		return true
	}
	return false
}

// octets appends v as a field of COPY's binary format: its length and its content.
func (e *encoder) octets(dst []byte, t *typ, s *record.Schema, v *record.Value) ([]byte, error) {
	at := len(dst)
	dst, err := e.content(append(dst, 0, 0, 0, 0), t, s, v)
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst, err
}

func (e *encoder) content(dst []byte, t *typ, s *record.Schema, v *record.Value) ([]byte, error) {
	d := binary.BigEndian
	switch t.form {
	case int8Form:
		n, err := integer(t, s, v, math.MinInt64, math.MaxInt64)
		return d.AppendUint64(dst, uint64(n)), err
	case int4Form:
		n, err := integer(t, s, v, math.MinInt32, math.MaxInt32)
		return d.AppendUint32(dst, uint32(n)), err
	case int2Form:
		n, err := integer(t, s, v, math.MinInt16, math.MaxInt16)
		return d.AppendUint16(dst, uint16(n)), err
	case float8Form:
		f, err := float(t, s, v)
		return d.AppendUint64(dst, math.Float64bits(f)), err
	case float4Form:
		f, err := float(t, s, v)
		return d.AppendUint32(dst, math.Float32bits(float32(f))), err
	case boolForm:
		on, err := convert.AsBool(record.Datum{Schema: s, Value: *v})
		if on {
			return append(dst, 1), err
		}
		return append(dst, 0), err
	case numericForm:
		text, err := e.decimal(t, s, v)
		if err != nil {
			return dst, err
		}
		return appendNumeric(dst, text), nil
	case byteaForm:
		return convert.AsBytes(dst, record.Datum{Schema: s, Value: *v})
	case dateForm:
		return e.binaryDate(dst, s, v)
	case timeForm:
		micros, err := convert.AsMicrosOfDay(record.Datum{Schema: s, Value: *v})
		return d.AppendUint64(dst, uint64(micros)), err
	case timestampForm, timestamptzForm:
		return e.binaryMoment(dst, t, s, v)
	case uuidForm:
		return e.binaryUUID(dst, s, v)
	case jsonForm, jsonbForm:
		text, err := e.document(t, s, v)
		if err != nil {
			return dst, err
		}
		if t.form == jsonbForm {
			dst = append(dst, 1) // version of the format
		}
		return e.appendText(dst, text)
	}
	text, err := e.characters(t, s, v)
	if err != nil {
		return dst, err
	}
	return e.appendText(dst, text)
}

// appendText appends text as it is, but for NUL characters.
func (e *encoder) appendText(dst, text []byte) ([]byte, error) {
	for {
		n := bytes.IndexByte(text, 0)
		if n < 0 {
			return append(dst, text...), nil
		}
		if !e.strip {
			return dst, errNUL
		}
		dst = append(dst, text[:n]...)
		text = text[n+1:]
	}
}

// PostgreSQL counts from 2000-01-01.
const (
	epochDays   = 10957
	epochMicros = epochDays * microsPerDay
)

func (e *encoder) binaryDate(dst []byte, s *record.Schema, v *record.Value) ([]byte, error) {
	days, err := convert.AsDays(record.Datum{Schema: s, Value: *v})
	switch {
	case errors.Is(err, convert.ErrNotFinite) && days > 0:
		days = math.MaxInt32
	case errors.Is(err, convert.ErrNotFinite):
		days = math.MinInt32
	case err != nil:
		return dst, err
	case days < math.MinInt32+epochDays+1 || days >= math.MaxInt32:
		return dst, fmt.Errorf("%d days since 1970 are out of range of date", days)
	default:
		days -= epochDays
	}
	return binary.BigEndian.AppendUint32(dst, uint32(days)), nil
}

func (e *encoder) binaryMoment(dst []byte, t *typ, s *record.Schema, v *record.Value) ([]byte, error) {
	micros, err := asMicros(record.Datum{Schema: s, Value: *v})
	if errors.Is(err, convert.ErrNotFinite) {
		return binary.BigEndian.AppendUint64(dst, uint64(micros)), nil
	}
	if err != nil {
		return dst, err
	}
	if e.location != time.UTC {
		instant := isInstant(s, v)
		if t.form == timestampForm && instant {
			micros = wallClock(micros, e.location)
		} else if t.form == timestamptzForm && !instant {
			micros = instantOf(micros, e.location)
		}
	}
	if micros < math.MinInt64+epochMicros {
		return dst, fmt.Errorf("%d microseconds since 1970 are out of range of timestamp", micros)
	}
	return binary.BigEndian.AppendUint64(dst, uint64(micros-epochMicros)), nil
}

func (e *encoder) binaryUUID(dst []byte, s *record.Schema, v *record.Value) ([]byte, error) {
	var room [40]byte
	text, err := e.uuid(room[:0], s, v)
	if err != nil {
		return dst, err
	}
	high := -1
	for _, c := range text {
		if c == '-' {
			continue
		}
		digit := int(c - '0')
		if c >= 'a' {
			digit = int(c-'a') + 10
		}
		if high < 0 {
			high = digit
			continue
		}
		dst = append(dst, byte(high<<4|digit))
		high = -1
	}
	return dst, nil
}

// The sign field of a numeric.
const (
	numericPositive = 0x0000
	numericNegative = 0x4000
	numericNaN      = 0xC000
	numericInfinity = 0xD000
	numericMinusInf = 0xF000
)

// appendNumeric appends the decimal text, which has no exponent, in numeric's binary form: the
// number of digits, the weight of the first one, the sign, the digits after the point that are
// shown, and digits of base 10,000, without zeros at either end.
func appendNumeric(dst, text []byte) []byte {
	d := binary.BigEndian
	sign := uint16(numericPositive)
	switch string(text) {
	case "NaN":
		return d.AppendUint64(dst, numericNaN<<16)
	case "Infinity":
		return d.AppendUint64(dst, numericInfinity<<16)
	case "-Infinity":
		return d.AppendUint64(dst, numericMinusInf<<16)
	}
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		if text[0] == '-' {
			sign = numericNegative
		}
		text = text[1:]
	}
	whole, fraction, _ := bytes.Cut(text, []byte{'.'})
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	weight := (len(whole)+3)/4 - 1
	first := len(whole) - 4*max(weight, 0) // digits of the first group
	if len(whole) == 0 {
		first = 0
	}
	n, zeros := 0, 0 // digits appended; zeros held back until a digit follows
	put := func(digit uint16) {
		switch {
		case digit == 0 && n == 0:
			weight--
		case digit == 0:
			zeros++
		default:
			for ; zeros > 0; zeros-- {
				dst = append(dst, 0, 0)
				n++
			}
			dst = d.AppendUint16(dst, digit)
			n++
		}
	}
	for i := 0; i < len(whole); i += first {
		if i > 0 {
			first = 4
		}
		put(group10000(whole[i:min(i+first, len(whole))], false))
	}
	for i := 0; i < len(fraction); i += 4 {
		put(group10000(fraction[i:min(i+4, len(fraction))], true))
	}
	if n == 0 {
		weight, sign = 0, numericPositive
	}
	d.PutUint16(dst[at:], uint16(n))
	d.PutUint16(dst[at+2:], uint16(weight))
	d.PutUint16(dst[at+4:], sign)
	d.PutUint16(dst[at+6:], uint16(len(fraction)))
	return dst
}

// group10000 is the number of up to four digits; after the point, missing ones are zeros.
func group10000(digits []byte, fraction bool) (n uint16) {
	for _, c := range digits {
		n = n*10 + uint16(c-'0')
	}
	for i := len(digits); fraction && i < 4; i++ {
		n *= 10
	}
	return n
}

// binaryFields takes a row of the binary format apart: each field with its length.
func binaryFields(row []byte) [][]byte {
	fields := make([][]byte, 0, binary.BigEndian.Uint16(row))
	for row = row[2:]; len(row) > 0; {
		n := 4 + max(0, int(int32(binary.BigEndian.Uint32(row))))
		fields = append(fields, row[:n])
		row = row[n:]
	}
	return fields
}
