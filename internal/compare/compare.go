// Package compare holds a target against its source, value by value: it reads the rows of one
// table from PostgreSQL, ClickHouse or the objects of an S3 bucket into one canonical text each.
// The demo and the end-to-end tests use it.
package compare

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind says how the values of a column are read and compared.
type Kind int

const (
	Text     Kind = iota
	Decimal       // 12.5 is 12.50
	Float         // the same float64
	Moment        // timestamp or timestamptz: microseconds since 1970
	Day           // date: days since 1970
	Clock         // time: microseconds since midnight
	Octets        // bytea: hexadecimal digits
	Document      // JSON and arrays, whatever their spaces and the order of their keys
)

// Column is one column of a table.
type Column struct {
	Name string
	Kind Kind
}

// Table says what is compared. Key names the columns whose values tell rows apart; without a key
// the whole row does, and equal rows are counted.
type Table struct {
	Name    string
	Key     []string
	Columns []Column
}

// Rows are the rows of a table by key, each as one canonical text.
type Rows map[string]string

// null stands for NULL in a canonical row: no text of ours can hold it.
const null = "\x00"

// Of makes rows of texts, one slice of columns a row: what a test or the demo has made itself.
func (t *Table) Of(cells [][]string) (Rows, error) {
	rows := Rows{}
	for _, row := range cells {
		if err := t.add(rows, row); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// add puts a row that was read as one text a column.
func (t *Table) add(rows Rows, cells []string) error {
	out := make([]string, len(cells))
	for i, c := range cells {
		canonical, err := t.Columns[i].canonical(c)
		if err != nil {
			return fmt.Errorf("table %s, column %s: %w", t.Name, t.Columns[i].Name, err)
		}
		out[i] = canonical
	}
	row := strings.Join(out, "\x1f")
	if len(t.Key) == 0 {
		n, _ := strconv.Atoi(rows[row])
		rows[row] = strconv.Itoa(n + 1)
		return nil
	}
	key := t.key(out)
	if _, twice := rows[key]; twice {
		return fmt.Errorf("table %s: key %q is there twice", t.Name, key)
	}
	rows[key] = row
	return nil
}

// key is the key's part of a canonical row.
func (t *Table) key(cells []string) string {
	var parts []string
	for i, c := range t.Columns {
		if slices.Contains(t.Key, c.Name) {
			parts = append(parts, cells[i])
		}
	}
	return strings.Join(parts, "\x1f")
}

func (c Column) canonical(text string) (string, error) {
	if text == null {
		return null, nil
	}
	switch c.Kind {
	case Moment:
		if !strings.Contains(text, ":") {
			return text, nil
		}
		at, err := time.Parse(time.RFC3339Nano, text)
		return strconv.FormatInt(at.UnixMicro(), 10), err
	case Decimal:
		if text == "NaN" {
			return text, nil
		}
		r, ok := new(big.Rat).SetString(text)
		if !ok {
			return "", fmt.Errorf("%q is not a decimal", text)
		}
		return r.RatString(), nil
	case Float:
		f, err := strconv.ParseFloat(strings.ToLower(text), 64)
		if err != nil {
			return "", err
		}
		return strconv.FormatFloat(f, 'g', -1, 64), nil
	case Clock:
		if !strings.Contains(text, ":") {
			return text, nil
		}
		at, err := time.Parse("15:04:05.999999999", text)
		if err != nil {
			return "", err
		}
		midnight := at.Truncate(24 * time.Hour)
		return strconv.FormatInt(at.Sub(midnight).Microseconds(), 10), nil
	case Document:
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			return "", fmt.Errorf("%q is not JSON: %w", text, err)
		}
		b, err := json.Marshal(v)
		return string(b), err
	}
	return text, nil
}

// Rows is the number of rows, equal rows of a table without a key counted each.
func (t *Table) Rows(r Rows) int {
	if len(t.Key) > 0 {
		return len(r)
	}
	n := 0
	for _, count := range r {
		k, _ := strconv.Atoi(count)
		n += k
	}
	return n
}

// Equal says whether both hold the same rows.
func (r Rows) Equal(other Rows) bool { return maps.Equal(r, other) }

// Diff describes the first few rows in which got differs from r, for a test's message.
func (r Rows) Diff(got Rows) string {
	const most = 5
	var out []string
	for _, key := range slices.Sorted(maps.Keys(r)) {
		row, ok := got[key]
		switch {
		case !ok:
			out = append(out, fmt.Sprintf("missing: %q", r[key]))
		case row != r[key]:
			out = append(out, fmt.Sprintf("got:  %q\nwant: %q", row, r[key]))
		}
		if len(out) == most {
			break
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if _, ok := r[key]; !ok && len(out) < 2*most {
			out = append(out, fmt.Sprintf("too much: %q", got[key]))
		}
	}
	return fmt.Sprintf("%d rows, want %d\n%s", len(got), len(r), strings.Join(out, "\n"))
}
