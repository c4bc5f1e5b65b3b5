package clickhouse

import (
	"slices"
	"sync"
)

// block is a run of rows that one INSERT sends. What it holds and where it ends is a function of
// the records of the range alone, so that a replay sends the same blocks under the same tokens.
type block struct {
	defaults string // which columns with a DEFAULT the rows have: the others must not be named
	columns  []blockColumn
	byName   map[string]int
	rows     int
	offsets  offsets // of the rows
}

// blockColumn is one column of a block.
type blockColumn struct {
	name, kind string
	sent       string // the type that goes into the INSERT
	cells      column
}

// column is the place of the column called name. A new one gets its default for the rows so far.
func (b *block) column(name, kind string, spare *columnPool) (int, error) {
	if i, ok := b.byName[name]; ok {
		if b.columns[i].kind != kind {
			b.columns[i].widen(kind, b.rows, spare)
		}
		return i, nil
	}
	cells, sent, err := spare.get(kind)
	if err != nil {
		return 0, err
	}
	cells.appendDefault(b.rows)
	b.byName[name] = len(b.columns)
	b.columns = append(b.columns, blockColumn{name, kind, sent, cells})
	return len(b.columns) - 1, nil
}

// truncate forgets what is there of a row that failed.
func (b *block) truncate() {
	for i := range b.columns {
		b.columns[i].cells.truncate(b.rows)
	}
}

// release gives the memory of the columns back.
func (b *block) release(spare *columnPool) {
	for i := range b.columns {
		spare.put(b.columns[i].kind, b.columns[i].cells, b.columns[i].sent)
	}
	b.columns, b.byName, b.rows, b.offsets = nil, nil, 0, nil
}

// offsets are those of the rows of a block. Most follow on each other, so the first of each run is
// enough.
type offsets []run

type run struct {
	row    int // the first
	offset int64
}

// add notes the offset of the row, which is the next one.
func (o *offsets) add(row int, offset int64) {
	if n := len(*o); n > 0 && offset-(*o)[n-1].offset == int64(row-(*o)[n-1].row) {
		return
	}
	*o = append(*o, run{row, offset})
}

// of is the offset of a row.
func (o offsets) of(row int) int64 {
	i, found := slices.BinarySearchFunc(o, row, func(r run, row int) int { return r.row - row })
	if !found {
		i-- // the run began before
	}
	return o[i].offset + int64(row-o[i].row)
}

// columnPool keeps emptied columns for all writers of a sink, so that memory is held for the
// flushes that run at a time and not for every partition.
type columnPool struct {
	policy policy
	kinds  sync.Map // type → *sync.Pool of *spareColumn
}

type spareColumn struct {
	cells column
	sent  string
}

func (p *columnPool) get(kind string) (column, string, error) {
	if pool, ok := p.kinds.Load(kind); ok {
		if s, ok := pool.(*sync.Pool).Get().(*spareColumn); ok {
			return s.cells, s.sent, nil
		}
	}
	return newColumn(kind, p.policy)
}

func (p *columnPool) put(kind string, c column, sent string) {
	c.truncate(0)
	pool, _ := p.kinds.LoadOrStore(kind, new(sync.Pool))
	pool.(*sync.Pool).Put(&spareColumn{c, sent})
}

// open is the block that the next row with these defaults belongs to.
func (t *table) open(defaults string, maxRows int) *block {
	for i := len(t.blocks) - 1; i >= 0; i-- {
		if b := t.blocks[i]; b.defaults == defaults {
			if b.rows < maxRows {
				return b
			}
			break
		}
	}
	b := &block{defaults: defaults, byName: make(map[string]int)}
	t.blocks = append(t.blocks, b)
	return b
}
