package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"connectd/connect"
	"connectd/record"
)

// reader reads ranges over one connection.
type reader struct {
	snapshot *snapshot
	conn     *pgconn.PgConn
	copies   *copyReader
	open     bool // a transaction is
	part     tableRange
	rows     int64       // of part so far
	counted  int64       // of them, those that progress has
	read     []readRange // ranges that are read and not noted yet
	out      output
}

// readRange is a range that is read, and how many rows it had.
type readRange struct {
	tableRange
	rows int64
}

// reader reads ranges until there are none.
func (sn *snapshot) reader(ctx context.Context) error {
	r := &reader{snapshot: sn, out: output{config: sn.source.config, headers: sn.source.headers}}
	db, err := sn.source.connectWith(ctx, copyFrontend(&r.copies))
	if err != nil {
		return err
	}
	defer closeSoon(db.PgConn())
	defer sn.park(r)
	r.conn = db.PgConn()
	for {
		part, ok := sn.next()
		if !ok {
			break
		}
		if err := r.readRange(ctx, part); err != nil {
			if ctx.Err() != nil {
				return errStopped
			}
			if blames(err) && !r.conn.IsClosed() && sn.leaveOut(part.part.table, err) {
				continue
			}
			return fmt.Errorf("read table %s: %w", part.part.name, part.explain(err))
		}
	}
	return nil
}

// park keeps a reader that has nothing left to read: it may hold the last rows of all.
func (sn *snapshot) park(r *reader) {
	sn.mu.Lock()
	defer sn.mu.Unlock()
	sn.parked = append(sn.parked, r)
}

// readRange reads one range in a transaction of its own: a lock on the table is held no longer
// than that.
func (r *reader) readRange(ctx context.Context, part tableRange) error {
	now, err := r.begin(ctx, part)
	if err != nil {
		return err
	}
	if now.file != part.file {
		r.snapshot.rewritten(part, now)
		return nil
	}
	r.part, r.rows, r.counted = part, 0, 0
	r.copies.rows = func(row []byte) error { return r.row(ctx, row) }
	defer func() { r.copies.rows = nil }()
	if _, err := r.conn.CopyTo(ctx, io.Discard, part.sql(r.snapshot.xid)); err != nil {
		if r.copies.failed != nil {
			return r.copies.failed
		}
		return answer(err)
	}
	r.count()
	r.read = append(r.read, readRange{part, r.rows})
	if part.part.table.unread.Add(-1) == 0 {
		r.markLast()
	}
	return nil
}

// count adds the rows to progress. Those that are read because they have changed are there already.
func (r *reader) count() {
	if !r.part.changed {
		r.part.part.rows.Add(r.rows - r.counted)
	}
	r.counted = r.rows
}

// begin begins the transaction of a range and returns where the relation is in it: it stays there
// until the end of the transaction, because the relation is locked against being rewritten.
func (r *reader) begin(ctx context.Context, part tableRange) (relationFile, error) {
	sql := r.snapshot.begin()
	if r.open {
		sql = "COMMIT; " + sql
	}
	if part.file != 0 {
		sql += fmt.Sprintf(`; SELECT FROM ONLY %s LIMIT 0; SELECT pg_relation_filenode(%[2]d),
			pg_relation_size(%[2]d) / current_setting('block_size')::int, pg_table_size(%[2]d)`, part.part.from(), part.part.id)
	}
	results, err := r.conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return relationFile{}, answer(err)
	}
	r.open = true
	if part.file == 0 {
		return relationFile{}, nil
	}
	var now relationFile
	row := results[len(results)-1].Rows[0]
	for i, into := range []*int64{new(int64), &now.pages, &now.bytes} {
		if *into, err = strconv.ParseInt(string(row[i]), 10, 64); err != nil {
			return now, fmt.Errorf("measure: %w", err)
		}
		if i == 0 {
			now.file = uint32(*into)
		}
	}
	return now, nil
}

// explain adds to err what a range knows of it. A table or column that is gone since the tables
// were listed is no permanent error: the next start lists them again.
func (r tableRange) explain(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "42P01" && pg.Code != "42703" {
		return err
	}
	if r.part.table.statement != "" {
		return fmt.Errorf("%w; correct snapshot.select.statement.overrides.%s, which must give the columns of the table", err, r.part.table)
	}
	return fmt.Errorf("it was changed meanwhile: %s", err)
}

// row adds the record of one row. A full batch is sent when the next row comes, so that the last
// row of a table can still be marked.
func (r *reader) row(ctx context.Context, row []byte) error {
	if r.part.part.table.wires != nil {
		var err error
		if row, err = binaryRow(row); err != nil {
			if err == errNoRow {
				return nil
			}
			return err
		}
	}
	if r.out.batch != nil && r.out.full() {
		r.send()
	}
	if r.out.batch == nil {
		b, err := r.snapshot.task.Batch(ctx)
		if err != nil {
			return errStopped
		}
		r.out.take(b)
		r.out.now = time.Now().UnixNano()
	}
	t, b := r.part.part.table, r.out.batch
	cells, err := t.cellsOf(b, row)
	if err != nil {
		return connect.Permanent(err)
	}
	k := r.snapshot.block
	if !t.first.Load() && t.first.CompareAndSwap(false, true) {
		k.snapshot = &snapshotFirstHere
		if r.snapshot.first.CompareAndSwap(false, true) {
			k.snapshot = &snapshotFirst
		}
	}
	r.out.change(t.table, record.Read, t.keyOf(b, cells), record.Value{}, t.row(cells), k)
	r.rows++
	return nil
}

// cellsOf decodes a row.
func (t *snapshotTable) cellsOf(b *record.Batch, row []byte) ([]record.Value, error) {
	if t.wires != nil {
		return t.copiedBinary(b, t.columns, t.wires, b.Copy(row))
	}
	return t.copied(b, t.columns, b.Copy(row))
}

// send sends the batch, and notes the ranges that end before it or in it.
func (r *reader) send() {
	r.count()
	r.snapshot.send(&r.out, r.read, false)
	r.read = r.read[:0]
}

// markLast marks the row read last, if it is one of the table just finished.
func (r *reader) markLast() {
	if r.out.batch == nil || len(r.out.blocks.slab) == 0 {
		return
	}
	k := &r.out.blocks.slab[len(r.out.blocks.slab)-1]
	if k.origin == r.part.part.table.origin && k.snapshot == &snapshotRow {
		k.snapshot = &snapshotLastHere
	}
}
