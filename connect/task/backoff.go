package task

import (
	"math/rand/v2"
	"time"
)

// Backoff spaces tries out: each pause is random between nothing and a bound that doubles from
// First to Most ("full jitter"), so that tasks that failed together do not come back together.
// See https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
type Backoff struct {
	First, Most time.Duration
	bound       time.Duration // of the next pause
}

// Next is the next pause.
func (b *Backoff) Next() time.Duration {
	if b.bound == 0 {
		b.bound = b.First
	}
	pause := rand.N(b.bound) + 1
	b.bound = min(2*b.bound, b.Most)
	return pause
}

// Reset makes the next pause a first one.
func (b *Backoff) Reset() { b.bound = 0 }
