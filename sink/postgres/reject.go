package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"connectd/connect"
	"connectd/record"
)

// maxRejected is how many refused records one search finds; the next flush finds the rest. A search
// for what is refused at COMMIT finds all: a row that lacks another one of the range is told from one
// that is bad only when all of them have been tried.
const maxRejected = 1000

// commitError is an error of COMMIT itself: every statement before it was accepted.
type commitError struct{ error }

func (e commitError) Unwrap() error { return e.error }

// reject writes r once more after the server has refused it with cause: in pieces, so that the
// records that it refuses are found. They are handed to the runtime, which takes them out and gives
// the range again. Where none is, because the rows were refused only as one statement, the pieces
// are committed.
func (w *Writer) reject(ctx context.Context, r record.Range, cause error) error {
	for range 2 { // the pieces may be refused at COMMIT
		late := errors.As(cause, new(commitError))
		if cause = w.inPieces(ctx, r, late); cause == nil || classOf(cause) != rejected {
			return cause
		}
	}
	return connect.Permanent(fmt.Errorf("offsets %d to %d of %s: %w; the rows pass one by one and not together: look at the constraints and triggers of the tables, or lower batch.max.rows",
		r.Start, r.End, w.partition, cause))
}

// inPieces is transact in statements as small as they must be. late says that COMMIT has refused what
// every statement had taken.
func (w *Writer) inPieces(ctx context.Context, r record.Range, late bool) error {
	c, err := w.sink.pool.acquire(ctx)
	if err != nil {
		return err
	}
	defer w.sink.pool.release(c)
	tables := w.waiting()
	for _, b := range tables {
		if err := w.current(ctx, c, b, late); err != nil {
			return err
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
	x := &search{conn: c, tx: tx, late: late, dead: map[string]int{}}
	err = x.write(ctx, w, tables)
	switch {
	case err != nil && err != errEnough:
		return rolledBack(ctx, tx, w.sink.explain(fmt.Sprintf("look for what the server refuses of %s", w.partition), err))
	case len(x.refused) > 0:
		if err := tx.Rollback(ctx); err != nil {
			return w.sink.explain("roll back", err)
		}
		return x.errors(w.partition)
	}
	w.sink.log.Warn("rows that the server has refused in one statement were taken in several; a lower batch.size saves the attempt", "partition", w.partition.String(), "offset", r.Start)
	return w.commit(ctx, tx)
}

// current makes the staging tables of b, unless its rows have the form that the table had before: a
// staging table has the types that its table had when it was made, and may be narrower.
func (w *Writer) current(ctx context.Context, c *conn, b *buffer, all bool) error {
	t, err := w.sink.readTable(ctx, c, b.table.name)
	if err == nil && b.outdated(t) {
		err = fmt.Errorf("table %s: %w", b.table.name, errTypesChanged)
	}
	if err != nil {
		return err
	}
	return w.sink.explain(fmt.Sprintf("make staging tables for table %s", b.table.name), w.stages(ctx, c, b, all))
}

// search writes rows, and notes those that it can not write.
type search struct {
	conn    *conn
	tx      pgx.Tx // conn's
	late    bool
	buffer  *buffer // at hand
	refused []refused
	dead    map[string]int // rows of earlier attempts, by staging table

	// Of a late search.
	steps   []*step
	written int // changes
	joins   int // that are still tried
}

// refused is one row that the server does not take.
type refused struct {
	buffer *buffer
	step   *step
	row    int
	err    error
}

func (r *refused) offset() int64 { return r.step.rows.rows.at(r.row).offset }

var errEnough = errors.New("enough refused records were found")

// write writes all rows of tables but the refused ones.
func (x *search) write(ctx context.Context, w *Writer, tables []*buffer) error {
	for _, b := range tables {
		if err := x.conn.truncate(ctx, b); err != nil {
			return err
		}
		if err := w.verify(ctx, x.conn, b); err != nil {
			return err
		}
	}
	if x.late {
		return x.atCommit(ctx, w, tables)
	}
	for _, x.buffer = range tables {
		for _, s := range w.steps(x.buffer) {
			for from := 0; from < s.rows.rows.n; from += w.sink.cfg.BatchSize {
				if err := x.rows(ctx, &s, from, min(from+w.sink.cfg.BatchSize, s.rows.rows.n)); err != nil {
					return err
				}
			}
		}
	}
	return x.reprieve(ctx)
}

// reprieve tries the refused rows again on top of all others, until none of them passes any more:
// what a row lacked may have come behind it, as a parent behind its child.
func (x *search) reprieve(ctx context.Context) error {
	for before := -1; before != len(x.refused); {
		before = len(x.refused)
		var still []refused
		for _, r := range x.refused {
			err := r.err
			// A delete that comes so late would take the new row of its key.
			if !r.buffer.renews(r.offset()) {
				err = x.try(ctx, r.step, r.row, r.row+1)
			}
			if err != nil && classOf(err) != rejected {
				return err
			}
			if err != nil {
				still = append(still, r)
			}
		}
		x.refused = still
	}
	return nil
}

// errors is what the runtime is told.
func (x *search) errors(p record.Partition) *connect.RecordErrors {
	out := &connect.RecordErrors{Partition: p.String()}
	for i := range x.refused {
		r := &x.refused[i]
		var server *pgconn.PgError
		errors.As(r.err, &server)
		out.Failed = append(out.Failed, connect.RecordError{
			Offset: r.offset(),
			Err:    fmt.Errorf("write table %s: %w", r.buffer.table.name, &serverError{server}),
		})
	}
	return out
}

// rows writes the rows from from to to, all but the refused ones. The server has each row in front of
// the next ones, so that of two that exclude each other the later is refused.
func (x *search) rows(ctx context.Context, s *step, from, to int) error {
	for from < to {
		err := x.try(ctx, s, from, to)
		if err == nil {
			return nil
		}
		if classOf(err) != rejected {
			return err
		}
		bad := s.lineOf(err, from, to)
		switch {
		case bad >= 0:
			// COPY has named the line: what is before it is fine, but must be there for what follows.
			if err := x.rows(ctx, s, from, bad); err != nil {
				return err
			}
		case to-from == 1:
			bad = from
		default:
			middle := from + (to-from)/2
			if err := x.rows(ctx, s, from, middle); err != nil {
				return err
			}
			from = middle
			continue
		}
		x.refused = append(x.refused, refused{x.buffer, s, bad, err})
		if len(x.refused) == maxRejected {
			return errEnough
		}
		from = bad + 1
	}
	return nil
}

// try writes the rows from from to to, or nothing.
func (x *search) try(ctx context.Context, s *step, from, to int) error {
	if s.stage {
		if err := x.empty(ctx, x.conn.stages[s.rows.set], to-from); err != nil {
			return err
		}
	}
	part, err := x.tx.Begin(ctx) // a savepoint
	if err != nil {
		return err
	}
	if err := s.put(ctx, x.conn, from, to); err != nil {
		return rolledBack(ctx, part, err)
	}
	return part.Commit(ctx)
}

// mostDead is how many rows of earlier attempts are left in a staging table.
const mostDead = 2000

// empty empties a staging table for n more rows. A TRUNCATE leaves one more version of the table in
// pg_class until the transaction ends, through which every statement goes, and a DELETE the rows in the
// table.
func (x *search) empty(ctx context.Context, stage string, n int) error {
	dead, before := x.dead[stage]
	switch {
	case !before || dead+n > mostDead:
		if _, err := x.conn.Exec(ctx, "TRUNCATE "+stage); err != nil {
			return err
		}
		dead = 0
	default:
		if _, err := x.conn.Exec(ctx, "DELETE FROM "+stage); err != nil {
			return err
		}
	}
	x.dead[stage] = dead + n
	return nil
}

// lineOf is the row that COPY's error names by its line, or -1 when the error is not COPY's.
func (s *step) lineOf(err error, from, to int) int {
	var e *pgconn.PgError
	if !errors.As(err, &e) || !strings.HasPrefix(e.Where, "COPY ") {
		return -1
	}
	_, after, ok := strings.Cut(e.Where, ", line ")
	if !ok {
		return -1
	}
	end := strings.IndexAny(after, ",: \n")
	if end < 0 {
		end = len(after)
	}
	line, err := strconv.Atoi(after[:end])
	if err != nil {
		return -1
	}
	for i := from; i < to; i++ {
		if !s.rows.rows.at(i).empty() {
			if line--; line == 0 {
				return i
			}
		}
	}
	return -1
}
