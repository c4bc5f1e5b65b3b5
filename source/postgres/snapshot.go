package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"connectd/connect"
	"connectd/record"
)

// snapshot reads the captured tables as of one moment. The readers take ranges of the tables,
// and what they have read is noted in the offset with the batch that completes it: a process
// that takes over goes on with the rest, in a snapshot that it takes later.
type snapshot struct {
	source *Source
	task   *connect.SourceTask
	name   string // of the exported snapshot that all readers share
	mark   LSN    // of its batches
	block  block  // the source block of the rows, but for the table's part
	waits  bool   // it is a blocking one: the stream waits, and a table that cannot be read is left out
	tables []*snapshotTable
	absent []name // tables that are left out from the beginning
	begun  time.Time
	first  atomic.Bool // the first row of all has been read

	// deliver sends b, and with it state, what is read once b is durable; nil when b says nothing of it.
	// done is the last batch. Readers call it one at a time, in the order of the states; it does not wait.
	deliver func(b *record.Batch, state []byte, done bool)

	notices *initialNotices

	mu     sync.Mutex // guards what follows, and keeps sends in the order of their positions
	xid    uint64     // the oldest transaction that the first snapshot did not see
	todo   []tableRange
	told   bool      // the offset says that a snapshot is under way
	parked []*reader // readers that have nothing left to read
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
		return s.snapshotNow(ctx, t, c, tables, p)
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
	return s.read(ctx, t, c, tables, name, floor, plan{start: position{commit: lsn, lsn: lsn}})
}

// snapshotOnly is for modes that do not stream: no slot.
func (s *Source) snapshotOnly(ctx context.Context, t *connect.SourceTask, c *catalog, tables []relation, stored *position) error {
	if s.config.takes(stored) {
		if err := pause(ctx, s.config.Delay); err != nil {
			return err
		}
		var p plan
		if stored != nil {
			p.tables = stored.tables
		}
		if _, err := s.snapshotNow(ctx, t, c, tables, p); err != nil {
			return err
		}
	}
	t.Report(connect.Progress{Phase: "idle", Detail: "the snapshot is done, and snapshot.mode " + s.config.Mode + " does not stream"})
	<-ctx.Done()
	return nil
}

// snapshotNow reads the tables as they are now; the stream begins at p.start.
func (s *Source) snapshotNow(ctx context.Context, t *connect.SourceTask, c *catalog, tables []relation, p plan) (position, error) {
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
	if p.start.commit == 0 {
		p.start.commit = floor
	}
	return s.read(ctx, t, c, tables, name, floor, p)
}

// read reads the tables in the exported snapshot called name. lsn is the floor of its rows.
func (s *Source) read(ctx context.Context, t *connect.SourceTask, c *catalog, tables []relation, name string, lsn LSN, p plan) (position, error) {
	sn := &snapshot{source: s, task: t, name: name, begun: time.Now(), mark: p.start.commit, notices: newInitialNotices(s, t, newUUID())}
	sn.deliver = func(b *record.Batch, state []byte, done bool) {
		if state != nil {
			pos := position{commit: sn.mark, lsn: lsn, snapshot: "INITIAL", tsMicros: sn.begun.UnixMicro(), done: done}
			if !done {
				pos.tables = string(state)
			}
			s.stamp(b, &pos, s.demand.append(nil))
		}
		b.Mark = uint64(sn.mark)
		t.Send(b)
	}
	txID, err := c.nextTransaction(ctx)
	if err != nil {
		return position{}, err
	}
	if s.config.streams() {
		// Now, not before: the slot's creation may have waited for long, and tables have changed.
		if err := s.restrict(ctx, c, tables); err != nil {
			return position{}, err
		}
		if err := s.readViaRoot(ctx, c); err != nil {
			return position{}, err
		}
	}
	sn.block = block{snapshot: &snapshotRow, lsn: lsn, tsMicros: sn.begun.UnixMicro(), txID: txID}
	for _, r := range s.inSnapshot(tables) {
		if err := sn.add(ctx, c, r, s.config.statement(r.String()), nil); err != nil {
			return position{}, err
		}
	}
	if err := sn.prepare(ctx, c, p.tables); err != nil {
		return position{}, err
	}
	s.log.Info("snapshot begins", "tables", len(sn.tables), "ranges", len(sn.todo), "lsn", lsn.String(), "rows", sn.rows())
	if err := sn.notices.end(ctx, sn.run(ctx)); err != nil {
		return position{}, err
	}
	s.log.Info("snapshot done", "tables", len(sn.tables), "rows", sn.rows(), "took", time.Since(sn.begun).Round(time.Millisecond))
	return p.start, nil
}

// add adds a table. statement is a SELECT of its rows, which gives the columns given; "" and nil for all.
func (sn *snapshot) add(ctx context.Context, c *catalog, r relation, statement string, given []string) error {
	built, err := c.build(ctx, r, nil)
	if err == nil {
		sn.tables = append(sn.tables, newSnapshotTable(c, built, r, statement, given))
	}
	return err
}

// prepare divides the tables into ranges, less what an earlier process has read.
func (sn *snapshot) prepare(ctx context.Context, c *catalog, stored string) error {
	var version int
	if err := c.row(ctx, "SELECT current_setting('server_version_num')::int", nil, &version); err != nil {
		return err
	}
	if err := c.measure(ctx, sn.tables, version >= 140000); err != nil {
		return err
	}
	updates, err := sn.updates(ctx, c)
	if err != nil {
		return err
	}
	state, err := sn.resume(ctx, c, stored)
	if err != nil {
		return err
	}
	for _, t := range sn.tables {
		for _, p := range t.parts {
			if earlier, ok := state.parts[p.id]; ok && !p.resume(earlier) {
				sn.source.log.Info("reading a table from its start: it was rewritten or changed since an earlier attempt", "table", p.name.String())
			}
			ranges := p.divide(!updates || p.large && t.relation.identity != "f")
			p.left = len(ranges)
			p.rows.Store(p.state.rows)
			t.unread.Add(int32(len(ranges)))
			sn.todo = append(sn.todo, ranges...)
		}
	}
	return nil
}

// inSnapshot are the tables whose rows are read, in the order of reading.
func (s *Source) inSnapshot(tables []relation) []relation {
	tables = slices.DeleteFunc(slices.Clone(tables), func(r relation) bool {
		if s.viaRoot && r.partition || !s.viaRoot && r.parent {
			return true // its rows are read under the other name
		}
		return !s.capture.inSnapshot(r.schema, r.table)
	})
	switch s.config.Order {
	case "ascending":
		slices.SortStableFunc(tables, func(a, b relation) int { return int(min(max(a.rows-b.rows, -1), 1)) })
	case "descending":
		slices.SortStableFunc(tables, func(a, b relation) int { return int(min(max(b.rows-a.rows, -1), 1)) })
	}
	return tables
}

// resume is what an earlier process has read, as far as it still counts.
func (sn *snapshot) resume(ctx context.Context, c *catalog, stored string) (snapshotState, error) {
	state, err := parseSnapshotState(stored)
	if err != nil {
		sn.source.log.Warn("reading all tables again", "err", err)
	}
	db, err := c.db(ctx)
	if err != nil {
		return state, err
	}
	results, err := db.PgConn().Exec(ctx, sn.begin()+"; SELECT pg_snapshot_xmin(pg_current_snapshot()); COMMIT").ReadAll()
	if err != nil {
		return state, fmt.Errorf("share the snapshot: %w", answer(err))
	}
	if sn.xid, err = strconv.ParseUint(string(results[2].Rows[0][0]), 10, 64); err != nil {
		return state, fmt.Errorf("share the snapshot: %w", err)
	}
	// Ages of transactions can be compared over half of their numbers.
	if state.parts == nil || state.xid > sn.xid || sn.xid-state.xid > 1<<30 {
		return snapshotState{}, nil
	}
	sn.xid = state.xid
	return state, nil
}

// updates says whether the stream has the updates of rows, with their large values or without.
func (sn *snapshot) updates(ctx context.Context, c *catalog) (bool, error) {
	s := sn.source
	if !s.config.streams() || s.capture.skip['u'] {
		return false, nil
	}
	var published bool
	err := c.row(ctx, "SELECT coalesce(bool_and(pubupdate), false) FROM pg_publication WHERE pubname = $1", []any{s.config.Publication}, &published)
	if err != nil {
		return false, fmt.Errorf("read publication %q: %w", s.config.Publication, err)
	}
	return published, nil
}

// begin begins a transaction that sees the snapshot.
func (sn *snapshot) begin() string {
	return "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT " + literal(sn.name)
}

// run reads all ranges with snapshot.max.threads readers, which end with the ranges, the first
// error or ctx.
func (sn *snapshot) run(ctx context.Context) error {
	// Each reader holds a batch until its next row: with fewer batches than readers some would
	// wait for ever.
	readers := max(1, min(sn.source.config.Threads, cap(sn.task.Free()), len(sn.todo)))
	group, reading := errgroup.WithContext(ctx)
	for range readers {
		group.Go(func() error { return sn.reader(reading) })
	}
	done := make(chan error, 1)
	go func() { done <- group.Wait() }() // ends with the readers; waited for below
	progress := newSnapshotProgress(sn)
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			progress.report(now)
		case err := <-done:
			if err != nil {
				sn.giveBack()
				return err
			}
			progress.report(time.Now())
			return sn.finish(ctx)
		}
	}
}

// next takes a range that nobody reads; false when there is none.
func (sn *snapshot) next() (tableRange, bool) {
	sn.mu.Lock()
	defer sn.mu.Unlock()
	if len(sn.todo) == 0 {
		return tableRange{}, false
	}
	r := sn.todo[0]
	sn.todo = sn.todo[1:]
	return r, true
}

// rewritten is called by a reader that finds the relation of r in another file: VACUUM FULL,
// CLUSTER, TRUNCATE and some forms of ALTER TABLE write a new one, in which rows are elsewhere.
// What was read of it does not count.
func (sn *snapshot) rewritten(r tableRange, now relationFile) {
	sn.mu.Lock()
	defer sn.mu.Unlock()
	p := r.part
	p.table.unread.Add(-1)
	if p.state.file == now.file {
		return // another reader was here before
	}
	sn.source.log.Info("reading a table from its start: it was rewritten meanwhile", "table", p.name.String())
	others := slices.DeleteFunc(sn.todo, func(r tableRange) bool { return r.part == p })
	p.table.unread.Add(int32(len(others) - len(sn.todo)))
	p.relationFile, p.begun = now, false
	p.state = partState{file: now.file, shape: p.state.shape}
	p.rows.Store(0)
	ranges := p.divide(false)
	p.left = len(ranges)
	p.table.unread.Add(int32(len(ranges)))
	sn.todo = append(others, ranges...)
}

// send sends what o has. read are the ranges whose last row is in it, or was sent before: they are
// noted in the offset that goes with the batch, and become durable after their rows. The lock is
// held until the batch is on its way, so that no other reader's batch overtakes it with an offset
// that has these ranges.
func (sn *snapshot) send(o *output, read []readRange, done bool) {
	sn.mu.Lock()
	defer sn.mu.Unlock()
	for _, r := range read {
		r.part.finish(r.tableRange, r.rows)
	}
	var state []byte
	if len(read) > 0 || !sn.told || done {
		state, sn.told = sn.state(), true
	}
	sn.deliver(o.batch, state, done)
	o.batch = nil
}

// leaveOut leaves a table out that the server does not let us read, if that is no reason to end.
func (sn *snapshot) leaveOut(t *snapshotTable, reason error) bool {
	if !sn.waits {
		return false
	}
	sn.mu.Lock()
	defer sn.mu.Unlock()
	if !t.left.Load() { // else another reader was here before
		sn.todo = slices.DeleteFunc(sn.todo, func(r tableRange) bool { return r.part.table == t })
		sn.notices.leaveOut(t.String(), &skipped{statusSQL, reason})
		t.left.Store(true)
	}
	return true
}

// giveBack sends what the readers hold when they did not come to the end: batches are few.
func (sn *snapshot) giveBack() {
	for _, r := range sn.parked {
		if r.out.batch != nil {
			sn.send(&r.out, nil, false)
		}
	}
}

// state is the text of what is read.
func (sn *snapshot) state() []byte {
	text := strconv.AppendUint(nil, sn.xid, 10)
	for _, t := range sn.tables {
		for _, p := range t.parts {
			if len(p.state.done) > 0 {
				text = p.state.append(text, p.id)
			}
		}
	}
	return text
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
			sn.send(last, nil, false)
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
	sn.send(last, nil, true)
	return nil
}
