package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"connectd/record"
)

// block takes the first blocking snapshot on the list: the stream stands still, the tables are
// read in one snapshot of the database, and the stream goes on where it was, so that what changed
// meanwhile follows. The server is told all the time that we are alive.
//
// The readers are those of the snapshot before the stream. What they have read is noted in the
// stored position, so that a process that takes over goes on with the rest, see snapshotState: its
// stream has sent no less when it does, and sends what changed since.
func (g *signals) block(ctx context.Context) error {
	st, job := g.st, g.demand.Blocking[0]
	st.flush()
	g.store() // the signal is durable before its rows
	began := time.Now()
	g.log.Info("blocking snapshot begins, the stream waits", "id", job.ID, "tables", len(job.Tables), "resumed", job.State != "")
	reading, stop := context.WithCancel(ctx)
	defer stop()
	b := &blockingRun{
		signals: g, job: &job, streamed: g.incremental.streamed(), stop: stop,
		block: block{snapshot: &snapshotRow, lsn: g.below(ctx), commit: st.lastCommit, tsMicros: began.UnixMicro()},
		sent:  make(chan handed, cap(st.task.Free())), mark: st.pos.commit,
	}
	failed := make(chan error, 1)
	go func() { failed <- b.read(reading); close(b.sent) }() // ends with the tables or reading; waited for below
	err := b.take(ctx)
	stop()
	for h := range b.sent {
		b.send(h) // rows that were read before it was stopped
	}
	if why := <-failed; err == nil && !b.stopped {
		err = why
	}
	st.heard = time.Now() // what the server said meanwhile is in the socket
	switch {
	case err != nil && !errors.Is(err, errStopped):
		return fmt.Errorf("blocking snapshot: %w", err)
	case err != nil:
		return err
	}
	g.log.Info("the stream goes on", "id", job.ID, "stopped", b.stopped, "took", time.Since(began).Round(time.Millisecond))
	st.reportWhere()
	if b.stopped {
		return g.notify(ctx, job.ID, aggregateInitial, "ABORTED")
	}
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

// blockingRun is a blocking snapshot under way.
type blockingRun struct {
	signals  *signals
	job      *blockingJob
	streamed []uint32 // transactions that the snapshot has to show
	block    block    // source block of the rows
	mark     LSN      // of the batches
	stop     context.CancelFunc
	sent     chan handed // from the readers to the stream; has room for all batches there are

	stopped bool // by a signal
	ended   bool // its last batch was sent
}

// handed is a batch of rows on its way to the stream.
type handed struct {
	batch *record.Batch
	state []byte // what is read once the batch is durable; nil when it says nothing of it
	done  bool   // it is the last one
}

// take sends what the readers hand over until they have ended, and does meanwhile what the stream
// does. It waits for no batch: the one that it waited for might be one that it is to send. So what
// has a record of its own, a signal or a heartbeat, goes with the first batch that comes: a free one,
// or the next of the readers'.
func (b *blockingRun) take(ctx context.Context) error {
	g := b.signals
	st := g.st
	tick := time.NewTicker(min(st.interval, confirmEvery))
	defer tick.Stop()
	var signal *asked
	var beat bool
	for {
		inbox, free := st.source.inbox, (<-chan *record.Batch)(nil)
		if signal != nil {
			inbox = nil
		}
		if signal != nil || beat {
			free = st.task.Free()
		}
		select {
		case h, ok := <-b.sent:
			if !ok && signal != nil {
				return g.take(ctx, *signal)
			}
			if !ok {
				return nil
			}
			st.out.batch = h.batch
			err := b.beside(ctx, signal, beat)
			st.out.batch, signal, beat = nil, nil, false
			if b.send(h); err != nil {
				return err
			}
		case a := <-inbox:
			signal = &a
		case batch := <-free:
			st.fill(batch)
			err := b.beside(ctx, signal, beat)
			signal, beat = nil, false
			if st.send(); err != nil {
				return err
			}
		case now := <-tick.C:
			if err := st.sendStatus(now); err != nil {
				return err
			}
			beat = st.beatDue(now)
		case <-ctx.Done():
			return errStopped
		}
	}
}

// beside takes a signal, which may stop the snapshot, and sends a heartbeat; either may not be due.
func (b *blockingRun) beside(ctx context.Context, signal *asked, beat bool) error {
	if beat {
		if err := b.signals.st.heartbeat(ctx, time.Now()); err != nil {
			return err
		}
	}
	if signal == nil {
		return nil
	}
	err := b.signals.take(ctx, *signal)
	if b.current() == nil && !b.ended {
		b.stopped = true
		b.stop()
	}
	return err
}

// current is the snapshot in the demand, nil when it was stopped.
func (b *blockingRun) current() *blockingJob {
	if d := b.signals.demand; len(d.Blocking) > 0 && d.Blocking[0].ID == b.job.ID {
		return &d.Blocking[0]
	}
	return nil
}

// send sends a batch with the stream's position, and in it what of the snapshot is done by then.
func (b *blockingRun) send(h handed) {
	g, st := b.signals, b.signals.st
	if job := b.current(); job != nil && h.state != nil {
		if job.State, b.ended = string(h.state), h.done; h.done {
			g.demand.Blocking = g.demand.Blocking[1:]
		}
		g.changed()
	}
	// A batch never confirms a position that no offset has.
	if g.unsent || st.pos.commit != st.sent {
		st.source.stamp(h.batch, &st.pos, g.offset())
	}
	h.batch.Mark, st.sent = uint64(st.pos.commit), st.pos.commit
	st.task.Send(h.batch)
}

// read reads the tables, over connections of its own.
func (b *blockingRun) read(ctx context.Context) error {
	st := b.signals.st
	s := st.source
	c := newCatalog(s)
	defer c.Close()
	db, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer closeSoon(db.PgConn()) // the exported snapshot lives as long
	sn := &snapshot{source: s, task: st.task, begun: time.Now(), mark: b.mark, block: b.block, waits: true, notices: newInitialNotices(s, st.task, b.job.ID)}
	sn.deliver = func(batch *record.Batch, state []byte, done bool) { b.sent <- handed{batch, state, done} }
	sn.notices.deliver = func(batch *record.Batch) { b.sent <- handed{batch: batch} }
	if sn.name, err = exportShowing(ctx, db, b.streamed); err != nil {
		return err
	}
	captured, err := c.captured(ctx, s.capture)
	if err != nil {
		return err
	}
	if err := s.restrict(ctx, c, captured); err != nil {
		return err
	}
	for i := range b.job.Tables {
		if err := sn.ask(ctx, c, captured, &b.job.Tables[i]); err != nil {
			return err
		}
	}
	if err := sn.prepare(ctx, c, b.job.State); err != nil {
		return err
	}
	err = sn.run(ctx)
	s.log.Info("blocking snapshot ends", "id", b.job.ID, "rows", sn.rows(), "took", time.Since(sn.begun).Round(time.Millisecond))
	if ctx.Err() != nil {
		return errStopped
	}
	return sn.notices.end(ctx, err)
}

// exportShowing exports a snapshot that shows what the stream has sent.
func exportShowing(ctx context.Context, db *pgx.Conn, streamed []uint32) (exported string, err error) {
	for {
		var s shownNow
		var shown string
		var standby bool
		if _, err := db.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
			return "", answer(err)
		}
		err := db.QueryRow(ctx, "SELECT pg_current_snapshot()::text, pg_is_in_recovery(), pg_export_snapshot()").Scan(&shown, &standby, &exported)
		if err != nil {
			return "", answer(err)
		}
		if s.visibility, err = parseVisibility(shown, standby); err != nil || s.all(streamed) {
			return exported, err
		}
		if _, err := db.Exec(ctx, "ROLLBACK"); err != nil {
			return "", answer(err)
		}
		if err := pause(ctx, shownRetry); err != nil {
			return "", err
		}
	}
}

// ask adds a table of a blocking snapshot. One that is not there, or whose SELECT is wrong, is left out.
func (sn *snapshot) ask(ctx context.Context, c *catalog, captured []relation, t *blockingTable) error {
	at := slices.IndexFunc(captured, func(r relation) bool { return r.schema == t.Schema && r.table == t.Table })
	if at < 0 {
		sn.absent = append(sn.absent, t.name())
		sn.notices.leaveOut(t.name().String(), &skipped{statusSchema, errors.New("it does not exist any more, or is not captured")})
		return nil
	}
	given, err := c.given(ctx, t.Select)
	if blames(err) {
		sn.absent = append(sn.absent, t.name())
		sn.notices.leaveOut(t.name().String(), &skipped{statusSQL, err})
		return nil
	}
	if err != nil {
		return err
	}
	return sn.add(ctx, c, captured[at], t.Select, given)
}

// blames says whether err is the server's answer to a table or its SELECT, and will be so the next
// time, unlike one to the state that the server is in.
func blames(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (permanent(pg.Code) || strings.HasPrefix(pg.Code, "22"))
}

// given are the columns that a SELECT gives; nil for none.
func (c *catalog) given(ctx context.Context, sql string) (names []string, err error) {
	if sql == "" {
		return nil, nil
	}
	err = c.do(ctx, func(ctx context.Context, db *pgx.Conn, _ *bool) error {
		prepared, err := db.Prepare(ctx, "", sql)
		if err != nil {
			return err
		}
		for _, f := range prepared.Fields {
			names = append(names, f.Name)
		}
		return nil
	})
	return names, err
}
