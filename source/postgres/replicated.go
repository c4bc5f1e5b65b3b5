package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"connectd/record"
)

// replicated says where a transaction comes from that another server has replicated to this one.
type replicated struct {
	name record.Value
	lsn  LSN // of its commit there
}

// from handles the message that names a transaction's origin.
func (st *stream) from(m message) error {
	lsn, name := LSN(m.uint64()), m.text()
	if m.bad {
		return errTruncated
	}
	st.tx.from = &replicated{name: record.OfText(name), lsn: lsn}
	return nil
}

// refreshXmin reads the slot's catalog_xmin when xmin.fetch.interval.ms is over.
func (st *stream) refreshXmin(ctx context.Context) error {
	every := st.source.config.Xmin
	if every <= 0 || time.Since(st.xminRead) < every {
		return nil
	}
	err := st.catalog.each(ctx, "SELECT coalesce(catalog_xmin::text::bigint, 0) FROM pg_replication_slots WHERE slot_name = $1",
		[]any{st.source.config.Slot}, func(rows pgx.Rows) error { return rows.Scan(&st.xmin) })
	if err != nil {
		return fmt.Errorf("%w: read catalog_xmin of slot %q: %w", errCatalog, st.source.config.Slot, err)
	}
	st.xminRead = time.Now()
	return nil
}

// nextTransaction is the id of the next transaction: what a snapshot's rows are written under.
func (c *catalog) nextTransaction(ctx context.Context) (uint32, error) {
	var id int64
	if err := c.row(ctx, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint", nil, &id); err != nil {
		return 0, fmt.Errorf("read the next transaction id: %w", err)
	}
	return uint32(id), nil
}
