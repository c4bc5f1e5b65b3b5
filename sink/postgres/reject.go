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
)

// maxRejected is how many refused records one search finds; the next flush finds the rest.
const maxRejected = 1000

// reject finds the records that the server refuses with cause, by writing everything once more in
// a transaction that is rolled back. The runtime takes them out and gives the range again.
func (w *Writer) reject(ctx context.Context, cause error) error {
	c, err := w.sink.pool.acquire(ctx)
	if err != nil {
		return err
	}
	defer w.sink.pool.release(c)
	tables := w.waiting()
	for _, b := range tables {
		t, err := w.sink.readTable(ctx, c, b.table.name)
		if err != nil {
			return err
		}
		if b.outdated(t) {
			// A staging table has the types that its table had when it was made, and may be narrower.
			return fmt.Errorf("table %s: %w", b.table.name, errTypesChanged)
		}
		if err := w.stages(ctx, c, b); err != nil {
			return cause
		}
	}
	tx, err := c.BeginTx(ctx, readCommitted)
	if err != nil {
		return w.sink.explain("begin", err)
	}
	search := &search{conn: c, tx: tx, found: connect.RecordErrors{Partition: w.partition.String()}}
	// A constraint that is checked at COMMIT would be found by no row.
	if _, err = tx.Exec(ctx, "SET CONSTRAINTS ALL IMMEDIATE"); err == nil {
		for _, b := range tables {
			search.table = b.table.name
			if err = c.truncate(ctx, b); err != nil {
				break
			}
			if err = w.verify(ctx, c, b); err != nil {
				break
			}
			for _, s := range w.steps(b) {
				if err = search.rows(ctx, &s, 0, len(s.rows.rows)); err != nil {
					break
				}
			}
			if err != nil {
				break
			}
		}
	}
	err = rolledBack(ctx, tx, err)
	if len(search.found.Failed) == 0 {
		// What was in the way is gone, or it takes more than these rows to get in it.
		return errors.Join(cause, err)
	}
	return &search.found
}

// search writes rows, and notes those that it can not write.
type search struct {
	conn  *conn
	tx    pgx.Tx // conn's
	table name
	found connect.RecordErrors
}

var errEnough = errors.New("enough refused records were found")

// rows writes the rows from from to to, all but the refused ones.
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
		var refused *pgconn.PgError
		errors.As(err, &refused)
		x.found.Failed = append(x.found.Failed, connect.RecordError{
			Offset: s.rows.rows[bad].offset,
			Err:    fmt.Errorf("write table %s: %w", x.table, &serverError{refused}),
		})
		if len(x.found.Failed) == maxRejected {
			return errEnough
		}
		from = bad + 1
	}
	return nil
}

// try writes the rows from from to to, or nothing.
func (x *search) try(ctx context.Context, s *step, from, to int) error {
	part, err := x.tx.Begin(ctx) // a savepoint
	if err != nil {
		return err
	}
	if err := x.write(ctx, s, from, to); err != nil {
		return rolledBack(ctx, part, err)
	}
	return part.Commit(ctx)
}

func (x *search) write(ctx context.Context, s *step, from, to int) error {
	if s.stage {
		if _, err := x.conn.Exec(ctx, "TRUNCATE "+x.conn.stages[s.rows.set]); err != nil {
			return err
		}
	}
	return s.run(ctx, x.conn, from, to)
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
		if r := s.rows.rows[i]; r.start < r.end {
			if line--; line == 0 {
				return i
			}
		}
	}
	return -1
}
