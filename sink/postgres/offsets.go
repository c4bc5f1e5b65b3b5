package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"connectd/connect"
	"connectd/record"
)

const offsetsTable = "_connectd_offsets"

// position is a partition's row in the offsets table, as one owner claimed it.
type position struct {
	table     name
	connector string
	partition record.Partition
	epoch     int64 // of this owner; a later owner has a higher one
}

// createOffsets creates the offsets table unless it is there. next_offset is null until the first
// flush: a claim alone says nothing of where to start.
func createOffsets(ctx context.Context, c *conn, table name) error {
	var there bool
	// CREATE TABLE IF NOT EXISTS needs the right to create even when the table is there.
	if err := c.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", table.String()).Scan(&there); err != nil || there {
		return err
	}
	_, err := c.Exec(ctx, `CREATE TABLE IF NOT EXISTS `+table.String()+` (
		connector text NOT NULL, topic text NOT NULL, topic_id text NOT NULL DEFAULT '', partition integer NOT NULL,
		next_offset bigint, epoch bigint NOT NULL, updated_at timestamptz NOT NULL,
		PRIMARY KEY (connector, topic, partition))`)
	if isRace(err) {
		return nil // another task has created it in the same moment
	}
	return err
}

// claimPatience is how long a claim waits for the flush of an earlier owner, which holds the row. A
// variable for the tests.
var claimPatience = 10 * time.Second

// claim fences earlier owners. next is where the rows in the tables end; ok is false when
// nothing has been written yet. of is the id of the topic that next counts in: that of the first
// claim that knew it.
//
// An earlier owner that stands still in the middle of its transaction (a suspended machine) would
// hold the row for as long as that lasts. It has lost the partition, so its session is ended, and
// the transaction with it.
func (p *position) claim(ctx context.Context, c *conn, topicID string) (next int64, ok bool, of string, err error) {
	next, ok, of, err = p.tryClaim(ctx, c, topicID)
	var e *pgconn.PgError
	if !errors.As(err, &e) || e.Code != lockNotAvailable {
		return next, ok, of, err
	}
	_, err = c.Exec(ctx, `SELECT pg_terminate_backend(a.pid) FROM `+p.table.String()+` o JOIN pg_stat_activity a ON a.backend_xid = o.xmax
		WHERE o.connector = $1 AND o.topic = $2 AND o.partition = $3 AND a.pid <> pg_backend_pid()`, p.connector, p.partition.Topic, p.partition.ID)
	if err != nil {
		return 0, false, "", fmt.Errorf("end the session of an earlier owner that stands still: %w", err)
	}
	return p.tryClaim(ctx, c, topicID)
}

// tryClaim is one claim, which waits for the row for as long as claimPatience.
func (p *position) tryClaim(ctx context.Context, c *conn, topicID string) (next int64, ok bool, of string, err error) {
	tx, err := c.BeginTx(ctx, readCommitted)
	if err != nil {
		return 0, false, "", err
	}
	if _, err = tx.Exec(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d", claimPatience.Milliseconds())); err == nil {
		next, ok, of, err = p.claimRow(ctx, tx, topicID)
	}
	if err != nil {
		return 0, false, "", rolledBack(ctx, tx, err)
	}
	return next, ok, of, tx.Commit(ctx)
}

func (p *position) claimRow(ctx context.Context, tx pgx.Tx, topicID string) (next int64, ok bool, of string, err error) {
	var known *int64
	err = tx.QueryRow(ctx, `INSERT INTO `+p.table.String()+` AS o (connector, topic, topic_id, partition, epoch, updated_at)
		VALUES ($1, $2, $3, $4, 1, now())
		ON CONFLICT (connector, topic, partition) DO UPDATE SET epoch = o.epoch + 1, updated_at = now(),
			topic_id = CASE WHEN o.topic_id = '' THEN EXCLUDED.topic_id ELSE o.topic_id END
		RETURNING next_offset, epoch, topic_id`, p.connector, p.partition.Topic, topicID, p.partition.ID).Scan(&known, &p.epoch, &of)
	if err != nil || known == nil {
		return 0, false, of, err
	}
	return *known, true, of, nil
}

// recreated says that the topic is another one of the same name, whose offsets begin anew.
func (p *position) recreated(ctx context.Context, c *conn, topicID string) error {
	tag, err := c.Exec(ctx, `UPDATE `+p.table.String()+` SET next_offset = 0, topic_id = $1, updated_at = now()
		WHERE connector = $2 AND topic = $3 AND partition = $4 AND epoch = $5`, topicID, p.connector, p.partition.Topic, p.partition.ID, p.epoch)
	if err == nil && tag.RowsAffected() == 0 {
		err = fmt.Errorf("%s has been claimed by another task: %w", p.partition, connect.ErrFenced)
	}
	return err
}

// advance moves the position over r. It is the first statement of the flush's transaction: it
// takes the row's lock, so a replaced owner waits here for its successor's claim and then finds
// no row of its epoch. moved is false when the row is not at r.Start under our epoch.
func (p *position) advance(ctx context.Context, tx pgx.Tx, r record.Range) (moved bool, err error) {
	tag, err := tx.Exec(ctx, `UPDATE `+p.table.String()+` SET next_offset = $1, updated_at = now()
		WHERE connector = $2 AND topic = $3 AND partition = $4 AND epoch = $5 AND (next_offset = $6 OR next_offset IS NULL)`,
		r.End, p.connector, p.partition.Topic, p.partition.ID, p.epoch, r.Start)
	return tag.RowsAffected() == 1, err
}

// written says whether r is in the tables already; an error says why it can not be written.
func (p *position) written(ctx context.Context, q interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}, r record.Range) (bool, error) {
	var next *int64
	var epoch int64
	err := q.QueryRow(ctx, `SELECT next_offset, epoch FROM `+p.table.String()+`
		WHERE connector = $1 AND topic = $2 AND partition = $3`, p.connector, p.partition.Topic, p.partition.ID).Scan(&next, &epoch)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, fmt.Errorf("%s has no row for %s any more: %w", p.table, p.partition, connect.ErrFenced)
	case err != nil:
		return false, err
	case epoch != p.epoch:
		return false, fmt.Errorf("%s has epoch %d for %s, and this task claimed %d: %w", p.table, epoch, p.partition, p.epoch, connect.ErrFenced)
	case next == nil || *next == r.Start:
		return false, nil
	case *next == r.End:
		return true, nil
	}
	return false, fmt.Errorf("%s continues at offset %d for %s, and this flush starts at %d; if the records between are gone from Kafka and that is accepted, run UPDATE %s SET next_offset = %d WHERE connector = %s AND topic = %s AND partition = %d",
		p.table, *next, p.partition, r.Start, p.table, r.Start, literal(p.connector), literal(p.partition.Topic), p.partition.ID)
}
