package postgres

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
)

// openMark writes the watermark in front of a chunk, as Debezium does, and returns the chunk's
// id; "" when no watermarks are written. Nothing here depends on them: a chunk's place is known by
// its snapshot. The second one makes sure that what committed asynchronously is in the stream
// before the chunk.
func (r *chunkReader) openMark(ctx context.Context, db *pgx.Conn) string {
	if r.source.config.readOnly() || r.plain {
		return ""
	}
	id := newUUID()
	if err := r.mark(ctx, db, "INSERT INTO %s VALUES ($1, $2, NULL)", id+"-open", windowOpen); err != nil {
		r.plain = true
		r.source.log.Warn("incremental snapshots go on without watermarks in the signal table", "table", r.source.config.SignalTable, "err", answer(err))
		return ""
	}
	return id
}

// closeMark writes the watermark behind a chunk and returns where it is.
func (r *chunkReader) closeMark(ctx context.Context, id string) (LSN, error) {
	db, err := r.catalog.db(ctx)
	if err != nil {
		return 0, err
	}
	if r.source.config.Watermarks == "insert_delete" {
		err = r.mark(ctx, db, "DELETE FROM %s WHERE id = $1", id+"-open")
	} else {
		err = r.mark(ctx, db, "INSERT INTO %s VALUES ($1, $2, NULL)", id+"-close", windowClose)
	}
	if err != nil {
		return 0, fmt.Errorf("write a watermark: %w", answer(err))
	}
	var at string
	if err := db.QueryRow(ctx, "SELECT pg_current_wal_flush_lsn()::text").Scan(&at); err != nil {
		return 0, answer(err)
	}
	return pglogrepl.ParseLSN(at)
}

// mark runs one statement on the signal table and waits until it is on disk.
func (r *chunkReader) mark(ctx context.Context, db *pgx.Conn, sql string, args ...any) error {
	n, err := parseName(r.source.config.SignalTable)
	if err != nil {
		return err
	}
	tx, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }() // after a commit it does nothing
	if _, err := tx.Exec(ctx, "SET LOCAL synchronous_commit = on"); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, fmt.Sprintf(sql, relation{schema: n.schema, table: n.table}.sql()), args...); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// newUUID is a random UUID: the ids of Debezium's watermarks just fit into varchar(42).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// awaitWriters waits until every transaction has ended that wrote to the table before it was
// published: the stream has not all of its changes, and a snapshot taken now would not show them.
func (r *chunkReader) awaitWriters(ctx context.Context, db *pgx.Conn, n name) error {
	const writers = `SELECT coalesce(array_agg(DISTINCT virtualtransaction), '{}') FROM pg_locks
		WHERE locktype = 'relation' AND relation = to_regclass($1) AND mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
		AND pid <> pg_backend_pid()`
	table := relation{schema: n.schema, table: n.table}.sql()
	var old []string
	if err := db.QueryRow(ctx, writers, table).Scan(&old); err != nil {
		return answer(err)
	}
	warned := false
	for began := time.Now(); len(old) > 0; {
		if !warned && time.Since(began) > 10*time.Second {
			warned = true
			r.source.log.Warn("waiting for transactions that wrote to a table before it joined", "table", n.String(), "transactions", len(old))
		}
		if err := pause(ctx, 20*shownRetry); err != nil {
			return err
		}
		const still = `SELECT coalesce(array_agg(DISTINCT virtualtransaction), '{}') FROM pg_locks WHERE virtualtransaction = ANY($1)
			AND locktype = 'relation' AND relation = to_regclass($2)`
		if err := db.QueryRow(ctx, still, old, table).Scan(&old); err != nil {
			return answer(err)
		}
	}
	return nil
}
