package api

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// attempts spaces the retries of one request out.
type attempts struct {
	config *Client
	made   int
	bound  time.Duration
}

// next is the pause before the next retry, or -1 when there is none. It is random between half
// the bound and the bound, so that several connectors do not come back together.
func (a *attempts) next() time.Duration {
	if a.made >= a.config.Attempts {
		return -1
	}
	a.made++
	if a.bound == 0 {
		a.bound = a.config.Backoff
	}
	pause := a.bound/2 + rand.N(a.bound/2+1)
	a.bound = min(2*a.bound, a.config.BackoffMax)
	return pause
}

// asked is the pause that the server asks for, by Retry-After or because a rate limit is used up.
func (c *client) asked(a *answer) (pause time.Duration, asked bool) {
	if a == nil {
		return 0, false
	}
	if pause, asked = retryAfter(a.header, time.Now()); !asked {
		pause, asked = resetAfter(a.header, time.Now())
	}
	return min(max(pause, 0), c.config.AfterMax), asked
}

// retryAfter reads Retry-After: seconds, or a date, which is compared with the server's own Date.
// See RFC 9110, section 10.2.3.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0, false
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds >= 0 && seconds < 1e9 {
		return time.Duration(seconds * float64(time.Second)), true
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return max(at.Sub(now), 0), true
}

// resetAfter reads the headers of rate limits, of which there are several spellings: remaining
// requests, and the end of the period in seconds from now or since 1970. Only a limit that is
// used up asks for a pause.
func resetAfter(h http.Header, now time.Time) (time.Duration, bool) {
	for _, prefix := range []string{"X-RateLimit-", "RateLimit-", "X-Rate-Limit-"} {
		remaining, err := strconv.ParseFloat(h.Get(prefix+"Remaining"), 64)
		if err != nil || remaining > 0 {
			continue
		}
		reset, err := strconv.ParseFloat(h.Get(prefix+"Reset"), 64)
		if err != nil || reset < 0 {
			continue
		}
		const sinceEpoch, inMillis = 1e8, 1e11 // what is larger is a date, not three years to wait
		switch {
		case reset >= inMillis:
			return time.UnixMilli(int64(reset)).Sub(now), true
		case reset >= sinceEpoch:
			return time.Unix(int64(reset), 0).Sub(now), true
		}
		return time.Duration(reset * float64(time.Second)), true
	}
	return 0, false
}

// observe makes the next request of any endpoint wait when a says that there are none left.
func (c *client) observe(a *answer) {
	pause, used := resetAfter(a.header, time.Now())
	if !used || pause <= 0 {
		return
	}
	pause = min(pause, c.config.AfterMax)
	c.mu.Lock()
	defer c.mu.Unlock()
	if until := time.Now().Add(pause); until.After(c.until) {
		c.until = until
		c.log.Info("the API's rate limit is used up", "until", until.UTC().Format(time.RFC3339))
	}
}

// wait waits, or ends with the context's cause.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
