package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"connectd/connect"
	"connectd/convert"
)

// walk is a pass while it runs: what is known of it beyond what the state keeps.
type walk struct {
	base    mark   // the cursor when it began
	floor   mark   // records before it were sent by the passes before
	high    mark   // the greatest cursor so far
	highest []byte // it, as the page at hand has it
	window  mark   // the floor of the next pass, as far as is known
	from    string
	asks    bool // there is a from
	guard   guard
	first   bool // no page was read by this process
	resume  bool // it began in another one
	done    bool // all records behind are before floor: a descending list
	last    mark // the cursor of the record before
	sent    bool // the pass is over and has sent something
}

// pass reads pages until the last one. news says whether something was sent.
func (p *poller) pass(ctx context.Context) (news bool, err error) {
	w, err := p.begin()
	if err != nil {
		return false, connect.Permanent(err)
	}
	asked := p.fetch(ctx, w, p.spot())
	defer func() { asked.abandon() }()
	for {
		a, err := asked.answer()
		if err != nil {
			if !p.startsOver(w, err) {
				return false, err
			}
			p.log.Warn("the stored page is not there any more, reading from the first one", "err", err)
			p.startOver()
			if w, err = p.begin(); err != nil {
				return false, connect.Permanent(err)
			}
			asked = p.fetch(ctx, w, p.spot())
			continue
		}
		// The next page is on its way while this one is sent.
		if next, ok := p.ahead(w, a); ok {
			asked = p.fetch(ctx, w, next)
		}
		end, err := p.page(ctx, w, a)
		if err != nil || end {
			return w.sent, err
		}
		w.first = false
		if at := p.spot(); asked.at != at {
			asked.abandon()
			asked = p.fetch(ctx, w, at)
		}
	}
}

// begin starts a pass, or goes on with the one of the state.
func (p *poller) begin() (*walk, error) {
	w := &walk{first: true, resume: p.state.Pass != nil, guard: newGuard()}
	if p.state.Pass == nil {
		now := time.Now()
		p.state.Pass = &pass{Started: now.UnixMilli(), Limit: now.UnixNano(), Base: p.state.Cursor}
	}
	s := p.state.Pass
	var err error
	if w.base, err = p.markOf(s.Base); err != nil {
		return nil, fmt.Errorf("read the cursor %s: %w", s.Base, err)
	}
	if w.high, err = p.markOf(s.High); err != nil {
		return nil, fmt.Errorf("read the cursor %s: %w", s.High, err)
	}
	w.floor = p.window(w.base)
	w.window = w.floor
	w.from, w.asks = p.bound(s.Base)
	if p.store != nil {
		p.store.begin()
		if w.resume { // what its first pages held is not known any more
			p.state.Pass = &pass{Started: s.Started, Limit: s.Limit, Base: s.Base}
		}
	}
	return w, nil
}

// startsOver says whether err may be about the token of an interrupted pass, which APIs forget
// after a while.
func (p *poller) startsOver(w *walk, err error) bool {
	var status *statusError
	if !w.first || !w.resume || p.state.Pass.Token == "" || !errors.As(err, &status) {
		return false
	}
	switch status.code {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusGone, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// startOver forgets the interrupted pass, but not what it has sent.
func (p *poller) startOver() {
	p.seen.end(mark{}, true)
	p.state.Seen = p.seen.known()
	p.state.Pass = nil
}

// page sends what is new on a page; end says that it was the last one.
func (p *poller) page(ctx context.Context, w *walk, a *answer) (end bool, err error) {
	s := p.state.Pass
	if p.e.Skip.has(a.status) && !p.e.Process.has(a.status) || a.status == http.StatusNotModified {
		if s.Pages == 0 {
			p.state.Pass = nil // nothing was read, so nothing changes
			p.report(s)
			return true, p.polled(ctx, s)
		}
		a.records, a.token = nil, ""
	}
	p.limit(s, a)
	if a.missing && !p.warned && p.e.List != "" {
		p.log.Warn("the answer has nothing at http.response.list.pointer; it counts as empty", "pointer", p.e.List, "answer", begin(a.body))
		p.warned = true
	}
	p.extract.compact = a.compact
	done := p.done(w, a)
	for i, element := range a.records {
		if err := p.record(ctx, w, element, i < done); err != nil {
			return false, fmt.Errorf("record %d of page %d: %w", i+1, s.Pages+1, err)
		}
		if p.full() && i+1 < len(a.records) {
			s.Done, s.Part = i+1, digestAll(a.records[:i+1])
			p.advance(w)
			if err := p.checkpoint(ctx); err != nil {
				return false, err
			}
		}
	}
	s.Done, s.Part = 0, 0
	s.Pages++
	s.Records += len(a.records)
	end, err = p.next(w, a)
	if err != nil {
		return false, err
	}
	if p.state.Tag = nil; p.e.Paging == "none" && (a.tag.ETag != "" || a.tag.Modified != "") {
		p.state.Tag = &a.tag
	}
	if end {
		return true, p.complete(ctx, w)
	}
	p.advance(w)
	p.report(s)
	if p.batch == nil && !s.News {
		return false, nil // read again after a crash, and known again
	}
	return false, p.checkpoint(ctx)
}

// done is how many records of the page were sent by the process that ended in the middle of it. When
// they are not the same any more, none counts, and what is known otherwise is left out.
func (p *poller) done(w *walk, a *answer) int {
	s := p.state.Pass
	if !w.first || !w.resume || s.Done == 0 || s.Done > len(a.records) || digestAll(a.records[:s.Done]) != s.Part {
		return 0
	}
	return s.Done
}

// limit keeps the cursor from passing the moment at which the pass began, by the server's clock
// where it says so: what changes while the pass runs may be on a page that was read already.
func (p *poller) limit(s *pass, a *answer) {
	if s.Pages > 0 {
		return
	}
	if date, err := http.ParseTime(a.header.Get("Date")); err == nil {
		s.Limit = min(s.Limit, date.UnixNano())
	}
}

// record sends one element unless it was sent before: done says that it certainly was.
func (p *poller) record(ctx context.Context, w *walk, element []byte, done bool) error {
	x := p.extract
	if err := x.find(element); err != nil {
		return err
	}
	var at mark
	if p.e.CursorPointer != "" {
		var wrong error
		if at, wrong = x.at(); wrong != nil && done {
			return nil
		} else if wrong != nil {
			return p.refuse(ctx, element, wrong)
		}
		p.inOrder(w, at)
		if at.compare(w.floor) < 0 {
			w.done = w.done || p.e.Direction == "DESC"
			return nil
		}
		if at.compare(w.high) > 0 {
			w.high = at
			w.highest = append(w.highest[:0], x.parts[cursorPart]...)
		}
	}
	if p.store != nil {
		news, err := p.store.meet(x)
		if err != nil {
			return p.refuse(ctx, element, err)
		}
		if !news {
			return nil
		}
	} else if p.dedupes() && p.seen.meet(digest(element), at, w.window) {
		return nil
	}
	if done {
		return nil
	}
	b, err := p.room(ctx)
	if err != nil {
		return err
	}
	p.state.Pass.News = true
	x.add(b, p.topic, at)
	return nil
}

// refuse hands an element whose cursor or key can not be read to errors.tolerance: once, though it
// is in the answers of every pass.
func (p *poller) refuse(ctx context.Context, element []byte, wrong error) error {
	content := digest(element)
	if _, known := p.refused[content]; known {
		return nil
	}
	if len(p.refused) >= p.e.SeenMax {
		clear(p.refused)
	}
	p.refused[content] = struct{}{}
	b, err := p.room(ctx)
	if err != nil {
		return err
	}
	r := b.Add()
	r.Topic = p.topic
	b.Fail(len(b.Records)-1, wrong)
	return nil
}

// inOrder gives up the ascending order when the records are not in it: the cursor must not have
// passed what is still to come.
func (p *poller) inOrder(w *walk, at mark) {
	if p.ascending && at.compare(w.last) < 0 {
		p.log.Warn("the records are not in ascending order; the cursor moves at the end of a pass only", "endpoint", p.name)
		p.ascending = false
		p.state.Cursor = p.state.Pass.Base
	}
	w.last = at
}

// cursorAt is the cursor after what was read so far: the greatest one, but not beyond the limit,
// and never before the base.
func (p *poller) cursorAt(w *walk) (json.RawMessage, mark) {
	s := p.state.Pass
	raw, at := s.High, w.high
	if at.kind == moment && at.n > s.Limit {
		text := p.cursor.write(mark{kind: moment, n: s.Limit})
		if len(s.High) > 0 && s.High[0] == '"' {
			raw = convert.AppendQuoted(nil, []byte(text))
		} else {
			raw = json.RawMessage(text)
		}
		at, _ = p.markOf(raw) // it was just written
	}
	if at.compare(w.base) <= 0 {
		return s.Base, w.base
	}
	return raw, at
}

// advance writes into the state what is true after a page, or a part of one, that is not the last.
func (p *poller) advance(w *walk) {
	if p.e.CursorPointer == "" {
		return
	}
	p.noteHigh(w)
	raw, at := p.cursorAt(w)
	w.window = p.window(at)
	p.state.Pass.Seen = p.seen.met(w.window)
	if p.ascending {
		p.state.Cursor = raw
	}
}

// noteHigh writes the greatest cursor into the state.
func (p *poller) noteHigh(w *walk) {
	if len(w.highest) > 0 {
		p.state.Pass.High, w.highest = w.highest, nil
	}
}

// complete ends the pass and writes its outcome into the state.
func (p *poller) complete(ctx context.Context, w *walk) error {
	s := p.state.Pass
	p.noteHigh(w)
	raw, at := p.cursorAt(w)
	p.state.Cursor = raw
	switch {
	case p.e.CursorPointer != "":
		p.seen.end(p.window(at), at.compare(w.base) == 0)
		p.state.Seen = p.seen.known()
	default:
		p.seen.forget() // the next pass sends everything again, or the store knows better
	}
	if p.seen.full {
		p.log.Warn("more records share the newest cursors than http.seen.max; some are sent again", "http.seen.max", p.e.SeenMax)
		p.seen.full = false
	}
	if p.store != nil {
		if err := p.gone(ctx); err != nil {
			return err
		}
	}
	p.state.Pass = nil
	p.report(s)
	w.sent = s.News
	return p.polled(ctx, s)
}

// polled makes the outcome of the pass durable.
func (p *poller) polled(ctx context.Context, s *pass) error {
	if p.e.Cron != "" {
		p.state.Polled = s.Started
	}
	return p.checkpoint(ctx)
}

// report shows where the endpoint stands.
func (p *poller) report(s *pass) {
	detail := fmt.Sprintf("%s: %d records on %d pages", p.name, s.Records, s.Pages)
	if len(p.state.Cursor) > 0 {
		detail += ", cursor " + string(p.state.Cursor)
	}
	p.show(standing{detail, p.state.Pass != nil})
}
