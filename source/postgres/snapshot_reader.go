package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"connectd/connect"
	"connectd/record"
)

// reader reads ranges over one connection.
type reader struct {
	snapshot *snapshot
	table    *snapshotTable
	out      output
}

func (sn *snapshot) reader(ctx context.Context) error {
	db, err := sn.source.connect(ctx)
	if err != nil {
		return err
	}
	defer closeSoon(db.PgConn())
	if _, err := db.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT "+literal(sn.name), pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("share the snapshot: %w", answer(err))
	}
	r := &reader{snapshot: sn, out: output{config: sn.source.config, headers: sn.source.headers}}
	for part := range sn.ranges {
		r.table = part.table
		each := rows(func(row []byte) error { return r.row(ctx, row) })
		if _, err := db.PgConn().CopyTo(ctx, each, part.sql()); err != nil {
			if ctx.Err() != nil {
				return errStopped
			}
			return fmt.Errorf("read table %s: %w", part.table, answer(err))
		}
		if part.table.ranges.Add(-1) == 0 {
			r.markLast()
		}
	}
	sn.mu.Lock()
	defer sn.mu.Unlock()
	sn.parked = append(sn.parked, r)
	return nil
}

// sql is the COPY that reads the range.
func (p tableRange) sql() string {
	names := make([]string, len(p.table.columns))
	for i, c := range p.table.columns {
		names[i] = identifier(c.name)
	}
	columns, from := strings.Join(names, ", "), p.table.relation.sql()
	switch {
	case p.table.computed && p.whole:
		return fmt.Sprintf("COPY (SELECT %s FROM ONLY %s) TO STDOUT", columns, from)
	case p.table.relation.parent:
		return fmt.Sprintf("COPY (SELECT %s FROM %s) TO STDOUT", columns, from)
	case p.whole:
		return fmt.Sprintf("COPY %s (%s) TO STDOUT", from, columns)
	case p.to == 0:
		return fmt.Sprintf("COPY (SELECT %s FROM ONLY %s WHERE ctid >= '(%d,0)') TO STDOUT", columns, from, p.from)
	}
	return fmt.Sprintf("COPY (SELECT %s FROM ONLY %s WHERE ctid >= '(%d,0)' AND ctid < '(%d,0)') TO STDOUT", columns, from, p.from, p.to)
}

// rows is an io.Writer that is called with each row of a COPY.
type rows func(row []byte) error

// Write takes one row.
func (f rows) Write(row []byte) (int, error) { return len(row), f(row) }

// row adds the record of one row. A full batch is sent when the next row comes, so that the last
// row of a table can still be marked.
func (r *reader) row(ctx context.Context, row []byte) error {
	sn := r.snapshot
	if r.out.batch != nil && r.out.full() {
		sn.send(&r.out, sn.pos)
	}
	if r.out.batch == nil {
		b, err := sn.task.Batch(ctx)
		if err != nil {
			return errStopped
		}
		r.out.take(b)
		r.out.now = time.Now().UnixNano()
	}
	b := r.out.batch
	cells, err := r.table.copied(b, r.table.columns, b.Copy(row))
	if err != nil {
		return connect.Permanent(err)
	}
	k := sn.block
	if !r.table.first.Load() && r.table.first.CompareAndSwap(false, true) {
		k.snapshot = &snapshotFirstHere
		if sn.first.CompareAndSwap(false, true) {
			k.snapshot = &snapshotFirst
		}
	}
	r.out.change(r.table.table, record.Read, r.table.keyOf(b, cells), record.Value{}, r.table.row(cells), k)
	r.table.rows.Add(1)
	return nil
}

// markLast marks the row read last, if it is one of the table just finished.
func (r *reader) markLast() {
	if r.out.batch == nil || len(r.out.blocks.slab) == 0 {
		return
	}
	k := &r.out.blocks.slab[len(r.out.blocks.slab)-1]
	if k.origin == r.table.origin && k.snapshot == &snapshotRow {
		k.snapshot = &snapshotLastHere
	}
}
