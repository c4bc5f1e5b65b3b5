package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"

	"connectd/connect"
	"connectd/internal/fault"
)

// tend does what is due: it moves an idle position, sends the status and the heartbeat, and
// notices a dead server. It returns how long the next receive may wait.
func (st *stream) tend(ctx context.Context, now time.Time) (time.Duration, error) {
	if silent := now.Sub(st.heard); silent > st.silence {
		return 0, fmt.Errorf("receive: nothing heard from %s for %s; connecting again", st.source.config.address(), silent.Round(time.Second))
	}
	st.look(ctx, now)
	committed := st.committed()
	due := st.status.Add(st.interval)
	if committed > st.told || st.sent > committed || st.lastCommit > st.sent {
		due = st.status.Add(min(st.interval, confirmEvery))
	}
	if !now.Before(due) {
		st.idle()
		if err := st.sendStatus(now); err != nil {
			return 0, err
		}
		due = now.Add(min(st.interval, confirmEvery))
	}
	if err := st.beatWhenDue(ctx, now); err != nil {
		return 0, err
	}
	if every := st.source.config.Heartbeat; every > 0 && st.beat.Add(every).Before(due) {
		due = st.beat.Add(every)
	}
	busy, err := st.signals.tend(ctx, now)
	if busy {
		return time.Millisecond, err
	}
	return max(due.Sub(now), time.Millisecond), err
}

// idle moves the position to the end of the WAL when nothing is under way, so that a slot whose
// tables are quiet does not keep the WAL of busy ones. The position goes through an empty batch:
// the offset is durable before PostgreSQL is told, and a slot is never ahead of it.
func (st *stream) idle() {
	if st.tx.open {
		return
	}
	if st.walEnd > st.pos.commit {
		if st.pos.txEnd < st.walEnd {
			st.pos = position{lsn: st.walEnd, message: st.pos.message}
		}
		// Else the transaction in which we resume is still to come, and lsn says which of its
		// changes are done.
		st.pos.commit = st.walEnd
	}
	if st.pos.commit == st.sent || st.pos.commit == st.resume.commit {
		return
	}
	if st.out.batch == nil {
		select {
		case b := <-st.task.Free():
			st.fill(b)
		default:
			return // back-pressure: the position goes with a later batch
		}
	}
	st.send()
}

// committed is up to where everything is durable.
func (st *stream) committed() LSN { return max(LSN(st.task.Committed()), st.known) }

// sendStatus tells the server that we are alive, and which WAL is not needed any more. While the
// backlog is read by SQL there is nobody to tell.
//
// The order of truth, third step: records are durable in Kafka, then the offset is, and what
// Committed returns is only then confirmed here.
func (st *stream) sendStatus(now time.Time) error {
	if st.conn == nil {
		return nil
	}
	confirmed := st.committed()
	if st.source.config.FlushMode == "manual" {
		confirmed = st.known
	}
	err := pglogrepl.SendStandbyStatusUpdate(context.Background(), st.conn, pglogrepl.StandbyStatusUpdate{
		WALWritePosition: max(st.walEnd, st.pos.commit, confirmed), WALFlushPosition: confirmed, WALApplyPosition: confirmed,
		ClientTime: now,
		// Half of the time is over: a server that is there answers.
		ReplyRequested: now.Sub(st.heard) > st.silence/2,
	})
	if err != nil {
		return fmt.Errorf("send status to %s: %w", st.source.config.address(), shortened(err))
	}
	st.status, st.told = now, confirmed
	fault.Point("source.confirmed")
	st.reportWhere()
	return nil
}

// reportWhere shows where the stream is.
func (st *stream) reportWhere() {
	slot, at := st.source.config.Slot, max(st.walEnd, st.pos.lsn)
	if st.conn == nil {
		st.report("catching up", fmt.Sprintf("reading slot %q by SQL, at %s, %d MB of WAL behind", slot, at, (max(st.backlogEnd, at)-at)>>20))
		return
	}
	st.report("streaming", fmt.Sprintf("reading slot %q, at %s, confirmed up to %s", slot, at, st.told))
}

func (st *stream) report(phase, detail string) {
	p := connect.Progress{
		Phase:  phase,
		Detail: detail,
		Gauges: map[string]float64{
			"connectd_slot_unconfirmed_bytes":         float64(max(st.walEnd, st.pos.lsn) - st.told),
			"connectd_source_open_transactions_bytes": float64(st.spools.bytes()),
		},
	}
	st.signals.progress(&p)
	st.task.Report(p)
}

// drain sends what is batched, waits until it is durable, and confirms it.
func (st *stream) drain() error {
	st.flush()
	limit := time.NewTimer(drainLimit)
	defer limit.Stop()
	for st.committed() < st.sent {
		select {
		case <-st.task.Wake():
		case <-st.task.Failed(): // nothing more can become durable
			return st.sendStatus(time.Now())
		case <-limit.C:
			st.source.log.Warn("stopping with changes that are not acknowledged; they are sent again at the next start", "lsn", st.sent.String())
			return st.sendStatus(time.Now())
		}
	}
	return st.sendStatus(time.Now())
}
