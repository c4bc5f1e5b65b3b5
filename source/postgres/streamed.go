package postgres

import (
	"context"
	"fmt"
	"time"

	"connectd/connect"
)

// Large transactions come in blocks while they are still open (protocol version 2), mixed with
// others that commit. Their changes are kept in a spool and handled when the transaction commits,
// as if it had come in one piece then. So a position inside of it means the same whether the
// server sends it in blocks or whole, which it may do differently the next time: the LSN of the
// commit record and the order of the changes by their LSNs are the same. An open transaction has
// no place in the position; after a restart the server sends it anew.

// streamed handles one message inside of a block.
func (st *stream) streamed(lsn LSN, data []byte) error {
	kind, m := data[0], message{rest: data[1:]}
	switch kind {
	case 'E':
		st.spools.current = nil
		return nil
	case 'O': // the one message that does not name its transaction
		return st.spools.add(st.spools.current.id, lsn, kind, m.rest)
	}
	sub := m.uint32()
	if m.bad {
		return connect.Permanent(fmt.Errorf("message at %s: %w", lsn, errTruncated))
	}
	return st.spools.add(sub, lsn, kind, m.rest)
}

// blockBegin begins a block of an open transaction, whose first change is at lsn.
func (st *stream) blockBegin(lsn LSN, m message) error {
	id := m.uint32()
	m.byte() // whether it is the transaction's first block
	if err := m.err(); err != nil {
		return err
	}
	st.spools.begin(id, lsn)
	st.reader.behind = true // nothing of it is wanted before it commits
	return nil
}

// blockAbort ends an open transaction, or a subtransaction of it, without an effect.
func (st *stream) blockAbort(m message) error {
	id, sub := m.uint32(), m.uint32()
	if err := m.err(); err != nil {
		return err
	}
	st.spools.abort(id, sub)
	return nil
}

// blockCommit handles all changes of a transaction that came in blocks.
func (st *stream) blockCommit(ctx context.Context, m message) error {
	id := m.uint32()
	m.byte() // flags, unused
	commit, end, ts := LSN(m.uint64()), LSN(m.uint64()), int64(m.uint64())
	if m.bad {
		return connect.Permanent(fmt.Errorf("the commit of transaction %d: %w", id, errTruncated))
	}
	sp, err := st.spools.take(id)
	if err != nil {
		return err
	}
	if sp == nil {
		return connect.Permanent(fmt.Errorf("the commit of transaction %d, of which nothing was sent", id))
	}
	defer sp.close()
	if err := st.open(ctx, sp.first, transaction{end: commit, tsMicros: ts + postgresEpoch, id: id}); err != nil {
		return err
	}
	n := 0
	if err := sp.each(func(lsn LSN, data []byte) error { n++; return st.replay(ctx, n, lsn, data) }); err != nil {
		return err
	}
	return st.end(ctx, end)
}

// replay handles the n-th message of a spool. Nobody reads the connection meanwhile, so every so
// often it does what is due.
func (st *stream) replay(ctx context.Context, n int, lsn LSN, data []byte) error {
	if n%tendEvery == 1 {
		now := time.Now()
		st.heard, st.out.now = now, now.UnixNano()
		if ctx.Err() != nil {
			return errStopped
		}
		if _, err := st.tend(ctx, now); err != nil {
			return err
		}
	}
	return st.take(ctx, lsn, data)
}
