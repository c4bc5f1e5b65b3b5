package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"slices"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"connectd/record"
)

// rangeError says that a value is larger or finer than its column.
type rangeError struct {
	text    string
	nearest record.Value // what the column can hold; null where nothing is near
	wider   string       // the type that would hold it, as SQL writes it; "" where there is none
}

func (e *rangeError) Error() string { return e.text }

// misfit is a value that its column does not take.
type misfit struct {
	cause  error
	table  name
	column *column
}

func (m *misfit) Error() string {
	return fmt.Sprintf("column %q of table %s (%s): %v", m.column.name, m.table, m.column.declared, m.cause)
}

func (m *misfit) Unwrap() error { return m.cause }

// wider is the type that would hold the value; "" where there is none, as for an array's element.
func (m *misfit) wider() string {
	if e, ok := m.cause.(*rangeError); ok {
		return e.wider
	}
	return ""
}

// outOfInteger is the error for n, which an integer type of these limits does not hold.
func outOfInteger(t *typ, n string, negative bool, low, high int64) *rangeError {
	e := &rangeError{text: fmt.Sprintf("%s is out of range of %s (%d to %d)", n, formNames[t.form], low, high), nearest: record.OfInt(high), wider: "numeric"}
	if negative {
		e.nearest = record.OfInt(low)
	}
	if v, ok := new(big.Int).SetString(n, 10); ok && v.IsInt64() {
		e.wider = "bigint"
		if v.Int64() >= math.MinInt32 && v.Int64() <= math.MaxInt32 {
			e.wider = "integer"
		}
	}
	return e
}

// outOfNumeric is the error for a decimal text with so many digits that count before and after
// its point. The nearest value is rounded to the scale, and the largest one is the limit.
func outOfNumeric(t *typ, decimal []byte, whole, fraction int) *rangeError {
	e := &rangeError{}
	if fraction > max(t.scale, 0) {
		e.text = fmt.Sprintf("has %d digits after the point, and numeric(%d,%d) would round them away; widen the column", fraction, t.limit, t.scale)
	} else {
		e.text = fmt.Sprintf("has %d digits before the point, and numeric(%d,%d) holds %d; widen the column", whole, t.limit, t.scale, t.limit-t.scale)
	}
	scale := max(fraction, t.scale)
	e.wider = "numeric"
	if precision := max(whole, t.limit-t.scale) + scale; precision <= 1000 { // PostgreSQL's most
		e.wider = fmt.Sprintf("numeric(%d,%d)", precision, scale)
	}
	value, ok := new(big.Rat).SetString(string(decimal))
	if !ok || t.scale < 0 {
		return e
	}
	most := bytes.Repeat([]byte("9"), t.limit-t.scale)
	if t.scale > 0 {
		most = append(append(most, '.'), bytes.Repeat([]byte("9"), t.scale)...)
	}
	nearest := []byte(value.FloatString(t.scale))
	limit, _ := new(big.Rat).SetString("0" + string(most))
	if rounded, _ := new(big.Rat).SetString(string(nearest)); rounded.Abs(rounded).Cmp(limit) > 0 {
		nearest = append([]byte("0"), most...)
		if value.Sign() < 0 {
			nearest = append([]byte("-"), nearest...)
		}
	}
	e.nearest = record.OfNumber(nearest)
	return e
}

// tooLong is the error for a text of n characters, or octets. Its nearest value would be another text, so
// there is none.
func tooLong(t *typ, n int) *rangeError {
	unit := "characters"
	if t.octets {
		unit = "octets"
	}
	return &rangeError{
		text:  fmt.Sprintf("has %d %s, and the column takes %d; widen the column", n, unit, t.limit),
		wider: fmt.Sprintf("varchar(%d)", 1<<bits.Len(uint(n-1))), // room for more, so that it is not widened often
	}
}

// settle does with a value that does not fit what out.of.range says: v is then what is written in
// its place.
func (w *Writer) settle(p *plan, c *cell, err error) (v record.Value, ok bool) {
	var e *rangeError
	// The column is looked at again first, see again.
	if !p.buffer.looked || !errors.As(err, &e) || w.sink.cfg.Widen && e.wider != "" || p.isKey(c.column) {
		return v, false
	}
	switch w.sink.cfg.Range {
	case "clamp":
		ok = e.nearest.Kind != record.Null && c.column.typ.form != arrayForm
		v = e.nearest
	case "null":
		ok = c.column.nullable
	}
	if ok && !w.settled[c.column.name] {
		w.settled[c.column.name] = true
		w.sink.log.Warn("values that their column can not hold are changed, as out.of.range says; this is said once for each column",
			"table", p.table.String(), "column", c.column.name, "out.of.range", w.sink.cfg.Range, "partition", w.partition.String(), "offset", w.offset)
	}
	return v, ok
}

func (p *plan) isKey(c *column) bool {
	return slices.ContainsFunc(p.key, func(k cell) bool { return k.column == c })
}

// again is the result of writing r once more after its refusal with cause, when that is by a column:
// somebody may have made it wider since the table was read. It is looked at once in a range.
func (w *Writer) again(ctx context.Context, b *record.Batch, r *record.Record, cause error) error {
	var m *misfit
	if !errors.As(cause, &m) || w.buffers[m.table].looked {
		return cause
	}
	waiting := w.buffers[m.table]
	waiting.looked = true
	t, err := w.sink.look(ctx, m.table)
	if err != nil {
		return err
	}
	if t != waiting.table {
		if err := w.unlessWaiting(m.table); err != nil {
			return err
		}
		w.refresh()
	}
	return w.write(ctx, b, r)
}

// look reads a table again.
func (s *Sink) look(ctx context.Context, n name) (*table, error) {
	c, err := s.pool.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer s.pool.release(c)
	return s.readTable(ctx, c, n)
}

// widened is the result of writing r once more, when its refusal with cause is that a column is
// too narrow.
func (w *Writer) widened(ctx context.Context, b *record.Batch, r *record.Record, cause error) error {
	var m *misfit
	if !errors.As(cause, &m) || m.wider() == "" {
		return cause
	}
	if err := w.widen(ctx, m); err != nil {
		return err
	}
	w.refresh()
	return w.write(ctx, b, r)
}

// widen gives the column of m a type that holds the value, under a lock, so that a column that
// another task has widened meanwhile is not made narrower again. nil means that the record can be
// encoded anew.
func (w *Writer) widen(ctx context.Context, m *misfit) error {
	s := w.sink
	c, err := s.pool.acquire(ctx)
	if err != nil {
		return err
	}
	defer s.pool.release(c)
	tx, err := c.BeginTx(ctx, readCommitted)
	if err != nil {
		return s.explain("begin", err)
	}
	ddl := "ALTER TABLE " + m.table.String() + " ALTER COLUMN " + quote(m.column.name) + " TYPE " + m.wider()
	if _, err := tx.Exec(ctx, "LOCK TABLE "+m.table.String()+" IN ACCESS EXCLUSIVE MODE"); err != nil {
		return rolledBack(ctx, tx, s.explain("run "+ddl, err))
	}
	t, err := s.readTable(ctx, c, m.table)
	if err != nil {
		return rolledBack(ctx, tx, err)
	}
	if t != nil && t.find(m.column.name) != nil && t.find(m.column.name).declared == m.column.declared {
		if _, err := tx.Exec(ctx, ddl, pgx.QueryExecModeSimpleProtocol); err != nil {
			return rolledBack(ctx, tx, s.explain("run "+ddl, err))
		}
	}
	if err := tx.Commit(ctx); err != nil {
		return s.explain("commit", err)
	}
	s.log.Info("changed table", "table", m.table.String(), "statement", ddl)
	if _, err := s.readTable(ctx, c, m.table); err != nil {
		return err
	}
	return w.unlessWaiting(m.table)
}

// unlessWaiting is an error when rows wait in the form that their table had before: the runtime
// then gives the range again.
func (w *Writer) unlessWaiting(n name) error {
	if b := w.buffers[n]; b != nil && !b.empty() {
		return fmt.Errorf("table %s: %w", n, errTypesChanged)
	}
	return nil
}

// runes is how many characters text has, when they are more than limit; 0 otherwise.
func runes(text []byte, limit int) int {
	if limit > 0 && len(text) > limit {
		if n := utf8.RuneCount(text); n > limit {
			return n
		}
	}
	return 0
}
