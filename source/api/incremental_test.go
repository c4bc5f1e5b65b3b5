package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// incremental reads what is new since the cursor, two records a page.
func incremental(url string, changes ...string) map[string]string {
	return settings(url, append([]string{
		"http.response.list.pointer", "/data", "http.cursor.pointer", "/at", "http.pagination.type", "next_url",
		"http.pagination.token.pointer", "/url", "http.request.params", "since=${cursor}",
	}, changes...)...)
}

// T38 of the reference: equal timestamps over the edges of pages and polls, in every order.
func TestEqualTimestamps(t *testing.T) {
	for _, direction := range []string{"IMPLICIT", "ASC", "DESC"} {
		t.Run(direction, func(t *testing.T) {
			l := &list{descending: direction == "DESC"}
			at := "2026-11-21T00:00:05Z"
			for id := range 5 { // three pages of one moment
				l.add(order{ID: id, At: at})
			}
			l.add(order{ID: 10, At: "2026-11-21T00:00:01Z"})
			u := serve(t, l.ServeHTTP)
			r := read(t, incremental(u.url, "http.response.list.order.direction", direction), nil)
			r.next(6)
			r.requests(u, 8)
			l.add(order{ID: 5, At: at}, order{ID: 6, At: at}) // over the edge of the poll
			r.next(2)
			r.requests(u, 8)
			l.put(order{ID: 5, At: at, V: "changed within the same second"})
			r.next(1)
			l.add(order{ID: 7, At: "2026-11-21T00:00:06Z"})
			r.next(1)
			r.requests(u, 8)
			want := append(texts(l.since("")...), order{ID: 5, At: at}.text())
			same(t, r.records, want...)
		})
	}
}

// TestFilterOfOurOwn reads an API that knows no since: old records are left out here, and a
// descending list is not read to its end.
func TestFilterOfOurOwn(t *testing.T) {
	for _, direction := range []string{"IMPLICIT", "DESC"} {
		t.Run(direction, func(t *testing.T) {
			l := &list{orders: numbered(0, 10), descending: direction == "DESC"}
			u := serve(t, l.ServeHTTP)
			all := incremental(u.url, "http.response.list.order.direction", direction)
			delete(all, "http.request.params")
			r := read(t, all, nil)
			r.next(10)
			r.requests(u, 12)
			l.add(numbered(10, 3)...)
			r.next(3)
			before := len(u.requests())
			r.requests(u, 12)
			same(t, r.records, texts(l.orders...)...)
			if direction == "DESC" {
				pages := 0
				for _, request := range u.requests()[before:] {
					if strings.Contains(request, "token=") {
						pages++
					}
				}
				if pages > 8 { // one page behind the first of each pass
					t.Errorf("%d of 12 requests were for later pages", pages)
				}
			}
		})
	}
}

// TestMovingPages inserts in front of a descending list while its pages are read: records move
// from one page to the next and are met twice.
func TestMovingPages(t *testing.T) {
	l := &list{orders: numbered(0, 12), descending: true}
	moved := 0
	l.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("page") > "1" && moved < 5 {
			moved++
			l.add(numbered(100+moved, 1)...)
		}
		return false
	}
	u := serve(t, l.ServeHTTP)
	r := read(t, settings(u.url, "http.response.list.pointer", "/data", "http.cursor.pointer", "/at", "http.pagination.type", "page",
		"http.request.params", "since=${cursor}&page=${page}"), nil)
	r.next(17)
	r.requests(u, 6)
	same(t, r.records, texts(l.orders...)...)
}

// TestCap has a record from the future and one that changes while a pass runs: the cursor stays at
// the begin of the pass, and nothing is lost.
func TestCap(t *testing.T) {
	now := time.Now().UTC()
	stamp := func(d time.Duration) string { return now.Add(d).Format(time.RFC3339) }
	l := &list{}
	l.add(order{ID: 1, At: stamp(-time.Hour)}, order{ID: 2, At: stamp(time.Hour)})
	u := serve(t, l.ServeHTTP)
	r := read(t, incremental(u.url), nil)
	r.next(2)
	r.requests(u, 3)
	late := order{ID: 3, At: stamp(time.Minute)} // earlier than the one from the future
	l.add(late)
	r.next(1)
	r.requests(u, 3)
	same(t, r.records, texts(l.orders...)...)
	s, err := parseState(r.offsets[string(partition(alone))])
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Trim(string(s.Cursor), `"`); got > stamp(30*time.Second) || got < stamp(-2*time.Second) {
		t.Errorf("the cursor is %s, want about %s", got, stamp(0))
	}
}

// TestLookback finds a record that appears late, with a time that has passed.
func TestLookback(t *testing.T) {
	l := &list{orders: numbered(0, 30)}
	u := serve(t, l.ServeHTTP)
	r := read(t, incremental(u.url, "http.cursor.lookback", "10s"), nil)
	r.next(30)
	r.requests(u, 20)
	l.add(order{ID: 100, At: "2026-11-21T00:00:21Z"})
	r.next(1)
	r.requests(u, 20)
	same(t, r.records, texts(l.orders...)...)
	if !slices.ContainsFunc(u.requests(), func(r string) bool { return strings.Contains(r, "since=2026-11-21T00%3A00%3A19Z") }) {
		t.Errorf("no request looks back from 00:00:29 to 00:00:19: %s", u.requests()[len(u.requests())-3:])
	}
}

func TestCursorForms(t *testing.T) {
	for _, c := range []struct{ format, ask, initial, first, second, want string }{
		{"auto", "", "2026-01-01T00:00:00Z", `"2026-01-02T03:04:05.123456+02:00"`, `"2026-01-02T03:04:06Z"`, "2026-01-02T03:04:05.123456+02:00"},
		{"auto", "", "5", `10`, `11`, "10"},
		{"auto", "", "", `"aab"`, `"aac"`, "aab"},
		{"epoch_millis", "", "0", `1700000000123`, `1700000001000`, "1700000000123"},
		{"epoch_seconds", "iso", "2020-01-01T00:00:00Z", `1700000000`, `1700000001`, "2023-11-14T22:13:20Z"},
		{"iso", "epoch_seconds", "2020-01-01T00:00:00Z", `"2023-11-14T22:13:20.900Z"`, `"2023-11-14T22:13:22Z"`, "1700000000"},
		{"iso", "2006-01-02", "2020-01-01", `"2023-11-14T22:13:20Z"`, `"2023-11-15T22:13:20Z"`, "2023-11-14"},
		{"02.01.2006 15:04", "", "01.01.2020 00:00", `"14.11.2023 22:13"`, `"14.11.2023 22:14"`, "14.11.2023 22:13"},
		{"number", "", "0.5", `1.5`, `2.5`, "1.5"},
		{"text", "", "", `"10"`, `"11"`, "10"},
	} {
		t.Run(c.format+" "+c.first, func(t *testing.T) {
			since := make(chan string, 1000)
			u := serve(t, func(w http.ResponseWriter, r *http.Request) {
				at := c.first
				if r.URL.Query().Get("since") == c.want {
					at = c.second
				}
				since <- r.URL.Query().Get("since")
				fmt.Fprintf(w, `[{"id":1,"at":%s}]`, at)
			})
			all := settings(u.url, "http.cursor.pointer", "/at", "http.cursor.format", c.format, "http.request.params", "since=${cursor}")
			for key, value := range map[string]string{"http.cursor.request.format": c.ask, "http.cursor.initial": c.initial} {
				if value != "" {
					all[key] = value
				}
			}
			r := read(t, all, nil)
			r.next(2)
			if first, second := <-since, <-since; second != c.want {
				t.Errorf("asked for %q and %q, want the second to be %q", first, second, c.want)
			}
		})
	}
}

// TestResume stops after every batch in turn and goes on with another source: each record comes
// once, and an unfinished pass goes on at its page.
func TestResume(t *testing.T) {
	for _, direction := range []string{"IMPLICIT", "ASC", "DESC"} {
		t.Run(direction, func(t *testing.T) {
			l := &list{orders: numbered(0, 9), descending: direction == "DESC"}
			u := serve(t, l.ServeHTTP)
			all := incremental(u.url, "http.response.list.order.direction", direction)
			var records []string
			var offsets map[string][]byte
			for run := 0; len(records) < 9; run++ {
				r := read(t, all, offsets)
				b := <-r.Intake.Sent()
				r.Cancel()
				r.take(b)
				if err := r.Stop(); err != nil {
					t.Fatal(err)
				}
				records = append(records, r.history1(t)...)
				offsets = r.history[0]
				if run > 20 {
					t.Fatal("it does not come to an end")
				}
			}
			same(t, records, texts(l.orders...)...)
		})
	}
}

// history1 are the records of the first batch: what was durable when the process ended.
func (r *reading) history1(t *testing.T) []string {
	t.Helper()
	return r.records[:r.first]
}

// TestForgottenToken goes on with a token that the API does not know any more.
func TestForgottenToken(t *testing.T) {
	l := &list{orders: numbered(0, 7)}
	var forget atomic.Bool
	l.before = func(w http.ResponseWriter, r *http.Request) bool {
		if token := r.URL.Query().Get("token"); token != "" && forget.CompareAndSwap(true, false) {
			http.Error(w, "unknown token", http.StatusGone)
			return true
		}
		return false
	}
	u := serve(t, l.ServeHTTP)
	r := read(t, incremental(u.url), nil)
	r.next(7) // the whole pass: no request with a token is on its way any more
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	forget.Store(true)
	again := read(t, incremental(u.url), r.history[0])
	again.Until("all of them", func() bool { return len(again.records) >= 6 }) // the first one comes again
	seen := map[string]bool{}
	for _, text := range append(r.records[:r.first], again.records...) {
		seen[text] = true
	}
	if len(seen) != 7 {
		t.Errorf("%d of 7 records came", len(seen))
	}
}

// TestRefusedOnce answers each poll with an element that has no cursor: it is one dead letter, until it
// changes.
func TestRefusedOnce(t *testing.T) {
	var id atomic.Int64
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"data": [{"id": %d, "at": null}, {"id": 1, "at": "2026-11-21T00:00:01Z"}]}`, id.Load())
	})
	r := read(t, settings(u.url, "http.response.list.pointer", "/data", "http.cursor.pointer", "/at"), nil)
	r.next(1)
	r.requests(u, 5)
	id.Store(7)
	r.Until("the changed one is refused, too", func() bool { return len(r.failed) == 2 })
	r.requests(u, 5)
	if len(r.failed) != 2 || len(r.records) != 1 {
		t.Errorf("%d records and %d refusals, want 1 and 2: %v", len(r.records), len(r.failed), r.failed)
	}
}

// TestSeenIsBounded sends more equal timestamps than are remembered: it goes on, with doubles.
func TestSeenIsBounded(t *testing.T) {
	s := newSeen(100)
	at := mark{kind: whole, n: 1}
	for i := range 1000 {
		s.meet(uint64(i), at, at)
	}
	if len(s.now) > 100 || !s.full {
		t.Errorf("%d are remembered, full is %v", len(s.now), s.full)
	}
	s = newSeen(100)
	for i := range 1000 { // a descending list: only the first record is at the edge of the next poll
		s.meet(uint64(i), mark{kind: whole, n: int64(1000 - i)}, mark{kind: whole, n: 1000})
	}
	if _, kept := s.now[0]; !kept || s.full {
		t.Errorf("the newest record was forgotten: %v, full is %v", !kept, s.full)
	}
}

// TestLongPage stops in the middle of a page that needs several batches: it goes on where it was.
func TestLongPage(t *testing.T) {
	var orders []order
	for i := range 25_000 {
		orders = append(orders, order{ID: i, At: fmt.Sprintf("2026-11-21T00:00:00.%05dZ", i)})
	}
	for name, changes := range map[string][]string{
		"no cursor":            nil,
		"cursor":               {"http.cursor.pointer", "/at", "http.request.params", "since=${cursor}&limit=100000"},
		"cursor, ascending":    {"http.cursor.pointer", "/at", "http.request.params", "since=${cursor}&limit=100000", "http.response.list.order.direction", "ASC"},
		"the page has changed": {"http.cursor.pointer", "/at"},
	} {
		t.Run(name, func(t *testing.T) {
			l := &list{orders: slices.Clone(orders)}
			u := serve(t, l.ServeHTTP)
			all := settings(u.url, append([]string{"http.request.params", "limit=100000", "http.response.list.pointer", "/data", "http.timer.interval.millis", "3600000"}, changes...)...)
			r := read(t, all, nil)
			r.next(1)
			if err := r.Stop(); err != nil {
				t.Fatal(err)
			}
			if r.first >= len(orders) {
				t.Fatalf("the page came in one batch")
			}
			want := texts(orders...)
			if name == "the page has changed" {
				l.remove(0)
				again := read(t, all, r.history[0])
				again.next(len(orders) - 1 - r.first)
				return
			}
			again := read(t, all, r.history[0])
			again.next(len(orders) - r.first)
			same(t, append(r.records[:r.first:r.first], again.records...), want...)
		})
	}
}
