package api

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectd/connect"
)

// pagings are all kinds of paging, against the same API.
var pagings = map[string][]string{
	"page":         {"http.pagination.type", "page", "http.request.params", "limit=${size}&page=${page}", "http.pagination.page.size", "2"},
	"page, empty":  {"http.pagination.type", "page", "http.request.params", "page=${page}"},
	"offset":       {"http.pagination.type", "offset", "http.request.params", "offset=${offset}", "http.pagination.page.size", "2"},
	"cursor":       {"http.pagination.type", "cursor", "http.request.params", "token=${token}", "http.pagination.token.pointer", "/next"},
	"cursor, head": {"http.pagination.type", "cursor", "http.request.params", "token=${token}", "http.pagination.token.header", "X-Next"},
	"next_url":     {"http.pagination.type", "next_url", "http.pagination.token.pointer", "/url"},
	"link_header":  {"http.pagination.type", "link_header"},
	"confluent":    {"http.offset.mode", "CURSOR_PAGINATION", "http.request.params", "token=${offset}", "http.next.page.json.pointer", "/next"},
}

func TestPaging(t *testing.T) {
	for name, kind := range pagings {
		for _, n := range []int{0, 1, 2, 3, 7, 8} {
			l := &list{orders: numbered(0, n)}
			u := serve(t, l.ServeHTTP)
			t.Run(name, func(t *testing.T) {
				r := read(t, settings(u.url+"/orders", append(kind, "http.response.list.pointer", "/data", "http.timer.interval.millis", "3600000")...), nil)
				r.Until("the last page", func() bool { p := r.Intake.Progress(); return p != nil && p.Phase == "waiting" })
				if err := r.Stop(); err != nil {
					t.Fatal(err)
				}
				same(t, r.records, texts(l.orders...)...)
			})
		}
	}
}

// TestCappedPages asks for more records a page than the API answers: every page is short.
func TestCappedPages(t *testing.T) {
	l := &list{orders: numbered(0, 7), most: 3}
	u := serve(t, l.ServeHTTP)
	r := read(t, settings(u.url, "http.response.list.pointer", "/data", "http.pagination.type", "offset",
		"http.request.params", "limit=${size}&offset=${offset}", "http.pagination.page.size", "100"), nil)
	r.next(7)
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	same(t, r.records[:7], texts(l.orders...)...)
}

// TestShortPage checks that a pass whose end is known costs no further request.
func TestShortPage(t *testing.T) {
	l := &list{orders: numbered(0, 3)}
	u := serve(t, l.ServeHTTP)
	r := read(t, settings(u.url, "http.response.list.pointer", "/data", "http.pagination.type", "page",
		"http.request.params", "page=${page}&pass=${now.millis}", "http.pagination.page.size", "2"), nil)
	r.requests(u, 12)
	perPass := map[string]int{}
	for _, request := range u.requests() {
		_, pass, _ := strings.Cut(request, "pass=")
		perPass[pass]++
	}
	first := u.requests()[0][strings.Index(u.requests()[0], "pass=")+5:]
	for pass, n := range perPass {
		if pass != first && n > 2 { // the first pass looks behind the short page
			t.Errorf("pass %s had %d requests, want 2", pass, n)
		}
	}
	if perPass[first] != 3 {
		t.Errorf("the first pass had %d requests, want 3", perPass[first])
	}
}

func TestLoops(t *testing.T) {
	for name, c := range map[string]struct {
		settings []string
		next     string
	}{
		"token":  {[]string{"http.pagination.type", "cursor", "http.request.params", "token=${token}", "http.pagination.token.pointer", "/next"}, `"a"`},
		"URL":    {[]string{"http.pagination.type", "next_url", "http.pagination.token.pointer", "/next"}, `"/orders?page=2"`},
		"page":   {[]string{"http.pagination.type", "page", "http.request.params", "wrong=${page}"}, "null"},
		"offset": {[]string{"http.pagination.type", "offset", "http.request.params", "wrong=${offset}"}, "null"},
	} {
		t.Run(name, func(t *testing.T) {
			u := serve(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = w.Write([]byte(`{"data":[{"id":1}],"next":` + c.next + `}`))
			})
			r := read(t, settings(u.url, append(c.settings, "http.response.list.pointer", "/data")...), nil)
			err := r.Wait()
			var loop *LoopError
			if !errors.As(err, &loop) || !connect.IsPermanent(err) {
				t.Errorf("got %v, want a permanent LoopError", err)
			}
			if n := len(u.requests()); n > 4 {
				t.Errorf("%d requests before the circle was noticed", n)
			}
			same(t, r.records, `{"id":1} {"id":1}`)
		})
	}
}

// TestOtherHost checks that credentials do not follow a URL to another host.
func TestOtherHost(t *testing.T) {
	stolen := serve(t, func(http.ResponseWriter, *http.Request) {})
	for name, answer := range map[string]http.HandlerFunc{
		"next_url": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(`{"data":[{"id":1}],"next":"` + stolen.url + `"}`))
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, stolen.url, http.StatusFound) },
	} {
		t.Run(name, func(t *testing.T) {
			u := serve(t, answer)
			r := read(t, settings(u.url, "http.response.list.pointer", "/data", "http.auth.type", "bearer", "http.auth.bearer.token", "secret",
				"http.pagination.type", "next_url", "http.pagination.token.pointer", "/next"), nil)
			if err := r.Wait(); !connect.IsPermanent(err) || !strings.Contains(err.Error(), "another host") {
				t.Errorf("got %v", err)
			}
			if n := len(stolen.requests()); n > 0 {
				t.Errorf("the other host got %d requests", n)
			}
		})
	}
}

func TestLinkNext(t *testing.T) {
	for header, want := range map[string]string{
		`<https://a/b?c=1,2>; rel="next"`:                       "https://a/b?c=1,2",
		`<https://a/1>; rel="prev", <https://a/3>; rel="next"`:  "https://a/3",
		`<https://a/1>;rel=prev,<https://a/3>;rel=next;title=x`: "https://a/3",
		`<https://a/3>; rel="last next"`:                        "https://a/3",
		`<https://a/3>; rel="nextish"`:                          "",
		`nonsense`:                                              "",
	} {
		if got := linkNext([]string{header}); got != want {
			t.Errorf("%s: got %q, want %q", header, got, want)
		}
	}
}

// TestNextPageAhead has the records of a page wait while the next page is asked for already, where
// it is known what that is.
func TestNextPageAhead(t *testing.T) {
	for name, c := range map[string]struct {
		settings []string
		ahead    int
	}{
		"page":     {[]string{"http.pagination.type", "page", "http.request.params", "page=${page}"}, 1},
		"offset":   {[]string{"http.pagination.type", "offset", "http.request.params", "offset=${offset}", "http.pagination.page.size", "2"}, 1},
		"cursor":   {[]string{"http.pagination.type", "cursor", "http.request.params", "token=${token}", "http.pagination.token.pointer", "/next"}, 1},
		"next_url": {[]string{"http.pagination.type", "next_url", "http.pagination.token.pointer", "/url"}, 1},
		"descending": {[]string{"http.pagination.type", "next_url", "http.pagination.token.pointer", "/url",
			"http.cursor.pointer", "/at", "http.response.list.order.direction", "DESC"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := &list{orders: numbered(0, 30), descending: c.ahead == 0}
			u := serve(t, l.ServeHTTP)
			r := read(t, settings(u.url, append(c.settings, "http.response.list.pointer", "/data", "http.timer.interval.millis", "3600000")...), nil)
			want := batches + 1 + c.ahead // all batches are sent, and the page behind them waits for one
			deadline := time.After(patience)
			for len(u.requests()) < want {
				select {
				case <-deadline:
					t.Fatalf("%d requests, want %d", len(u.requests()), want)
				case <-time.After(time.Millisecond):
				}
			}
			if n := len(u.requests()); n > want {
				t.Errorf("%d requests, want %d", n, want)
			}
			r.next(30)
			same(t, r.records, texts(numbered(0, 30)...)...)
		})
	}
}
