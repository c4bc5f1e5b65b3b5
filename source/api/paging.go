package api

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"connectd/connect"
)

// guard notices pages that go in a circle.
type guard struct {
	tokens map[uint64]int // hash of a token → the page that led to it
	last   uint64         // hash of the page before
	same   int            // pages in a row that were the same
	empty  int            // empty pages in a row
}

const (
	mostSame  = 2          // equal pages in a row before they are a circle: two may be chance
	mostEmpty = 100        // empty pages in a row, each with another token, before they are the end
	mostPages = 10_000_000 // of a pass: the memory of the guard
)

func newGuard() guard { return guard{tokens: map[uint64]int{}} }

// token is an error when the pages have led to t before.
func (g *guard) token(t string, page int) error {
	h := xxhash.Sum64String(t)
	if first, ok := g.tokens[h]; ok {
		return connect.Permanent(&LoopError{Page: page, First: first, What: shortToken(t)})
	}
	if len(g.tokens) < mostPages {
		g.tokens[h] = page
	}
	return nil
}

// shortToken is a token for messages: a URL without its query, and of anything else the begin.
func shortToken(t string) string {
	if u, err := url.Parse(t); err == nil && u.Host != "" {
		return place(u)
	}
	return t[:min(len(t), 40)]
}

// led says whether the pages have led to t before.
func (g *guard) led(t string) bool {
	_, ok := g.tokens[xxhash.Sum64String(t)]
	return ok
}

// page is an error when it is the same one again and again.
func (g *guard) page(records [][]byte, page int) error {
	h := digestAll(records)
	if g.same++; h != g.last {
		g.same = 0
	}
	g.last = h
	if g.same >= mostSame {
		return connect.Permanent(&LoopError{Page: page, First: page - 1})
	}
	return nil
}

// leads says whether a token of these pages is the URL of the next page.
func (e *Endpoint) leads(token string) bool {
	switch e.Paging {
	case "next_url", "link_header":
		return token != ""
	case "cursor": // Confluent's connector takes either
		return e.Mode == "CURSOR_PAGINATION" && (strings.HasPrefix(token, "https://") || strings.HasPrefix(token, "http://"))
	}
	return false
}

// next decides whether a was the last page, and if not notes where the next one is.
func (p *poller) next(w *walk, a *answer) (end bool, err error) {
	s := p.state.Pass
	if w.done {
		return true, nil
	}
	n := len(a.records)
	switch p.e.Paging {
	case "none":
		return true, nil
	case "page", "offset":
		p.probe(n)
		if n == 0 {
			return true, nil
		}
		if err := w.guard.page(a.records, s.Pages); err != nil {
			return false, err
		}
		return p.short(n), nil
	}
	t, err := p.token(a)
	if err != nil {
		return false, err
	}
	if t == "" || n == 0 && (t == s.Token || p.e.Stop == "empty") {
		return true, nil
	}
	if w.guard.empty++; n > 0 {
		w.guard.empty = 0
	}
	if w.guard.empty >= mostEmpty {
		p.log.Warn("many empty pages in a row, each with another token; they count as the end", "pages", w.guard.empty)
		return true, nil
	}
	if err := w.guard.token(t, s.Pages); err != nil {
		return false, err
	}
	s.Token = t
	return false, nil
}

// short says whether a page with n records is the last one because it is not full. The first time
// the next page is asked for all the same: an API may cap the size below what it is asked for, and
// then all pages are short and the end is an empty one.
func (p *poller) short(n int) bool {
	if !p.lacking(n) {
		return false
	}
	if !p.probed {
		p.probing = true
		return false
	}
	return !p.capped
}

// lacking says whether a page with n records may be the last one because it is not full.
func (p *poller) lacking(n int) bool {
	return p.e.Size > 0 && p.e.Stop == "short" && n < p.e.Size && p.e.JQ == "" // jq may have left some out
}

// probe sees what was behind a short page: a page with n records.
func (p *poller) probe(n int) {
	if !p.probing {
		return
	}
	p.probing, p.probed = false, true
	if p.capped = n > 0; p.capped {
		p.log.Warn("the API answers fewer records than http.pagination.page.size although there are more; reading on until a page is empty", "endpoint", p.name, "http.pagination.page.size", p.e.Size)
	}
}

// token is the token or the absolute URL of the next page.
func (p *poller) token(a *answer) (string, error) {
	t := a.token
	if p.e.Paging == "link_header" {
		t = linkNext(a.header.Values("Link"))
	}
	if t == "" || !p.e.leads(t) {
		return t, nil
	}
	from, err := url.Parse(a.finalURL)
	if err != nil {
		return "", withoutURL(err)
	}
	to, err := from.Parse(t)
	if err != nil {
		return "", fmt.Errorf("the URL of the next page: %w", withoutURL(err))
	}
	if to.Host != from.Host && !slices.Contains(p.e.Hosts, to.Host) {
		return "", connect.Permanent(fmt.Errorf("the next page is on another host, %q, which would get the credentials; if that is right, write http.pagination.hosts: [%s]", to.Host, to.Host))
	}
	if to.Scheme != from.Scheme && to.Scheme != "https" {
		to.Scheme = from.Scheme // a server behind a proxy does not know that it is asked by TLS
	}
	return to.String(), nil
}

// linkNext is the target of rel="next" among Link headers. See RFC 8288, section 3.
func linkNext(headers []string) string {
	for _, h := range headers {
		for h != "" {
			start := strings.IndexByte(h, '<')
			end := strings.IndexByte(h, '>')
			if start < 0 || end < start {
				break
			}
			target := h[start+1 : end]
			params := h[end+1:]
			if next := strings.Index(params, ",<"); next >= 0 {
				h, params = params[next+1:], params[:next]
			} else if next := strings.Index(params, ", <"); next >= 0 {
				h, params = params[next+2:], params[:next]
			} else {
				h = ""
			}
			if relNext(params) {
				return target
			}
		}
	}
	return ""
}

// relNext says whether link parameters have next among their relations.
func relNext(params string) bool {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		if strings.EqualFold(strings.TrimSpace(name), "rel") &&
			slices.ContainsFunc(strings.Fields(strings.Trim(strings.TrimSpace(value), `"`)), func(rel string) bool { return strings.EqualFold(rel, "next") }) {
			return true
		}
	}
	return false
}
