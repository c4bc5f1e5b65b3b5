package postgres

import (
	"encoding/binary"

	"connectd/record"
)

// chunk is a run of a table's rows in the order of its key, all of them as one snapshot of the
// database shows them.
type chunk struct {
	table   *table
	columns []*column // of the values of rows; nil for one that only orders them
	rows    textRows
	key     []int            // values of a row by which the rows are ordered
	ordered []string         // names of their columns
	index   map[string]int32 // row of a record's key
	shown   visibility
	end     LSN // once the stream is here it has sent all that the snapshot shows
	most    []string
	last    bool // no row follows
	about   int64
}

// keyText is the key of a row, as it goes into a statement.
func (c *chunk) keyText(row int) []string {
	texts := make([]string, len(c.key))
	for i, at := range c.key {
		texts[i] = string(c.rows.value(row, at))
	}
	return texts
}

// sameKey says whether two rows have the same place in the order.
func (c *chunk) sameKey(a, b int) bool {
	for _, at := range c.key {
		if string(c.rows.value(a, at)) != string(c.rows.value(b, at)) {
			return false
		}
	}
	return true
}

// makeIndex finds the rows by the keys that changes of theirs have.
func (c *chunk) makeIndex() error {
	n := c.rows.count()
	c.index = make(map[string]int32, n)
	parts := identityCells(c.table, c.columns, c.key)
	var b record.Batch
	cells := make([]record.Value, c.table.cells)
	var key []byte
	for row := range n {
		for i, column := range c.columns {
			if column == nil || !parts[column.cell] {
				continue
			}
			cells[column.cell] = record.Value{}
			if text := c.rows.value(row, i); text != nil {
				if err := column.decode(&cells[column.cell], &b, b.Copy(text)); err != nil {
					return err
				}
			}
		}
		key = c.table.appendIdentity(key[:0], cells, c.orderCells())
		c.index[string(key)] = int32(row)
		b.Reset()
	}
	return nil
}

// orderCells are the cells that order the rows.
func (c *chunk) orderCells() []int {
	var cells []int
	for _, at := range c.key {
		if column := c.columns[at]; column != nil {
			cells = append(cells, column.cell)
		}
	}
	return cells
}

// identityCells are the cells that appendIdentity looks at.
func identityCells(t *table, columns []*column, order []int) map[int]bool {
	parts := map[int]bool{}
	for _, cell := range t.key {
		parts[cell] = true
	}
	if len(t.key) == 0 {
		for _, at := range order {
			if columns[at] != nil {
				parts[columns[at].cell] = true
			}
		}
	}
	return parts
}

// appendIdentity appends what tells the row whose cells are given from the table's others: its
// record's key, or without one the cells by which a snapshot orders it.
func (t *table) appendIdentity(dst []byte, cells []record.Value, order []int) []byte {
	parts := t.key
	if len(parts) == 0 {
		parts = order
	}
	for _, cell := range parts {
		dst = appendCell(dst, &cells[cell])
	}
	return dst
}

// appendCell appends v so that different values differ.
func appendCell(dst []byte, v *record.Value) []byte {
	dst = append(dst, byte(v.Kind))
	dst = binary.AppendVarint(dst, v.N)
	dst = append(binary.AppendUvarint(dst, uint64(len(v.B))), v.B...)
	dst = binary.AppendUvarint(dst, uint64(len(v.Items)))
	for i := range v.Items {
		dst = appendCell(dst, &v.Items[i])
	}
	return dst
}
