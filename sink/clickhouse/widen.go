package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"connectd/connect"
	"connectd/record"
)

// cellError is a value that its column can not hold.
type cellError struct {
	table *table
	cell  *cell
	err   error
}

func (e *cellError) Error() string {
	return fmt.Sprintf("column %s %s of table %s: %v", quoteName(e.cell.name), e.cell.kind, e.table.quoted, e.err)
}

func (e *cellError) Unwrap() error { return e.err }

// wider is the next type of the same family that may hold what the column could not; empty when
// there is none.
func (e *cellError) wider() string {
	if slices.Contains(e.table.sorting, e.cell.name) {
		return "" // ClickHouse changes no sorting key
	}
	if e.err == errNull {
		if kind := nullable(e.cell.kind); kind != e.cell.kind {
			return kind
		}
		return ""
	}
	if r, ok := errors.AsType[*rangeError](e.err); !ok || r.fine {
		return ""
	}
	inner := notNullable(e.cell.kind)
	t, err := parseType(inner)
	if err != nil {
		return ""
	}
	kind := ""
	switch t.name {
	case "Int8", "Int16", "Int32":
		kind = "Int64"
	case "UInt8", "UInt16", "UInt32":
		kind = "UInt64"
	case "Int64":
		kind = "Int128"
	case "Decimal":
		c, err := newDecimal(t, refuse)
		if err != nil || c.precision == 76 {
			return ""
		}
		kind = fmt.Sprintf("Decimal(%d, %d)", map[int]int{4: 18, 8: 38, 16: 76, 32: 76}[c.width], c.scale)
	default:
		return ""
	}
	if inner != e.cell.kind {
		kind = nullable(kind)
	}
	return kind
}

// notNullable is the type inside of Nullable.
func notNullable(kind string) string {
	if inner, ok := strings.CutPrefix(kind, "Nullable("); ok {
		return inner[:len(inner)-1]
	}
	return kind
}

// widen gives the column of e a wider type and adds the record again; without auto.evolve.widen
// the record is refused, with the statement that would help.
func (w *Writer) widen(ctx context.Context, t *table, b *record.Batch, i int, e *cellError, kind string) error {
	ddl := fmt.Sprintf("ALTER TABLE %s%s MODIFY COLUMN %s %s", t.quoted, w.onCluster(), quoteName(e.cell.name), kind)
	if !w.cfg.Widen {
		b.Fail(i, fmt.Errorf("%w; set auto.evolve.widen: true, or run %s", e, ddl))
		return nil
	}
	was := e.cell.kind
	// Another writer may have widened it already.
	if err := w.refresh(ctx, t); err != nil {
		return err
	}
	if w.kindIn(t, e.cell.name) == was {
		if err := w.exec(ctx, ddl); err != nil {
			return w.explain("run "+ddl, err)
		}
		w.log.Info("column widened", "table", t.table, "column", e.cell.name, "type", kind)
		if err := w.refresh(ctx, t); err != nil {
			return err
		}
	}
	if w.kindIn(t, e.cell.name) == was {
		return connect.Permanent(fmt.Errorf("column %s of table %s is still %s after %s", quoteName(e.cell.name), t.quoted, was, ddl))
	}
	return w.add(ctx, t, b, i)
}

// kindIn is the type of the column called name; empty when it is gone.
func (w *Writer) kindIn(t *table, name string) string {
	if i := t.index(name); i >= 0 {
		return t.columns[i].kind
	}
	return ""
}

// widen makes the rows that the column has ready a column of the type that the table has now. A
// type that is no wider form of the old one is left to the server to convert: a block must not
// end here, because where it ends depends on nothing but the records.
func (c *blockColumn) widen(kind string, rows int, spare *columnPool) {
	if !widens(c.kind, kind) {
		return
	}
	cells, sent, err := spare.get(kind)
	if err != nil || !takeOver(cells, c.cells, rows) {
		return
	}
	spare.put(c.kind, c.cells, c.sent)
	c.kind, c.sent, c.cells = kind, sent, cells
}

// widens says whether every value of the one type is one of the other, and the encodings differ
// by nothing but the width and the marks for NULL.
func widens(from, to string) bool {
	if from, to = notNullable(from), notNullable(to); from == to {
		return true
	}
	a, errA := parseType(from)
	b, errB := parseType(to)
	if errA != nil || errB != nil {
		return false
	}
	if a.name == "Decimal" && b.name == "Decimal" {
		scaleA, _ := a.int(1, 0)
		scaleB, _ := b.int(1, 0)
		return scaleA == scaleB
	}
	family := func(name string) string { return strings.TrimRight(name, "0123456789") }
	f := family(a.name)
	return f == family(b.name) && (f == "Int" || f == "UInt") && bitsOf(a.name) < bitsOf(b.name)
}

// takeOver moves the rows of one column to an empty one that widens it.
func takeOver(to, from column, rows int) bool {
	if n, ok := to.(*nullableColumn); ok {
		old, ok := from.(*nullableColumn)
		if !ok {
			n.nulls.appendDefault(rows)
			return takeOver(n.inner, from, rows)
		}
		if !takeOver(n.inner, old.inner, rows) {
			return false
		}
		n.nulls, old.nulls = old.nulls, n.nulls
		return true
	}
	if text, ok := to.(*textColumn); ok {
		old, ok := from.(*textColumn)
		if ok {
			text.pieces, old.pieces = old.pieces, text.pieces
			text.marks, old.marks = old.marks, text.marks
			text.rows, old.rows = old.rows, text.rows
		}
		return ok
	}
	a, okA := to.(interface{ memory() *fixed })
	b, okB := from.(interface{ memory() *fixed })
	if !okA || !okB || a.memory().width < b.memory().width {
		return false
	}
	a.memory().extend(b.memory(), signed(from))
	return true
}

func signed(c column) bool {
	switch c := c.(type) {
	case *intColumn:
		return c.min < 0
	case *wideIntColumn:
		return c.signed
	case *decimalColumn:
		return true
	}
	return false
}

func (f *fixed) memory() *fixed { return f }

// extend takes over the integers of a column that is not wider: they are little-endian, so what
// is added goes behind.
func (f *fixed) extend(from *fixed, signed bool) {
	for _, piece := range from.segments(nil) {
		for cell := range slices.Chunk(piece, from.width) {
			f.room(f.width)
			f.data = append(f.data, cell...)
			fill := byte(0)
			if signed && cell[from.width-1]&0x80 != 0 {
				fill = 0xff
			}
			for range f.width - from.width {
				f.data = append(f.data, fill)
			}
		}
	}
}
