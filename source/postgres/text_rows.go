package postgres

import (
	"fmt"

	"connectd/record"
)

// textRows are rows as the server has sent them, in text, outside of any batch: a chunk waits in
// them for its place in the stream.
type textRows struct {
	width int // values of a row
	data  []byte
	ends  []int // of each value in data; the complement for NULL, which has no text
}

// add takes a copy of one row.
func (r *textRows) add(values [][]byte) {
	for _, v := range values {
		r.data = append(r.data, v...)
		end := len(r.data)
		if v == nil {
			end = ^end
		}
		r.ends = append(r.ends, end)
	}
}

// count is how many rows there are.
func (r *textRows) count() int {
	if r.width == 0 {
		return 0
	}
	return len(r.ends) / r.width
}

// cut leaves the first n rows.
func (r *textRows) cut(n int) {
	r.data = r.data[:r.start(n*r.width)]
	r.ends = r.ends[:n*r.width]
}

// start is where in data the i-th value begins.
func (r *textRows) start(i int) int {
	if i == 0 {
		return 0
	}
	return ends(r.ends[i-1])
}

// ends is where a value of which end is in the list ends.
func ends(end int) int {
	if end < 0 {
		return ^end
	}
	return end
}

// value is one value, nil for NULL.
func (r *textRows) value(row, column int) []byte {
	i := row*r.width + column
	if r.ends[i] < 0 {
		return nil
	}
	return r.data[r.start(i):r.ends[i]:r.ends[i]]
}

// decodeText makes the cells of a row of rows, in b's memory. columns are those of the values,
// nil for a value that is no cell.
func (t *table) decodeText(b *record.Batch, columns []*column, rows *textRows, row int) ([]record.Value, error) {
	cells := b.Cells(t.cells)
	first := row * rows.width
	from := rows.start(first)
	text := b.Copy(rows.data[from:rows.start(first+rows.width)])
	for i, c := range columns {
		end := rows.ends[first+i]
		if c == nil {
			continue
		}
		if end < 0 {
			cells[c.cell] = c.null
			continue
		}
		at := rows.start(first+i) - from
		if err := c.decode(&cells[c.cell], b, text[at:end-from:end-from]); err != nil {
			return nil, fmt.Errorf("table %s, column %q: %w", t, c.name, err)
		}
	}
	t.maskKeys(b, cells)
	return cells, nil
}
