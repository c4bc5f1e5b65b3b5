package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// attendEvery is how often the reading of a backlog looks at what else is due.
const attendEvery = 100 * time.Millisecond

// errBeside marks an error that says nothing of how the backlog can be read.
var errBeside = errors.New("beside the changes")

// attend does what does not wait for the end of the backlog: heartbeats, signals, and the report of
// where we are. Chunks of incremental snapshots do wait: their place is behind the backlog.
func (st *stream) attend(ctx context.Context) error {
	if ctx.Err() != nil {
		return errStopped
	}
	now := time.Now()
	if err := st.beatWhenDue(ctx, now); err != nil {
		return fmt.Errorf("%w: %w", errBeside, err)
	}
	if err := st.signals.accept(ctx); err != nil {
		return fmt.Errorf("%w: %w", errBeside, err)
	}
	st.signals.store()
	if !now.Before(st.status.Add(confirmEvery)) {
		st.status = now
		st.reportWhere()
	}
	return nil
}

// whenFree calls use when nobody else has the slot, see Source.whenFree, and sends heartbeats until then.
func (st *stream) whenFree(ctx context.Context, use func() error) error {
	return st.source.whenFree(ctx, st.beatFor, use)
}

// beatFor waits, and sends heartbeats. Signals wait, too: what they change is stored with a position.
func (st *stream) beatFor(ctx context.Context, d time.Duration) error {
	for ; d > 0; d -= attendEvery {
		if err := st.beatBeside(ctx, time.Now()); err != nil {
			return fmt.Errorf("%w: %w", errBeside, err)
		}
		if err := pause(ctx, min(d, attendEvery)); err != nil {
			return err
		}
	}
	return nil
}

// await waits for done to be closed by who talks to the server, and attends to what is due meanwhile.
func (st *stream) await(ctx context.Context, done <-chan struct{}) error {
	tick := time.NewTicker(attendEvery)
	defer tick.Stop()
	for silent := time.Duration(0); ; silent += attendEvery {
		if silent >= st.silence {
			if err := st.alive(ctx, silent); err != nil {
				return err
			}
			silent = 0
		}
		select {
		case <-done:
			return nil
		case <-tick.C:
			if err := st.attend(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
			return errStopped
		}
	}
}

// query runs the statement on conn; see answer.
func (st *stream) query(ctx context.Context, conn *pgconn.PgConn, sql string, copied func(ctx context.Context, data []byte) error) error {
	if err := ask(conn, sql); err != nil {
		return err
	}
	return st.answer(ctx, conn, copied)
}

// ask sends the statement.
func ask(conn *pgconn.PgConn, sql string) error {
	conn.Frontend().SendQuery(&pgproto3.Query{String: sql})
	if err := conn.Frontend().Flush(); err != nil {
		return fmt.Errorf("ask for it: %w", shortened(err))
	}
	return nil
}

// answer reads the answer to a statement, gives what it copies to copied, and attends to what is due
// meanwhile. An error that is not the server's leaves conn in the middle of the answer.
func (st *stream) answer(ctx context.Context, conn *pgconn.PgConn, copied func(ctx context.Context, data []byte) error) error {
	defer func() { _ = conn.Conn().SetReadDeadline(time.Time{}) }() // a connection that is gone reads no more
	var refused error
	for silent := time.Duration(0); ; silent += attendEvery {
		if silent >= st.silence {
			if err := st.alive(ctx, silent); err != nil {
				return err
			}
			silent = 0
		}
		// A read after the deadline ends at once, so this is the clock of a read that never waits, too.
		if err := conn.Conn().SetReadDeadline(time.Now().Add(attendEvery)); err != nil {
			return shortened(err)
		}
		for {
			received, err := conn.ReceiveMessage(context.Background())
			if pgconn.Timeout(err) {
				break
			}
			if err != nil {
				return shortened(err)
			}
			silent = 0
			switch m := received.(type) {
			case *pgproto3.CopyData:
				if err := copied(ctx, m.Data); err != nil {
					return err
				}
				if st.signals.blocks() {
					if err := st.signals.block(ctx); err != nil {
						return fmt.Errorf("%w: %w", errBeside, err)
					}
				}
			case *pgproto3.ErrorResponse:
				refused = shortened(pgconn.ErrorResponseToPgError(m))
			case *pgproto3.ReadyForQuery:
				return refused
			}
		}
		if err := st.attend(ctx); err != nil {
			return err
		}
	}
}

// alive asks a server that has said nothing for so long whether it is still there: one that decodes
// is silent for long, and so is one that is gone without a word.
func (st *stream) alive(ctx context.Context, silent time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, st.silence)
	defer cancel()
	var there int
	if err := st.catalog.row(ctx, "SELECT 1", nil, &there); err != nil {
		return fmt.Errorf("nothing heard from %s for %s: %w; connecting again", st.source.config.address(), silent.Round(time.Second), err)
	}
	return nil
}
