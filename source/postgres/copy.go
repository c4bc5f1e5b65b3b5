package postgres

import (
	"bytes"
	"fmt"

	"connectd/record"
)

// copied decodes one row of COPY's text format, which is text with tabs between the values, into
// cells. columns are the table's columns in the order of the row; row is in b's memory.
func (t *table) copied(b *record.Batch, columns []*column, row []byte) ([]record.Value, error) {
	cells := b.Cells(t.cells)
	if len(row) == 0 || row[len(row)-1] != '\n' {
		return nil, fmt.Errorf("table %s: a row of COPY does not end", t)
	}
	rest := row[:len(row)-1]
	for i, c := range columns {
		value := rest
		if end := bytes.IndexByte(rest, '\t'); end >= 0 {
			value, rest = rest[:end:end], rest[end+1:]
		} else if i < len(columns)-1 {
			return nil, fmt.Errorf("table %s: a row of COPY has %d values, want %d", t, i+1, len(columns))
		}
		if escape := bytes.IndexByte(value, '\\'); escape >= 0 {
			if len(value) == 2 && value[1] == 'N' {
				if c.null.Kind != record.Null {
					cells[c.cell] = c.null
				}
				continue
			}
			value = unescape(value, escape)
		}
		if err := c.decode(&cells[c.cell], b, value); err != nil {
			return nil, fmt.Errorf("table %s, column %q: %w", t, c.name, err)
		}
	}
	t.maskKeys(b, cells)
	return cells, nil
}

// unescape resolves the escapes of COPY in place; the first one is at index first.
func unescape(value []byte, first int) []byte {
	end := first
	for i := first; i < len(value); i++ {
		c := value[i]
		if c == '\\' && i+1 < len(value) {
			i++
			switch c = value[i]; c {
			case 'b':
				c = '\b'
			case 'f':
				c = '\f'
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			case 't':
				c = '\t'
			case 'v':
				c = '\v'
			}
		}
		value[end] = c
		end++
	}
	return value[:end:end]
}
