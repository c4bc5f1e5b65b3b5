package api

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// seen remembers the records that a pass meets again: those between the lower bound of the pass
// and what the pass before had sent, and those that move from one page to the next while it runs.
// A record is known by the hash of its content, so that a changed record is new.
type seen struct {
	most   int
	before map[uint64]struct{} // of the passes before
	now    map[uint64]sighting
	serial uint64
	full   bool // something that the next pass meets again had to be forgotten
}

// sighting says when this pass has met a record, and where.
type sighting struct {
	serial uint64 // the greater the later
	at     mark
}

func newSeen(most int) *seen {
	return &seen{most: most, before: map[uint64]struct{}{}, now: map[uint64]sighting{}}
}

// meet says whether the record was sent before, and remembers that it is there. window is the
// earliest cursor that the next pass may ask for, as far as is known.
func (s *seen) meet(content uint64, at, window mark) (known bool) {
	if _, met := s.now[content]; met {
		return true
	}
	if len(s.now) >= s.most {
		s.shrink(window)
	}
	s.serial++
	s.now[content] = sighting{s.serial, at}
	_, known = s.before[content]
	return known
}

// shrink forgets a quarter: first what lies before window, the oldest sightings first. A list that
// only goes on needs no more than one look at each: then a quarter is too old.
func (s *seen) shrink(window mark) {
	keep := s.most - max(1, s.most/4)
	for content, e := range s.now {
		if e.serial+uint64(keep) <= s.serial && e.at.compare(window) < 0 {
			delete(s.now, content)
		}
	}
	if len(s.now) > keep {
		s.sift(len(s.now)-keep, window)
	}
}

// sift forgets so many.
func (s *seen) sift(surplus int, window mark) {
	type entry struct {
		content uint64
		inside  bool
		serial  uint64
	}
	all := make([]entry, 0, len(s.now))
	for content, e := range s.now {
		all = append(all, entry{content, e.at.compare(window) >= 0, e.serial})
	}
	slices.SortFunc(all, func(a, b entry) int {
		switch {
		case a.inside == b.inside:
			return cmp.Compare(a.serial, b.serial)
		case b.inside:
			return -1
		}
		return 1
	})
	for _, e := range all[:surplus] {
		s.full = s.full || e.inside
		delete(s.now, e.content)
	}
}

// end makes what this pass has met at or after window known to the next one. keep keeps what was
// known before, too: when the cursor has not moved, a record that was not in the answers this time
// is still one that was sent.
func (s *seen) end(window mark, keep bool) {
	if !keep || len(s.before)+len(s.now) > s.most {
		clear(s.before)
	}
	for content, e := range s.now {
		if e.at.compare(window) >= 0 {
			s.before[content] = struct{}{}
		}
	}
	clear(s.now)
}

// forget empties the set.
func (s *seen) forget() {
	clear(s.before)
	clear(s.now)
}

// known is what the passes before have sent, and met what this one has met at or after window, in
// the form of the state: 8 octets a record in order, so that equal sets are equal texts.
func (s *seen) known() string { return pack(slices.Collect(maps.Keys(s.before))) }

func (s *seen) met(window mark) string {
	var all []uint64
	for content, e := range s.now {
		if e.at.compare(window) >= 0 {
			all = append(all, content)
		}
	}
	return pack(all)
}

func pack(all []uint64) string {
	slices.Sort(all)
	octets := make([]byte, 0, 8*len(all))
	for _, content := range all {
		octets = binary.BigEndian.AppendUint64(octets, content)
	}
	return base64.RawStdEncoding.EncodeToString(octets)
}

// load fills the set from a state. What an interrupted pass has met counts as met at the cursor
// at: it is forgotten one pass later than it could be.
func (s *seen) load(known, met string, at mark) error {
	s.forget()
	all, err := unpack(known)
	for _, content := range all {
		s.before[content] = struct{}{}
	}
	if err != nil {
		return err
	}
	all, err = unpack(met)
	for _, content := range all {
		s.serial++
		s.now[content] = sighting{s.serial, at}
	}
	return err
}

func unpack(text string) (all []uint64, err error) {
	octets, err := base64.RawStdEncoding.DecodeString(text)
	for ; len(octets) >= 8; octets = octets[8:] {
		all = append(all, binary.BigEndian.Uint64(octets))
	}
	return all, err
}

// digest is the hash that stands for a content.
func digest(data []byte) uint64 { return xxhash.Sum64(data) }

// digestAll is the hash that stands for a run of records.
func digestAll(records [][]byte) uint64 {
	var d xxhash.Digest
	d.Reset()
	for _, r := range records {
		_, _ = d.Write(r) // never fails
	}
	return d.Sum64()
}
