package api

import (
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
	now    map[uint64]struct{} // of this one
	order  []sighting          // those of now, the oldest first
	full   bool                // something that the next pass meets again had to be forgotten
}

// sighting is a record that this pass has met, and where.
type sighting struct {
	content uint64
	at      mark
}

func newSeen(most int) *seen {
	return &seen{most: most, before: map[uint64]struct{}{}, now: map[uint64]struct{}{}}
}

// meet says whether the record was sent before, and remembers that it is there. window is the
// earliest cursor that the next pass may ask for, as far as is known.
func (s *seen) meet(content uint64, at, window mark) (known bool) {
	if _, met := s.now[content]; met {
		return true
	}
	if len(s.order) >= s.most {
		s.shrink(window)
	}
	s.now[content] = struct{}{}
	s.order = append(s.order, sighting{content, at})
	_, known = s.before[content]
	return known
}

// shrink forgets a quarter: what lies before window, the oldest sightings first, and when that is
// not enough the oldest of all. A quarter at once, so that a record costs no more than a few looks.
func (s *seen) shrink(window mark) {
	surplus := max(1, s.most/4)
	kept := s.order[:0]
	for _, e := range s.order {
		if surplus > 0 && e.at.compare(window) < 0 {
			delete(s.now, e.content)
			surplus--
			continue
		}
		kept = append(kept, e)
	}
	for _, e := range kept[:surplus] {
		s.full = s.full || e.at.kind != noMark // without a cursor the next pass begins anew
		delete(s.now, e.content)
	}
	s.order = append(kept[:0], kept[surplus:]...)
}

// end makes what this pass has met at or after window known to the next one. keep keeps what was
// known before, too: when the cursor has not moved, a record that was not in the answers this time
// is still one that was sent.
func (s *seen) end(window mark, keep bool) {
	if !keep || len(s.before)+len(s.now) > s.most {
		clear(s.before)
	}
	for _, e := range s.order {
		if e.at.compare(window) >= 0 {
			s.before[e.content] = struct{}{}
		}
	}
	s.rest()
}

// rest forgets what this pass has met.
func (s *seen) rest() {
	clear(s.now)
	s.order = s.order[:0]
}

// forget empties the set.
func (s *seen) forget() {
	clear(s.before)
	s.rest()
}

// known is what the passes before have sent, and met what this one has met at or after window, in
// the form of the state: 8 octets a record in order, so that equal sets are equal texts.
func (s *seen) known() string { return pack(slices.Collect(maps.Keys(s.before))) }

func (s *seen) met(window mark) string {
	var all []uint64
	for _, e := range s.order {
		if e.at.compare(window) >= 0 {
			all = append(all, e.content)
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
		s.now[content] = struct{}{}
		s.order = append(s.order, sighting{content, at})
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
