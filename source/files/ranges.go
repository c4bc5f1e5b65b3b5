package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sync/errgroup"

	"connectd/record"
)

// leastRange is the least size of a range: below it, more readers cost more than they bring. The
// tests make it less.
var leastRange int64 = 4 << 20

// span is a range of a large file that is read beside others: lines that begin at or behind From
// and before To, which both stand behind line ends.
type span struct {
	From  int64 `json:"from"`
	To    int64 `json:"to"`
	At    int64 `json:"at"`    // up to where it was read
	Lines int64 `json:"lines"` // before At, of this range
	Tail  sum   `json:"tail"`  // the last bytes before At
}

// ranges is a file that is read in ranges. Each part belongs to the goroutine that reads it in
// this turn; spans and the file's state change under run.sending, in the order of the batches.
type ranges struct {
	line  int64 // before the first span
	spans []span
	parts []*file // one a span; nil when it is read
}

// divides says whether what is left of f is large enough for ranges, and made of lines that
// stand for themselves. The first turn reads a file from its begin, so that its header is known.
func (s *Source) divides(f *file) bool {
	c := s.config
	if c.Ranges < 2 || c.Mode == "tail" || f.state.Offset == 0 || !f.content.plain || f.entry.size-f.state.Offset < 2*leastRange {
		return false
	}
	switch f.format.(type) {
	case *jsonLines, *lines:
		return true
	case *csvRows:
		return c.Quote == 0 // with quotes, a line end may be a part of a value
	}
	return false
}

// divide cuts what is left of f into ranges. What is behind its last line end is read when they
// are done.
func (s *Source) divide(f *file) error {
	from, blob := f.state.Offset, f.content.file
	end, err := lastLineEnd(blob, from, f.entry.size)
	if err != nil {
		return err
	}
	n := min(int64(s.config.Ranges), (end-from)/leastRange)
	size := (end - from) / max(1, n)
	var spans []span
	for at := from; at < end; {
		to := end
		if at+size+leastRange/2 < end {
			if to, err = nextLine(blob, at+size, end); err != nil {
				return err
			}
		}
		spans = append(spans, span{From: at, At: at, To: to})
		at = to
	}
	if len(spans) < 2 {
		return nil
	}
	for i := range spans {
		tail := make([]byte, min(tailBytes, spans[i].At))
		if _, err := blob.ReadAt(tail, spans[i].At-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		spans[i].Tail = sumOf(tail)
	}
	f.close()
	f.state.Ranges = spans
	return nil
}

const searched = 64 << 10 // bytes that are looked through at once for a line end

// nextLine is the position of the first line that begins at or behind at; end when none does.
func nextLine(r io.ReaderAt, at, end int64) (int64, error) {
	p := make([]byte, searched)
	for at--; at < end; {
		n, err := r.ReadAt(p[:min(searched, end-at)], at)
		if i := bytes.IndexByte(p[:n], '\n'); i >= 0 {
			return at + int64(i) + 1, nil
		}
		if err != nil && !errors.Is(err, io.EOF) || n == 0 {
			return 0, err
		}
		at += int64(n)
	}
	return end, nil
}

// lastLineEnd is the position behind the last line end between from and to; from when there is none.
func lastLineEnd(r io.ReaderAt, from, to int64) (int64, error) {
	p := make([]byte, searched)
	for to > from {
		at := max(from, to-searched)
		n, err := r.ReadAt(p[:to-at], at)
		if i := bytes.LastIndexByte(p[:n], '\n'); i >= 0 {
			return at + int64(i) + 1, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		to = at
	}
	return from, nil
}

// openRanges opens the ranges of f where they were read to.
func (s *Source) openRanges(f *file) error {
	st := &f.state
	if err := s.open(f); err != nil { // which proves that it is the file
		return err
	}
	f.close()
	f.ranges = &ranges{line: st.Line - st.Ranges[0].Lines, spans: slices.Clone(st.Ranges), parts: make([]*file, len(st.Ranges))}
	for i := range f.ranges.spans {
		at := &f.ranges.spans[i]
		if at.At == at.To {
			continue
		}
		p, err := s.openPart(f, at)
		if err != nil {
			f.close()
			return err
		}
		f.ranges.parts[i] = p
	}
	return nil
}

// openPart opens one range as a file of its own, which ends where the range does.
func (s *Source) openPart(f *file, at *span) (*file, error) {
	c, err := s.openContent(f.entry)
	if err != nil {
		return nil, err
	}
	p := &file{entry: f.entry, content: c, ask: ask{final: true}}
	tail := make([]byte, at.Tail.N)
	if err = c.seek(at.At - int64(len(tail))); err == nil {
		_, err = io.ReadFull(c, tail)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || err == nil && !at.Tail.is(tail) {
		err = errOther
	}
	if err != nil {
		p.close()
		return nil, fmt.Errorf("go on in %q at %d: %w", f.entry.path, at.At, err)
	}
	p.in = newInput(io.LimitReader(c, at.To-at.At), int(s.config.MaxLine), 0)
	p.in.resume(nil, tail, at.At, at.Lines)
	p.out = newOutput(s.config, f.entry.path, f.entry.mtime)
	p.out.unnumbered = true
	p.state.Header, p.state.Types = f.state.Header, f.state.Types
	if p.format, err = s.newFormat(p); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// readRanges is read for a file in ranges: a turn of each range, at the same time. The turns end
// together, so that the file is back with Run in between.
func (r *run) readRanges(ctx context.Context, f *file) result {
	if f.ranges == nil {
		if err := r.openRanges(f); err != nil {
			return result{err: err}
		}
	}
	var readers errgroup.Group // each ends with its turn, or with ctx
	for i, p := range f.ranges.parts {
		if p != nil {
			readers.Go(func() error { return r.readPart(ctx, f, i, p) })
		}
	}
	err := readers.Wait()
	switch {
	case errors.Is(err, errStop):
		return result{stopped: true}
	case err != nil:
		return result{err: err}
	}
	if len(f.state.Ranges) == 0 {
		f.close() // what is left is read as of any file
	}
	return result{}
}

// readPart sends the batches of one range's turn.
func (r *run) readPart(ctx context.Context, f *file, i int, p *file) error {
	for range turn {
		b, err := r.task.Batch(ctx)
		if err != nil {
			return errStop
		}
		more, err := p.fill(b)
		r.sendPart(b, f, &f.ranges.spans[i], p.in)
		switch {
		case err != nil:
			return fmt.Errorf("read %q: %w", f.entry.path, err)
		case !more && p.in.position != f.ranges.spans[i].To:
			return fmt.Errorf("read %q: %w", f.entry.path, errOther) // it ends before its range does
		case !more:
			p.close()
			f.ranges.parts[i] = nil
			return nil
		}
	}
	return nil
}

// sendPart sends b with the positions of all ranges. Those of others are of batches that were
// sent before, and are durable before.
func (r *run) sendPart(b *record.Batch, f *file, at *span, in *input) {
	r.sending.Lock()
	defer r.sending.Unlock()
	at.At, at.Lines, at.Tail = in.position, in.line, sumOf(in.tail())
	f.state.join(f.ranges)
	f.put(b)
	f.mark = r.postLocked(b)
}

// join makes s the state of a file in these ranges. What has no gap before it is one position, as
// it is without ranges: who knows of none reads on from there, and repeats but loses nothing.
func (s *state) join(g *ranges) {
	s.Line = g.line
	for i := range g.spans {
		at := &g.spans[i]
		s.Offset, s.Line, s.Tail = at.At, s.Line+at.Lines, at.Tail
		if at.At < at.To {
			s.Ranges = slices.Clone(g.spans[i:])
			return
		}
	}
	s.Ranges = nil
}

// read is how many bytes of the file were read.
func (s *state) read() int64 {
	n := s.Offset
	for _, at := range s.Ranges[min(1, len(s.Ranges)):] {
		n += at.At - at.From
	}
	return n
}
