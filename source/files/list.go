package files

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"
)

// scan lists the files, finds out which of them are known, and decides what is to be read.
func (r *run) scan(ctx context.Context) error {
	entries, folders, err := r.store.list(ctx)
	if err != nil {
		return err
	}
	order(entries, r.config.Order)
	r.watch.follow(folders)
	now := time.Now()
	unknown := r.recognise(entries, now)
	if r.settled() {
		r.identify(unknown, now)
		r.scanned = true
	}
	for _, f := range append([]*file{}, r.files...) {
		r.decide(f, now)
	}
	r.report(now)
	return nil
}

// inode names a file on this machine.
type inode struct{ dev, number uint64 }

// recognise updates the files that are known under their inodes and returns the entries of the
// others. Files that are not listed are lost from now on.
func (r *run) recognise(entries []entry, now time.Time) []entry {
	live := map[inode]*file{}
	paths := map[string]*file{} // where there are no inodes
	for _, f := range r.files {
		if f.phase == gone {
			continue
		}
		paths[f.seen.path] = f
		if f.seen.inode != 0 {
			live[inode{f.seen.dev, f.seen.inode}] = f
		}
	}
	var unknown []entry
	listed := map[*file]bool{}
	fresh := map[inode]bool{}
	for _, e := range entries {
		f := live[inode{e.dev, e.inode}]
		if e.inode == 0 {
			f = paths[e.path]
		}
		switch {
		case f != nil && listed[f], e.inode != 0 && fresh[inode{e.dev, e.inode}]:
			// A second link to it.
		case f != nil && r.still(f, e):
			listed[f] = true
			f.saw(e, now)
		default:
			fresh[inode{e.dev, e.inode}] = true
			unknown = append(unknown, e)
		}
	}
	for _, f := range r.files {
		if f.phase != gone && !listed[f] {
			r.miss(f, now)
		}
	}
	return unknown
}

// still says whether the file e, which has the inode of f, is f: an inode is used again once its
// file is removed.
func (r *run) still(f *file, e entry) bool {
	st, open := &f.last, f.opened
	if f.phase != queued { // else these are the reader's
		st, open = &f.state, f.content != nil
	}
	switch {
	case e.etag != "":
		return e.etag == f.seen.etag || f.untouched()
	case open: // and so its inode is not free
		return true
	case e.path == f.seen.path && unchanged(e, f.seen):
		return true
	case st.Offset == 0 && !st.Done: // nothing was read of it
		return true
	}
	l, err := r.lookAt(e)
	return err == nil && r.vote(l, st) != other
}

// saw updates f by a listing.
func (f *file) saw(e entry, now time.Time) {
	if !unchanged(e, f.seen) {
		f.changed = now
	}
	f.seen, f.lost = e, time.Time{}
}

// miss is about a file that is not listed.
func (r *run) miss(f *file, now time.Time) {
	if f.lost.IsZero() {
		f.lost = now
	}
	if f.phase == waiting && f.content == nil || f.phase == finished || f.phase == held {
		f.phase = gone
	}
}

// settled says whether all lost files are back from their readers: only then it is known up to
// where they were read, and an unknown file may be one of them.
func (r *run) settled() bool {
	for _, f := range r.files {
		if f.phase == queued && !f.lost.IsZero() {
			return false
		}
	}
	return true
}

// identify finds out which unknown entries are files that were lost, and makes the others known.
func (r *run) identify(unknown []entry, now time.Time) {
	if len(unknown) == 0 {
		return
	}
	var lost []*file
	for _, f := range r.files {
		if !f.lost.IsZero() && f.phase != queued {
			lost = append(lost, f)
		}
	}
	var looks []*look
	for _, e := range unknown {
		if r.ignores(e, lost, now) {
			continue
		}
		l, err := r.lookAt(e)
		if err != nil {
			if missing(err) {
				continue
			}
			l = &look{entry: e} // its reader meets the error again and reports it
		}
		looks = append(looks, l)
	}
	for i, f := range r.assign(looks, lost) {
		if f == nil {
			r.add(looks[i], now)
			continue
		}
		f.close()
		f.entry = entry{} // it is read on, also when it looks as it did
		f.seen, f.lost, f.changed, f.phase = looks[i].entry, time.Time{}, now, waiting
		if f.state.Done && f.seen.size == f.state.Size {
			r.finish(f) // cleaned up before, or about to be
		}
	}
}

// ignores says whether e is older than files are read, and none that was read before.
func (r *run) ignores(e entry, lost []*file, now time.Time) bool {
	if r.config.IgnoreOlder == 0 || now.Sub(e.mtime) <= r.config.IgnoreOlder {
		return false
	}
	return !slices.ContainsFunc(lost, func(f *file) bool {
		return f.state.Path == e.path || e.inode != 0 && f.state.Inode == e.inode && f.state.Dev == e.dev
	})
}

// add makes a file known that is new.
func (r *run) add(l *look, now time.Time) {
	f := &file{seen: l.entry, phase: waiting, changed: now}
	r.name(f, l.begin)
	if r.config.Mode == "tail" {
		if at := r.begin(l.entry); at > 0 {
			r.beginAt(f, at)
		}
	}
	r.files = append(r.files, f)
}

// beginAt takes what is before a position as read. That is stored at once: it would be another
// position after a restart.
func (r *run) beginAt(f *file, at int64) {
	st, err := r.stateAt(f.seen, at, 0)
	if err != nil {
		r.log.Warn("file is read from its begin", "path", f.seen.path, "err", err)
		return
	}
	f.state, f.last = st, st
	r.keep(f)
}

// begin is where a new file is read from: behind what Kafka's FileStreamSource has read of it,
// at its end when read.from says so, or at its begin.
func (r *run) begin(e entry) int64 {
	name, err := json.Marshal(e.path)
	if err != nil {
		return 0
	}
	var stream struct {
		Position int64 `json:"position"`
	}
	if o := r.task.Offset(`{"filename":` + string(name) + `}`); r.fresh && o != nil && json.Unmarshal(o, &stream) == nil && stream.Position <= e.size {
		return stream.Position
	}
	if r.fresh && !r.scanned && r.config.StartAt == "end" {
		return r.lastLine(e)
	}
	return 0
}

// lastLine is the position behind the last line end of e.
func (r *run) lastLine(e entry) int64 {
	end, err := r.contentBefore(e, e.size, int(min(e.size, int64(r.config.MaxLine))))
	if err != nil {
		return 0 // compressed: it was rotated, and is read
	}
	return e.size - int64(len(end)) + int64(bytes.LastIndexByte(end, '\n')) + 1
}

// name gives f an identity that no other file has.
func (r *run) name(f *file, begin []byte) {
	f.id = newID(begin, &f.seen, func(id string) bool { return r.ids[id] || r.task.Offset(string(partitionOf(id))) != nil })
	r.ids[f.id] = true
	f.partition = partitionOf(f.id)
}

// decide lets f be read when it is time.
func (r *run) decide(f *file, now time.Time) {
	quiet := now.Sub(f.changed)
	switch f.phase {
	case gone:
		// Where files are deleted or moved, one that is done and not there is cleaned up.
		cleaned := f.state.Done && r.config.cleanup() != "none"
		if cleaned || !f.stored || now.Sub(f.lost) > r.config.Retention {
			r.forget(f)
		}
	case finished:
		if !unchanged(f.seen, f.entry) {
			f.phase = waiting // somebody has added to it
		}
	case held:
		if !f.copies.lost.IsZero() { // what it is a copy of was removed, not truncated
			before := f.copies
			if before.phase != queued && r.inherit(f, before) && before.phase == gone { // queued: it is known later up to where
				r.forget(before)
			}
			return
		}
		if quiet > r.config.RotateWait || r.original(f) != f.copies {
			f.copies, f.proven = nil, 0
			r.enqueue(f, ask{})
		}
	case waiting:
		if r.config.Mode == "complete" {
			if r.ready(f, now) {
				r.enqueue(f, ask{})
			}
			return
		}
		r.follow(f, quiet)
	}
}

// ready says whether a file of mode complete is.
func (r *run) ready(f *file, now time.Time) bool {
	stable := r.config.Stable
	if f.seen.etag != "" {
		stable = 0 // an object appears as a whole
	}
	if now.Sub(f.changed) < stable || now.Sub(f.seen.mtime) < r.config.MinimumAge {
		return false
	}
	if r.config.Marker != "" {
		_, err := r.store.stat(f.seen.path + r.config.Marker)
		return err == nil
	}
	return true
}

// untouched says whether nothing of f was ever read.
func (f *file) untouched() bool { return f.in == nil && f.state.Offset == 0 && !f.stored }

// follow reads on in a file of mode tail: when it has changed, when it was rotated away, and when
// what is left at its end is to be taken as it is.
func (r *run) follow(f *file, quiet time.Duration) {
	if f.untouched() {
		if f.seen.size == 0 {
			return
		}
		if f.copies = r.original(f); f.copies != nil {
			f.phase = held
			return
		}
	}
	multi := r.config.Multiline != nil && quiet >= r.config.MultilineWait
	switch {
	case !f.lost.IsZero() && quiet >= r.config.RotateWait:
		r.enqueue(f, ask{final: true, done: true})
	case !f.lost.IsZero(), !unchanged(f.seen, f.entry):
		r.enqueue(f, ask{})
	case f.pending() && r.config.FinalizeAfter > 0 && quiet >= r.config.FinalizeAfter:
		r.enqueue(f, ask{final: true, flush: true})
	case f.pending() && multi:
		r.enqueue(f, ask{flush: true})
	}
}
