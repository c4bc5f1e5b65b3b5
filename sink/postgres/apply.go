package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// maxStages is how many staging tables a connection may have; one with more is replaced.
const maxStages = 256

// stages makes the staging tables that the rows of b go through; all says that all do. They belong to
// the connection, and every COMMIT empties them.
func (w *Writer) stages(ctx context.Context, c *conn, b *buffer, all bool) error {
	if b.deletes() > 0 {
		if err := c.stage(ctx, b.key); err != nil {
			return err
		}
	}
	if w.sink.cfg.InsertMode == "insert" && !all {
		return nil // COPY goes into the table itself
	}
	for _, g := range b.groups {
		if g.live > 0 {
			if err := c.stage(ctx, g.set); err != nil {
				return err
			}
		}
	}
	return nil
}

var errTypesChanged = errors.New("the types of its columns have changed while rows waited for it; they are written again in their new form")

// verify locks the table of b against a change of its types, and compares them with what its rows
// were written for. The server would take eight octets of an integer for a float without an error.
func (w *Writer) verify(ctx context.Context, c *conn, b *buffer) error {
	if !slices.ContainsFunc(b.groups, func(g *group) bool { return g.binary && g.live > 0 }) {
		return nil // text is read by what it says
	}
	table := b.table.name.String()
	results, err := c.PgConn().Exec(ctx, "LOCK TABLE "+table+" IN ROW EXCLUSIVE MODE; SELECT concat_ws(':', attname, atttypid, atttypmod) FROM pg_attribute"+
		" WHERE attrelid = "+literal(table)+"::regclass AND NOT attisdropped").ReadAll()
	if err != nil {
		return err
	}
	typed := map[string]bool{}
	for _, r := range results[1].Rows {
		typed[string(r[0])] = true
	}
	for _, g := range b.groups {
		if g.binary && g.live > 0 && slices.ContainsFunc(g.set.columns, func(c *column) bool { return !typed[c.typed] }) {
			return errTypesChanged
		}
	}
	return nil
}

// stage makes the staging table of a column set: its columns, without constraints.
func (c *conn) stage(ctx context.Context, set *columnSet) error {
	if _, ok := c.stages[set]; ok {
		return nil
	}
	stage := fmt.Sprintf("pg_temp._connectd_%d", len(c.stages)+1)
	_, err := c.Exec(ctx, "CREATE TEMP TABLE "+strings.TrimPrefix(stage, "pg_temp.")+" ON COMMIT DELETE ROWS AS SELECT "+
		quoteAll(set.names())+" FROM "+set.table.name.String()+" WITH NO DATA")
	if err == nil {
		c.stages[set] = stage
	}
	return err
}

// apply writes the deletes of b and then its rows: by then no key has both an older row to
// delete and a newer one to keep.
func (w *Writer) apply(ctx context.Context, c *conn, b *buffer) error {
	if err := c.truncate(ctx, b); err != nil {
		return err
	}
	if err := w.verify(ctx, c, b); err != nil {
		return err
	}
	for _, s := range w.steps(b) {
		if err := s.all(ctx, c, w.sink.cfg.BatchSize); err != nil {
			return err
		}
	}
	return nil
}

// truncate empties the table of b where a truncation of its source says so.
func (c *conn) truncate(ctx context.Context, b *buffer) error {
	if !b.truncated {
		return nil
	}
	_, err := c.Exec(ctx, "TRUNCATE "+b.table.name.String())
	return err
}

// step is rows of one table that are written in the same way.
type step struct {
	rows  *group
	stage bool     // through the staging table of the rows' set
	used  bool     // a step before has used it: the deletes of a table that has only its key's columns
	sql   []string // what is done with the staging table
}

// steps are the deletes of b, and the rows of each column set.
func (w *Writer) steps(b *buffer) []step {
	var steps []step
	if b.deletes() > 0 {
		steps = append(steps, step{rows: b.deletedRows(), stage: true, sql: []string{deleteSQL(b.key)}})
	}
	for _, g := range b.groups {
		if g.live == 0 {
			continue
		}
		if w.sink.cfg.InsertMode == "insert" {
			steps = append(steps, step{rows: g})
		} else {
			steps = append(steps, step{rows: g, stage: true, used: g.set == b.key && len(steps) > 0, sql: writeSQL(w.sink.cfg.InsertMode, g.set, b.key)})
		}
	}
	return steps
}

// deletedRows are the keys whose rows go, as rows of the key's columns.
func (b *buffer) deletedRows() *group {
	g := &group{set: b.key, text: b.keys.keys}
	for i := range b.keys.entries {
		if e := &b.keys.entries[i]; e.deleted {
			g.rows.add(row{e.offset, 0, uint32(e.start), uint32(e.end)})
			g.live++
		}
	}
	return g
}

// all writes the rows in runs of at most size.
func (s *step) all(ctx context.Context, c *conn, size int) error {
	for from := 0; from < s.rows.rows.n; from += size {
		if err := s.run(ctx, c, from, min(from+size, s.rows.rows.n)); err != nil {
			return err
		}
	}
	return nil
}

// run writes the rows from from to to.
func (s *step) run(ctx context.Context, c *conn, from, to int) error {
	if s.stage && (from > 0 || s.used) {
		// What this transaction has already put there.
		if _, err := c.Exec(ctx, "TRUNCATE "+c.stages[s.rows.set]); err != nil {
			return err
		}
	}
	return s.put(ctx, c, from, to)
}

// put is run with a staging table that is empty.
func (s *step) put(ctx context.Context, c *conn, from, to int) error {
	set := s.rows.set
	lines := newLines(s.rows, from, to)
	if !s.stage {
		return c.copy(ctx, set.table.name.String(), set, lines)
	}
	stage := c.stages[set]
	if err := c.copy(ctx, stage, set, lines); err != nil {
		return err
	}
	for _, sql := range s.sql {
		if _, err := c.Exec(ctx, strings.ReplaceAll(sql, stageName, stage)); err != nil {
			return err
		}
	}
	return nil
}

// copy sends lines into a table.
func (c *conn) copy(ctx context.Context, table string, set *columnSet, lines *lines) error {
	sql := "COPY " + table + " (" + quoteAll(set.names()) + ") FROM STDIN"
	if lines.group.binary {
		sql += " (FORMAT binary)"
	}
	defer lines.stop()
	_, err := c.PgConn().CopyFrom(ctx, lines, sql)
	return err
}

// lines reads the rows that were not replaced. Those that follow each other are one run.
type lines struct {
	// CopyFrom reads in a goroutine of its own, which may outlive it when the connection is lost; the
	// group is filled anew by then.
	reading sync.Mutex
	stopped bool

	group    *group
	from, to int    // rows that are still to be read
	run      []byte // what is left of the current one
	ended    bool
}

func newLines(g *group, from, to int) *lines {
	l := &lines{group: g, from: from, to: to}
	if g.binary {
		l.run = []byte(binaryHeader)
	}
	return l
}

// stop makes all that is still asked for an error.
func (l *lines) stop() {
	l.reading.Lock()
	defer l.reading.Unlock()
	l.stopped = true
}

func (l *lines) Read(p []byte) (n int, err error) {
	l.reading.Lock()
	defer l.reading.Unlock()
	if l.stopped {
		return 0, io.ErrClosedPipe
	}
	for n < len(p) {
		if len(l.run) == 0 && !l.next() {
			if n == 0 {
				return 0, io.EOF
			}
			return n, nil
		}
		k := copy(p[n:], l.run)
		l.run = l.run[k:]
		n += k
	}
	return n, nil
}

// next starts the next run, of which the format's trailer is the last; false at the end.
func (l *lines) next() bool {
	rows := &l.group.rows
	for l.from < l.to && rows.at(l.from).empty() {
		l.from++
	}
	if l.from == l.to {
		if !l.group.binary || l.ended {
			return false
		}
		l.run, l.ended = []byte(binaryTrailer), true
		return true
	}
	run := *rows.at(l.from)
	for l.from++; l.from < l.to; l.from++ {
		r := rows.at(l.from)
		if r.chunk != run.chunk || r.start != run.end {
			break
		}
		run.end = r.end
	}
	l.run = l.group.at(run)
	return true
}
