package postgres

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"connectd/connect"
	"connectd/record"
)

// initialNotices tell of a snapshot before the stream, or of a blocking one, from what it reports of
// its tables. Its
// batches carry no position: they may come between those of the readers.
type initialNotices struct {
	notifier
	task    *connect.SourceTask
	deliver func(*record.Batch) // sends a batch; it does not wait
	id      string
	mark    LSN // of the snapshot's batches
	begun   map[string]bool
	done    map[string]bool
	pending []notification

	mu   sync.Mutex        // guards left: a reader may have to leave a table out
	left map[string]string // statuses of the tables that are left out
}

// newInitialNotices tell of the snapshot called id.
func newInitialNotices(s *Source, t *connect.SourceTask, id string) *initialNotices {
	return &initialNotices{notifier: notifier{config: s.config, log: s.log}, task: t, deliver: t.Send, id: id, begun: map[string]bool{}, done: map[string]bool{}, left: map[string]string{}}
}

// leaveOut notes that a table is left out, before it is reported as done.
func (n *initialNotices) leaveOut(table string, why *skipped) {
	n.log.Warn("blocking snapshot leaves a table out", "table", table, "status", why.status, "err", why.reason)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.left[table] = why.status
}

// status is how the reading of a table has ended.
func (n *initialNotices) status(t connect.TableProgress) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch status, out := n.left[t.Table]; {
	case out:
		return status
	case t.Rows == 0:
		return statusEmpty
	}
	return statusSucceeded
}

// report takes what the snapshot reports, from the goroutine that does. It does not wait for a
// batch: what has no room goes with a later call.
func (n *initialNotices) report(tables []connect.TableProgress, mark LSN) {
	if len(n.config.Notifications) == 0 {
		return
	}
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = t.Table
	}
	all := strings.Join(names, ",")
	if n.mark == 0 {
		n.add("STARTED", "data_collections", all)
	}
	n.mark = mark
	for _, t := range tables {
		if !n.begun[t.Table] && (t.Rows > 0 || t.Done) {
			n.begun[t.Table] = true
			n.add("IN_PROGRESS", "data_collections", all, "current_collection_in_progress", t.Table)
		}
		if t.Done && !n.done[t.Table] {
			n.done[t.Table] = true
			n.add("TABLE_SCAN_COMPLETED", "data_collections", all, "scanned_collection", t.Table, "total_rows_scanned", strconv.FormatInt(t.Rows, 10), "status", n.status(t))
		}
	}
	n.sendSoon()
}

// end tells how the snapshot has ended, and returns the error with which it did.
func (n *initialNotices) end(ctx context.Context, failed error) error {
	if n.mark == 0 {
		return failed // it has not begun
	}
	if failed != nil {
		n.add("ABORTED")
		n.sendSoon()
		return failed
	}
	n.add("COMPLETED")
	if len(n.pending) == 0 {
		return nil
	}
	b, err := n.task.Batch(ctx)
	if err != nil {
		return errStopped
	}
	n.send(b)
	return nil
}

func (n *initialNotices) add(kind string, data ...string) {
	m := notification{id: n.id, aggregate: aggregateInitial, kind: kind, data: data, at: time.Now()}
	n.write(&m)
	if n.to("sink") {
		n.pending = append(n.pending, m)
	}
}

// sendSoon sends what is pending if there is room. After an error there may be none for ever.
func (n *initialNotices) sendSoon() {
	if len(n.pending) == 0 {
		return
	}
	select {
	case b := <-n.task.Free():
		n.send(b)
	default:
	}
}

// send sends what is pending in b.
func (n *initialNotices) send(b *record.Batch) {
	for i := range n.pending {
		n.record(b, &n.pending[i])
	}
	n.pending = n.pending[:0]
	b.Mark = uint64(n.mark)
	n.deliver(b)
}
