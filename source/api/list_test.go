package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
)

// order is what the API in the tests has lists of.
type order struct {
	ID int    `json:"id"`
	At string `json:"at"`
	V  string `json:"v,omitempty"`
}

// list is an API with a list of orders, sorted by time and by number: page by page, with every
// kind of paging at once.
type list struct {
	mu         sync.Mutex
	orders     []order
	descending bool
	exclusive  bool // since is not included
	most       int  // the server answers no more records a page than this
	before     func(w http.ResponseWriter, r *http.Request) (handled bool)
}

func (l *list) add(orders ...order) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.orders = append(l.orders, orders...)
}

// put replaces the order with the same number.
func (l *list) put(o order) {
	l.remove(o.ID)
	l.add(o)
}

func (l *list) remove(id int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.orders = slices.DeleteFunc(l.orders, func(o order) bool { return o.ID == id })
}

// since are the orders that the parameter since lets through.
func (l *list) since(since string) []order {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Clone(l.orders)
	all = slices.DeleteFunc(all, func(o order) bool { return o.At < since || l.exclusive && o.At == since })
	slices.SortFunc(all, func(a, b order) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.ID, b.ID)) })
	if l.descending {
		slices.Reverse(all)
	}
	return all
}

// ServeHTTP knows since, limit, page, offset and token; it answers with the token and the URL of
// the next page in the body, in headers and as a Link.
func (l *list) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if l.before != nil && l.before(w, r) {
		return
	}
	q := r.URL.Query()
	all := l.since(q.Get("since"))
	limit, at := 2, 0
	if n, err := strconv.Atoi(q.Get("limit")); err == nil {
		limit = n
	}
	if l.most > 0 {
		limit = min(limit, l.most)
	}
	switch {
	case q.Has("page"):
		n, _ := strconv.Atoi(q.Get("page"))
		at = (n - 1) * limit
	case q.Has("offset"):
		at, _ = strconv.Atoi(q.Get("offset"))
	case q.Has("token"):
		if _, err := fmt.Sscanf(q.Get("token"), "t%d", &at); err != nil {
			http.Error(w, "bad token", http.StatusBadRequest)
			return
		}
	}
	at = min(at, len(all))
	end := min(at+limit, len(all))
	answer := map[string]any{"data": all[at:end], "more": end < len(all), "next": nil, "url": nil}
	if end < len(all) {
		token := "t" + strconv.Itoa(end)
		q.Set("token", token)
		answer["next"], answer["url"] = token, "?"+q.Encode()
		w.Header().Set("X-Next", token)
		w.Header().Add("Link", `<http://example.com/first>; rel="first"`)
		w.Header().Add("Link", fmt.Sprintf(`<%s?%s>; rel="next", <http://example.com/last>; rel="last"`, r.URL.Path, q.Encode()))
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // the connection may be gone: the test's purpose
}

// numbered are n orders, a second apart.
func numbered(from, n int) []order {
	var all []order
	for i := from; i < from+n; i++ {
		all = append(all, order{ID: i, At: fmt.Sprintf("2026-11-21T00:%02d:%02dZ", i/60, i%60)})
	}
	return all
}

// text is an order as a record of the tests.
func (o order) text() string {
	value, _ := json.Marshal(o) // always marshals
	return fmt.Sprintf(`{"id":%d} %s`, o.ID, value)
}

func texts(orders ...order) []string {
	var all []string
	for _, o := range orders {
		all = append(all, o.text())
	}
	return all
}
