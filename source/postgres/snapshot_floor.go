package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"

	"connectd/connect"
)

// The LSN of a snapshot's rows is their version: a target that keeps the newest version of a row
// must not keep the snapshot's when the stream brings a later one. But the WAL's end at the moment
// of the snapshot is too high for that: a transaction that is open then has written its changes
// before it, the snapshot does not show them, and they come with the stream. So the rows get a
// floor, a place in the WAL that lies before every change that the snapshot does not show.

const (
	floorPoll = 100 * time.Millisecond // between two looks at the transactions that a snapshot waits for
	floorWarn = time.Minute            // how often to say what a snapshot waits for
)

// walEnd is where the WAL ends now: the floor of the snapshot that comes with a new slot. The
// server makes that snapshot when the transactions that were open have ended.
func (s *Source) walEnd(ctx context.Context, c *catalog) (LSN, error) {
	var at string
	if err := c.row(ctx, "SELECT ("+walEndSQL+")::text", nil, &at); err != nil {
		return 0, fmt.Errorf("read the end of the WAL: %w", err)
	}
	return pglogrepl.ParseLSN(at)
}

// floor is where the WAL ends now, returned when all transactions that are open now have ended:
// what a snapshot taken then does not show is written by transactions that began after floor was
// called. The server waits in the same way before it creates a slot.
func (s *Source) floor(ctx context.Context, t *connect.SourceTask, c *catalog) (LSN, error) {
	lsn, err := s.walEnd(ctx, c) // first: what is written between the two belongs to a transaction that is waited for, or lies behind it
	if err != nil {
		return 0, err
	}
	open, err := openTransactions(ctx, c, nil)
	began, warned := time.Now(), time.Now()
	for err == nil && len(open) > 0 {
		t.Report(connect.Progress{Phase: "snapshot", Detail: fmt.Sprintf("waiting for the end of %d transactions that are older than the snapshot", len(open))})
		if time.Since(warned) >= floorWarn {
			warned = time.Now()
			s.log.Warn("the snapshot waits for transactions that are older than it; end them (pg_stat_activity.backend_xid, pg_prepared_xacts.transaction)", "transactions", open, "took", time.Since(began).Round(time.Second))
		}
		if err := pause(ctx, floorPoll); err != nil {
			return 0, err
		}
		open, err = openTransactions(ctx, c, open)
	}
	return lsn, err
}

// openTransactions are the transactions that have written something and have not ended, of those
// in among if that is not nil. Each holds the lock of its id until its end; the snapshot functions
// do not list the newest ones, but on a standby, which has no locks of them.
func openTransactions(ctx context.Context, c *catalog, among []string) (open []string, err error) {
	err = c.each(ctx, `SELECT id FROM (
			SELECT transactionid::text FROM pg_locks WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock' AND granted
			UNION ALL SELECT x::text FROM pg_snapshot_xip(pg_current_snapshot()) x WHERE pg_is_in_recovery()) t (id)
		WHERE $1::text[] IS NULL OR id = ANY ($1)`, []any{among}, func(rows pgx.Rows) error {
		var id string
		if err := rows.Scan(&id); err != nil {
			return err
		}
		open = append(open, id)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the open transactions: %w", err)
	}
	return open, nil
}
