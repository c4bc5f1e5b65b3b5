package postgres

import (
	"context"
	"errors"
	"fmt"

	"connectd/connect"
	"connectd/record"
)

// postgresEpoch is 2000-01-01 in microseconds since 1970: the zero of the server's clock.
const postgresEpoch = 946_684_800_000_000

// handle handles one message of pgoutput, which stands in the WAL at lsn. There is a batch for
// the records of a change.
func (st *stream) handle(ctx context.Context, lsn LSN, data []byte) error {
	if len(data) == 0 {
		return errTruncated
	}
	if st.spools.current != nil {
		return st.streamed(lsn, data)
	}
	m := message{rest: data[1:]}
	var err error
	switch kind := data[0]; kind {
	case 'c':
		return st.blockCommit(ctx, m)
	case 'S':
		err = st.blockBegin(lsn, m)
	case 'A':
		err = st.blockAbort(m)
	case 'I', 'U', 'D':
		err = st.change(ctx, kind, lsn, m)
	case 'B':
		end, ts, id := LSN(m.uint64()), int64(m.uint64()), m.uint32()
		if err = m.err(); err == nil {
			err = st.open(ctx, lsn, transaction{end: end, tsMicros: ts + postgresEpoch, id: id})
		}
	case 'C':
		m.byte()   // flags, unused
		m.uint64() // LSN of the commit record
		end := LSN(m.uint64())
		m.uint64() // commit time, which the begin has told
		if err = m.err(); err == nil {
			err = st.end(ctx, end)
		}
	case 'R':
		err = st.relation(ctx, m)
	case 'T':
		err = st.truncate(lsn, m)
	case 'M':
		err = st.logical(ctx, lsn, m)
	case 'O':
		err = st.from(m)
	case 'Y': // a type: the catalog says more of it
	default:
		err = fmt.Errorf("a message of kind %q, which protocol version 2 does not have", kind)
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("message at %s: %w", lsn, err)
	if errors.Is(err, errCatalog) {
		return err
	}
	return connect.Permanent(err) // the same bytes come again each time
}

// open begins a transaction, whose first change is at lsn.
func (st *stream) open(ctx context.Context, lsn LSN, tx transaction) error {
	st.tx = tx
	st.tx.open = true
	st.reader.behind = st.out.now/1000-st.tx.tsMicros > behindBy.Microseconds()
	return st.opened(ctx, lsn)
}

// end ends it.
func (st *stream) end(ctx context.Context, end LSN) error {
	if err := st.closing(ctx, end); err != nil {
		return err
	}
	st.commit(end)
	return nil
}

// commit ends a transaction: the position is behind it.
func (st *stream) commit(end LSN) {
	if st.past() {
		st.tx.open = false
		return
	}
	st.pos = position{commit: end, lsn: end, txID: st.tx.id, tsMicros: st.tx.tsMicros, message: "COMMIT"}
	st.walEnd = max(st.walEnd, end)
	st.lastCommit = end
	st.tx.open = false
	st.signals.incremental.committed(st.tx.id)
}

// past says whether the transaction was durable as a whole before this read of the slot began: SQL
// gives it again where the slot is behind the position, the walsender does not.
func (st *stream) past() bool { return st.tx.end < st.resume.commit }

// done says whether the change at lsn was durable before the stream began, and counts it.
// Within a transaction changes come in the order of their LSNs, and those with the same LSN in
// the same order each time.
func (st *stream) done(lsn LSN) bool {
	if st.tx.lsn == lsn {
		st.tx.same++
	} else {
		st.tx.lsn, st.tx.same = lsn, 1
	}
	r := &st.resume
	if st.past() {
		return true
	}
	if r.txEnd == 0 || r.txEnd != st.tx.end {
		return false
	}
	return lsn < r.lsn || lsn == r.lsn && st.tx.same <= r.sameLSN
}

// advance moves the position behind the change that was just put into the batch.
func (st *stream) advance(message string) {
	st.pos = position{
		commit: st.pos.commit, lsn: st.tx.lsn, txEnd: st.tx.end, sameLSN: st.tx.same,
		txID: st.tx.id, tsMicros: st.tx.tsMicros, message: message,
	}
	if st.out.transactions != nil {
		st.pos.counts = st.out.transactions.counts
	}
}

// block is the source block of the change at lsn.
func (st *stream) block(lsn LSN) block {
	return block{snapshot: &streamed, lsn: lsn, commit: st.lastCommit, tsMicros: st.tx.tsMicros, txID: st.tx.id, xmin: st.xmin, from: st.tx.from}
}

// table is the announced table, nil when it is not captured.
func (st *stream) table(id uint32) (*table, error) {
	t, ok := st.tables[id]
	if !ok {
		return nil, fmt.Errorf("a change of the table with OID %d, which was not announced", id)
	}
	return t, nil
}

// change handles an insert, update or delete.
func (st *stream) change(ctx context.Context, kind byte, lsn LSN, m message) error {
	id := m.uint32()
	if m.bad {
		return errTruncated
	}
	t, err := st.table(id)
	if err != nil {
		return err
	}
	if st.done(lsn) || t == nil || st.source.capture.skip[operations[kind]] && kind != 'U' {
		return nil
	}
	err = st.write(ctx, t, kind, lsn, m.rest)
	if errors.Is(err, errNewLabel) {
		// The enum has got a label since the table was announced.
		if t, err = st.rebuild(ctx, t); err == nil {
			err = st.write(ctx, t, kind, lsn, m.rest)
		}
	}
	if err != nil {
		if err = st.leaveOut(t, lsn, err); err != nil {
			return err
		}
	}
	st.advance(messageTypes[kind])
	return nil
}

// leaveOut leaves a change out that could not be read, if event.processing.failure.handling.mode
// says so. Nothing of it is in the batch: its records come when all of it is decoded.
func (st *stream) leaveOut(t *table, lsn LSN, err error) error {
	mode := st.source.config.OnBadEvent
	if mode == "fail" || errors.Is(err, errCatalog) || errors.Is(err, errStopped) {
		return err
	}
	if mode == "warn" {
		st.source.log.Warn("change left out", "table", t.String(), "lsn", lsn.String(), "err", err)
	}
	return nil
}

var (
	operations   = [256]record.Op{'I': record.Create, 'U': record.Update, 'D': record.Delete}
	messageTypes = [256]string{'I': "INSERT", 'U': "UPDATE", 'D': "DELETE", 'T': "TRUNCATE"}
)

// write decodes the tuples of a change and puts its records into the batch. It copies data, so
// that cells may point into the batch and it can be called again.
func (st *stream) write(ctx context.Context, t *table, kind byte, lsn LSN, data []byte) error {
	b, k := st.out.batch, st.block(lsn)
	m := message{rest: b.Copy(data)}
	part := m.byte()
	if kind == 'I' {
		cells, err := t.tuple(b, &m, nil, false)
		if err == nil && t.reselect != nil {
			err = st.reselect(ctx, t, data[1:], cells)
		}
		if err == nil && t.watch != nil {
			err = t.watch(ctx, record.Create, nil, cells, false)
		}
		if err == nil {
			st.out.insert(t, cells, k)
		}
		return err
	}
	var old []record.Value
	keyOnly := part == 'K'
	if keyOnly || part == 'O' {
		var err error
		if old, err = t.tuple(b, &m, nil, keyOnly); err != nil {
			return err
		}
		if kind == 'U' {
			part = m.byte()
		}
	}
	if kind == 'D' {
		if old == nil {
			return fmt.Errorf("table %s: a delete without the old row; %w", t, errTruncated)
		}
		if t.watch != nil {
			if err := t.watch(ctx, record.Delete, old, nil, false); err != nil {
				return err
			}
		}
		st.out.remove(t, old, k)
		return nil
	}
	if part != 'N' {
		return fmt.Errorf("table %s: an update without the new row; %w", t, errTruncated)
	}
	whole := old
	if keyOnly {
		whole = nil // it has nothing to supply for unchanged large values
	}
	partial := t.watch != nil && whole == nil && m.lacksUnchanged()
	tuple := data[len(data)-len(m.rest):]
	cells, err := t.tuple(b, &m, whole, false)
	if err == nil && t.reselect != nil {
		err = st.reselect(ctx, t, tuple, cells)
	}
	if err == nil && t.watch != nil {
		err = t.watch(ctx, record.Update, old, cells, partial)
	}
	if err != nil {
		return err
	}
	st.out.update(t, old, cells, old != nil && !keyOnly, k, &st.source.capture.skip)
	return nil
}

// truncate handles a TRUNCATE, which may be of several tables.
func (st *stream) truncate(lsn LSN, m message) error {
	n := int(int32(m.uint32()))
	m.byte() // cascade, restart identity
	if m.bad || n < 0 || len(m.rest) != 4*n {
		return errTruncated
	}
	if st.done(lsn) || st.source.capture.skip[record.Truncate] {
		return nil
	}
	for range n {
		t, err := st.table(m.uint32())
		if err != nil {
			return err
		}
		if t == nil {
			continue
		}
		st.signals.incremental.truncated(t)
		st.out.truncate(t, st.block(lsn))
		st.advance(messageTypes['T'])
	}
	return nil
}

// relation handles the announcement of a table, which comes before its first change on a
// connection and after each change of its definition.
func (st *stream) relation(ctx context.Context, m message) error {
	r, err := m.relation()
	if err != nil {
		return err
	}
	known := relation{id: r.id, schema: r.schema, table: r.table, identity: string(r.identity)}
	if !st.source.capture.relation(known) {
		if known.partition, known.root, err = st.catalog.root(ctx, r.id); err != nil {
			return fmt.Errorf("%w: the partitioned table of %s: %w", errCatalog, known, err)
		}
		if !st.source.capture.relation(known) {
			st.tables[r.id] = nil
			return nil
		}
	}
	return st.announce(ctx, known, r.columns)
}

// errCatalog marks an error of a query, not of a message.
var errCatalog = errors.New("read the catalog")

// announce makes the table's new version. When it is the old one, that stays: caches are keyed
// by its schemas.
func (st *stream) announce(ctx context.Context, r relation, columns []sent) error {
	st.catalog.forget()
	t, err := st.catalog.build(ctx, r, columns)
	if err != nil {
		return fmt.Errorf("%w: %w", errCatalog, err)
	}
	if old := st.tables[r.id]; old == nil || old.shape != t.shape {
		st.tables[r.id] = t
		st.signals.announced(old, t)
	}
	return nil
}

// rebuild makes t anew with the types that the catalog has now.
func (st *stream) rebuild(ctx context.Context, t *table) (*table, error) {
	r := relation{id: t.id, schema: t.schema, table: t.name}
	if err := st.announce(ctx, r, t.sent); err != nil {
		return nil, err
	}
	return st.tables[t.id], nil
}
