package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"connectd/record"
)

// turn is how many batches a reader makes of one file before the next file has its turn.
const turn = 16

// reads is one reader: it reads the files that come on work, one after the other, and gives them
// back. It ends when work is closed.
func (r *run) reads(ctx context.Context) error {
	for f := range r.work {
		f.met = r.read(ctx, f)
		r.results <- f
	}
	return nil
}

// read sends what is new in f, as many batches as it has a turn for.
func (r *run) read(ctx context.Context, f *file) result {
	if f.in != nil && r.divides(f) {
		if err := r.divide(f); err != nil {
			return result{err: fmt.Errorf("divide %q into ranges: %w", f.entry.path, err)}
		}
	}
	if len(f.state.Ranges) > 0 {
		return r.readRanges(ctx, f)
	}
	if f.in == nil {
		if err := r.open(f); err != nil {
			return result{err: err}
		}
	} else if is, err := f.compare(); is == truncated || err != nil {
		return result{truncated: is == truncated, err: err}
	} else if is == same && f.met.eof && f.ask == (ask{}) {
		return result{eof: true} // and nothing is left in the window
	}
	for range turn {
		more, err := r.readBatch(ctx, f)
		switch {
		case errors.Is(err, errStop):
			return result{stopped: true}
		case err != nil:
			return result{err: err}
		case !more:
			return result{eof: true, done: f.state.Done}
		}
	}
	return result{}
}

var errStop = errors.New("stopped")

// readBatch sends one batch of f.
func (r *run) readBatch(ctx context.Context, f *file) (more bool, err error) {
	b, err := r.task.Batch(ctx)
	if err != nil {
		return false, errStop
	}
	more, err = f.fill(b)
	if err != nil {
		// What was cut before the error is good, and its position too.
		r.send(b, f)
		if !errors.Is(err, errOther) {
			err = fmt.Errorf("read %q: %w", f.entry.path, err)
		}
		return false, err
	}
	f.state.Done = !more && f.ask.done
	r.send(b, f)
	return more, nil
}

// send sends b with the position of f.
func (r *run) send(b *record.Batch, f *file) {
	if len(b.Records) > 0 || f.in.position != f.state.Offset || f.state.Done {
		f.stamp(b)
	}
	f.mark = r.post(b)
}

// post sends b with the next mark. Marks and batches go out in the same order.
func (r *run) post(b *record.Batch) (mark uint64) {
	r.sending.Lock()
	defer r.sending.Unlock()
	return r.postLocked(b)
}

// postLocked is post for one who has the lock.
func (r *run) postLocked(b *record.Batch) (mark uint64) {
	r.marks++
	b.Mark = r.marks
	r.task.Send(b) // never blocks
	return r.marks
}

// growth is what became of a file since it was read last.
type growth int

const (
	unknown growth = iota
	same
	grown
	truncated
)

// compare looks whether an open file has grown, and whether it still has what was read from it.
func (f *file) compare() (growth, error) {
	if !f.content.plain {
		return grown, nil
	}
	now, err := f.content.file.stat()
	if err != nil {
		return unknown, fmt.Errorf("look at %q: %w", f.entry.path, err)
	}
	in := f.in
	read := in.base + int64(in.end)
	if now.size < read {
		return truncated, nil
	}
	// Truncated and grown beyond the position since: then other bytes stand before it.
	last := in.buf[max(0, in.end-tailBytes):in.end]
	there := make([]byte, len(last))
	if _, err := f.content.file.ReadAt(there, read-int64(len(last))); err != nil && !errors.Is(err, io.EOF) {
		return unknown, fmt.Errorf("read %q: %w", f.entry.path, err)
	}
	switch {
	case !bytes.Equal(last, there):
		return truncated, nil
	case now.size > read:
		return grown, nil
	}
	return same, nil
}
