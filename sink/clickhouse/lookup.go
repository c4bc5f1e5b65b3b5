package clickhouse

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"connectd/connect"
	"connectd/convert"
	"connectd/record"
)

// waiting is a row that lacks values which the source did not send. They are looked up when the
// range is flushed, after its other rows are in the table.
//
// A lookup sees more on a second attempt than on the first, and that is harmless: a block that is
// in the table already is dropped by its token, whatever it holds.
type waiting struct {
	record record.Record // in memory of its own
	facts  row
}

// wait keeps r until the flush.
func (t *table) wait(r *record.Record, facts row) {
	own := *r
	own.Key.Value, own.Value.Value = r.Key.Value.Clone(), r.Value.Value.Clone()
	own.Headers, own.RawKey, own.RawValue = nil, nil, nil
	t.waiting = append(t.waiting, waiting{own, facts})
}

// canLookUp says why values can not be looked up in t; nil when they can.
func (t *table) canLookUp() error {
	if t.replaces() {
		return nil
	}
	return connect.Permanent(fmt.Errorf("unavailable.value.handling: lookup needs a ReplacingMergeTree with a version column, and table %s has engine %s; write default there, or fail", t.quoted, t.full))
}

// newestRow is what is known of the newest row of a key: in the table, or of the waiting ones before.
type newestRow struct {
	version int64
	deleted bool
	cells   map[string]record.Datum
}

// lookupKeys and lookupBytes bound one query, whose text the server limits to 256 KiB.
const (
	lookupKeys  = 500
	lookupBytes = 64 << 10
)

// fill makes rows of the waiting records, in new blocks. Records for which the table has nothing
// are refused.
func (w *Writer) fill(ctx context.Context, t *table, p record.Partition) error {
	var failed []connect.RecordError
	newest := make(map[string]*newestRow) // by key, as a literal
	rows := t.waiting
	t.waiting = nil
	columns := w.lacking(t, rows)
	for len(rows) > 0 {
		keys, n, err := w.ask(t, rows)
		if err != nil {
			return err
		}
		if err := w.look(ctx, t, keys, columns, newest); err != nil {
			return err
		}
		for i := range rows[:n] {
			if err := w.complete(t, &rows[i], columns, newest); err != nil {
				failed = append(failed, connect.RecordError{Offset: rows[i].record.Offset, Err: err})
			}
		}
		rows = rows[n:]
	}
	if failed != nil {
		return &connect.RecordErrors{Partition: p.String(), Failed: failed}
	}
	return nil
}

// lacking are the columns that one of the rows lacks. All of them are looked up for every key: a
// row that waits may have to give any of them to one behind it.
func (w *Writer) lacking(t *table, rows []waiting) (columns []string) {
	lacks := make(map[string]bool)
	for i := range rows {
		r := &rows[i].record
		m := t.mapping(r, w.cfg)
		for k := range m.cells {
			if c := &m.cells[k]; c.from == fromValue && !lacks[c.name] && w.unavailable.Is(c.value(r)) {
				lacks[c.name] = true
				columns = append(columns, c.name)
			}
		}
	}
	return columns
}

// ask is the keys of the first n rows, as many as one query takes.
func (w *Writer) ask(t *table, rows []waiting) (keys []string, n int, err error) {
	asked := make(map[string]bool)
	size := 0
	for n = 0; n < len(rows) && len(keys) < lookupKeys && size < lookupBytes; n++ {
		r := &rows[n].record
		key, err := t.keyLiteral(t.mapping(r, w.cfg), r)
		if err != nil {
			return nil, 0, err
		}
		if !asked[key] {
			asked[key] = true
			keys, size = append(keys, key), size+len(key)
		}
	}
	return keys, n, nil
}

// keyLiteral is the sorting key of r's row in SQL.
func (t *table) keyLiteral(m *mapping, r *record.Record) (string, error) {
	texts := make([]string, len(t.sorting))
	for k, name := range t.sorting {
		i := m.cell(name)
		if i < 0 {
			return "", connect.Permanent(fmt.Errorf("unavailable.value.handling: lookup needs all sorting columns of table %s in the records, and %s is in none of their fields", t.quoted, name))
		}
		text, err := convert.AppendText(nil, record.Datum{Schema: m.cells[i].schema, Value: *m.cells[i].value(r)})
		if err != nil {
			return "", fmt.Errorf("sorting column %s: %w", quoteName(name), err)
		}
		texts[k] = quoteText(string(text))
	}
	return together(texts), nil
}

// together is one expression, or a tuple of several.
func together(expressions []string) string {
	if len(expressions) == 1 {
		return expressions[0]
	}
	return "(" + strings.Join(expressions, ", ") + ")"
}

// look reads the newest rows of the keys into newest, where they replace older ones.
func (w *Writer) look(ctx context.Context, t *table, keys, columns []string, newest map[string]*newestRow) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(w.cfg.InsertTimeout))
	defer cancel()
	const doing = "look up values that updates did not change"
	if replicated(t.engine) {
		// The newest row may have been written through another replica.
		if err := w.conn.Exec(ctx, "SYSTEM SYNC REPLICA "+t.quoted); err != nil {
			return w.explain(doing, err)
		}
	}
	rows, err := w.conn.Query(ctx, t.lookupText(keys, columns))
	if err != nil {
		return w.explain(doing, err)
	}
	defer rows.Close()
	texts := make([]*string, len(columns))
	var n uint64
	var s newestRow
	into := []any{&n, &s.version, &s.deleted}
	for i := range texts {
		into = append(into, &texts[i])
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return w.explain(doing, err)
		}
		found := &newestRow{version: s.version, deleted: s.deleted, cells: make(map[string]record.Datum)}
		for i, c := range columns {
			if found.cells[c], err = fromLookup(t.columns[t.index(c)].kind, texts[i]); err != nil {
				return fmt.Errorf("%s: column %s: %w", doing, quoteName(c), err)
			}
		}
		if old := newest[keys[n-1]]; old == nil || old.version < found.version {
			newest[keys[n-1]] = found
		}
	}
	if err := rows.Err(); err != nil {
		return w.explain(doing, err)
	}
	return nil
}

// lookupText is the query for the newest rows of the keys: which key, version, deleted or not,
// and the columns as texts.
func (t *table) lookupText(keys, columns []string) string {
	var names, kinds []string
	for _, name := range t.sorting {
		names = append(names, quoteName(name))
		kinds = append(kinds, t.columns[t.index(name)].kind)
	}
	key, kind, list := together(names), together(kinds), strings.Join(keys, ", ")
	if len(kinds) > 1 {
		kind = "Tuple" + kind
	}
	array := "CAST([" + list + "], " + quoteText("Array("+kind+")") + ")"
	version := quoteName(t.columns[t.version].name)
	deleted := "false"
	if t.deleted >= 0 {
		deleted = "argMax(" + quoteName(t.columns[t.deleted].name) + ", " + version + ") != 0"
	}
	selected := []string{"indexOf(" + array + ", " + key + ") AS _connectd_key", "toInt64(max(" + version + "))", "toBool(" + deleted + ")"}
	for _, c := range columns {
		// argMax passes over NULL, but not over a tuple with NULL in it.
		selected = append(selected, asText(t.columns[t.index(c)].kind, "tupleElement(argMax(tuple("+quoteName(c)+"), "+version+"), 1)"))
	}
	return "SELECT " + strings.Join(selected, ", ") + " FROM " + t.quoted + " WHERE " + key + " IN (" + list + ") GROUP BY _connectd_key"
}

// asText is the expression that gives a value of the type as text, and fromLookup reads it. A
// String may hold any octets, so it comes in hex.
func asText(kind, value string) string {
	function := "toString"
	switch base(kind) {
	case "String", "FixedString":
		function = "hex"
	case "Array", "Map", "Tuple", "JSON", "Object":
		function = "toJSONString"
	}
	return "if(isNull(" + value + "), NULL, " + function + "(" + value + "))"
}

func fromLookup(kind string, text *string) (record.Datum, error) {
	if text == nil {
		return record.Datum{}, nil
	}
	switch base(kind) {
	case "String", "FixedString":
		octets, err := hex.DecodeString(*text)
		return record.Datum{Value: record.OfBytes(octets)}, err
	case "Array", "Map", "Tuple", "JSON", "Object":
		return record.Datum{Value: record.OfJSON([]byte(*text))}, nil
	}
	return record.Datum{Value: record.OfText(*text)}, nil
}

// base is the name of a type without Nullable, LowCardinality and arguments.
func base(kind string) string {
	for {
		name, rest, _ := strings.Cut(kind, "(")
		if name != "Nullable" && name != "LowCardinality" {
			return name
		}
		kind = strings.TrimSuffix(rest, ")")
	}
}

// complete appends the row of a waiting record with what was found, and remembers it for those
// that wait behind it.
func (w *Writer) complete(t *table, wait *waiting, columns []string, newest map[string]*newestRow) error {
	r := &wait.record
	m := t.mapping(r, w.cfg)
	key, err := t.keyLiteral(m, r)
	if err != nil {
		return err
	}
	from := newest[key]
	lacks := func(c *cell) bool { return c.from == fromValue && w.unavailable.Is(c.value(r)) }
	nothing := from == nil || from.deleted && from.version < wait.facts.version
	for i := range m.cells {
		c := &m.cells[i]
		if !lacks(c) {
			continue
		}
		if nothing {
			return t.unavailableError(c.name, r, "the table has no row of this key from which to take the value")
		}
		if _, ok := from.cells[c.name]; !ok {
			return t.unavailableError(c.name, r, "the update before this one did not have the field")
		}
	}
	own := &mapping{cells: append([]cell(nil), m.cells...), defaults: m.defaults}
	for i := range own.cells {
		if c := &own.cells[i]; from != nil && lacks(c) {
			c.from, c.found = fromLookedUp, from.cells[c.name]
			c.schema = c.found.Schema
		}
	}
	if err := own.bind(t.open(m.defaults, w.cfg.MaxRows), w.spare); err != nil {
		return connect.Permanent(fmt.Errorf("table %s: %w", t.quoted, err))
	}
	if err := own.append(t, r, wait.facts, w.unavailable); err != nil {
		own.block.truncate()
		return err
	}
	if from != nil && from.version > wait.facts.version {
		return nil // what is in the table already is newer
	}
	made := &newestRow{version: wait.facts.version, cells: make(map[string]record.Datum)}
	for _, c := range columns {
		if i := own.cell(c); i >= 0 {
			made.cells[c] = record.Datum{Schema: own.cells[i].schema, Value: *own.cells[i].value(r)}
		}
	}
	newest[key] = made
	return nil
}
