package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"connectd/connect"
	"connectd/convert"
	"connectd/record"
)

// poller reads one endpoint: pass after pass, in one goroutine.
type poller struct {
	name      string
	e         *Endpoint
	log       *slog.Logger
	client    *client
	asking    *asking
	desks     [2]desk
	turn      int // number of the next fetch
	extract   *extraction
	cursor    form // of records
	ask       form // of requests
	lookback  lookback
	schedule  schedule
	topic     string
	partition []byte

	task  *connect.SourceTask
	show  func(standing) // in the connector's status
	batch *record.Batch  // being filled; nil when there is none
	state state
	sent  string // the state that was sent last
	seen  *seen
	store *store // what the passes before have sent; nil unless passes are compared

	refused map[uint64]struct{} // digests of elements that this process has refused

	ascending bool // the cursor moves with each page
	probing   bool // the page behind a short one is being asked for
	probed    bool // and was: it is known whether a short page is the last one
	capped    bool // it is not
	warned    bool // about a list that is not there
}

// newPoller compiles the settings of one endpoint; key is the setting that an error is about.
func newPoller(name string, e *Endpoint) (p *poller, key string, err error) {
	p = &poller{name: name, e: e, partition: partition(name), ascending: e.Direction == "ASC", refused: map[uint64]struct{}{}}
	if p.asking, key, err = newAsking(&e.Request); err != nil {
		return nil, key, err
	}
	for i := range p.desks {
		if p.desks[i].reader, key, err = newReader(e); err != nil {
			return nil, key, err
		}
	}
	if p.extract, key, err = newExtraction(e); err != nil {
		return nil, key, err
	}
	p.cursor = p.extract.cursor
	p.ask = p.cursor
	if e.AskFormat != "" {
		if p.ask, err = parseForm(e.AskFormat); err != nil {
			return nil, "http.cursor.request.format", err
		}
	}
	if p.lookback, err = parseLookback(e.Lookback); err != nil {
		return nil, "http.cursor.lookback", err
	}
	if p.schedule, err = newSchedule(e); err != nil {
		return nil, "http.timer.cron", err
	}
	topic, err := parseTemplate(e.Topic)
	if err != nil {
		return nil, "kafka.topic", err
	}
	p.topic = topic.text(values{"endpoint": name}, plain)
	p.seen = newSeen(e.SeenMax)
	return p, "", nil
}

// dedupes says whether records that were sent are remembered: without a key or a cursor nothing
// says that two equal records are one.
func (p *poller) dedupes() bool { return p.e.CursorPointer != "" || p.extract.key != nil }

// run polls until ctx is done.
func (p *poller) run(ctx context.Context, t *connect.SourceTask) error {
	p.task = t
	if err := p.load(); err != nil {
		return connect.Permanent(err)
	}
	for {
		if p.state.Pass == nil {
			if err := wait(ctx, time.Until(p.schedule.due())); err != nil {
				return nil
			}
		}
		p.schedule.began(time.Now())
		news, err := p.pass(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		p.schedule.ended(news)
	}
}

// load continues from the stored offset.
func (p *poller) load() error {
	offset := p.task.Offset(string(p.partition))
	var err error
	if p.state, err = parseState(offset); err != nil {
		return err
	}
	p.sent = string(offset)
	if p.state.Cursor == nil && p.state.Pass == nil {
		p.state.Cursor = p.initial()
	}
	s := &p.state
	met, high := "", json.RawMessage(nil)
	if s.Pass != nil {
		met, high = s.Pass.Seen, s.Pass.High
	}
	at, err := p.markOf(high)
	if err == nil {
		err = p.seen.load(s.Seen, met, at)
	}
	if err == nil {
		_, err = p.markOf(s.Cursor)
	}
	if err != nil {
		return fmt.Errorf("read the stored offset %.200s: %w; if http.cursor.format was changed, delete the connector's offset or change it back", offset, err)
	}
	p.schedule.resume(s.Polled)
	if p.e.Compare != "all" {
		p.store, err = loadStore(p.name, p.task.Offsets())
	}
	return err
}

// initial is http.cursor.initial as JSON, nil when it is not set; Validate has read it once.
func (p *poller) initial() json.RawMessage {
	if p.e.Initial == "" {
		return nil
	}
	raw, err := p.parseInitial()
	if err != nil {
		return nil
	}
	return raw
}

// parseInitial reads http.cursor.initial: in the form of the records, or in ISO 8601.
func (p *poller) parseInitial() (json.RawMessage, error) {
	text := p.e.Initial
	bare := p.cursor.unit != 0 || p.cursor.name == "number"
	if p.cursor.name == "auto" {
		_, err := number([]byte(text))
		bare = err == nil
	}
	_, err := p.cursor.read([]byte(text), !bare)
	if err != nil && p.cursor.moments() {
		m, notISO := iso([]byte(text))
		if err = notISO; err == nil {
			text = p.cursor.write(m)
		}
	}
	if err != nil {
		return nil, err
	}
	if bare {
		return json.RawMessage(text), nil
	}
	return convert.AppendQuoted(nil, []byte(text)), nil
}

// markOf is the mark of a cursor as it is kept in the state.
func (p *poller) markOf(raw json.RawMessage) (mark, error) {
	if len(raw) == 0 {
		return mark{}, nil
	}
	return p.extract.read(p.cursor, raw)
}

// bound is what a pass asks for that begins at the cursor raw, as requests write it; ok is false
// without a cursor.
func (p *poller) bound(raw json.RawMessage) (text string, ok bool) {
	m, err := p.markOf(raw)
	if err != nil || m.kind == noMark {
		return "", false
	}
	if p.lookback == (lookback{}) && p.ask == p.cursor {
		return string(convert.AppendContent(nil, raw)), true // exactly what the API itself wrote
	}
	return p.ask.write(p.lookback.before(m)), true
}

// window is the earliest cursor that the answers to that may hold and that counts: requests may
// write it less precisely than records do.
func (p *poller) window(m mark) mark {
	if m.kind == noMark {
		return m
	}
	m = p.lookback.before(m)
	if asked, err := p.ask.read([]byte(p.ask.write(m)), false); err == nil && asked.compare(m) < 0 {
		return asked
	}
	return m
}

// room is the batch to add to.
func (p *poller) room(ctx context.Context) (*record.Batch, error) {
	if p.batch == nil {
		var err error
		if p.batch, err = p.task.Batch(ctx); err != nil {
			return nil, err
		}
	}
	return p.batch, nil
}

// full says whether the page at hand should go on in another batch.
func (p *poller) full() bool {
	const mostRecords, mostBytes = 10_000, 8 << 20
	return p.batch != nil && (len(p.batch.Records) >= mostRecords || p.batch.Size() >= mostBytes)
}

// checkpoint sends what the page at hand has added, with the state that is true after it. The
// state becomes durable after the records: never before.
func (p *poller) checkpoint(ctx context.Context) error {
	text := p.state.text()
	if p.batch == nil && string(text) == p.sent {
		return nil
	}
	b, err := p.room(ctx)
	if err != nil {
		return err
	}
	p.sent = string(text)
	b.Offsets = append(b.Offsets, record.SourceOffset{Partition: p.partition, Offset: b.Copy(text)})
	p.task.Send(b)
	p.batch = nil
	return nil
}
