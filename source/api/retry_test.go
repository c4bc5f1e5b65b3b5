package api

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"connectd/connect"
)

// bubble runs f in a synctest bubble, in which waiting takes no time. open starts a source that
// reaches the server answer over connections in memory.
func bubble(t *testing.T, answer http.HandlerFunc, f func(t *testing.T, u *upstream, open func(changes ...string) *reading)) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{url: "http://api.test/orders"}
		listener := newPipes()
		server := &http.Server{Handler: u.noted(answer)}
		go func() { _ = server.Serve(listener) }() // ends with Close
		defer server.Close()
		f(t, u, func(changes ...string) *reading {
			all := settings(u.url, append([]string{"http.timer.interval.millis", "3600000", "http.retry.backoff.ms", "1000", "http.retry.backoff.max.ms", "60000"}, changes...)...)
			s := newSource(t, decode(t, all))
			transport := s.client.http.Transport.(*http.Transport)
			transport.DialContext, transport.Proxy = listener.dial, nil
			return start(t, s, nil)
		})
	})
}

// receive takes batches until there are n records. Time passes as it must.
func (r *reading) receive(n int) {
	r.t.Helper()
	for len(r.records) < n {
		r.Next()
	}
}

// T37 of the reference.
func TestRetryAfter(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		header func(h http.Header)
		want   time.Duration
	}{
		"429, seconds": {429, func(h http.Header) { h.Set("Retry-After", "7") }, 7 * time.Second},
		"429, date": {429, func(h http.Header) {
			h.Set("Retry-After", time.Now().Add(90*time.Second).UTC().Format(http.TimeFormat))
		}, 90 * time.Second},
		"429, date of a server whose clock is wrong": {429, func(h http.Header) {
			h.Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
			h.Set("Retry-After", time.Now().Add(-time.Hour+20*time.Second).UTC().Format(http.TimeFormat))
		}, 20 * time.Second},
		"503, seconds":   {503, func(h http.Header) { h.Set("Retry-After", "120") }, 2 * time.Minute},
		"a limit so far": {429, func(h http.Header) { h.Set("Retry-After", "86400") }, time.Hour},
		"403 with a limit that is used up": {403, func(h http.Header) {
			h.Set("X-RateLimit-Remaining", "0")
			h.Set("X-RateLimit-Reset", fmt.Sprint(time.Now().Add(30*time.Second).Unix()))
		}, 30 * time.Second},
		"200 with a limit that is used up": {200, func(h http.Header) {
			h.Set("RateLimit-Remaining", "0")
			h.Set("RateLimit-Reset", "45")
		}, 45 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			bubble(t, func(w http.ResponseWriter, r *http.Request) {
				if asked.Add(1) == 1 {
					c.header(w.Header())
					w.WriteHeader(c.status)
					_, _ = w.Write([]byte("[]"))
					return
				}
				_, _ = w.Write([]byte(`[{"id":1}]`))
			}, func(t *testing.T, u *upstream, open func(...string) *reading) {
				began := time.Now()
				r := open("http.timer.interval.millis", "1000")
				r.receive(1)
				if took := time.Since(began); took < c.want || took > c.want+2*time.Second {
					t.Errorf("asked again after %s, want %s", took, c.want)
				}
				r.Stop()
			})
		})
	}
}

// TestBackoff answers 500 several times, cuts answers off, sends no JSON, and hangs.
func TestBackoff(t *testing.T) {
	for name, bad := range map[string]http.HandlerFunc{
		"500":      func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) },
		"not JSON": func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("<html>come back later</html>")) },
		"cut off": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte(`[{"id":1}`))
		},
		"cut short": func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(`[{"id":1},`)) },
		"hangs up": func(w http.ResponseWriter, r *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack() // a connection of the test's own server
			conn.Close()
		},
		"silent": func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"slow body": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(`[`))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, times := range []int32{3, 1000} {
				var asked atomic.Int32
				bubble(t, func(w http.ResponseWriter, r *http.Request) {
					if asked.Add(1) <= times {
						bad(w, r)
						return
					}
					_, _ = w.Write([]byte(`[{"id":1}]`))
				}, func(t *testing.T, u *upstream, open func(...string) *reading) {
					r := open("http.client.read.timeout.millis", "2000")
					if times == 3 {
						r.receive(1)
						same(t, r.records, `{"id":1} {"id":1}`)
						r.Stop()
						return
					}
					if err := r.Wait(); err == nil || connect.IsPermanent(err) {
						t.Errorf("ended with %v, want an error after which the task restarts", err)
					}
					if got := asked.Load(); got != 6 { // net/http itself may repeat a request on a kept connection
						t.Errorf("asked %d times, want 6", got)
					}
				})
			}
		})
	}
}

// TestStatusPolicy checks what stops the task, and that the message helps and hides the key.
func TestStatusPolicy(t *testing.T) {
	for _, c := range []struct {
		status   int
		settings []string
		want     string // of the error; "" for none
	}{
		{404, nil, "check http.request.url"},
		{401, nil, "check http.auth.type"},
		{400, nil, "check http.request.params"},
		{404, []string{"http.response.policy.codes.skip", "404"}, ""},
		{304, nil, ""},
		{204, nil, ""},
	} {
		t.Run(fmt.Sprint(c.status), func(t *testing.T) {
			bubble(t, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(c.status)
				if c.status >= 400 {
					_, _ = w.Write([]byte(`{"error":"no such thing for key sesame-open"}`))
				}
			}, func(t *testing.T, u *upstream, open func(...string) *reading) {
				r := open(append(c.settings, "http.auth.type", "api_key", "http.auth.api.key", "sesame-open", "http.auth.api.key.location", "query")...)
				if c.want == "" {
					synctest.Wait()
					if err, ended := r.Ended(); ended {
						t.Errorf("ended with %v", err)
					}
					r.Stop()
					return
				}
				if err := r.Wait(); !connect.IsPermanent(err) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "sesame") {
					t.Errorf("got %v, want a permanent error with %q and without the key", err, c.want)
				}
				if n := len(u.requests()); n != 1 {
					t.Errorf("%d requests, want 1", n)
				}
			})
		})
	}
}

func TestSchedules(t *testing.T) {
	for name, c := range map[string]struct {
		settings []string
		want     []time.Duration // of the first requests, after the start
	}{
		"interval": {[]string{"http.timer.interval.millis", "60000", "http.timer.catchup.interval.millis", "10000"},
			[]time.Duration{0, 10 * time.Second, 70 * time.Second, 130 * time.Second}}, // the first pass finds something
		"cron":       {[]string{"http.timer.cron", "CRON_TZ=UTC */5 * * * *"}, []time.Duration{5 * time.Minute, 10 * time.Minute, 15 * time.Minute}},
		"rate limit": {[]string{"http.timer.interval.millis", "1", "http.rate.limit", "0.5"}, []time.Duration{0, 2 * time.Second, 4 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			var times chan time.Time
			bubble(t, func(w http.ResponseWriter, r *http.Request) {
				times <- time.Now()
				_, _ = w.Write([]byte(`[{"id":1,"at":"1999-12-31T00:00:00Z"}]`))
			}, func(t *testing.T, u *upstream, open func(...string) *reading) {
				times = make(chan time.Time, 100) // of the bubble: time stands still while nobody sends
				began := time.Now()               // a bubble begins at midnight
				r := open(append(c.settings, "http.cursor.pointer", "/at")...)
				for i, want := range c.want {
					at := <-times
					if got := at.Sub(began).Round(time.Second); got != want {
						t.Errorf("request %d came after %s, want %s", i, got, want)
					}
				}
				r.Stop()
			})
		})
	}
}

func TestRetryHeaders(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		header http.Header
		want   time.Duration
		ok     bool
	}{
		{http.Header{"Retry-After": {"1.5"}}, 1500 * time.Millisecond, true},
		{http.Header{"Retry-After": {"soon"}}, 0, false},
		{http.Header{"Retry-After": {now.Add(-time.Hour).UTC().Format(http.TimeFormat)}}, 0, true},
	} {
		if got, ok := retryAfter(c.header, now); got != c.want || ok != c.ok {
			t.Errorf("%v: got %s, %v, want %s, %v", c.header, got, ok, c.want, c.ok)
		}
	}
	for _, c := range []struct {
		remaining, reset string
		want             time.Duration
		ok               bool
	}{
		{"0", "60", time.Minute, true},
		{"0", "1800000030", 30 * time.Second, true},
		{"0", "1800000030000", 30 * time.Second, true},
		{"5", "60", 0, false},
		{"0", "", 0, false},
	} {
		h := http.Header{}
		h.Set("X-RateLimit-Remaining", c.remaining)
		h.Set("X-RateLimit-Reset", c.reset)
		if got, ok := resetAfter(h, now); got != c.want || ok != c.ok {
			t.Errorf("%v: got %s, %v, want %s, %v", c, got, ok, c.want, c.ok)
		}
	}
}
