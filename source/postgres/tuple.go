package postgres

import (
	"fmt"

	"connectd/record"
)

// tuple decodes the next tuple of m into cells of b. old are the cells of the tuple before the
// change, if they are known: they supply what the server did not send because it is unchanged.
// keyOnly says that only the replica identity is sent, and the other columns are nulls that mean
// nothing.
func (t *table) tuple(b *record.Batch, m *message, old []record.Value, keyOnly bool) ([]record.Value, error) {
	if n := int(m.uint16()); n != len(t.columns) {
		if m.bad {
			return nil, errTruncated
		}
		return nil, t.errColumns(n)
	}
	cells := b.Cells(t.cells)
	for i := range t.columns {
		c := &t.columns[i]
		switch kind := m.byte(); kind {
		case tupleText:
			text := m.bytes(int(int32(m.uint32())))
			if m.bad {
				return nil, errTruncated
			}
			if c.cell < 0 {
				continue
			}
			if err := c.decode(&cells[c.cell], b, text); err != nil {
				return nil, fmt.Errorf("table %s, column %q: %w", t, c.name, err)
			}
		case tupleNull:
			switch {
			case c.cell < 0:
			case keyOnly:
				cells[c.cell] = c.absent
			case c.null.Kind != record.Null:
				cells[c.cell] = c.null
			}
		case tupleUnchanged:
			switch {
			case c.cell < 0:
			case old != nil:
				cells[c.cell] = old[c.cell]
			default:
				cells[c.cell] = c.unchanged
			}
		default:
			if m.bad {
				return nil, errTruncated
			}
			return nil, fmt.Errorf("table %s, column %q: a value of kind %q, want text", t, c.name, kind)
		}
	}
	t.maskKeys(b, cells)
	return cells, m.err()
}

// sameKey says whether two tuples have the same key.
func (t *table) sameKey(a, b []record.Value) bool {
	for _, cell := range t.key {
		if !equal(a[cell], b[cell]) {
			return false
		}
	}
	return true
}

func equal(a, b record.Value) bool {
	if a.Kind != b.Kind || a.N != b.N || string(a.B) != string(b.B) || len(a.Items) != len(b.Items) {
		return false
	}
	for i := range a.Items {
		if !equal(a.Items[i], b.Items[i]) {
			return false
		}
	}
	return true
}
