package files

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
)

// A file is known by three votes: what it begins with and what stands before the position in it
// (content), its device and inode, and its path. Content has a veto: a file whose content is
// another one is another file, whatever its name and inode say. When the content agrees, inode
// and path decide whether it is the file or only one like it. A wrong "same" loses records and a
// wrong "other" repeats them, so doubt means other. An object in a bucket is known by its key, its
// size and its ETag: it never changes, only another one takes its key.

// look is what an unknown file looks like.
type look struct {
	entry entry
	begin []byte // of its content, at most fingerprint.bytes
}

// lookAt reads how the content of e begins.
func (s *Source) lookAt(e entry) (*look, error) {
	if e.etag != "" {
		return &look{entry: e, begin: []byte(e.etag)}, nil // which stands for its content
	}
	c, err := s.openContent(e)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	l := &look{entry: e, begin: make([]byte, s.config.Fingerprint)}
	n, err := io.ReadFull(c, l.begin)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read %q: %w", e.path, err)
	}
	l.begin = l.begin[:n]
	return l, nil
}

// begins says whether the content of l begins as that of st did.
func (l *look) begins(st *state) bool {
	return st.Head.N <= len(l.begin) && st.Head.is(l.begin[:st.Head.N])
}

// continues says whether the content of l is that of st up to the position of st.
func (s *Source) continues(l *look, st *state) bool {
	if !l.begins(st) {
		return false
	}
	if int(st.Offset) <= st.Head.N {
		return true // what begins is all that there was
	}
	tail, err := s.contentBefore(l.entry, st.Offset, st.Tail.N)
	return err == nil && st.Tail.is(tail)
}

// contentBefore is n bytes of the content of e before a position.
func (s *Source) contentBefore(e entry, position int64, n int) ([]byte, error) {
	c, err := s.openContent(e)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.seek(position - int64(n)); err != nil {
		return nil, err
	}
	p := make([]byte, n)
	if _, err := io.ReadFull(c, p); err != nil {
		return nil, err
	}
	return p, nil
}

// vote is how much speaks for a file being the one of a state.
type vote int

const (
	other vote = iota
	byContent
	byPath
	byInode
)

// vote compares l with the last state of a file that is not in the listing under its own inode.
func (s *Source) vote(l *look, st *state) vote {
	e := &l.entry
	if e.etag != "" || st.ETag != "" {
		if e.path == st.Path && e.etag == st.ETag && e.size == st.Size {
			return byPath
		}
		return other
	}
	inode := e.inode != 0 && e.inode == st.Inode && e.dev == st.Dev
	path := e.path == st.Path
	unchanged := e.size == st.Size && e.mtime.UnixNano() == st.MTime
	enough := st.Offset >= int64(s.config.Fingerprint)
	tail := s.config.Mode == "tail"
	var v vote
	switch {
	case inode && path, inode && unchanged, inode && !st.Done:
		v = byInode
	case path && (!tail || enough || unchanged):
		// A link that points to a new copy, or a file that was written anew with the same
		// content. What is tailed is mostly rotated, and then a new file with the old name
		// begins as the old one did: a short begin proves nothing.
		v = byPath
	case (enough || packs(e.path, st.Path)) && !st.Done:
		v = byContent // compressed after a rotation, or copied and truncated
	default:
		return other
	}
	if !s.continues(l, st) {
		return other
	}
	return v
}

// assign finds for unknown files the states that are theirs, the strongest votes first. A state
// is given once. The result has nil for files that nothing is known of.
func (s *Source) assign(looks []*look, known []*file) []*file {
	found := make([]*file, len(looks))
	type ballot struct {
		look, file int
		vote       vote
	}
	var ballots []ballot
	// Only the last kind of vote needs neither inode nor path, and only for what is not done.
	byID, byName, open := map[inode][]int{}, map[string][]int{}, []int{}
	for j, f := range known {
		st := &f.state
		byID[inode{st.Dev, st.Inode}] = append(byID[inode{st.Dev, st.Inode}], j)
		byName[st.Path] = append(byName[st.Path], j)
		if !st.Done && st.ETag == "" {
			open = append(open, j)
		}
	}
	for i, l := range looks {
		candidates := slices.Concat(byName[l.entry.path], open)
		if l.entry.inode != 0 {
			candidates = append(candidates, byID[inode{l.entry.dev, l.entry.inode}]...)
		}
		slices.Sort(candidates)
		for _, j := range slices.Compact(candidates) {
			if v := s.vote(l, &known[j].state); v != other {
				ballots = append(ballots, ballot{i, j, v})
			}
		}
	}
	slices.SortStableFunc(ballots, func(a, b ballot) int { return int(b.vote - a.vote) })
	given := map[int]bool{}
	for _, b := range ballots {
		if found[b.look] == nil && !given[b.file] {
			found[b.look], given[b.file] = known[b.file], true
		}
	}
	return found
}

// copied compares l with f, which is being read: same is how much content of l is known to be
// that of f, and copy says whether l may be the copy that is made before f is truncated. before
// says that it seemed one at the last look.
func (s *Source) copied(l *look, f *file, before bool) (same int64, copy bool) {
	st := &f.last // f may be with a reader
	enough := int(s.config.Fingerprint)
	switch {
	case st.Offset < int64(enough) || len(l.begin) == 0:
		return 0, false
	case len(l.begin) >= enough && !l.begins(st):
		return 0, false
	case s.continues(l, st):
		return st.Offset, true
	case len(l.begin) < enough && filepath.Dir(l.entry.path) != filepath.Dir(f.seen.path):
		return 0, false // so few bytes are looked for next to the file only
	}
	// Not all of it is copied yet, or more was read since.
	end := min(st.Offset, l.entry.size)
	n := int(min(end, tailBytes))
	a, errA := s.contentBefore(l.entry, end, n)
	b, errB := s.contentBefore(f.seen, end, n)
	if errA == nil && errB == nil && bytes.Equal(a, b) {
		if len(l.begin) < enough {
			return 0, true // too little to prove anything: it may become one
		}
		return end, true
	}
	if !before {
		return 0, false
	}
	now, err := s.lookAt(f.seen)
	return 0, err == nil && !s.continues(now, st) // truncated just now, which its reader will find
}

// original is the file that f, of which nothing was read, seems to be a copy of; nil for none.
func (r *run) original(f *file) *file {
	l, err := r.lookAt(f.seen)
	if err != nil {
		return nil // its reader meets the error again and reports it
	}
	for _, g := range r.files {
		if g == f || g.phase == gone || g.phase == held || !g.lost.IsZero() {
			continue
		}
		if same, ok := r.copied(l, g, f.copies == g); ok {
			f.proven = max(f.proven, same)
			return g
		}
		// Too little was read of it to tell; what compressing makes of it has its name.
		if short := g.last.Offset < int64(r.config.Fingerprint); short && packs(f.seen.path, g.seen.path) && (len(l.begin) < g.last.Head.N || l.begins(&g.last)) {
			return g
		}
	}
	return nil
}
