package postgres

import (
	"bytes"
	"hash/maphash"
	"slices"
)

// keyIndex finds the last change of each key among the rows that wait for a flush. It is a hash
// table of its own because a map would need a string in memory for each key.
type keyIndex struct {
	seed    maphash.Seed
	slots   []int32 // places in entries, from 1; 0 is free; a power of two, at least twice entries
	entries []keyEntry
	keys    []byte // of all entries: lines of COPY text
}

// keyEntry is one key and what happened to it.
type keyEntry struct {
	hash       uint64
	start, end int    // of its line in keys
	group      *group // that holds its row; nil without one
	row        int
	deleted    bool  // the row of an earlier flush goes first
	offset     int64 // of the delete
}

func newKeyIndex() *keyIndex { return &keyIndex{seed: maphash.MakeSeed()} }

// at is the entry of key, which is a line of COPY text; a new one when there is none. The pointer
// is valid until the next call.
func (x *keyIndex) at(key []byte) *keyEntry {
	if 2*len(x.entries) >= len(x.slots) {
		x.grow()
	}
	hash := maphash.Bytes(x.seed, key)
	mask := uint64(len(x.slots) - 1)
	i := hash & mask
	for ; x.slots[i] != 0; i = (i + 1) & mask {
		e := &x.entries[x.slots[i]-1]
		if e.hash == hash && bytes.Equal(x.keys[e.start:e.end], key) {
			return e
		}
	}
	start := len(x.keys)
	x.keys = append(x.keys, key...)
	x.entries = append(doubled(x.entries), keyEntry{hash: hash, start: start, end: len(x.keys)})
	x.slots[i] = int32(len(x.entries))
	return &x.entries[len(x.entries)-1]
}

func (x *keyIndex) grow() {
	x.slots = make([]int32, max(1024, 2*len(x.slots)))
	mask := uint64(len(x.slots) - 1)
	for n := range x.entries {
		i := x.entries[n].hash & mask
		for x.slots[i] != 0 {
			i = (i + 1) & mask
		}
		x.slots[i] = int32(n + 1)
	}
}

func (x *keyIndex) reset() {
	clear(x.slots)
	x.entries, x.keys = x.entries[:0], x.keys[:0]
}

// doubled makes room where s is full. append alone would make it a quarter larger, and copy what
// waits for a flush five times instead of twice.
func doubled[T any](s []T) []T {
	if len(s) < cap(s) {
		return s
	}
	return slices.Grow(s, max(256, len(s)))
}
