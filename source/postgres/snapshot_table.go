package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

const (
	// rangeBytes is the size of a range: what a crash makes a reader read again.
	rangeBytes = 8 << 20
	// maxRanges is how many ranges a relation has at most; those of a larger one are larger.
	maxRanges = 4096
)

// snapshotTable is a table on its way through the snapshot.
type snapshotTable struct {
	*table
	relation  relation
	statement string    // a SELECT that gives its rows; "" for the table itself
	columns   []*column // those that are read
	wires     []wire    // their binary forms; nil when the table is read as text
	parts     []*snapshotPart
	first     atomic.Bool  // its first row has been read
	unread    atomic.Int32 // ranges that are not read to their end
	left      atomic.Bool  // it is left out, see leaveOut
}

// snapshotPart is a relation that has rows of a table: the table, or one of its partitions.
type snapshotPart struct {
	table *snapshotTable
	id    uint32
	name  name
	heap  bool // has pages that can be read by ctid
	large bool // has values outside of its rows (TOAST)
	relationFile
	rows atomic.Int64 // read so far, in earlier snapshots too

	state partState
	begun bool // a part of it was read in an earlier snapshot
	left  int  // ranges that are not noted in state
}

// relationFile is where the rows of a relation are.
type relationFile struct {
	file  uint32 // its number; a rewritten relation has another one
	pages int64
	bytes int64 // with the values outside of its rows
}

// tableRange is what one reader reads at once.
type tableRange struct {
	part    *snapshotPart
	file    uint32
	pages   pageRange
	changed bool // only rows that are newer than the first snapshot
}

// newSnapshotTable readies the table for being read, see snapshot.add.
func newSnapshotTable(c *catalog, t *table, r relation, statement string, given []string) *snapshotTable {
	st := &snapshotTable{table: t, relation: r, statement: strings.TrimRight(statement, "; \n\t")}
	var wires []wire
	for i := range t.columns {
		if t.columns[i].cell >= 0 && (given == nil || slices.Contains(given, t.columns[i].name)) {
			st.columns = append(st.columns, &t.columns[i])
			wires = append(wires, wireOf(c.types, t.sent[i].typeID, &t.columns[i]))
		}
	}
	if st.statement == "" && !slices.ContainsFunc(wires, func(w wire) bool { return w.text == nil }) {
		st.wires = wires
	}
	return st
}

const partsSQL = `
SELECT t.id, c.oid, n.nspname, c.relname, coalesce(pg_relation_filenode(c.oid), 0)::oid, c.relkind = 'r' AND a.amname = 'heap',
       coalesce(pg_relation_size(c.oid) / current_setting('block_size')::int, 0), coalesce(pg_table_size(c.oid), 0),
       c.reltoastrelid <> 0 AND coalesce(pg_relation_size(c.reltoastrelid), 0) > 0
FROM unnest($1::oid[]) t(id)
LEFT JOIN LATERAL pg_partition_tree(t.id) p ON p.isleaf
JOIN pg_class c ON c.oid = coalesce(p.relid, t.id)
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_am a ON a.oid = c.relam
ORDER BY c.relname, c.oid`

// measure gives the tables their parts. Ranges of pages need PostgreSQL 14: before, each of them
// would read the whole table.
func (c *catalog) measure(ctx context.Context, tables []*snapshotTable, byPages bool) error {
	byID := map[uint32]*snapshotTable{}
	var ids []uint32
	for _, t := range tables {
		byID[t.relation.id] = t
		ids = append(ids, t.relation.id)
	}
	err := c.each(ctx, partsSQL, []any{ids}, func(rows pgx.Rows) error {
		p := &snapshotPart{}
		var of uint32
		if err := rows.Scan(&of, &p.id, &p.name.schema, &p.name.table, &p.file, &p.heap, &p.pages, &p.bytes, &p.large); err != nil {
			return err
		}
		p.table = byID[of]
		p.heap = p.heap && byPages && p.table.statement == ""
		if !p.heap {
			p.file = 0
		}
		p.state = partState{file: p.file, shape: shapeOf(p.table.table, p.table.statement)}
		p.table.parts = append(p.table.parts, p)
		if p.table.statement != "" {
			p.table.parts = p.table.parts[:1] // the statement gives the rows of all
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("measure the tables: %w", err)
	}
	return nil
}

// resume takes over what an earlier process has read, if it was of the same file and shape.
func (p *snapshotPart) resume(earlier partState) bool {
	if earlier.file != p.state.file || earlier.shape != p.state.shape {
		return false
	}
	p.state = earlier
	p.begun = p.heap && !earlier.done.all()
	return true
}

// divide are the ranges that are left to read. changed says that the ranges that an earlier
// snapshot has read are looked through for rows that have come into them since.
func (p *snapshotPart) divide(changed bool) []tableRange {
	if p.state.done.all() {
		return nil
	}
	if !p.heap {
		return []tableRange{{part: p, file: p.file, pages: pageRange{0, endless}}}
	}
	size := max(p.pages*rangeBytes/max(p.bytes, 1), p.pages/maxRanges, 1)
	var ranges []tableRange
	for _, s := range p.state.done.missing().cut(size, p.pages) {
		ranges = append(ranges, tableRange{part: p, file: p.file, pages: s})
	}
	if changed && p.begun {
		// Last, since what is read of them is not noted until the relation is complete.
		for _, s := range p.state.done.cut(size, p.pages) {
			ranges = append(ranges, tableRange{part: p, file: p.file, pages: s, changed: true})
		}
	}
	return ranges
}

// finish notes that a range is read. What would complete the relation is noted only when nothing
// else of it is left: a relation that is complete is not looked into again.
func (p *snapshotPart) finish(r tableRange, rows int64) {
	if r.file != p.state.file {
		return // it was rewritten meanwhile, and is read again
	}
	p.left--
	if !r.changed {
		p.state.rows += rows
		if done := slices.Clone(p.state.done).add(r.pages); !done.all() {
			p.state.done = done
		}
	}
	if p.left == 0 {
		p.state.done = pageRanges{{0, endless}}
	}
}

// from is the relation in a statement.
func (p *snapshotPart) from() string {
	return identifier(p.name.schema) + "." + identifier(p.name.table)
}

// sql is the COPY that reads the range. xid is the oldest transaction that the first snapshot did
// not see.
func (r tableRange) sql(xid uint64) string {
	t := r.part.table
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = identifier(c.name)
	}
	columns, format := strings.Join(names, ", "), ""
	if t.wires != nil {
		format = " (FORMAT binary)"
	}
	if t.statement != "" {
		return fmt.Sprintf("COPY (SELECT %s FROM (%s\n) AS rows) TO STDOUT", columns, t.statement) // it may end with a comment
	}
	var where []string
	if r.pages.from > 0 {
		where = append(where, fmt.Sprintf("ctid >= '(%d,0)'", r.pages.from))
	}
	if r.pages.to != endless {
		where = append(where, fmt.Sprintf("ctid < '(%d,0)'", r.pages.to))
	}
	if r.changed {
		// Newer by age, since the numbers of transactions wrap around.
		where = append(where, fmt.Sprintf("age(xmin) <= age('%d'::xid)", uint32(xid)))
	}
	if t.relation.filter != "" {
		where = append(where, "("+t.relation.filter+")") // what the publication sends
	}
	switch {
	case len(where) > 0:
		return fmt.Sprintf("COPY (SELECT %s FROM ONLY %s WHERE %s) TO STDOUT%s", columns, r.part.from(), strings.Join(where, " AND "), format)
	case r.part.heap && !t.computed: // a list of columns must not have generated ones
		return fmt.Sprintf("COPY %s (%s) TO STDOUT%s", r.part.from(), columns, format)
	}
	return fmt.Sprintf("COPY (SELECT %s FROM ONLY %s) TO STDOUT%s", columns, r.part.from(), format)
}
