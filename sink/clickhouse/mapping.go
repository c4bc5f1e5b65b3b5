package clickhouse

import (
	"fmt"
	"slices"
	"strings"

	"connectd/record"
)

// origin says where the content of a cell comes from.
type origin uint8

const (
	fromValue origin = iota // a field of the value
	fromKey                 // a field of the key, or the key itself
	fromTopic
	fromPartition
	fromOffset
	fromVersion
	fromDeleted
	fromLookedUp
)

// cell is one column of the rows that a mapping makes.
type cell struct {
	name, kind string
	from       origin
	field      int // of the value or key; -1: the whole key
	schema     *record.Schema
	to         int          // place in the block
	layout     string       // of moments in text, from dateTimeFormats
	member     string       // of a Nested column: what of each element
	members    []string     // all that the Nested column has, on its first cell
	found      record.Datum // what was looked up
}

// value is what r, or a lookup, has for the cell; for those that the sink fills itself it is nil.
func (c *cell) value(r *record.Record) *record.Value {
	switch {
	case c.from == fromValue:
		return &r.Value.Value.Items[c.field]
	case c.from == fromKey && c.field >= 0:
		return &r.Key.Value.Items[c.field]
	case c.from == fromKey:
		return &r.Key.Value
	case c.from == fromLookedUp:
		return &c.found.Value
	}
	return nil
}

// mapping says how the records of one pair of schemas become rows of a table. It is made once
// for each pair and used for every record.
type mapping struct {
	cells    []cell
	missing  []int        // fields of the value for which there is no column
	defaults string       // the columns with a DEFAULT among the cells
	lsn      int          // field of the value that holds the source's position, or -1
	flag     int          // field of the value that marks a deleted row, or -1
	block    *block       // which the places of the cells belong to
	rest     []int        // columns of the block that no cell fills
	width    int          // columns of the block when rest was made
	made     record.Value // a cell that is in no record
}

// Fields that the unwrap transform adds, under the names that Debezium's documentation gives
// them: rewritten deletes, and the position in the source's log.
const deletedField = "__deleted"

var lsnFields = [...]string{"__source_lsn", "__lsn"}

// schemas is what the mapping of a record depends on; nil for a null.
type schemas struct{ key, value *record.Schema }

func schemasOf(r *record.Record) (s schemas) {
	if !r.Key.Value.IsNull() {
		s.key = r.Key.Schema
	}
	if !r.Value.Value.IsNull() {
		s.value = r.Value.Schema
	}
	return s
}

// mapping is the mapping of r's schemas.
func (t *table) mapping(r *record.Record, cfg *Config) *mapping {
	s := schemasOf(r)
	if t.last != nil && s == t.lastSchemas {
		return t.last
	}
	m, ok := t.mappings[s]
	if !ok {
		m = t.newMapping(r, cfg)
		t.mappings[s] = m
	}
	t.last, t.lastSchemas = m, s
	return m
}

func (t *table) newMapping(r *record.Record, cfg *Config) *mapping {
	m := &mapping{lsn: -1, flag: -1}
	filled := make(map[int]bool)
	add := func(column int, c cell) {
		if column < 0 || filled[column] {
			return
		}
		filled[column] = true
		c.name, c.kind = t.columns[column].name, t.columns[column].kind
		c.layout = cfg.Formats.layouts[c.name]
		m.cells = append(m.cells, c)
	}
	if r.Value.Value.Kind == record.Struct {
		m.mapValue(t, r.Value.Schema, add)
	}
	t.mapKey(r.Key, cfg.Keys, add)
	add(t.version, cell{from: fromVersion})
	add(t.deleted, cell{from: fromDeleted})
	add(t.index(topicColumn), cell{from: fromTopic})
	add(t.index(partitionColumn), cell{from: fromPartition})
	add(t.index(offsetColumn), cell{from: fromOffset})
	var named []string
	for i, c := range t.columns {
		if c.expression && filled[i] {
			named = append(named, c.name)
		}
	}
	m.defaults = strings.Join(named, "\x00")
	return m
}

func (m *mapping) mapValue(t *table, s *record.Schema, add func(int, cell)) {
	for _, name := range lsnFields {
		if m.lsn < 0 {
			m.lsn = s.Index(name)
		}
	}
	m.flag = s.Index(deletedField)
	for i, f := range s.Fields {
		column := t.index(f.Name)
		switch {
		case column >= 0:
			add(column, cell{from: fromValue, field: i, schema: f.Schema})
		case len(t.nested(f.Name)) > 0:
			t.mapNested(t.nested(f.Name), i, f, add)
		case i == m.flag, i == m.lsn:
			// What they say is in the version and delete columns.
		default:
			m.missing = append(m.missing, i)
		}
	}
}

// mapKey fills the columns that the value leaves free from the key. A key that is no struct has a
// name only when pk.fields gives it one.
func (t *table) mapKey(key record.Datum, keys []string, add func(int, cell)) {
	switch {
	case key.Value.Kind == record.Struct && key.Schema != nil:
		for i, f := range key.Schema.Fields {
			add(t.index(f.Name), cell{from: fromKey, field: i, schema: f.Schema})
		}
	case !key.Value.IsNull() && len(keys) == 1:
		add(t.index(keys[0]), cell{from: fromKey, field: -1, schema: key.Schema})
	}
}

// bind finds the places of the cells in b.
func (m *mapping) bind(b *block, spare *columnPool) error {
	m.block = nil
	for i := range m.cells {
		c := &m.cells[i]
		at, err := b.column(c.name, c.kind, spare)
		if err != nil {
			return fmt.Errorf("column %s: %w", quoteName(c.name), err)
		}
		c.to = at
	}
	m.block, m.width = b, 0
	return nil
}

// others are the columns of the block that this mapping leaves to their defaults.
func (m *mapping) others() []int {
	if m.width != len(m.block.columns) {
		m.width, m.rest = len(m.block.columns), m.rest[:0]
		filled := make([]bool, m.width)
		for i := range m.cells {
			filled[m.cells[i].to] = true
		}
		for i, is := range filled {
			if !is {
				m.rest = append(m.rest, i)
			}
		}
	}
	return m.rest
}

// unknown says whether r has content for which the table has no column. A null loses nothing
// when the field's type is not known either.
func (m *mapping) unknown(r *record.Record) bool {
	for _, i := range m.missing {
		if r.Value.Schema.Fields[i].Schema.Type != record.AnyType || !r.Value.Value.Items[i].IsNull() {
			return true
		}
	}
	return false
}

// put appends v, or the cell's member of it.
func (c *cell) put(cells column, s *record.Schema, v *record.Value) error {
	if c.member != "" {
		return cells.(*arrayColumn).appendMember(c.member, c.members, s, v)
	}
	return cells.append(s, v)
}

// cell is the place of the cell for the column called name, or -1.
func (m *mapping) cell(name string) int {
	return slices.IndexFunc(m.cells, func(c cell) bool { return c.name == name })
}

// row is one row's own facts.
type row struct {
	version int64
	deleted bool
}

// append adds r as a row of the mapping's block. After an error the caller truncates the block.
func (m *mapping) append(t *table, r *record.Record, facts row, p placeholder) error {
	for i := range m.cells {
		c := &m.cells[i]
		v, schema := &m.made, c.schema
		switch c.from {
		case fromValue:
			if v = &r.Value.Value.Items[c.field]; v.Kind >= record.String && p.Is(v) {
				if !facts.deleted && p.handling != unavailableDefault {
					return errUnavailable{c.name}
				}
				m.block.columns[c.to].cells.appendDefault(1)
				continue
			}
			if c.layout != "" && v.Kind == record.String {
				d, err := parseMoment(c.layout, v.B)
				if err != nil {
					return &cellError{t, c, err}
				}
				m.made, v, schema = d.Value, &m.made, d.Schema
			}
		case fromKey, fromLookedUp:
			v = c.value(r)
		case fromTopic:
			m.made = record.OfString(t.topic)
		case fromPartition:
			m.made = record.OfInt(int64(r.Partition))
		case fromOffset:
			m.made = record.OfInt(r.Offset)
		case fromVersion:
			m.made = record.OfInt(facts.version)
		case fromDeleted:
			m.made = record.OfBool(facts.deleted)
		}
		cells := m.block.columns[c.to].cells
		if facts.deleted && v.Kind == record.Null {
			// The row of a delete has its key and little else, whatever the columns allow.
			cells.appendDefault(1)
			continue
		}
		if err := c.put(cells, schema, v); err != nil {
			return &cellError{t, c, err}
		}
	}
	for _, i := range m.others() {
		m.block.columns[i].cells.appendDefault(1)
	}
	m.block.offsets.add(m.block.rows, r.Offset)
	m.block.rows++
	return nil
}
