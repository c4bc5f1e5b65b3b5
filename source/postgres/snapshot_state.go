package postgres

import (
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
)

// snapshotState is what a snapshot has read, for the offset: a process that takes over after a
// crash goes on with what is left. Its text is one word for the oldest transaction that the first
// of the snapshot's readers did not see, and one for each relation of which something is read:
//
//	735 16390.16390.9ae0daaf.52000:0-1024,2048- 16402.16402.3b7e4f10.3:0-
//
// which is OID, file, shape and rows, and the ranges of pages that are read; a range without an
// end goes to the end of the file.
type snapshotState struct {
	xid   uint64
	parts map[uint32]partState // by OID
}

// partState is what is read of one relation. It counts only for the file and the shape that it
// was read with: a rewritten table has its rows elsewhere, and one with other columns is to be
// read anew.
type partState struct {
	file  uint32
	shape uint32
	rows  int64
	done  pageRanges
}

// parseSnapshotState reads the text of a state. One that can not be read counts as none, since
// reading everything again is always right.
func parseSnapshotState(text string) (snapshotState, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return snapshotState{}, nil
	}
	s := snapshotState{parts: map[uint32]partState{}}
	var err error
	if s.xid, err = strconv.ParseUint(words[0], 10, 64); err != nil {
		return snapshotState{}, fmt.Errorf("read connectd_snapshot: %w", err)
	}
	for _, word := range words[1:] {
		head, ranges, _ := strings.Cut(word, ":")
		var id uint32
		var p partState
		if _, err := fmt.Sscanf(head, "%d.%d.%x.%d", &id, &p.file, &p.shape, &p.rows); err != nil {
			return snapshotState{}, fmt.Errorf("read connectd_snapshot: %q: %w", word, err)
		}
		if p.done, err = parseRanges(ranges); err != nil {
			return snapshotState{}, fmt.Errorf("read connectd_snapshot: %q: %w", word, err)
		}
		s.parts[id] = p
	}
	return s, nil
}

// append writes the word of the relation id.
func (p *partState) append(dst []byte, id uint32) []byte {
	dst = strconv.AppendUint(append(dst, ' '), uint64(id), 10)
	dst = strconv.AppendUint(append(dst, '.'), uint64(p.file), 10)
	dst = strconv.AppendUint(append(dst, '.'), uint64(p.shape), 16)
	dst = strconv.AppendInt(append(dst, '.'), p.rows, 10)
	return p.done.append(append(dst, ':'))
}

// shapeOf is a number for what decides how the rows of t are written.
func shapeOf(t *table, statement string) uint32 {
	return crc32.ChecksumIEEE([]byte(t.shape + "\n" + statement))
}

// pageRange is a range of pages, from up to but not including to; endless has all that follow.
type pageRange struct{ from, to int64 }

const endless int64 = 1<<63 - 1

// pageRanges are ranges of pages in order, none of which touches the next.
type pageRanges []pageRange

// add is s with one more range, which overlaps none of them.
func (s pageRanges) add(more pageRange) pageRanges {
	at, _ := slices.BinarySearchFunc(s, more, func(a, b pageRange) int { return int(min(max(a.from-b.from, -1), 1)) })
	s = slices.Insert(s, at, more)
	if at+1 < len(s) && s[at].to == s[at+1].from {
		s[at].to = s[at+1].to
		s = slices.Delete(s, at+1, at+2)
	}
	if at > 0 && s[at-1].to == s[at].from {
		s[at-1].to = s[at].to
		s = slices.Delete(s, at, at+1)
	}
	return s
}

// missing are the ranges that are not in s.
func (s pageRanges) missing() pageRanges {
	var out pageRanges
	from := int64(0)
	for _, have := range s {
		if have.from > from {
			out = append(out, pageRange{from, have.from})
		}
		from = have.to
	}
	if from != endless {
		out = append(out, pageRange{from, endless})
	}
	return out
}

// all says whether nothing is missing.
func (s pageRanges) all() bool { return len(s) == 1 && s[0] == pageRange{0, endless} }

// cut divides each range into ranges of so many pages. What lies behind the file's pages stays in
// the last one: the table may grow.
func (s pageRanges) cut(size, pages int64) pageRanges {
	var out pageRanges
	for _, r := range s {
		for from := r.from; from < r.to; {
			to := min(from+size, r.to)
			if to >= pages && r.to > pages {
				to = r.to
			}
			out = append(out, pageRange{from, to})
			from = to
		}
	}
	return out
}

func (s pageRanges) append(dst []byte) []byte {
	for i, r := range s {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(strconv.AppendInt(dst, r.from, 10), '-')
		if r.to != endless {
			dst = strconv.AppendInt(dst, r.to, 10)
		}
	}
	return dst
}

func parseRanges(text string) (pageRanges, error) {
	var s pageRanges
	for part := range strings.SplitSeq(text, ",") {
		from, to, ok := strings.Cut(part, "-")
		r := pageRange{to: endless}
		var err error
		if r.from, err = strconv.ParseInt(from, 10, 64); err == nil && to != "" {
			r.to, err = strconv.ParseInt(to, 10, 64)
		}
		if err != nil || !ok || r.from < 0 || r.to <= r.from || len(s) > 0 && r.from <= s[len(s)-1].to {
			return nil, fmt.Errorf("%q are not ranges of pages", text)
		}
		s = append(s, r)
	}
	return s, nil
}
