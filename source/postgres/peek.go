package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"
)

// read handles the messages of all transactions that are committed between st.pos and upto. It
// returns how many there were, and up to where it came.
//
// The server gives nothing before it has decoded all of what is asked for. So it is asked twice, for
// one half each, and decodes the second while the first is read. The second connection needs a slot
// of its own, a copy that goes with the connection; without one the first half is all.
func (st *stream) read(ctx context.Context, conn *pgx.Conn, upto LSN) (n int, reached LSN, err error) {
	slot, from := st.source.config.Slot, st.pos.commit
	if upto-from < 2*st.source.backlogFrom || st.alone {
		n, err = st.peek(ctx, conn, slot, upto, nil)
		return n, upto, err
	}
	middle := from + (upto-from)/2
	g, ctx := errgroup.WithContext(ctx)
	turn := make(chan struct{}) // closed when the first half is read, and not when it fails
	var second int
	reached = upto
	g.Go(func() (err error) {
		if n, err = st.peek(ctx, conn, slot, middle, nil); err == nil {
			close(turn)
		}
		return err
	})
	// The stream is the first goroutine's until turn is closed, and this one's from then on.
	g.Go(func() error {
		ahead, copied, err := st.source.connectAhead(ctx, middle)
		var pg *pgconn.PgError
		if errors.As(err, &pg) {
			st.source.log.Info("reading the backlog over one connection", "slot", slot, "err", err)
			reached, st.alone = middle, true
			return nil
		}
		if err != nil {
			return err
		}
		defer closeSoon(ahead.PgConn())
		second, err = st.peek(ctx, ahead, copied, upto, turn)
		return err
	})
	err = g.Wait()
	return n + second, reached, err
}

// connectBacklog opens the connection for reads of the slot.
func (s *Source) connectBacklog(ctx context.Context) (*pgx.Conn, error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	// A server that decodes does not notice that we are gone, and the slot stays in use. Servers
	// before 14, and on some systems, do not have the setting.
	_, _ = conn.Exec(ctx, "SET client_connection_check_interval = '500ms'")
	return conn, nil
}

// connectAhead opens a connection with a copy of the slot that begins at from.
func (s *Source) connectAhead(ctx context.Context, from LSN) (conn *pgx.Conn, slot string, err error) {
	if conn, err = s.connectBacklog(ctx); err != nil {
		return nil, "", err
	}
	slot = fmt.Sprintf("%.40s_ahead_%d", s.config.Slot, conn.PgConn().PID())
	_, err = conn.Exec(ctx, fmt.Sprintf("SELECT pg_copy_logical_replication_slot(%s, %[2]s, true), pg_replication_slot_advance(%[2]s, %[3]s)",
		literal(s.config.Slot), literal(slot), literal(from.String())))
	if err != nil {
		closeSoon(conn.PgConn())
		return nil, "", fmt.Errorf("copy slot %q: %w", s.config.Slot, shortened(err))
	}
	return conn, slot, nil
}

// peek handles the messages of all transactions that the slot gives which are committed up to upto,
// and returns how many there were. The slot stays where it is. turn is closed when the stream may
// be touched; nil for at once.
func (st *stream) peek(ctx context.Context, conn *pgx.Conn, slot string, upto LSN, turn <-chan struct{}) (n int, err error) {
	sql, err := st.peekSQL(slot, upto)
	if err != nil {
		return 0, err
	}
	var failed error // of our own side
	read := peeked{handle: func(lsn LSN, data []byte) error {
		if n++; n == 1 {
			if failed = await(ctx, turn); failed != nil {
				return failed
			}
			st.resume, st.tx = st.pos, transaction{}
		}
		failed = st.take(ctx, lsn, data)
		return failed
	}}
	err = st.source.whenFree(ctx, func() error {
		_, err := conn.PgConn().CopyTo(ctx, &read, sql)
		return err
	})
	switch {
	case failed != nil:
		return n, failed
	case err != nil:
		return n, fmt.Errorf("read slot %q up to %s: %w", slot, upto, shortened(err))
	}
	return n, await(ctx, turn)
}

// await waits for turn to be closed; nil has been.
func await(ctx context.Context, turn <-chan struct{}) error {
	if turn == nil {
		return nil
	}
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		return errStopped
	}
}

// peekSQL gives the messages in COPY's binary format, those of each transaction after its commit.
func (st *stream) peekSQL(slot string, upto LSN) (string, error) {
	options, err := st.decoding("proto_version '1'")
	if err != nil {
		return "", err
	}
	for i, o := range options {
		name, value, _ := strings.Cut(o, " ")
		options[i] = literal(strings.Trim(name, `"`)) + ", " + value
	}
	return fmt.Sprintf("COPY (SELECT lsn, data FROM pg_logical_slot_peek_binary_changes(%s, %s, NULL, %s)) TO STDOUT (FORMAT binary)",
		literal(slot), literal(upto.String()), strings.Join(options, ", ")), nil
}

// peeked takes a COPY of (lsn, data) in binary format apart. It is given one row at a time, as the
// driver hands them over.
type peeked struct {
	begun  bool // the header is over
	handle func(lsn LSN, data []byte) error
}

const (
	copyHeader = 11 + 4 + 4 // signature, flags, length of an extension that is never there
	copyFields = 2          // of a row; the trailer has -1
)

// Write takes one row, the header, both, or the trailer.
func (p *peeked) Write(row []byte) (int, error) {
	m := message{rest: row}
	if !p.begun {
		m.bytes(copyHeader)
		p.begun = true
	}
	if m.bad || len(m.rest) == 0 {
		return len(row), m.err()
	}
	if fields := m.uint16(); fields != copyFields {
		return len(row), m.err()
	}
	m.uint32() // length of the LSN
	lsn := LSN(m.uint64())
	data := m.bytes(int(int32(m.uint32())))
	if m.bad {
		return len(row), errTruncated
	}
	return len(row), p.handle(lsn, data)
}
