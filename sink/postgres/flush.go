package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"connectd/connect"
	"connectd/internal/fault"
	"connectd/record"
)

// The first statement takes the lock of the partition's row, and later ones see what was committed
// until they started.
var readCommitted = pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}

// Flush writes what waits and the end of r in one transaction. When COMMIT was sent and its
// answer is lost, the outcome is unknown: the transaction is run again, and its first statement
// finds out, because it waits for the lost one to end and then sees where the position is.
func (w *Writer) Flush(ctx context.Context, r record.Range) error {
	conflicts, losses := 0, 0
	for {
		err := w.transact(ctx, r)
		if err == nil {
			w.flushed()
			return nil
		}
		switch classOf(err) {
		case conflict:
			if conflicts++; conflicts > w.sink.cfg.Retries {
				return err
			}
			if stopped := pause(ctx, w.sink.cfg.RetryBackoff); stopped != nil {
				return stopped
			}
		case transient:
			// A server that could not be reached was tried connection.attempts times already.
			if losses++; losses > 1 || ctx.Err() != nil || errors.Is(err, connect.ErrFenced) || errors.As(err, new(unreachable)) {
				return err
			}
		case drift:
			return w.drifted(err)
		case rejected:
			if err = w.reject(ctx, r, err); err == nil {
				w.flushed()
			}
			return err
		default:
			return err
		}
	}
}

// transact is one attempt.
func (w *Writer) transact(ctx context.Context, r record.Range) error {
	c, err := w.sink.pool.acquire(ctx)
	if err != nil {
		return err
	}
	defer w.sink.pool.release(c) // a transaction that is still open goes with its connection
	tables := w.waiting()
	for _, b := range tables {
		if err := w.stages(ctx, c, b, false); err != nil {
			return w.sink.explain(fmt.Sprintf("make staging tables for table %s", b.table.name), err)
		}
	}
	tx, err := c.BeginTx(ctx, readCommitted)
	if err != nil {
		return w.sink.explain("begin", err)
	}
	if w.exact {
		if done, err := w.move(ctx, tx, r); err != nil || done {
			return rolledBack(ctx, tx, err)
		}
	}
	for _, b := range tables {
		if err := w.apply(ctx, c, b); err != nil {
			return rolledBack(ctx, tx, w.sink.explain(fmt.Sprintf("write table %s", b.table.name), err))
		}
	}
	return w.commit(ctx, tx)
}

func (w *Writer) commit(ctx context.Context, tx pgx.Tx) error {
	fault.Point("postgres.sink.precommit")
	// Durable at the destination, and our offset with it. The runtime tells the group afterwards.
	if err := tx.Commit(ctx); err != nil {
		return commitError{w.sink.explain("commit", err)}
	}
	fault.Point("postgres.sink.commit")
	return nil
}

// rolledBack ends tx and returns err. A connection that can not even do that is closed by the pool.
func rolledBack(ctx context.Context, tx pgx.Tx, err error) error {
	if rollback := tx.Rollback(ctx); err == nil {
		return rollback
	}
	return err
}

// move moves the position from the start of r to its end. done says that it was there already:
// the rows are durable.
func (w *Writer) move(ctx context.Context, tx pgx.Tx, r record.Range) (done bool, err error) {
	moved, err := w.position.advance(ctx, tx, r)
	if err != nil {
		return false, w.sink.explain(fmt.Sprintf("move %s in %s", w.partition, w.position.table), err)
	}
	if moved {
		return false, nil
	}
	done, err = w.position.written(ctx, tx, r)
	if err == nil && !done {
		err = fmt.Errorf("%s in %s did not move from %d to %d: %w", w.partition, w.position.table, r.Start, r.End, connect.ErrFenced)
	}
	return done, err
}

// waiting is the buffers that have something, in one order for all writers, so that two of them
// do not wait for each other's tables.
func (w *Writer) waiting() []*buffer {
	tables := slices.Collect(maps.Values(w.buffers))
	tables = slices.DeleteFunc(tables, (*buffer).empty)
	slices.SortFunc(tables, func(a, b *buffer) int { return a.table.name.compare(b.table.name) })
	return tables
}

// flushed empties the buffers.
func (w *Writer) flushed() {
	for n, b := range w.buffers {
		if !b.empty() {
			w.sink.catalog.wrote(n)
		}
		b.reset()
	}
}

// drifted has the tables read again: one of them is not what it was. The runtime gives the range
// again.
func (w *Writer) drifted(err error) error {
	again := true
	for _, b := range w.waiting() {
		again = w.sink.catalog.drift(b.table.name) && again
	}
	if !again {
		return connect.Permanent(fmt.Errorf("%w; reading the columns again did not help: look at the triggers and rules of the table", err))
	}
	return err
}
