package postgres

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"sync"
)

// columnSet is the columns that a row has values for, in the order in which they are written.
type columnSet struct {
	table   *table
	columns []*column
}

// names are the columns' names.
func (s *columnSet) names() []string {
	names := make([]string, len(s.columns))
	for i, c := range s.columns {
		names[i] = c.name
	}
	return names
}

// place is the place of a column in the set, or -1.
func (s *columnSet) place(name string) int {
	return slices.IndexFunc(s.columns, func(c *column) bool { return c.name == name })
}

// covers says whether s has every column that o has.
func (s *columnSet) covers(o *columnSet) bool {
	if s == o {
		return true
	}
	for _, c := range o.columns {
		if s.place(c.name) < 0 {
			return false
		}
	}
	return true
}

// partial says whether a new row of this set would lack a column that must have a value.
func (s *columnSet) partial() bool {
	for _, c := range s.table.columns {
		if c.required && s.place(c.name) < 0 {
			return true
		}
	}
	return false
}

// group is the waiting rows of one table that have values for the same columns.
type group struct {
	set    *columnSet
	binary bool     // text is of COPY's binary format
	text   []byte   // the newest rows, ready for COPY
	full   [][]byte // the chunks of rows before them
	rows   rows
	live   int // rows that no later record has replaced
}

// row is one line of a group. Many wait, so that it is small: a chunk is never near 4 GiB.
type row struct {
	offset     int64  // of the last record that it was made of
	chunk      uint32 // that it is in
	start, end uint32 // in the chunk; the same when the row was replaced
}

func (r *row) empty() bool { return r.start == r.end }

// rows are the rows of a group, in blocks that are not moved when more come.
type rows struct {
	blocks []*rowBlock
	n      int
}

type rowBlock [1 << 10]row

// rowBlocks are blocks out of use, for the groups of all partitions.
var rowBlocks = sync.Pool{New: func() any { return new(rowBlock) }}

func (r *rows) at(i int) *row { return &r.blocks[i/len(rowBlock{})][i%len(rowBlock{})] }

func (r *rows) add(one row) {
	if r.n == len(r.blocks)*len(rowBlock{}) {
		r.blocks = append(r.blocks, rowBlocks.Get().(*rowBlock))
	}
	r.n++
	*r.at(r.n - 1) = one
}

// reset empties r. One block stays with it, which is all that a small topic needs.
func (r *rows) reset() {
	r.n = 0
	if len(r.blocks) == 0 {
		return
	}
	for _, b := range r.blocks[1:] {
		rowBlocks.Put(b)
	}
	clear(r.blocks[1:])
	r.blocks = r.blocks[:1]
}

// add keeps what was appended to text since start as a row.
func (g *group) add(start int, offset int64) int {
	g.rows.add(row{offset, uint32(len(g.full)), uint32(start), uint32(len(g.text))})
	g.live++
	return g.rows.n - 1
}

// drop takes a row out.
func (g *group) drop(row int) {
	r := g.rows.at(row)
	r.end = r.start
	g.live--
}

// at is the text of r.
func (g *group) at(r row) []byte {
	chunk := g.text
	if int(r.chunk) < len(g.full) {
		chunk = g.full[r.chunk]
	}
	return chunk[r.start:r.end]
}

// chunkSize is about how long the text of a group becomes in one piece. One slice of all of it would
// be copied each time that it grows, and the memory of the largest flush would stay with each
// partition.
const chunkSize = 256 << 10

// chunks are empty chunks, for the groups of all partitions.
var chunks sync.Pool // of *[]byte

// room begins a new chunk where the next row would probably have to move the whole text.
func (g *group) room() {
	const few = 1 << 10 // a longer row moves at most a chunk
	if cap(g.text) < chunkSize || cap(g.text)-len(g.text) >= few {
		return
	}
	g.full = append(g.full, g.text)
	if c, ok := chunks.Get().(*[]byte); ok {
		g.text = (*c)[:0]
	} else {
		g.text = make([]byte, 0, chunkSize)
	}
}

// reset empties the group. One chunk stays with it, which is all that a small topic needs.
func (g *group) reset() {
	for _, c := range append(g.full, g.text)[1:] {
		if cap(c) < 2*chunkSize {
			chunks.Put(&c)
		}
	}
	if len(g.full) > 0 {
		g.text = g.full[0]
	}
	if cap(g.text) >= 2*chunkSize {
		g.text = nil
	}
	clear(g.full)
	g.rows.reset()
	g.text, g.full, g.live = g.text[:0], g.full[:0], 0
}

// buffer is the waiting rows and deletes of one table.
type buffer struct {
	table  *table     // as last read
	key    *columnSet // the key's columns; nil without a key
	keys   *keyIndex  // the last change of each key; nil where every record is a row
	groups []*group

	truncated bool // the table is emptied before anything of it is written
	looked    bool // the table was read again in this range
}

// group is where rows of this set wait.
func (b *buffer) group(set *columnSet) *group {
	for _, g := range b.groups {
		if g.set == set {
			return g
		}
	}
	g := &group{set: set, binary: set.table.binary}
	b.groups = append(b.groups, g)
	return g
}

// deletes is the number of keys whose rows go.
func (b *buffer) deletes() (n int) {
	if b.keys == nil {
		return 0
	}
	for i := range b.keys.entries {
		if b.keys.entries[i].deleted {
			n++
		}
	}
	return n
}

// outdated says whether rows wait in the form that the table had before it was t.
func (b *buffer) outdated(t *table) bool {
	return slices.ContainsFunc(b.groups, func(g *group) bool { return g.live > 0 && g.set.table != t }) ||
		b.deletes() > 0 && b.key.table != t
}

// renews says whether the delete at offset is followed by a new row of its key.
func (b *buffer) renews(offset int64) bool {
	return b.keys != nil && slices.ContainsFunc(b.keys.entries, func(e keyEntry) bool { return e.deleted && e.group != nil && e.offset == offset })
}

func (b *buffer) empty() bool {
	return !b.truncated && !slices.ContainsFunc(b.groups, func(g *group) bool { return g.live > 0 }) && b.deletes() == 0
}

func (b *buffer) reset() {
	b.truncated, b.looked = false, false
	// Groups of column sets that are out of use go with the flush.
	b.groups = slices.DeleteFunc(b.groups, func(g *group) bool { return g.rows.n == 0 && g.set.table != b.table })
	for _, g := range b.groups {
		g.reset()
	}
	if b.keys != nil {
		b.keys.reset()
	}
}

// merge appends one row made of an earlier one and a later one of the same key that has not all of
// its columns: what the later one does not have stays as the earlier one has it. ok is false when
// the two are not of one format, because the table has changed between them.
func (g *group) merge(earlier, later line) (ok bool) {
	if earlier.binary != g.binary || later.binary != g.binary {
		return false
	}
	old, recent := earlier.fields(), later.fields()
	if g.binary {
		g.text = binary.BigEndian.AppendUint16(g.text, uint16(len(g.set.columns)))
	}
	for i, c := range g.set.columns {
		if i > 0 && !g.binary {
			g.text = append(g.text, '\t')
		}
		if at := later.set.place(c.name); at >= 0 {
			g.text = append(g.text, recent[at]...)
		} else {
			g.text = append(g.text, old[earlier.set.place(c.name)]...)
		}
	}
	if !g.binary {
		g.text = append(g.text, '\n')
	}
	return true
}

// line is one row apart from its group.
type line struct {
	set    *columnSet
	binary bool
	text   []byte
}

// fields are the fields of the row as they are written. In COPY's text format a tab is always a
// separator.
func (l line) fields() [][]byte {
	if l.binary {
		return binaryFields(l.text)
	}
	return bytes.Split(l.text[:len(l.text)-1], []byte{'\t'})
}

// setKey identifies a column set among those of a table.
func setKey(columns []*column) string {
	var s strings.Builder
	for _, c := range columns {
		s.WriteByte(byte(c.index))
		s.WriteByte(byte(c.index >> 8))
	}
	return s.String()
}
