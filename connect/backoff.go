package connect

import (
	"math/rand/v2"
	"time"
)

// backoff spaces tries out: each pause is random between nothing and a bound that doubles from
// first to most ("full jitter"), so that tasks that failed together do not come back together.
// See https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
type backoff struct {
	first, most time.Duration
	bound       time.Duration // of the next pause
}

// next is the next pause.
func (b *backoff) next() time.Duration {
	if b.bound == 0 {
		b.bound = b.first
	}
	pause := rand.N(b.bound) + 1
	b.bound = min(2*b.bound, b.most)
	return pause
}

// reset makes the next pause a first one.
func (b *backoff) reset() { b.bound = 0 }
