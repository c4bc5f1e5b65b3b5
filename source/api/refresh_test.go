package api

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// TestRefresh compares whole lists: what is new, changed and gone, also over a restart.
func TestRefreshModes(t *testing.T) {
	for _, mode := range []string{"all", "changes", "deletes"} {
		t.Run(mode, func(t *testing.T) {
			l := &list{orders: numbered(0, 5)}
			u := serve(t, l.ServeHTTP)
			all := settings(u.url, "http.response.list.pointer", "/data", "http.pagination.type", "link_header", "http.refresh.mode", mode)
			r := read(t, all, nil)
			r.next(5)
			if mode == "all" {
				r.next(5)
				same(t, r.records[:10], append(texts(l.orders...), texts(l.orders...)...)...)
				return
			}
			r.requests(u, 8)
			same(t, r.records, texts(l.orders...)...)
			changed, added := order{ID: 2, At: "x", V: "changed"}, order{ID: 77, At: "y"}
			l.put(changed)
			l.add(added)
			l.remove(0)
			want := append(texts(changed, added), `{"id":0} null`)
			if mode == "changes" {
				want = want[:2]
			}
			same(t, r.next(len(want)), want...)
			r.requests(u, 8)
			if err := r.Stop(); err != nil {
				t.Fatal(err)
			}
			n := len(r.records)
			again := read(t, all, r.offsets)
			l.remove(4)
			l.put(order{ID: 77, At: "z"})
			want = []string{order{ID: 77, At: "z"}.text(), `{"id":4} null`}
			if mode == "changes" {
				want = want[:1]
			}
			same(t, again.next(len(want)), want...)
			again.requests(u, 8)
			if len(r.records) != n || len(again.records) != len(want) {
				t.Errorf("records came twice: %q, %q", r.records[n:], again.records)
			}
		})
	}
}

// TestRefreshIsBounded refuses a list that is too long to be compared.
func TestRefreshIsBounded(t *testing.T) {
	l := &list{orders: numbered(0, 20)}
	u := serve(t, l.ServeHTTP)
	err := read(t, settings(u.url, "http.response.list.pointer", "/data", "http.pagination.type", "link_header",
		"http.refresh.mode", "deletes", "http.refresh.max.keys", "19"), nil).Wait()
	if err == nil || !strings.Contains(err.Error(), "http.refresh.max.keys") {
		t.Errorf("got %v", err)
	}
}

// TestETag asks whether anything has changed, also after a restart.
func TestETag(t *testing.T) {
	var version, unchanged atomic.Int64
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		tag := fmt.Sprintf(`"v%d"`, version.Load())
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			unchanged.Add(1)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprintf(w, `[{"id":%d}]`, version.Load())
	})
	r := read(t, settings(u.url), nil)
	r.next(1)
	r.Until("answers that nothing has changed", func() bool { return unchanged.Load() >= 3 })
	version.Add(1)
	r.next(1)
	r.Until("answers that nothing has changed", func() bool { return unchanged.Load() >= 6 })
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	same(t, r.records, `{"id":0} {"id":0}`, `{"id":1} {"id":1}`)
	before := unchanged.Load()
	again := read(t, settings(u.url), r.offsets)
	again.Until("an answer that nothing has changed", func() bool { return unchanged.Load() > before })
	if len(again.records) > 0 {
		t.Errorf("got %q again", again.records)
	}
}
