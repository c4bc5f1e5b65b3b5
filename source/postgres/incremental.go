package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"connectd/connect"
	"connectd/record"
)

const (
	// owedAtOnce is how many rows are read again in one chunk.
	owedAtOnce = 500
	// stillAfter is how long a stream that sends nothing new counts as being at the end of the
	// WAL: the end that a chunk waits for may be in the middle of a record.
	stillAfter = time.Second
	// streamedLately is how many of the newest transactions are remembered, see chunkReader.
	streamedLately = 4096
)

// incremental takes the incremental snapshots that are demanded: tables are read chunk by chunk
// beside the stream, and each row goes into the stream at a place where it is the newest of its
// key. All of it belongs to the stream's goroutine, but for the reader.
//
// A chunk is asked for (the window opens), read in one snapshot of the database by the reader,
// and sent when the stream has sent all that the snapshot shows. Of the changes that the stream
// sends from the opening on, those that the snapshot does not show take their rows out of the
// chunk. While one chunk is sent the next one is read.
type incremental struct {
	signals *signals
	reader  *chunkReader // nil until it is needed
	stop    context.CancelFunc
	ended   chan struct{}
	windows []*window // of the first table, in order; at most two
	number  int       // of the last request
	renew   bool      // the table's definition has changed

	lately [streamedLately]uint32 // ids of the newest transactions, a ring
	latest int

	stillAt LSN // the stream's end, and since when it is
	since   time.Time
	key     []byte
	about   int64 // rows of the first table, an estimate
}

// committed notes that the stream has sent transaction xid.
func (n *incremental) committed(xid uint32) {
	n.lately[n.latest%streamedLately] = xid
	n.latest++
}

// streamed are the newest transactions that the stream has sent, in a copy.
func (n *incremental) streamed() []uint32 {
	return slices.Clone(n.lately[:min(n.latest, streamedLately)])
}

// table is the one under way, nil for none.
func (n *incremental) table() *demanded {
	if d := n.signals.demand; len(d.Tables) > 0 {
		return &d.Tables[0]
	}
	return nil
}

// tend takes chunks that have arrived, sends rows whose place it is, and asks for the next chunk.
// busy says that there are more rows to send now.
func (n *incremental) tend(ctx context.Context, now time.Time) (busy bool, err error) {
	if n.reader != nil {
		select {
		case a := <-n.reader.answers:
			if err := n.arrived(ctx, a); err != nil {
				return false, err
			}
		default:
		}
	}
	if !n.signals.st.tx.open {
		if busy, err = n.send(ctx, now); err != nil {
			return false, err
		}
	}
	n.ask(ctx)
	return busy, nil
}

// pending says whether a chunk has arrived.
func (n *incremental) pending() bool { return n.reader != nil && len(n.reader.answers) > 0 }

// ask asks for the next chunk, when there is one to ask for.
func (n *incremental) ask(ctx context.Context) {
	t := n.table()
	if t == nil || n.signals.demand.Paused {
		return
	}
	q := chunkRequest{table: *t, renew: n.renew}
	if len(n.windows) > 0 {
		ahead := n.windows[len(n.windows)-1].chunk
		if len(n.windows) == 2 || ahead == nil || ahead.last || t.Rest {
			return
		}
		q.table.After = ahead.keyText(ahead.rows.count() - 1)
	}
	q.table.Owed = nil
	if t.Rest {
		q.table.Owed = slices.Clone(t.Owed[:min(len(t.Owed), owedAtOnce)])
	}
	if n.reader == nil {
		n.start(ctx)
	}
	n.number++
	q.number, n.renew = n.number, false
	q.streamed = n.streamed()
	n.windows = append(n.windows, &window{number: n.number, owed: len(q.table.Owed), changed: map[string]changed{}})
	n.watch(true)
	n.reader.requests <- q // there is one at a time: it has a slot
}

// start starts the reader, which ends with the stream.
func (n *incremental) start(ctx context.Context) {
	n.reader = newChunkReader(n.signals.st.source, n.signals.wake)
	reading, stop := context.WithCancel(ctx)
	n.stop, n.ended = stop, make(chan struct{})
	go func() {
		defer close(n.ended)
		n.reader.run(reading)
	}()
}

// close ends the reader.
func (n *incremental) close() {
	if n.reader != nil {
		n.stop()
		<-n.ended
	}
}

// giveUp forgets what was read and is not sent. The answer that is still to come is not wanted:
// until it is here nothing can be asked for, so its window stays.
func (n *incremental) giveUp() {
	n.windows = slices.DeleteFunc(n.windows, func(w *window) bool { return w.chunk != nil })
	for _, w := range n.windows {
		w.number = 0
	}
	n.watch(false)
}

// arrived takes an answer.
func (n *incremental) arrived(ctx context.Context, a chunkAnswer) error {
	w := n.windows[len(n.windows)-1]
	if w.number != a.number {
		n.windows = n.windows[:len(n.windows)-1] // given up
		return nil
	}
	t := n.table()
	if a.skip != nil {
		n.windows = n.windows[:len(n.windows)-1]
		return n.skip(ctx, a.skip)
	}
	if a.again {
		n.signals.log.Info("incremental snapshot of a table begins again: its key has changed", "table", t.String())
		n.giveUp()
		n.windows = nil // there is no answer to come
		*t = demanded{ID: t.ID, Schema: t.Schema, Table: t.Table, Filter: t.Filter, Surrogate: t.Surrogate}
		n.signals.changed()
		return nil
	}
	c := a.chunk
	n.since = time.Time{} // whether the stream stands still is to be seen from now on
	if !t.Began {
		t.Began, t.Max, t.Key = true, c.most, c.ordered
		n.signals.log.Info("incremental snapshot of a table begins", "table", t.String(), "about", c.about)
	}
	n.about = max(c.about, t.Rows)
	t.Owed = append(t.Owed, w.fill(c)...)
	return nil
}

// send sends rows of the oldest chunk, as many as fit into one batch, if the stream has sent
// everything that the chunk shows.
func (n *incremental) send(ctx context.Context, now time.Time) (busy bool, err error) {
	if len(n.windows) == 0 || n.windows[0].chunk == nil || !n.reached(n.windows[0].chunk.end, now) {
		return false, nil
	}
	st, w := n.signals.st, n.windows[0]
	if !w.done() {
		if err := st.room(ctx); err != nil {
			return false, err
		}
		st.out.now = now.UnixNano()
		for ; !w.done() && !st.out.full(); w.next++ {
			if w.left != nil && w.left[w.next] {
				continue
			}
			if err := n.row(w, w.next); err != nil {
				return false, n.unreadable(ctx, err)
			}
		}
		n.advance(w)
		st.flush()
	}
	if !w.done() {
		return true, nil
	}
	n.windows = n.windows[1:]
	return len(n.windows) > 0, n.windowDone(ctx, w)
}

// reached says whether the stream is at end, or as near as the server lets it come.
func (n *incremental) reached(end LSN, now time.Time) bool {
	at := n.signals.st.walEnd
	if at != n.stillAt || n.since.IsZero() {
		n.stillAt, n.since = at, now
	}
	return at >= end || now.Sub(n.since) >= stillAfter
}

// row adds the record of one row to the batch.
func (n *incremental) row(w *window, row int) error {
	st, c := n.signals.st, w.chunk
	cells, err := c.table.decodeText(st.out.batch, c.columns, &c.rows, row)
	if err != nil {
		return err
	}
	k := block{snapshot: &snapshotIncremental, commit: st.lastCommit, tsMicros: st.out.now / 1000, unplaced: true}
	st.out.change(c.table, record.Read, c.table.keyOf(st.out.batch, cells), record.Value{}, c.table.row(cells), k)
	return nil
}

// advance moves the stored position within the table behind the rows that have their place.
func (n *incremental) advance(w *window) {
	t := n.table()
	t.Rows += int64(w.next) - int64(w.counted)
	w.counted = w.next
	if w.next > 0 && !t.Rest {
		t.After = w.chunk.keyText(w.next - 1)
	}
	n.signals.changed()
}

// windowDone ends a chunk, and with the last one the table.
func (n *incremental) windowDone(ctx context.Context, w *window) error {
	t := n.table()
	n.advance(w)
	if !w.chunk.last {
		return n.signals.inProgress(ctx, t)
	}
	t.Rest, t.Owed = true, t.Owed[w.owed:]
	if len(t.Owed) > 0 {
		return nil // ask reads them again
	}
	status := statusSucceeded
	if t.Rows == 0 {
		status = statusEmpty
	}
	n.signals.log.Info("incremental snapshot of a table done", "table", t.String(), "rows", t.Rows)
	return n.end(ctx, status)
}

// skip ends the table without its rows.
func (n *incremental) skip(ctx context.Context, s *skipped) error {
	n.signals.log.Warn("incremental snapshot leaves a table out", "table", n.table().String(), "status", s.status, "err", s.reason)
	return n.end(ctx, s.status)
}

// end takes the first table from the list.
func (n *incremental) end(ctx context.Context, status string) error {
	d := n.signals.demand
	done := d.Tables[0]
	n.giveUp()
	if err := n.signals.scanCompleted(ctx, &done, status); err != nil {
		return err
	}
	d.Tables = d.Tables[1:]
	n.about = 0
	n.signals.changed()
	if len(d.Tables) == 0 {
		return n.signals.notify(ctx, done.ID, aggregateIncremental, "COMPLETED")
	}
	return nil
}

// unreadable treats a row whose values can not be read. A label that an enum has got since the
// definition was read is in the next one.
func (n *incremental) unreadable(ctx context.Context, err error) error {
	if errors.Is(err, errNewLabel) && !n.renew {
		n.giveUp()
		n.renew = true
		return nil
	}
	return n.skip(ctx, &skipped{statusSQL, err})
}

// watch lets the changes of the table under way be seen, or not any more.
func (n *incremental) watch(on bool) {
	t := n.table()
	for _, announced := range n.signals.st.tables {
		if announced != nil && t != nil && announced.schema == t.Schema && announced.name == t.Table {
			n.watchTable(announced, on)
		}
	}
}

func (n *incremental) watchTable(t *table, on bool) {
	t.watch = nil
	if !on {
		return
	}
	var order []int // of a table without a key
	for i := range t.columns {
		if len(t.key) == 0 && t.columns[i].name == n.table().Surrogate && t.columns[i].cell >= 0 {
			order = append(order, t.columns[i].cell)
		}
	}
	t.watch = func(_ context.Context, _ record.Op, old, cells []record.Value, partial bool) error {
		for _, row := range [][]record.Value{old, cells} {
			if row == nil {
				continue
			}
			n.key = t.appendIdentity(n.key[:0], row, order)
			if err := n.saw(partial); err != nil {
				return err
			}
		}
		return nil
	}
}

// saw takes a change of the row with n.key, before it goes into the batch. A change that lacks
// large values, because it did not change them, is of no use to who has not got the row before:
// the row goes in front of it if it is here, and is read again if it is not.
func (n *incremental) saw(partial bool) error {
	xid := n.signals.st.tx.id
	for _, w := range n.windows {
		if w.chunk == nil {
			w.change(n.key, changed{xid: xid, partial: partial})
			continue
		}
		row := w.find(n.key)
		if row < 0 || w.chunk.shown.shows(xid) {
			continue
		}
		if partial {
			if err := n.row(w, row); err != nil {
				return fmt.Errorf("%w: %w", errCatalog, err) // a later definition reads it
			}
		}
		w.leaveOut(row)
	}
	return nil
}

// announced takes a new version of a table: its definition has changed, or its first change on
// this connection comes.
func (n *incremental) announced(before, t *table) {
	d := n.table()
	if d == nil || t.schema != d.Schema || t.name != d.Table {
		return
	}
	if before != nil && len(n.windows) > 0 {
		n.signals.log.Info("reading a chunk again: the table's definition has changed", "table", d.String())
		n.giveUp()
		n.renew = true
		return
	}
	n.watchTable(t, len(n.windows) > 0)
}

// truncated takes a truncation.
func (n *incremental) truncated(t *table) {
	if t.watch != nil {
		for _, w := range n.windows {
			w.truncate(n.signals.st.tx.id)
		}
	}
}

// progress adds the tables to what the connector reports.
func (n *incremental) progress(p *connect.Progress) {
	for i, t := range n.signals.demand.Tables {
		about := max(t.Rows, 0)
		if i == 0 {
			about = max(about, n.about)
		}
		p.Tables = append(p.Tables, connect.TableProgress{Table: t.String(), Rows: t.Rows, Estimated: about})
	}
}
