package clickhouse

import (
	"context"
	"fmt"
	"time"

	"connectd/connect"
	"connectd/record"
)

// What becomes of a flush that was begun so long ago that the server may have forgotten its tokens.
const (
	expiredFail   = "fail"
	expiredInsert = "insert"
)

// freshFor is how long a flush is not asked about: no server forgets within it what it is sent.
const freshFor = time.Minute

// stored says whether the rows of b are in the table already, for a flush of which the server may
// have forgotten the tokens, or which may have had others: with the settings that it was begun with.
func (w *Writer) stored(ctx context.Context, t *table, r record.Range, b *block) (bool, error) {
	forgotten, err := w.forgotten(ctx, t, r)
	changed := r.Changed && w.cfg.ExactlyOnce && !w.cfg.AcceptAtLeast
	if err != nil || !forgotten && !changed {
		return false, err
	}
	if t.replaces() {
		return false, nil // the same rows with the same versions replace themselves
	}
	unknown := "can not be known"
	because := "the table's deduplication window no longer reaches back to that"
	if !forgotten {
		because = "its settings have changed since"
	}
	if t.index(topicColumn) >= 0 && t.index(partitionColumn) >= 0 && t.index(offsetColumn) >= 0 {
		found, err := w.found(ctx, t, r, b)
		switch {
		case err != nil:
			return false, err
		case found == 0 || found == b.rows:
			return found > 0, nil
		}
		unknown = fmt.Sprintf("is true for %d of %d rows only", found, b.rows)
	} else if !forgotten {
		return false, nil // most settings change nothing of the rows: then the tokens are the same
	}
	if w.cfg.Expired == expiredInsert {
		return false, nil
	}
	return false, connect.Permanent(fmt.Errorf(
		"the flush of offsets %d to %d of %s into table %s was begun %s, and %s, so whether its rows are there already %s; look there, delete what is there of these offsets, and set on.intent.expired: insert",
		r.Start, r.End-1, r.Partition, t.quoted, time.UnixMilli(r.Time).UTC().Format(time.RFC3339), because, unknown))
}

// forgotten says whether the tokens of a flush may have left the table's deduplication window: by
// time, or by the number of inserts since. The table's block numbers bound that number.
func (w *Writer) forgotten(ctx context.Context, t *table, r record.Range) (bool, error) {
	age := time.Since(time.UnixMilli(r.Time))
	if r.Time == 0 || age < freshFor || !w.cfg.ExactlyOnce || w.cfg.AcceptAtLeast {
		return false, nil
	}
	if seconds := w.windowSeconds(t); seconds > 0 && age > time.Duration(seconds)*time.Second*8/10 {
		return true, nil
	}
	_, window := w.window(t)
	var inserts int64
	err := w.conn.QueryRow(ctx, "SELECT toInt64(sum(n)) FROM (SELECT max(max_block_number) AS n FROM system.parts WHERE database = "+
		quoteText(t.database)+" AND table = "+quoteText(t.table)+" GROUP BY partition_id)").Scan(&inserts)
	if err != nil {
		return false, w.explain("read how many inserts "+t.quoted+" has had", err)
	}
	return inserts > window*8/10, nil
}

// found is how many rows of b are in the table, by the columns that say where they came from.
func (w *Writer) found(ctx context.Context, t *table, r record.Range, b *block) (int, error) {
	var n uint64
	err := w.conn.QueryRow(ctx, fmt.Sprintf("SELECT uniqExact(%[1]s) FROM %[2]s WHERE %[3]s = %[4]s AND %[5]s = %[6]d AND %[1]s BETWEEN %[7]d AND %[8]d",
		offsetColumn, t.quoted, topicColumn, quoteText(string(t.topic)), partitionColumn, r.Partition.ID, b.offsets.of(0), b.offsets.of(b.rows-1))).Scan(&n)
	if err != nil {
		return 0, w.explain("look for offsets in "+t.quoted, err)
	}
	return min(int(n), b.rows), nil
}
