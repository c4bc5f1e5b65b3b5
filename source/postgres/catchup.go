package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"connectd/connect"
)

// A backlog is drained by SQL. The walsender flushes each change as a packet of its own, which
// bounds whoever reads it; pg_logical_slot_peek_binary_changes gives the same messages in bulk, two
// to three times as fast. It decodes from the slot's restart_lsn each time and keeps what it gives
// in a file on the server, so it pays for what is large, and is bounded in what it reads at once.
const (
	// backlogFrom is how much WAL is a backlog: about a second's work of the walsender.
	backlogFrom = 16 << 20
	// backlogSpan is how much WAL one read covers, and so about how large the server's file gets.
	backlogSpan = 512 << 20
	// lookEvery is how often a stream whose changes are old looks for a backlog.
	lookEvery = 10 * time.Second
)

// backlog is what of the WAL is still to be read.
type backlog struct {
	end     LSN // of the WAL
	restart LSN // where the slot's decoding begins, each time
}

// backlogSQL gives 0 for a slot that is gone or has lost its WAL: the walsender then says so.
const backlogSQL = `SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END - '0/0')::bigint,
	coalesce((SELECT restart_lsn - '0/0' FROM pg_replication_slots WHERE slot_name = $1), 0)::bigint`

// backlog asks the server.
func (st *stream) backlog(ctx context.Context) (backlog, error) {
	var end, restart int64
	err := st.catalog.row(ctx, backlogSQL, []any{st.source.config.Slot}, &end, &restart)
	return backlog{LSN(end), LSN(restart)}, err
}

// backlogOn asks the server that conn leads to. What is read up to has to be of that one: another
// may have less WAL, and gives what it has.
func (st *stream) backlogOn(ctx context.Context, conn *pgx.Conn) (backlog, error) {
	ctx, cancel := context.WithTimeout(ctx, st.silence)
	defer cancel()
	var end, restart int64
	err := conn.QueryRow(ctx, backlogSQL, st.source.config.Slot).Scan(&end, &restart)
	return backlog{LSN(end), LSN(restart)}, answer(err)
}

// next is up to where one read of the slot pays that begins at pos; 0 when it does not, and the
// walsender is to go on.
func (s *Source) next(b backlog, pos LSN) LSN {
	if b.end < pos+s.backlogFrom || b.restart == 0 {
		return 0
	}
	span := min(b.end-pos, s.backlogSpan)
	if b.restart < pos && span < (pos-b.restart)/2 {
		return 0 // a long transaction holds restart_lsn: most of the work would be to decode it again
	}
	return pos + span
}

// catchUp drains the backlog, if there is one worth it, and leaves a rest to the walsender that it
// is through with in about a second. When the server refuses, it is left to the walsender.
func (st *stream) catchUp(ctx context.Context) error {
	s := st.source
	if !s.bySQL() || st.refused {
		return nil
	}
	err := st.drainBacklog(ctx)
	if !refuses(err) || connect.IsPermanent(err) || errors.Is(err, errCatalog) || errors.Is(err, errBeside) {
		return err
	}
	s.log.Warn("the backlog cannot be read by SQL; reading it from the stream", "slot", s.config.Slot, "err", err)
	st.refused = true
	return nil
}

// bySQL says whether a backlog may be read by SQL. Where somebody else moves the slot, each read
// would begin where the first did.
func (s *Source) bySQL() bool {
	return s.config.CatchUp == "auto" && s.config.FlushMode != "manual"
}

// drainBacklog reads the slot from st.pos on, in as few and as large pieces as may be.
func (st *stream) drainBacklog(ctx context.Context) error {
	s := st.source
	b, err := st.backlog(ctx)
	if err != nil {
		return err
	}
	if s.next(b, st.pos.commit) == 0 {
		return nil
	}
	conn, err := s.connectBacklog(ctx)
	if err != nil {
		return err
	}
	defer func() { closeSoon(conn.PgConn()) }()
	if err := st.confirm(ctx, conn); err != nil {
		return err
	}
	if b, err = st.backlogOn(ctx, conn); err != nil {
		return err
	}
	upto := s.next(b, st.pos.commit)
	if upto == 0 {
		return nil
	}
	for began, sum := time.Now(), 0; ; {
		s.log.Info("reading the backlog", "slot", s.config.Slot, "lsn", st.pos.commit.String(), "upto", upto.String(), "end", b.end.String())
		st.backlogEnd = b.end
		st.reportWhere()
		n, reached, err := st.read(ctx, conn, upto)
		if err == nil {
			err = st.settle(ctx, reached)
		}
		if err != nil {
			return err
		}
		sum += n
		if b, err = st.backlogOn(ctx, conn); err != nil {
			return err
		}
		if b.end >= st.pos.commit+s.backlogFrom { // else the walsender's first status moves the slot
			if err := st.confirm(ctx, conn); err != nil {
				return err
			}
			restart := b.restart
			if b, err = st.backlogOn(ctx, conn); err != nil {
				return err
			}
			// When nothing was committed and the slot has not moved, one transaction fills the WAL.
			if upto = s.next(b, st.pos.commit); upto != 0 && (n > 0 || b.restart != restart) {
				continue
			}
		}
		s.log.Info("backlog read", "slot", s.config.Slot, "messages", sum, "took", time.Since(began).Round(time.Millisecond))
		return nil
	}
}

// look finds out whether a stream whose changes are old has a backlog.
func (st *stream) look(ctx context.Context, now time.Time) {
	if len(st.spools.open) > 0 { // to leave now would mean to get all of it again
		return
	}
	if !st.reader.behind || st.behind || !st.source.bySQL() || st.refused || now.Before(st.looked.Add(lookEvery)) {
		return
	}
	st.looked = now
	b, err := st.backlog(ctx)
	if err != nil {
		st.source.log.Warn("cannot find out how far the stream is behind", "slot", st.source.config.Slot, "err", err)
		return
	}
	st.behind = st.source.next(b, st.pos.commit) != 0
}

// settle moves the position to upto and waits until all is durable.
func (st *stream) settle(ctx context.Context, upto LSN) error {
	st.walEnd = max(st.walEnd, upto)
	if err := st.room(ctx); err != nil {
		return err
	}
	st.idle()
	st.flush()
	tick := time.NewTicker(attendEvery)
	defer tick.Stop()
	for st.committed() < st.sent {
		select {
		case <-st.task.Wake():
		case <-tick.C:
			if err := st.attend(ctx); err != nil {
				return err
			}
		case <-st.task.Failed():
			return errStopped
		case <-ctx.Done():
			return errStopped
		}
	}
	return nil
}

// confirm moves the slot to where everything is durable.
//
// The order of truth, third step: records are durable in Kafka, then the offset is, and what
// Committed returns is only then confirmed here.
func (st *stream) confirm(ctx context.Context, conn *pgx.Conn) error {
	slot, to := st.source.config.Slot, st.committed()
	sql := fmt.Sprintf(`SELECT pg_replication_slot_advance(slot_name, %[2]s)
		FROM pg_replication_slots WHERE slot_name = %[1]s AND confirmed_flush_lsn < %[2]s`, literal(slot), literal(to.String()))
	err := st.whenFree(ctx, func() error { return st.query(ctx, conn.PgConn(), sql, nil) })
	if err != nil {
		return fmt.Errorf("advance slot %q to %s: %w", slot, to, err)
	}
	st.told = to
	return nil
}
