package postgres

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"connectd/connect"
)

const (
	// rangePages is the size of a range of a large table, in pages of 8 KiB.
	rangePages = 16384
	// reportEvery is how often the progress of a snapshot is reported.
	reportEvery = time.Second
)

// snapshot reads the captured tables as of one moment.
type snapshot struct {
	source *Source
	task   *connect.SourceTask
	name   string   // of the exported snapshot that all readers share
	pos    position // of the batches
	block  block    // the source block of the rows, but for the table's part
	tables []*snapshotTable
	ranges chan tableRange
	first  atomic.Bool // the first row of all has been read

	notices *initialNotices

	mu     sync.Mutex
	parked []*reader // readers that have nothing left to read
}

// snapshotTable is a table on its way through the snapshot.
type snapshotTable struct {
	*table
	relation relation
	columns  []*column   // those that are read
	first    atomic.Bool // its first row has been read
	rows     atomic.Int64
	ranges   atomic.Int32 // not yet read
}

// tableRange is a range of a table's pages.
type tableRange struct {
	table    *snapshotTable
	from, to int64 // pages; to 0: to the end
	whole    bool
}

// takeSnapshot reads the tables and returns where streaming begins.
//
// When the slot is created here, the snapshot is the one that the slot's creation exports: it
// shows exactly what the stream does not send. When the slot was there before (somebody made it,
// or an earlier snapshot was interrupted), it stays: the snapshot is taken now, and the stream
// begins where the slot is. Changes between the two are then sent again after the rows, in their
// order, so that every key ends at its last state; nothing is left out, not even a delete of a
// row that an interrupted snapshot has sent.
func (s *Source) takeSnapshot(ctx context.Context, t *connect.SourceTask, c *catalog, tables []relation, p plan, k slot) (position, error) {
	if err := pause(ctx, s.config.Delay); err != nil {
		return position{}, err
	}
	if k.lost {
		if err := s.dropSlot(ctx, c); err != nil {
			return position{}, err
		}
	}
	if !k.missing && !k.lost {
		return s.snapshotNow(ctx, t, c, tables, p.start)
	}
	conn, _, err := s.connectReplication(ctx)
	if err != nil {
		return position{}, err
	}
	defer closeSoon(conn) // the exported snapshot lives as long
	floor, err := s.walEnd(ctx, c)
	if err != nil {
		return position{}, err
	}
	lsn, name, err := s.createSlot(ctx, conn)
	if err != nil {
		return position{}, err
	}
	return s.read(ctx, t, c, tables, name, floor, position{commit: lsn, lsn: lsn})
}

// snapshotOnly is the mode initial_only: no slot, no stream.
func (s *Source) snapshotOnly(ctx context.Context, t *connect.SourceTask, c *catalog, tables []relation, stored *position) error {
	if stored == nil || stored.unfinished() {
		if _, err := s.snapshotNow(ctx, t, c, tables, position{}); err != nil {
			return err
		}
	}
	t.Report(connect.Progress{Phase: "idle", Detail: "the snapshot is done, and snapshot.mode initial_only does not stream"})
	<-ctx.Done()
	return nil
}

// snapshotNow reads the tables as they are now; the stream begins at start.
func (s *Source) snapshotNow(ctx context.Context, t *connect.SourceTask, c *catalog, tables []relation, start position) (position, error) {
	floor, err := s.floor(ctx, t, c)
	if err != nil {
		return position{}, err
	}
	db, err := s.connect(ctx)
	if err != nil {
		return position{}, err
	}
	defer closeSoon(db.PgConn()) // the exported snapshot lives as long
	var name string
	if _, err := db.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return position{}, fmt.Errorf("take a snapshot: %w", answer(err))
	}
	if err := db.QueryRow(ctx, "SELECT pg_export_snapshot()").Scan(&name); err != nil {
		return position{}, fmt.Errorf("take a snapshot: %w", answer(err))
	}
	if start.commit == 0 {
		start.commit = floor
	}
	return s.read(ctx, t, c, tables, name, floor, start)
}

// read reads the tables in the exported snapshot called name. lsn is the floor of its rows.
func (s *Source) read(ctx context.Context, t *connect.SourceTask, c *catalog, tables []relation, name string, lsn LSN, start position) (position, error) {
	began := time.Now()
	sn := &snapshot{source: s, task: t, name: name, notices: newInitialNotices(s, t)}
	sn.pos = position{commit: start.commit, lsn: lsn, snapshot: "INITIAL", tsMicros: began.UnixMicro()}
	txID, err := c.nextTransaction(ctx)
	if err != nil {
		return position{}, err
	}
	sn.block = block{snapshot: &snapshotRow, lsn: lsn, tsMicros: began.UnixMicro(), txID: txID}
	if err := sn.prepare(ctx, c, tables); err != nil {
		return position{}, err
	}
	s.log.Info("snapshot begins", "tables", len(sn.tables), "lsn", lsn.String())
	if err := sn.notices.end(ctx, sn.run(ctx)); err != nil {
		return position{}, err
	}
	var rows int64
	for _, table := range sn.tables {
		rows += table.rows.Load()
	}
	s.log.Info("snapshot done", "tables", len(sn.tables), "rows", rows, "took", time.Since(began).Round(time.Millisecond))
	return start, nil
}

// prepare makes the tables and divides them into ranges.
func (sn *snapshot) prepare(ctx context.Context, c *catalog, tables []relation) error {
	cfg := sn.source.config
	tables = slices.DeleteFunc(slices.Clone(tables), func(r relation) bool {
		if viaRoot := sn.source.viaRoot; viaRoot && r.partition || !viaRoot && r.parent {
			return true // its rows are read under the other name
		}
		return !sn.source.capture.inSnapshot(r.schema, r.table)
	})
	switch cfg.Order {
	case "ascending":
		slices.SortStableFunc(tables, func(a, b relation) int { return int(min(max(a.rows-b.rows, -1), 1)) })
	case "descending":
		slices.SortStableFunc(tables, func(a, b relation) int { return int(min(max(b.rows-a.rows, -1), 1)) })
	}
	var ranges []tableRange
	for _, r := range tables {
		built, err := c.build(ctx, r, nil)
		if err != nil {
			return err
		}
		t := &snapshotTable{table: built, relation: r}
		for i := range built.columns {
			if built.columns[i].cell >= 0 {
				t.columns = append(t.columns, &built.columns[i])
			}
		}
		own := t.divide(cfg.Threads, rangePages)
		t.ranges.Store(int32(len(own)))
		sn.tables = append(sn.tables, t)
		ranges = append(ranges, own...)
	}
	sn.ranges = make(chan tableRange, len(ranges))
	for _, r := range ranges {
		sn.ranges <- r
	}
	close(sn.ranges)
	return nil
}

// divide is the table in ranges of so many pages that several readers may share.
func (t *snapshotTable) divide(readers int, pages int64) []tableRange {
	if readers == 1 || t.relation.parent || t.relation.pages < 2*pages {
		return []tableRange{{table: t, whole: true}}
	}
	var ranges []tableRange
	for from := int64(0); from < t.relation.pages; from += pages {
		ranges = append(ranges, tableRange{table: t, from: from, to: from + pages})
	}
	ranges[len(ranges)-1].to = 0 // the table may have grown since it was analyzed
	return ranges
}

// run reads all ranges with snapshot.max.threads readers, which end with the ranges, the first
// error or ctx.
func (sn *snapshot) run(ctx context.Context) error {
	// Each reader holds a batch until its next row: with fewer batches than readers some would
	// wait for ever.
	readers := max(1, min(sn.source.config.Threads, cap(sn.task.Free()), len(sn.ranges)))
	group, reading := errgroup.WithContext(ctx)
	for range readers {
		group.Go(func() error { return sn.reader(reading) })
	}
	done := make(chan error, 1)
	go func() { done <- group.Wait() }() // ends with the readers; waited for below
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	sn.report()
	for {
		select {
		case <-tick.C:
			sn.report()
		case err := <-done:
			if err != nil {
				return err
			}
			sn.report()
			return sn.finish(ctx)
		}
	}
}

// finish sends what the readers hold; the last row is marked, and the position says that the
// snapshot is complete.
func (sn *snapshot) finish(ctx context.Context) error {
	var last *output
	for _, r := range sn.parked {
		if r.out.batch == nil {
			continue
		}
		if last != nil {
			sn.send(last, sn.pos)
		}
		last = &r.out
	}
	if last == nil {
		b, err := sn.task.Batch(ctx)
		if err != nil {
			return errStopped
		}
		last = &output{}
		last.take(b)
	}
	if n := len(last.blocks.slab); n > 0 {
		last.blocks.slab[n-1].snapshot = &snapshotLast
	}
	done := sn.pos
	done.done = true
	sn.send(last, done)
	return nil
}

func (sn *snapshot) send(o *output, pos position) {
	pos.stamp(o.batch, sn.source.partition, sn.source.demand.append(nil))
	sn.task.Send(o.batch)
	o.batch = nil
}

// report shows how far the tables are.
func (sn *snapshot) report() {
	p := connect.Progress{Phase: "snapshot"}
	var rows, estimated int64
	for _, t := range sn.tables {
		n := t.rows.Load()
		done := t.ranges.Load() == 0
		e := max(t.relation.rows, n)
		if done {
			e = n
		}
		p.Tables = append(p.Tables, connect.TableProgress{Table: t.String(), Rows: n, Estimated: e, Done: done})
		rows, estimated = rows+n, estimated+e
	}
	p.Detail = fmt.Sprintf("%d of about %d rows read", rows, estimated)
	sn.task.Report(p)
	sn.notices.report(p.Tables, sn.pos.commit)
}
