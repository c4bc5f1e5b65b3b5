package sinktask

import "sync"

// budget is the memory that all sinks of a worker share: what is read and not yet durable in a
// target. It refuses nothing, since what is here is here; a partition that finds it full stops
// reading until there is room again. So that room comes also where everybody waits, the partition
// that holds most is asked to flush.
type budget struct {
	limit int64

	mu      sync.Mutex
	used    int64
	held    map[holder]int64
	waiting map[holder]bool
}

// holder is a partition that holds memory of the budget. The budget calls it under its lock, so
// that what it is told last is what is true.
type holder interface {
	full()       // told to the one that is to wait
	room()       // told to those that wait
	flushEarly() // asked of the one that holds most
}

func newBudget(limit int64) *budget {
	return &budget{limit: limit, held: map[holder]int64{}, waiting: map[holder]bool{}}
}

// take counts n more bytes for h, and says whether it is to wait until room is called.
func (b *budget) take(h holder, n int64) (full bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count(h, n)
	if full = b.waits(h); full {
		b.flushMost()
	}
	return full
}

// wait has h wait until room is called, unless there is room.
func (b *budget) wait(h holder) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waits(h)
}

// waits is wait, under the lock.
func (b *budget) waits(h holder) bool {
	if b.used <= b.limit {
		return false
	}
	b.waiting[h] = true
	h.full()
	return true
}

// give counts n bytes less for h. All that wait are told once a quarter is free; until then the
// next one is asked to flush.
func (b *budget) give(h holder, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count(h, -n)
	switch {
	case len(b.waiting) == 0:
	case b.used <= b.limit-b.limit/4:
		for h := range b.waiting {
			h.room()
		}
		clear(b.waiting)
	default:
		b.flushMost()
	}
}

// leave makes h wait no more.
func (b *budget) leave(h holder) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.waiting, h)
}

func (b *budget) count(h holder, n int64) {
	b.used += n
	if b.held[h] += n; b.held[h] == 0 {
		delete(b.held, h)
	}
}

func (b *budget) flushMost() {
	var most holder
	var n int64
	for h, held := range b.held {
		if held > n {
			most, n = h, held
		}
	}
	if most != nil {
		most.flushEarly()
	}
}
