package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"

	"connectd/connect"
	"connectd/record"
)

// piece is a run of rows of a blocking snapshot on its way to the stream.
type piece struct {
	table   int // of the job
	made    *table
	columns []*column
	rows    textRows
	about   int64
	end     bool     // of the table
	skip    *skipped // the table is left out
}

// block takes the first blocking snapshot on the list: the stream stands still, the tables are
// read in one snapshot of the database, and the stream goes on where it was, so that what changed
// meanwhile follows. The server is told all the time that we are alive.
//
// Killed in the middle, it is done again from its first row: the stored position has it until
// its end.
func (g *signals) block(ctx context.Context) error {
	st, job := g.st, g.demand.Blocking[0]
	st.flush()
	g.store() // the signal is durable before its rows
	began := time.Now()
	g.log.Info("blocking snapshot begins, the stream waits", "id", job.ID, "tables", len(job.Tables))
	if err := g.notify(ctx, job.ID, aggregateInitial, "STARTED"); err != nil {
		return err
	}
	reading, stop := context.WithCancel(ctx)
	pieces, failed := make(chan *piece, 1), make(chan error, 1)
	go func() { failed <- st.source.readJob(reading, &job, g.incremental.streamed(), pieces); close(pieces) }()
	b := &blockingRun{signals: g, job: &job, lsn: g.below(ctx)}
	err := b.take(ctx, pieces)
	stop()
	for range pieces { // what was read and is not wanted
	}
	if why := <-failed; err == nil {
		err = why
	}
	st.heard = time.Now() // what the server said meanwhile is in the socket
	if b.stopped {
		g.log.Info("blocking snapshot stopped", "id", job.ID, "rows", b.rows)
		return g.notify(ctx, job.ID, aggregateInitial, "ABORTED")
	}
	if err != nil {
		return fmt.Errorf("blocking snapshot: %w", err)
	}
	g.demand.Blocking = g.demand.Blocking[1:]
	g.changed()
	g.log.Info("blocking snapshot done, the stream goes on", "id", job.ID, "rows", b.rows, "took", time.Since(began).Round(time.Millisecond))
	if err := g.notify(ctx, job.ID, aggregateInitial, "COMPLETED"); err != nil {
		return err
	}
	st.flush()
	st.reportWhere()
	return nil
}

// below is a position below every change that is still to be streamed: rows that have it lose
// against those changes, also where readers put them in order by it.
func (g *signals) below(ctx context.Context) LSN {
	var at string
	err := g.st.catalog.row(ctx, "SELECT coalesce(restart_lsn, '0/0')::text FROM pg_replication_slots WHERE slot_name = $1", []any{g.st.source.config.Slot}, &at)
	if err != nil {
		return g.st.told // not quite as sure: a transaction may have begun before it
	}
	lsn, _ := pglogrepl.ParseLSN(at)
	return lsn
}

// blockingRun is a blocking snapshot under way, on the stream's side.
type blockingRun struct {
	signals *signals
	job     *blockingJob
	tables  []connect.TableProgress
	rows    int64
	stopped bool
	lsn     LSN // of the rows

	held *heldRow // the newest row: whether it is the last one is not known yet
}

// heldRow is a row that is not in a batch yet.
type heldRow struct {
	piece *piece
	row   int
	first bool // of its table
}

// take takes the pieces until there are no more.
func (b *blockingRun) take(ctx context.Context, pieces <-chan *piece) error {
	st := b.signals.st
	tick := time.NewTicker(min(st.interval, confirmEvery))
	defer tick.Stop()
	table := -1
	for {
		select {
		case p, ok := <-pieces:
			if !ok {
				return b.last(ctx)
			}
			if p.table != table {
				table = p.table
				b.tables = append(b.tables, connect.TableProgress{Table: b.job.Tables[p.table].name().String(), Estimated: p.about})
			}
			if err := b.piece(ctx, p); err != nil {
				return err
			}
		case now := <-tick.C:
			if err := st.sendStatus(now); err != nil {
				return err
			}
			b.report()
		case a := <-st.source.inbox:
			if err := b.signals.take(ctx, a); err != nil {
				return err
			}
			// Its job is off the list when a signal has stopped it.
			if len(b.signals.demand.Blocking) == 0 || b.signals.demand.Blocking[0].ID != b.job.ID {
				b.stopped = true
				st.flush()
				return nil
			}
		case <-ctx.Done():
			return errStopped
		}
	}
}

// piece puts rows into batches.
func (b *blockingRun) piece(ctx context.Context, p *piece) error {
	g, progress := b.signals, &b.tables[len(b.tables)-1]
	if p.skip != nil {
		g.log.Warn("blocking snapshot leaves a table out", "table", progress.Table, "status", p.skip.status, "err", p.skip.reason)
	}
	for row := range p.rows.count() {
		if err := b.release(ctx, false); err != nil {
			return err
		}
		b.held = &heldRow{piece: p, row: row, first: progress.Rows == 0}
		progress.Rows++
	}
	progress.Estimated = max(progress.Estimated, progress.Rows)
	if !p.end {
		return nil
	}
	progress.Done, progress.Estimated = true, progress.Rows
	status := statusSucceeded
	if p.skip != nil {
		status = p.skip.status
	}
	return g.notify(ctx, b.job.ID, aggregateInitial, "TABLE_SCAN_COMPLETED", "scanned_collection", progress.Table,
		"total_rows_scanned", fmt.Sprint(progress.Rows), "status", status)
}

// release puts the row that was held into the batch: there is one behind it, or last is set.
func (b *blockingRun) release(ctx context.Context, last bool) error {
	h := b.held
	if h == nil {
		return nil
	}
	st, p := b.signals.st, h.piece
	if st.out.batch != nil && st.out.full() {
		st.flush()
	}
	if err := st.room(ctx); err != nil {
		return err
	}
	st.out.now = time.Now().UnixNano()
	cells, err := p.made.decodeText(st.out.batch, p.columns, &p.rows, h.row)
	if err != nil {
		return connect.Permanent(err)
	}
	k := block{snapshot: &snapshotRow, lsn: b.lsn, commit: st.lastCommit, tsMicros: st.out.now / 1000}
	switch {
	case last:
		k.snapshot = &snapshotLast
	case p.end && h.row == p.rows.count()-1:
		k.snapshot = &snapshotLastHere
	case h.first && b.rows == 0:
		k.snapshot = &snapshotFirst
	case h.first:
		k.snapshot = &snapshotFirstHere
	}
	st.out.change(p.made, record.Read, p.made.keyOf(st.out.batch, cells), record.Value{}, p.made.row(cells), k)
	b.rows, b.held = b.rows+1, nil
	return nil
}

// last ends the snapshot.
func (b *blockingRun) last(ctx context.Context) error {
	if err := b.release(ctx, true); err != nil {
		return err
	}
	b.signals.st.flush()
	return nil
}

// report shows how far the tables are.
func (b *blockingRun) report() {
	p := connect.Progress{Phase: "snapshot", Detail: fmt.Sprintf("blocking snapshot, %d rows read; the stream waits", b.rows)}
	p.Tables = append(p.Tables, b.tables...)
	for i := len(b.tables); i < len(b.job.Tables); i++ {
		p.Tables = append(p.Tables, connect.TableProgress{Table: b.job.Tables[i].name().String()})
	}
	b.signals.st.task.Report(p)
}

// readJob reads the tables of a blocking snapshot, over a connection of its own.
func (s *Source) readJob(ctx context.Context, job *blockingJob, streamed []uint32, out chan<- *piece) error {
	c := newCatalog(s)
	defer c.Close()
	db, err := c.db(ctx)
	if err != nil {
		return err
	}
	if err := beginShowing(ctx, db, streamed); err != nil {
		return err
	}
	captured, err := c.captured(ctx, s.capture)
	if err != nil {
		return err
	}
	if err := s.restrict(ctx, c, captured); err != nil {
		return err
	}
	for i := range job.Tables {
		if err := s.readWhole(ctx, c, db, captured, job, i, out); err != nil {
			return err
		}
	}
	_, err = db.Exec(ctx, "COMMIT")
	return answer(err)
}

// beginShowing begins a transaction that shows what the stream has sent.
func beginShowing(ctx context.Context, db *pgx.Conn, streamed []uint32) error {
	for {
		var s shownNow
		var shown string
		var standby bool
		if _, err := db.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
			return answer(err)
		}
		err := db.QueryRow(ctx, "SELECT pg_current_snapshot()::text, pg_is_in_recovery()").Scan(&shown, &standby)
		if err != nil {
			return answer(err)
		}
		if s.visibility, err = parseVisibility(shown, standby); err != nil || s.all(streamed) {
			return err
		}
		if _, err := db.Exec(ctx, "ROLLBACK"); err != nil {
			return answer(err)
		}
		if err := pause(ctx, shownRetry); err != nil {
			return err
		}
	}
}

// readWhole reads one table. One that is not there, or whose SELECT is wrong, is left out.
func (s *Source) readWhole(ctx context.Context, c *catalog, db *pgx.Conn, captured []relation, job *blockingJob, i int, out chan<- *piece) error {
	t := &job.Tables[i]
	send := func(p *piece) error {
		p.table = i
		select {
		case out <- p:
			return nil
		case <-ctx.Done():
			return errStopped
		}
	}
	k, ok := called(captured, t.name())
	if !ok {
		return send(&piece{end: true, skip: &skipped{statusSchema, errors.New("it does not exist any more, or is not captured")}})
	}
	made, err := c.build(ctx, k, nil)
	if err != nil {
		return err
	}
	// A SELECT that fails must not end the transaction of the others.
	if _, err := db.Exec(ctx, "SAVEPOINT one"); err != nil {
		return answer(err)
	}
	p := &piece{made: made, about: k.rows}
	result := db.PgConn().ExecParams(ctx, made.selectAll(k, t.Select), nil, nil, nil, nil)
	for result.NextRow() {
		if p.columns == nil {
			for _, f := range result.FieldDescriptions() {
				p.columns = append(p.columns, made.columnCalled(f.Name))
			}
			p.rows.width = len(p.columns)
		}
		if len(p.rows.data) >= chunkBytes/4 {
			next := &piece{made: made, columns: p.columns, about: k.rows}
			next.rows.width = p.rows.width
			if err := send(p); err != nil {
				return err
			}
			p = next
		}
		p.rows.add(result.Values())
	}
	p.end = true
	if _, err := result.Close(); err != nil {
		err = answer(err)
		if ctx.Err() != nil || db.IsClosed() {
			return err
		}
		if _, err := db.Exec(ctx, "ROLLBACK TO SAVEPOINT one"); err != nil {
			return answer(err)
		}
		p.skip = &skipped{statusSQL, err}
	}
	return send(p)
}

// called is the relation with that name.
func called(captured []relation, n name) (relation, bool) {
	for _, k := range captured {
		if k.schema == n.schema && k.table == n.table {
			return k, true
		}
	}
	return relation{}, false
}

// selectAll is the SELECT of all rows; own is one instead.
func (t *table) selectAll(k relation, own string) string {
	if own != "" {
		return own
	}
	from := "ONLY " + k.sql()
	if k.parent {
		from = k.sql()
	}
	var list string
	for i := range t.columns {
		if t.columns[i].cell < 0 {
			continue
		}
		if list != "" {
			list += ", "
		}
		list += identifier(t.columns[i].name)
	}
	sql := "SELECT " + list + " FROM " + from
	if k.filter != "" {
		sql += " WHERE " + k.filter
	}
	return sql
}

// columnCalled is the column that has a cell, nil when there is none of that name.
func (t *table) columnCalled(name string) *column {
	for i := range t.columns {
		if t.columns[i].name == name && t.columns[i].cell >= 0 {
			return &t.columns[i]
		}
	}
	return nil
}
