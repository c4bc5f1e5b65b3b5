package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/text/encoding"

	"connectd/connect"
	"connectd/convert"
	"connectd/record"
)

// Source reads the files that its settings select.
type Source struct {
	config  *Config
	env     connect.Env
	log     *slog.Logger
	store   store
	charset encoding.Encoding // nil for UTF-8
}

// New makes the source that c describes.
func New(c *Config, e connect.Env) (connect.Source, error) {
	c.adopt(e.Class)
	s := &Source{config: c, env: e, log: e.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if s.charset, err = convert.Charset(c.Charset); err != nil {
		return nil, connect.Permanent(fmt.Errorf("file.charset: %w", err))
	}
	if s.store, err = newStore(c); err != nil {
		return nil, connect.Permanent(err)
	}
	if c.Multiline != nil && c.Format != "lines" {
		return nil, connect.Permanent(errors.New("multiline.pattern is for format lines; write format: lines"))
	}
	return s, nil
}

// Check looks whether the folders or the bucket are there and may be used.
func (s *Source) Check(ctx context.Context) error { return s.store.check(ctx) }

// run is one Run of a source.
type run struct {
	*Source
	task *connect.SourceTask

	files   []*file         // all that is known
	ids     map[string]bool // of files, so that no two are the same
	ending  []*file         // done, and not cleaned up yet
	queue   []*file         // to be read, in order
	reading int             // files that readers have
	work    chan *file
	results chan *file

	notices []notice // not sent yet
	fresh   bool     // nothing was ever read: read.from applies
	scanned bool     // there was a listing
	watch   *watch
	pace    pace
	logged  time.Time // when the log was told of it last

	sending sync.Mutex // so that marks and batches go out in one order
	marks   uint64
}

// Run reads until ctx is done.
func (s *Source) Run(ctx context.Context, t *connect.SourceTask) error {
	if b, ok := s.store.(*bucket); ok {
		s.store = b.during(ctx)
	}
	r := &run{
		Source: s, task: t, ids: map[string]bool{},
		work: make(chan *file, s.config.Parallel), results: make(chan *file, s.config.Parallel),
	}
	if err := r.restore(); err != nil {
		return connect.Permanent(err)
	}
	r.watch = newWatch(s)
	defer r.watch.close()
	// Readers end when work is closed, or at once when ctx is done.
	var readers errgroup.Group
	for range s.config.Parallel {
		readers.Go(func() error { return r.reads(ctx) })
	}
	err := r.loop(ctx)
	close(r.work)
	_ = readers.Wait() // they never fail
	for _, f := range r.files {
		f.close()
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// restore makes known the files whose states are stored.
func (r *run) restore() error {
	for partition, offset := range r.task.Offsets() {
		id, ok := idOf(partition)
		if !ok {
			continue
		}
		st, err := parseState(offset)
		if err != nil {
			return err
		}
		r.ids[id] = true
		r.files = append(r.files, &file{id: id, partition: []byte(partition), state: st, last: st, stored: true, phase: gone, lost: time.Now()})
	}
	r.fresh = len(r.files) == 0
	// The offsets come in no order; what depends on it must be the same at every start.
	slices.SortFunc(r.files, func(a, b *file) int { return cmp.Compare(a.state.Path+a.id, b.state.Path+b.id) })
	return nil
}

// loop lists, decides, hands files to readers and takes them back, until ctx is done.
func (r *run) loop(ctx context.Context) error {
	tick := time.NewTicker(r.config.interval())
	defer tick.Stop()
	if err := r.scan(ctx); err != nil {
		return err
	}
	for {
		if err := r.cleanup(); err != nil {
			return err
		}
		if len(r.notices) == 0 { // a position that is noted must not follow a later one of the same file
			r.dispatch()
		}
		var free <-chan *record.Batch
		if len(r.notices) > 0 {
			free = r.task.Free()
		}
		var err error
		select {
		case <-ctx.Done():
			return nil
		case f := <-r.results:
			r.reading--
			err = r.returned(f)
		case <-tick.C:
			err = r.scan(ctx)
		case <-r.watch.listing():
			err = r.scan(ctx)
		case path := <-r.watch.written():
			r.touched(path)
		case <-r.task.Wake():
		case b := <-free:
			r.notify(b)
		}
		if err != nil {
			return err
		}
	}
}

// enqueue lets f be read.
func (r *run) enqueue(f *file, a ask) {
	f.phase, f.opened, f.entry, f.ask, f.dirty = queued, f.content != nil, f.seen, a, false
	r.queue = append(r.queue, f)
}

// dispatch gives files to idle readers.
func (r *run) dispatch() {
	for len(r.queue) > 0 && r.reading < r.config.Parallel {
		f := r.queue[0]
		r.queue = slices.Delete(r.queue, 0, 1)
		r.reading++
		r.work <- f // has room for all readers
	}
}

// touched is told that somebody has written to the file at path.
func (r *run) touched(path string) {
	for _, f := range r.files {
		if f.seen.path != path || f.phase == gone {
			continue
		}
		if f.phase == queued {
			f.dirty = true
		} else if f.untouched() {
			r.watch.hint() // it may be a copy: that is for a listing to find out
		} else if f.phase == waiting && r.config.Mode == "tail" {
			f.changed = time.Now()
			r.enqueue(f, ask{})
		}
	}
}

// returned decides what becomes of a file that a reader gives back.
func (r *run) returned(f *file) error {
	if f.state.Offset != f.last.Offset {
		f.changed = time.Now()
	}
	f.last, f.inside = f.state, f.within()
	m := f.met
	switch {
	case m.stopped:
	case m.err != nil:
		return r.failed(f, m.err)
	case m.truncated:
		r.restart(f)
	case m.done:
		f.close()
		r.finish(f)
	case !m.eof:
		r.enqueue(f, f.ask)
	case r.config.Mode == "complete":
		r.atEnd(f)
	case f.content != nil && !f.content.plain && !f.ask.done:
		r.enqueue(f, ask{final: true, done: true}) // a compressed file does not grow
	case f.dirty:
		r.enqueue(f, ask{})
	default:
		f.phase = waiting
	}
	return nil
}

// atEnd finishes a file of mode complete that was read to its end, unless it has changed since
// it was ready.
func (r *run) atEnd(f *file) {
	if f.lost.IsZero() && f.entry.etag == "" { // an object was read as it was listed, or not at all
		if e, err := r.store.stat(f.entry.path); err == nil && !unchanged(e, f.entry) {
			f.seen.size, f.seen.mtime = e.size, e.mtime
			f.changed, f.phase = time.Now(), waiting
			return
		}
	}
	r.enqueue(f, ask{final: true, done: true})
}

// restart reads a file from its begin that has lost what was read from it. Its state is kept for
// the copy that may have been made of it.
func (r *run) restart(f *file) {
	r.log.Info("file was truncated or written anew, reading it from its begin", "path", f.entry.path, "offset", f.state.Offset)
	before := &file{id: f.id, partition: f.partition, state: f.state, last: f.state, stored: f.stored, phase: gone, lost: time.Now()}
	f.close()
	f.state, f.last, f.stored = state{}, state{}, false
	r.name(f, nil)
	r.files = append(r.files, before)
	if r.bequeath(f, before) {
		r.forget(before)
	}
	f.changed = time.Now()
	r.enqueue(f, ask{})
}

// bequeath gives the position that f had, which is that of before, to the copies of f that are
// held. It says whether one has taken it over.
func (r *run) bequeath(f, before *file) (taken bool) {
	for _, c := range r.files {
		if c.phase == held && c.copies == f && r.inherit(c, before) {
			taken = true
		}
	}
	return taken
}

// inherit gives the position of a file to its copy, and says whether there is one. The copy may
// have less than was read: then what is proven to be the same is not read again.
func (r *run) inherit(c, before *file) bool {
	position := c.proven
	c.copies, c.proven, c.phase, c.changed = nil, 0, waiting, time.Now()
	enough := before.state.Offset >= int64(r.config.Fingerprint) || packs(c.seen.path, before.state.Path)
	if l, err := r.lookAt(c.seen); err == nil && enough && r.continues(l, &before.state) {
		position = before.state.Offset
	}
	if position == 0 {
		return false
	}
	st, err := r.stateAt(c.seen, position, before.state.Line)
	if err != nil {
		r.log.Warn("copy of a file is read from its begin", "path", c.seen.path, "err", err)
		return false
	}
	st.Header, st.Types = before.state.Header, before.state.Types
	c.state, c.last = st, st
	r.keep(c)
	return true
}

// keep notes the position of a file of which nothing was read.
func (r *run) keep(f *file) {
	f.stored = true
	r.notices = append(r.notices, notice{offset: record.SourceOffset{Partition: f.partition, Offset: f.state.append(nil)}})
}

// stateAt is the state of a file that is taken as read up to a position.
func (s *Source) stateAt(e entry, position, line int64) (state, error) {
	st := state{Path: e.path, Dev: e.dev, Inode: e.inode, Size: e.size, MTime: e.mtime.UnixNano(), Offset: position, Line: line}
	head, err := s.contentBefore(e, min(position, int64(s.config.Fingerprint)), int(min(position, int64(s.config.Fingerprint))))
	if err != nil {
		return state{}, err
	}
	tail, err := s.contentBefore(e, position, int(min(position, tailBytes)))
	if err != nil {
		return state{}, err
	}
	st.Head, st.Tail = sumOf(head), sumOf(tail)
	return st, nil
}

// failed decides about a file that could not be read.
func (r *run) failed(f *file, err error) error {
	packed := f.content != nil && !f.content.plain
	f.close()
	switch {
	case missing(err), errors.Is(err, errMoved):
		f.phase, f.lost = gone, time.Now()
		return nil
	case errors.As(err, new(*unreachable)):
		return err // nothing is wrong with the file
	case errors.Is(err, errOther):
		r.restart(f)
		return nil
	case packed && r.config.Mode == "tail" && errors.Is(err, io.ErrUnexpectedEOF):
		f.phase = waiting // it is being compressed
		return nil
	case r.config.Halt:
		err = fmt.Errorf("%w; correct or remove the file, or set halt.on.error to false", err)
		if device := (*fs.PathError)(nil); !errors.As(err, &device) {
			return connect.Permanent(err) // it is the content, which does not change by itself
		}
		return err
	}
	r.log.Error("file is given up", "path", f.entry.path, "offset", f.state.Offset, "err", err)
	f.state.Error, f.state.Done = err.Error(), true
	f.last = f.state
	f.phase = queued // until the state is on its way
	r.notices = append(r.notices, notice{record.SourceOffset{Partition: f.partition, Offset: f.state.append(nil)}, f})
	return nil
}

// notice is a position that moves without records.
type notice struct {
	offset record.SourceOffset
	file   *file // done with it; nil when it is forgotten
}

// forget removes what is stored of f, and f. Copies of it get its position with the same batch.
func (r *run) forget(f *file) {
	f.close()
	r.bequeath(f, f)
	if f.stored {
		r.notices = append(r.notices, notice{offset: record.SourceOffset{Partition: f.partition}})
	}
	delete(r.ids, f.id)
	r.files = slices.DeleteFunc(r.files, func(g *file) bool { return g == f })
}

// notify sends what is to be noted with b.
func (r *run) notify(b *record.Batch) {
	for _, n := range r.notices {
		b.Offsets = append(b.Offsets, n.offset)
	}
	mark := r.post(b)
	for _, n := range r.notices {
		if n.file != nil {
			n.file.mark = mark
			r.finish(n.file)
		}
	}
	r.notices = r.notices[:0]
}
