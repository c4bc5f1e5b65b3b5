package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// read handles the messages of all transactions that are committed between st.pos and upto. It
// returns how many there were, and up to where it came.
//
// The server gives nothing before it has decoded all of what is asked for. So it is asked twice, for
// one half each, and decodes the second while the first is read. The second connection needs a slot
// of its own, a copy that goes with the connection; without one the first half is all.
func (st *stream) read(ctx context.Context, conn *pgx.Conn, upto LSN) (n int, reached LSN, err error) {
	from := st.pos.commit
	if upto-from < 2*st.source.backlogFrom || st.alone {
		n, err = st.peek(ctx, conn, upto)
		return n, upto, err
	}
	middle := from + (upto-from)/2
	ahead := st.askAhead(ctx, middle, upto)
	defer ahead.close()
	if n, err = st.peek(ctx, conn, middle); err != nil {
		return n, middle, err
	}
	if err := st.await(ctx, ahead.asked); err != nil {
		return n, middle, err
	}
	if refuses(ahead.err) {
		st.source.log.Info("reading the backlog over one connection", "slot", st.source.config.Slot, "err", ahead.err)
		st.alone = true
		return n, middle, nil
	}
	if ahead.err != nil {
		return n, middle, ahead.err
	}
	read := st.peeked(nil)
	if err := st.answer(ctx, ahead.conn.PgConn(), read.take); err != nil {
		return n, middle, fmt.Errorf("read a copy of slot %q up to %s: %w", st.source.config.Slot, upto, err)
	}
	return n + read.n, upto, nil
}

// peek handles the messages of all transactions that the slot gives which are committed up to upto,
// and returns how many there were. The slot stays where it is.
func (st *stream) peek(ctx context.Context, conn *pgx.Conn, upto LSN) (int, error) {
	slot, from := st.source.config.Slot, st.pos.commit
	sql, err := st.peekSQL(slot, upto)
	if err != nil {
		return 0, err
	}
	// The slot is free while we read what it has given, and between two reads. It has given all
	// that we want if it was not moved past us until now.
	unmoved := func() error { return st.unmoved(ctx, from) }
	read := st.peeked(unmoved)
	err = st.whenFree(ctx, func() error { return st.query(ctx, conn.PgConn(), sql, read.take) })
	if err != nil {
		return read.n, fmt.Errorf("read slot %q up to %s: %w", slot, upto, err)
	}
	if read.n == 0 {
		return 0, unmoved()
	}
	return read.n, nil
}

// unmoved makes sure that the slot gives everything that commits after from: that nobody else has
// moved it on or made it anew, and that the server is the one that we know. PostgreSQL would say
// nothing. What to do then is decided by the next start, see reconcile.
func (st *stream) unmoved(ctx context.Context, from LSN) error {
	s := st.source
	k, err := s.slot(ctx, st.catalog)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", errCatalog, err)
	case k.lost:
		return fmt.Errorf("%w: %w", errSlot, s.lost(k))
	case k.missing:
		return fmt.Errorf("%w: slot %q does not exist any more", errSlot, s.config.Slot)
	case k.confirmed > from:
		return fmt.Errorf("%w: slot %q was moved to %s by somebody else, and what changed after %s is still to be read; stop the other reader, or give this connector its own slot.name", errSlot, s.config.Slot, k.confirmed, from)
	case k.walEnd < from:
		return fmt.Errorf("%w: the server's WAL ends at %s, before %s, which was read already: it is another server, or was restored", errSlot, k.walEnd, from)
	}
	return nil
}

// errSlot says that the slot does not give what is still to be read.
var errSlot = errors.New("connecting again")

// refuses says whether err is the server's answer to what was asked, and not that it is going away.
func refuses(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && !strings.HasPrefix(pg.Code, "57P")
}

// connectBacklog opens the connection for reads of the slot.
func (s *Source) connectBacklog(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*connectTimeout)
	defer cancel()
	conn, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	// A server that decodes does not notice that we are gone, and the slot stays in use. Servers
	// before 14, and on some systems, do not have the setting.
	_, _ = conn.Exec(ctx, "SET client_connection_check_interval = '500ms'")
	return conn, nil
}

// ahead is a second connection that reads a backlog from its middle on.
type ahead struct {
	asked chan struct{} // closed when the server was asked for the messages, or err is set
	conn  *pgx.Conn
	err   error
	stop  context.CancelFunc
}

// askAhead makes the second connection ask for its messages, beside the stream's goroutine.
func (st *stream) askAhead(ctx context.Context, from, upto LSN) *ahead {
	ctx, stop := context.WithCancel(ctx)
	a := &ahead{asked: make(chan struct{}), stop: stop}
	go func() { // ends soon after close
		defer close(a.asked)
		var slot, sql string
		if a.conn, slot, a.err = st.source.connectAhead(ctx, from, upto); a.err != nil {
			return
		}
		if sql, a.err = st.peekSQL(slot, upto); a.err == nil {
			a.err = ask(a.conn.PgConn(), sql)
		}
	}()
	return a
}

// close ends the connection, and its slot with it.
func (a *ahead) close() {
	a.stop()
	<-a.asked
	if a.conn != nil {
		closeSoon(a.conn.PgConn())
	}
}

// connectAhead opens a connection with a copy of the slot that begins at from, and to a server that
// has the WAL up to upto.
func (s *Source) connectAhead(ctx context.Context, from, upto LSN) (conn *pgx.Conn, slot string, err error) {
	if conn, err = s.connectBacklog(ctx); err != nil {
		return nil, "", err
	}
	slot = fmt.Sprintf("%.40s_ahead_%d", s.config.Slot, conn.PgConn().PID())
	var whole bool
	err = conn.QueryRow(ctx, fmt.Sprintf(`SELECT (`+walEndSQL+`) >= %[4]s, pg_copy_logical_replication_slot(%[1]s, %[2]s, true), pg_replication_slot_advance(%[2]s, %[3]s)`,
		literal(s.config.Slot), literal(slot), literal(from.String()), literal(upto.String()))).Scan(&whole, nil, nil)
	switch {
	case err != nil:
		err = fmt.Errorf("copy slot %q: %w", s.config.Slot, shortened(err))
	case !whole:
		err = fmt.Errorf("%w: the server does not have the WAL up to %s: it is another one", errSlot, upto)
	default:
		return conn, slot, nil
	}
	closeSoon(conn.PgConn())
	return nil, "", err
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
// server sends them.
type peeked struct {
	n      int  // messages so far
	begun  bool // the header is over
	first  func() error
	handle func(ctx context.Context, lsn LSN, data []byte) error
}

// peeked gives the messages to the stream. first is called before the first of them; it may be nil.
func (st *stream) peeked(first func() error) *peeked {
	return &peeked{first: func() error {
		if first != nil {
			if err := first(); err != nil {
				return err
			}
		}
		st.resume, st.tx = st.pos, transaction{}
		return nil
	}, handle: st.take}
}

const (
	copyHeader = 11 + 4 + 4 // signature, flags, length of an extension that is never there
	copyFields = 2          // of a row; the trailer has -1
)

// take takes one row, the header, both, or the trailer.
func (p *peeked) take(ctx context.Context, row []byte) error {
	m := message{rest: row}
	if !p.begun {
		m.bytes(copyHeader)
		p.begun = true
	}
	if m.bad || len(m.rest) == 0 {
		return m.err()
	}
	if fields := m.uint16(); fields != copyFields {
		return m.err()
	}
	m.uint32() // length of the LSN
	lsn := LSN(m.uint64())
	data := m.bytes(int(int32(m.uint32())))
	if m.bad {
		return errTruncated
	}
	if p.n++; p.n == 1 {
		if err := p.first(); err != nil {
			return err
		}
	}
	return p.handle(ctx, lsn, data)
}
