package sourcetask

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"connectd/internal/fault"
)

// positionEvery is the shortest time between two writes of the position. A row that comes alone
// must not cost a request for its position as well; what a crash sends again grows by what was
// produced in this time. The first position after a pause is written at once.
const positionEvery = 25 * time.Millisecond

// positions makes the offsets of retired batches durable, the newest of each source partition,
// with one write in flight. It belongs to one goroutine.
type positions struct {
	*offsetWriter
	next    map[string][]byte // by the key in the offsets topic; not yet being written
	mark    uint64            // of the newest batch in next
	waiting bool              // there is something to write: offsets, or a mark alone

	writing map[string][]byte // being written
	told    uint64            // what Committed becomes with it
	busy    bool
	written chan error // its outcome

	pause  *time.Timer // fires positionEvery after a write has begun
	rested bool        // it has
	hurry  bool        // somebody waits for every write
}

func newPositions(w *offsetWriter) *positions {
	return &positions{
		offsetWriter: w,
		next:         map[string][]byte{}, writing: map[string][]byte{}, written: make(chan error, 1),
		pause: time.NewTimer(0),
	}
}

// take notes the offsets of s, whose records are durable, as are those of all before.
func (w *positions) take(s *shipment) {
	for _, o := range s.offsets {
		w.next[w.key(o)] = bytes.Clone(o.Offset) // nil stays nil: it forgets the partition
	}
	w.mark, w.waiting = s.mark, true
}

// write begins a write when there is something to write and it is time.
func (w *positions) write(ctx context.Context) {
	if w.busy || !w.waiting || !w.rested && !w.hurry {
		return
	}
	fault.Point("source.produced")
	w.next, w.writing = w.writing, w.next
	w.told, w.waiting, w.busy, w.rested = w.mark, false, true, false
	w.pause.Reset(positionEvery)
	go func() { w.written <- w.log.PutAll(ctx, w.writing) }() // ends with ctx; waited for by ended
}

// ended takes the outcome of the write, and says with commit what is durable.
func (w *positions) ended(err error, commit func(mark uint64)) error {
	w.busy = false
	clear(w.writing)
	if err != nil {
		return fmt.Errorf("write source offsets: %w", err)
	}
	// Order of truth, 2: the position after the records is durable, too. Only now the source
	// hears of it, and may tell its upstream to forget.
	fault.Point("source.offset")
	commit(w.told)
	return nil
}

// finish writes what is left.
func (w *positions) finish(ctx context.Context, commit func(mark uint64)) error {
	defer w.pause.Stop()
	w.hurry = true
	for w.busy || w.waiting {
		if !w.busy {
			w.write(ctx)
		}
		if err := w.ended(<-w.written, commit); err != nil {
			return err
		}
	}
	return nil
}
