package sinktask

import (
	"sync"

	"connectd/kafka"
)

// inboxBytes is how much of one partition waits for its goroutine before fetching pauses: enough
// to go on with while more is fetched.
const inboxBytes = 4 << 20

// inbox is what was polled for a partition and not taken yet. The task's polling goroutine puts
// in, the partition's goroutine takes out.
type inbox struct {
	ready chan struct{} // one slot: there is something to take

	mu      sync.Mutex
	fetches []kafka.Fetch
	bytes   int64 // of fetches
	held    int64 // of the budget: fetches, and what was taken and is not durable
	// Fetching is paused while any of the three holds, see paused.
	crowded bool // more than inboxBytes
	broke   bool // the budget is full
	seeking bool // what was fetched is not what is wanted: drop it until the seek is done
	seek    int64
}

// size is what a message counts for, itself and in its decoded form.
func size(m *kafka.Message) int64 { return int64(len(m.Key)+len(m.Value)) + 128 }

// put adds f, unless a seek is on its way. n is what it counts for in the budget; pause is true
// when fetching is to pause.
func (b *inbox) put(f kafka.Fetch) (n int64, pause bool) {
	for i := range f.Messages {
		n += size(&f.Messages[i])
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seeking {
		return 0, false
	}
	b.fetches = append(b.fetches, f)
	b.bytes += n
	b.held += n
	if b.bytes > inboxBytes && !b.crowded {
		b.crowded, pause = true, true
	}
	select {
	case b.ready <- struct{}{}:
	default:
	}
	return n, pause
}

// take empties the inbox. resume is true when fetching may go on.
func (b *inbox) take() (fetches []kafka.Fetch, resume bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fetches, b.fetches, b.bytes = b.fetches, nil, 0
	crowded := b.crowded
	b.crowded = false
	return fetches, crowded && !b.paused()
}

// waiting says whether there is something to take, or fetching is paused.
func (b *inbox) waiting() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.fetches) > 0 || b.paused()
}

// give says that n bytes are durable in the target, or dropped.
func (b *inbox) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held -= n
}

// setBroke says that the budget is full, or has room again. resume is true when fetching may go on.
func (b *inbox) setBroke(broke bool) (resume bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	full := b.broke
	b.broke = broke
	return full && !b.paused()
}

// nowhere as the offset to rewind to ends the inbox.
const nowhere = -1

// rewind drops what waits, and all that still comes until order is called. n of the budget is free
// then: what was held, but for taken.
func (b *inbox) rewind(to, taken int64) (n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, b.held = b.held-taken, taken
	b.fetches, b.bytes = nil, 0
	b.crowded, b.seeking, b.seek = false, true, to
	select {
	case <-b.ready:
	default:
	}
	return n
}

// order is what the polling goroutine is to do before its next poll.
func (b *inbox) order() (seek int64, seeking, paused bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	seek, seeking = b.seek, b.seeking && b.seek != nowhere
	if seeking {
		b.seeking = false
	}
	return seek, seeking, b.paused()
}

func (b *inbox) paused() bool { return b.crowded || b.broke || b.seeking }
