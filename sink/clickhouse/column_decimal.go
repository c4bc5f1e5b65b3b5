package clickhouse

import (
	"fmt"

	"connectd/record"
)

// decimalColumn holds Decimal(P, S): integers of the value times 10^S.
type decimalColumn struct {
	fixed
	precision, scale int
	bound            wide // 10^P, the first magnitude that does not fit
	policy           policy
	scratch          []byte
}

func newDecimal(t chType, p policy) (*decimalColumn, error) {
	precision, err := t.int(0, 10)
	if err != nil {
		return nil, err
	}
	scale, err := t.int(1, 0)
	if err != nil {
		return nil, err
	}
	if precision < 1 || precision > 76 || scale < 0 || scale > precision {
		return nil, fmt.Errorf("type %q is not a decimal", t.text)
	}
	width := 32
	switch {
	case precision <= 9:
		width = 4
	case precision <= 18:
		width = 8
	case precision <= 38:
		width = 16
	}
	c := &decimalColumn{fixed: fixed{width: width}, precision: precision, scale: scale, policy: p}
	c.bound.limbs[0] = 1
	for range precision {
		c.bound.push(0)
	}
	return c, nil
}

func (c *decimalColumn) append(s *record.Schema, v *record.Value) error {
	if v.Kind == record.Null {
		return c.null(c.policy)
	}
	text, err := decimalText(&c.scratch, s, v)
	if err != nil {
		return err
	}
	n, err := parseWide(text, c.scale)
	switch {
	case err == errScale && c.policy != clamp:
		return &rangeError{text: fmt.Sprintf("%.80s has more than %d digits after the point", text, c.scale), fine: true}
	case err == errScale:
	case err == errTooLarge:
		n.limbs = c.bound.limbs
	case err != nil:
		return err
	}
	if !n.magnitudeBelow(&c.bound) {
		if c.policy != clamp {
			return outOfRange("%.80s has more than %d digits before the point", text, c.precision-c.scale)
		}
		n.limbs = c.bound.limbs
		n.decrement()
	}
	c.room(c.width)
	c.data = n.appendTo(c.data, c.width)
	return nil
}

// decrement takes one from the magnitude, which is not zero.
func (n *wide) decrement() {
	for i := range n.limbs {
		n.limbs[i]--
		if n.limbs[i] != ^uint64(0) {
			return
		}
	}
}
