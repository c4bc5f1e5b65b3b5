package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"connectd/convert"
	"connectd/record"
)

// encoder writes values as fields of COPY's text format, by the type of the column that they go
// into. It belongs to one goroutine: it keeps a buffer.
type encoder struct {
	strip    bool // NUL characters
	location *time.Location
	text     []byte // of the field at hand, before it is escaped
}

// field appends v, of schema s, as a field of a column of type t. v is not null. dst comes back
// with something half done when there is an error.
func (e *encoder) field(dst []byte, t *typ, s *record.Schema, v *record.Value) ([]byte, error) {
	switch t.form {
	case int8Form:
		n, err := integer(t, s, v, math.MinInt64, math.MaxInt64)
		return strconv.AppendInt(dst, n, 10), err
	case int4Form:
		n, err := integer(t, s, v, math.MinInt32, math.MaxInt32)
		return strconv.AppendInt(dst, n, 10), err
	case int2Form:
		n, err := integer(t, s, v, math.MinInt16, math.MaxInt16)
		return strconv.AppendInt(dst, n, 10), err
	case numericForm:
		text, err := e.decimal(t, s, v)
		return append(dst, text...), err
	case timestamptzForm, timestampForm:
		return e.moment(dst, t, s, v)
	case jsonForm, jsonbForm:
		text, err := e.document(t, s, v)
		if err != nil {
			return dst, err
		}
		return appendEscaped(dst, text, e.strip)
	case boolForm:
		on, err := convert.AsBool(record.Datum{Schema: s, Value: *v})
		if on {
			return append(dst, 't'), err
		}
		return append(dst, 'f'), err
	case float8Form:
		f, err := float(t, s, v)
		return appendFloat(dst, f, 64), err
	case float4Form:
		f, err := float(t, s, v)
		return appendFloat(dst, f, 32), err
	case byteaForm:
		return e.bytea(dst, s, v)
	case dateForm:
		return e.date(dst, s, v)
	case timeForm:
		return e.clock(dst, s, v)
	case uuidForm:
		return e.uuid(dst, s, v)
	case intervalForm:
		// PostgreSQL would take a bare number for seconds.
		if v.Kind == record.Int && (s == nil || s.Name != record.MicroDurationName) {
			return dst, errors.New("is a number without a unit; an interval is a text such as P1DT2H")
		}
	case bitForm:
		if v.Kind == record.Bool {
			return append(dst, byte('0'+v.N)), nil
		}
	case arrayForm:
		return e.array(dst, t, s, v)
	}
	text, err := e.literal(t, s, v)
	if err != nil {
		return dst, err
	}
	return appendEscaped(dst, text, e.strip)
}

// literal is the text of what is written as PostgreSQL reads it from a literal.
func (e *encoder) literal(t *typ, s *record.Schema, v *record.Value) ([]byte, error) {
	switch t.form {
	case hstoreForm:
		return e.hstore(s, v)
	case geometryForm:
		return e.geometry(s, v)
	case pointForm:
		return e.point(s, v)
	}
	return e.characters(t, s, v)
}

func integer(t *typ, s *record.Schema, v *record.Value, low, high int64) (int64, error) {
	n := v.N
	if v.Kind != record.Int {
		var err error
		if n, err = convert.AsInt(record.Datum{Schema: s, Value: *v}); err != nil {
			return 0, largeInteger(t, s, v, low, high, err)
		}
	}
	if n < low || n > high {
		return 0, outOfInteger(t, strconv.FormatInt(n, 10), n < 0, low, high)
	}
	return n, nil
}

// largeInteger is a rangeError when v is an integer of more than 64 bits, and err otherwise.
func largeInteger(t *typ, s *record.Schema, v *record.Value, low, high int64, err error) error {
	text, wrong := convert.AsDecimal(nil, record.Datum{Schema: s, Value: *v})
	whole, fraction, _ := bytes.Cut(text, []byte("."))
	if wrong != nil || len(whole) < 19 || len(bytes.Trim(fraction, "0")) > 0 {
		return err
	}
	return outOfInteger(t, string(whole), whole[0] == '-', low, high)
}

func float(t *typ, s *record.Schema, v *record.Value) (float64, error) {
	f, err := convert.AsFloat(record.Datum{Schema: s, Value: *v})
	if err != nil || t.form != float4Form {
		return f, err
	}
	if math.Abs(f) > math.MaxFloat32 && !math.IsInf(f, 0) {
		limit := math.Copysign(math.MaxFloat32, f)
		return 0, &rangeError{text: fmt.Sprintf("%g is out of range of real", f), nearest: record.OfFloat(limit), wider: "double precision"}
	}
	if near := float64(float32(f)); v.Kind == record.Int && near != f {
		return 0, &rangeError{text: fmt.Sprintf("%d is not exactly a real, which has 24 bits", v.N), nearest: record.OfFloat(near), wider: "double precision"}
	}
	return f, nil
}

// appendFloat appends f as PostgreSQL reads it.
func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, bits)
}

// decimal is v as plain decimal text, valid until the next call.
func (e *encoder) decimal(t *typ, s *record.Schema, v *record.Value) ([]byte, error) {
	var err error
	e.text, err = convert.AsDecimal(e.text[:0], record.Datum{Schema: s, Value: *v})
	if errors.Is(err, convert.ErrNotFinite) {
		return e.text, nil // numeric knows NaN, and Infinity from PostgreSQL 14 on
	}
	if err != nil {
		return nil, err
	}
	return e.text, t.fits(e.text)
}

// characters is the text of v, valid until the next call.
func (e *encoder) characters(t *typ, s *record.Schema, v *record.Value) ([]byte, error) {
	text := v.B
	if v.Kind != record.String {
		var err error
		if text, err = e.asText(s, v); err != nil {
			return nil, err
		}
	}
	if n := runes(text, t.limit); n > 0 {
		return nil, tooLong(t, n)
	}
	if t.octets && len(text) > t.limit {
		return nil, tooLong(t, len(text))
	}
	return text, nil
}

// asText is the text form of v, valid until the next call.
func (e *encoder) asText(s *record.Schema, v *record.Value) ([]byte, error) {
	var err error
	e.text, err = convert.AppendText(e.text[:0], record.Datum{Schema: s, Value: *v})
	return e.text, err
}

// document is the JSON text of v, valid until the next call. A string is one already, as Debezium
// writes the values of json columns: one that is not JSON is refused by the server, which has to
// read it anyway.
func (e *encoder) document(t *typ, s *record.Schema, v *record.Value) ([]byte, error) {
	text := v.B
	if v.Kind != record.JSON && v.Kind != record.String {
		var err error
		if e.text, err = convert.AppendJSON(e.text[:0], record.Datum{Schema: s, Value: *v}); err != nil {
			return nil, err
		}
		text = e.text
	}
	if t.form == jsonbForm {
		return withoutNUL(text, e.strip)
	}
	return text, nil
}

func (e *encoder) bytea(dst []byte, s *record.Schema, v *record.Value) ([]byte, error) {
	var err error
	if e.text, err = convert.AsBytes(e.text[:0], record.Datum{Schema: s, Value: *v}); err != nil {
		return dst, err
	}
	const digits = "0123456789abcdef"
	dst = append(dst, `\\x`...)
	for _, o := range e.text {
		dst = append(dst, digits[o>>4], digits[o&15])
	}
	return dst, nil
}

// moment writes a timestamp. A column without time zone holds what a clock in db.timezone shows;
// a value without time zone, in a column that has one, is read by the session, whose TimeZone is
// db.timezone.
func (e *encoder) moment(dst []byte, t *typ, s *record.Schema, v *record.Value) ([]byte, error) {
	if v.Kind == record.String {
		if isISO(v.B) && (t.form == timestamptzForm || !hasZone(v.B) || isUTC(v.B) && e.location == time.UTC) {
			return append(dst, v.B...), nil
		}
	}
	micros, err := asMicros(record.Datum{Schema: s, Value: *v})
	if errors.Is(err, convert.ErrNotFinite) {
		return appendInfinity(dst, micros), nil
	}
	if err != nil {
		return dst, err
	}
	instant := isInstant(s, v)
	if t.form == timestamptzForm {
		return appendMoment(dst, micros, instant), nil
	}
	if instant {
		micros = wallClock(micros, e.location)
	}
	return appendMoment(dst, micros, false), nil
}

// asMicros rounds nanoseconds, as PostgreSQL does when it reads a text.
func asMicros(d record.Datum) (int64, error) {
	micros, err := convert.AsMicros(d)
	if err == nil || errors.Is(err, convert.ErrNotFinite) {
		return micros, err
	}
	nanos, tooFar := convert.AsNanos(d, 0)
	if tooFar != nil {
		return 0, err
	}
	return floorDiv(nanos+500, 1000), nil
}

func appendInfinity(dst []byte, limit int64) []byte {
	if limit < 0 {
		dst = append(dst, '-')
	}
	return append(dst, "infinity"...)
}

func (e *encoder) date(dst []byte, s *record.Schema, v *record.Value) ([]byte, error) {
	if v.Kind == record.String && isDate(v.B) {
		return append(dst, v.B...), nil
	}
	days, err := convert.AsDays(record.Datum{Schema: s, Value: *v})
	if errors.Is(err, convert.ErrNotFinite) {
		return appendInfinity(dst, days), nil
	}
	if err != nil {
		return dst, err
	}
	dst, bc := appendDate(dst, days)
	if bc {
		dst = append(dst, " BC"...)
	}
	return dst, nil
}

func (e *encoder) clock(dst []byte, s *record.Schema, v *record.Value) ([]byte, error) {
	if v.Kind == record.String && isClock(v.B) {
		return append(dst, v.B...), nil
	}
	micros, err := convert.AsMicrosOfDay(record.Datum{Schema: s, Value: *v})
	if err != nil {
		return dst, err
	}
	return appendTime(dst, micros), nil
}

// uuid writes 32 hexadecimal digits in the form that PostgreSQL prints, so that keys compare.
func (e *encoder) uuid(dst []byte, s *record.Schema, v *record.Value) ([]byte, error) {
	text, err := v.B, error(nil)
	if v.Kind != record.String {
		if text, err = e.asText(s, v); err != nil {
			return dst, err
		}
	}
	n := 0
	for _, c := range text {
		switch {
		case c == '-' || c == '{' || c == '}':
			continue
		case 'A' <= c && c <= 'F':
			c += 'a' - 'A'
		case (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return dst, errors.New("is not a UUID")
		}
		if n == 8 || n == 12 || n == 16 || n == 20 {
			dst = append(dst, '-')
		}
		dst = append(dst, c)
		n++
	}
	if n != 32 {
		return dst, fmt.Errorf("is not a UUID: it has %d hexadecimal digits, want 32", n)
	}
	return dst, nil
}
