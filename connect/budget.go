package connect

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

// holder is a partition that holds memory of the budget.
type holder interface {
	flushEarly() // asked of the one that holds most
	room()       // told to those that wait
}

func newBudget(limit int64) *budget {
	return &budget{limit: limit, held: map[holder]int64{}, waiting: map[holder]bool{}}
}

// take counts n more bytes for h. full is true when h is to wait until room is called.
func (b *budget) take(h holder, n int64) (full bool) {
	b.mu.Lock()
	b.count(h, n)
	var most holder
	if full = b.used > b.limit; full {
		b.waiting[h] = true
		most = b.most()
	}
	b.mu.Unlock()
	if most != nil {
		most.flushEarly()
	}
	return full
}

// give counts n bytes less for h.
func (b *budget) give(h holder, n int64) {
	b.mu.Lock()
	b.count(h, -n)
	woken, most := b.wake()
	b.mu.Unlock()
	tell(woken, most)
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

// wake is who is to be told after memory was given back: all that wait, once a quarter is free,
// or the one that is to flush next.
func (b *budget) wake() (woken []holder, most holder) {
	switch {
	case len(b.waiting) == 0:
	case b.used <= b.limit-b.limit/4:
		for h := range b.waiting {
			woken = append(woken, h)
		}
		clear(b.waiting)
	default:
		most = b.most()
	}
	return woken, most
}

func (b *budget) most() (most holder) {
	var n int64
	for h, held := range b.held {
		if held > n {
			most, n = h, held
		}
	}
	return most
}

func tell(woken []holder, most holder) {
	for _, h := range woken {
		h.room()
	}
	if most != nil {
		most.flushEarly()
	}
}
