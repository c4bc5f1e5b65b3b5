package clickhouse

import (
	"math"

	"connectd/convert"
	"connectd/record"
)

// floatColumn holds Float32 and Float64. A number with more digits than the type has is rounded
// to the nearest one, which is what the type means; one beyond its range is refused, and so is an
// integer that would become another one.
type floatColumn struct {
	fixed
	policy policy
}

func (c *floatColumn) append(s *record.Schema, v *record.Value) error {
	var f float64
	switch v.Kind {
	case record.Float:
		f = v.Float()
	case record.Null:
		return c.null(c.policy)
	default:
		var err error
		if f, err = convert.AsFloat(record.Datum{Schema: s, Value: *v}); err != nil {
			return err
		}
	}
	if c.width == 8 {
		c.put64(math.Float64bits(f))
		return nil
	}
	if narrow := float32(f); math.IsInf(float64(narrow), 0) && !math.IsInf(f, 0) {
		if c.policy != clamp {
			return outOfRange("%g is out of range of Float32", f)
		}
		f = math.Copysign(math.MaxFloat32, f)
	}
	if v.Kind == record.Int && float64(float32(f)) != f && c.policy != clamp {
		return outOfRange("%d is not exactly a Float32, which has 24 bits", v.N)
	}
	c.put32(math.Float32bits(float32(f)))
	return nil
}

// boolColumn holds Bool.
type boolColumn struct {
	fixed
	policy policy
}

func (c *boolColumn) append(s *record.Schema, v *record.Value) error {
	is := v.N != 0
	switch v.Kind {
	case record.Bool:
	case record.Null:
		return c.null(c.policy)
	default:
		var err error
		if is, err = convert.AsBool(record.Datum{Schema: s, Value: *v}); err != nil {
			return err
		}
	}
	b := byte(0)
	if is {
		b = 1
	}
	c.put8(b)
	return nil
}
