package api

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// spot is where a page is: what the requests of one pass differ in.
type spot struct {
	page    int    // pages before it
	records int    // records on them
	token   string // token or URL of it
}

// spot is where the next page is.
func (p *poller) spot() spot {
	s := p.state.Pass
	return spot{s.Pages, s.Records, s.Token}
}

// ahead is where the next page is as far as the answer a alone says, so that it can be asked for
// before the records of a are sent; ok is false when there may be none.
func (p *poller) ahead(w *walk, a *answer) (next spot, ok bool) {
	n := len(a.records)
	next = spot{p.state.Pass.Pages + 1, p.state.Pass.Records + n, p.state.Pass.Token}
	if n == 0 || p.e.Direction == "DESC" { // the records decide whether that was all
		return next, false
	}
	switch p.e.Paging {
	case "none":
		return next, false
	case "page", "offset":
		return next, !p.lacking(n)
	}
	var err error
	next.token, err = p.token(a)
	return next, err == nil && next.token != "" && !w.guard.led(next.token)
}

// desk is what an answer is read with: two of them, one for the answer whose records are being
// sent and one for the page behind it.
type desk struct {
	reader *reader
	buf    []byte
}

// fetch is a page that was asked for.
type fetch struct {
	at     spot
	cancel context.CancelFunc
	done   chan struct{} // closed when a and err are set
	a      *answer
	err    error
}

// fetch asks for the page at a spot, in a goroutine that ends with the answer; who calls it waits
// for that by answer or abandon.
func (p *poller) fetch(ctx context.Context, w *walk, at spot) *fetch {
	d := &p.desks[p.turn%len(p.desks)]
	p.turn++
	q := p.question(w, at, d.reader, d.buf)
	f := &fetch{at: at, done: make(chan struct{})}
	ctx, f.cancel = context.WithCancel(ctx)
	go func() {
		defer close(f.done)
		f.a, f.err = p.client.get(ctx, q)
		d.buf = q.buf
	}()
	return f
}

// answer waits for the answer.
func (f *fetch) answer() (*answer, error) {
	<-f.done
	f.cancel()
	return f.a, f.err
}

// abandon ends a fetch whose answer nobody wants.
func (f *fetch) abandon() {
	f.cancel()
	<-f.done
}

// question asks for the page at a spot; r reads the answer, and buf is its memory.
func (p *poller) question(w *walk, at spot, r *reader, buf []byte) *question {
	v := values{"endpoint": p.name, "page": strconv.Itoa(p.e.First + at.page), "size": strconv.Itoa(p.e.Size)}
	if p.e.Paging == "offset" {
		v["offset"] = strconv.Itoa(p.e.First + at.records)
	}
	if w.asks {
		v["cursor"] = w.from
	}
	if at.token != "" {
		v["token"] = at.token
	}
	switch p.e.Mode {
	case "CHAINING":
		setVariable(v, "offset", w.from, w.asks)
	case "CURSOR_PAGINATION":
		setVariable(v, "offset", at.token, at.token != "")
	}
	milli := p.state.Pass.Started
	started := time.UnixMilli(milli)
	v["now"] = p.now(started)
	v["now.seconds"] = strconv.FormatInt(started.Unix(), 10)
	v["now.millis"] = strconv.FormatInt(milli, 10)
	next := ""
	if p.e.leads(at.token) {
		next = at.token
	}
	q := &question{e: p.e, buf: buf, read: r.read,
		build: func(ctx context.Context) (*http.Request, error) { return p.asking.request(ctx, v, next) }}
	if p.e.Paging == "none" { // the tag of a first page says nothing of the others
		q.tag = p.state.Tag
	}
	return q
}

func setVariable(v values, name, value string, ok bool) {
	delete(v, name)
	if ok {
		v[name] = value
	}
}

// now is a time as requests write it.
func (p *poller) now(t time.Time) string {
	if p.ask.moments() {
		return p.ask.write(mark{kind: moment, n: t.UnixNano()})
	}
	return t.UTC().Format(time.RFC3339)
}
