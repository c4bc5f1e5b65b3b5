package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"connectd/connect"
	"connectd/record"
)

// Writer writes one partition. It keeps rows until Flush, in buffers by table.
type Writer struct {
	sink      *Sink
	partition record.Partition
	exact     bool // the position is in the offsets table
	position  position

	encoder     encoder
	plans       map[shape]*plan
	last        shape // of the record before, and its plan
	lastPlan    *plan
	version     int64 // of the catalog that the plans were made by
	buffers     map[name]*buffer
	key, merged []byte // scratch
	offset      int64  // of the record at hand
	envelopes   *envelopes
	table       name   // of the record at hand
	topic       string // the last one, and its table
	topicTable  name
	settled     map[string]bool // columns of which it was said that out.of.range changes their values
}

func newWriter(s *Sink, p record.Partition) (*Writer, error) {
	envelopes, err := newEnvelopes(s.cfg.cloudEvents)
	return &Writer{
		sink:      s,
		partition: p,
		position:  position{table: s.offsetsTable(), connector: s.connector, partition: p},
		encoder:   encoder{strip: s.cfg.NullByte == "strip", location: s.cfg.location},
		plans:     map[shape]*plan{},
		buffers:   map[name]*buffer{},
		settled:   map[string]bool{},
		envelopes: envelopes,
	}, err
}

// Write encodes the records into the buffers of their tables. It talks to the server only when a
// record has a schema that was not seen before.
func (w *Writer) Write(ctx context.Context, b *record.Batch) error {
	w.refresh()
	for i := range b.Records {
		err := w.write(ctx, b, &b.Records[i])
		if err != nil {
			err = w.again(ctx, b, &b.Records[i], err)
		}
		if err != nil && w.sink.cfg.Widen {
			err = w.widened(ctx, b, &b.Records[i], err)
		}
		if err == nil {
			continue
		}
		var bad unfit
		if !errors.As(err, &bad) || errors.Is(err, errNUL) && w.sink.cfg.NullByte == "fail" {
			return fmt.Errorf("offset %d: %w", b.Records[i].Offset, err)
		}
		b.Fail(i, err)
	}
	return nil
}

// refresh has the plans made anew when a table has changed. Waiting rows stay as they are.
func (w *Writer) refresh() {
	if v := w.sink.catalog.version.Load(); v != w.version {
		clear(w.plans)
		w.lastPlan, w.version = nil, v
	}
}

func (w *Writer) write(ctx context.Context, b *record.Batch, r *record.Record) error {
	tombstone := r.Value.Value.Kind == record.Null
	if tombstone && (!w.sink.cfg.deletesByTombstones() || w.sink.cfg.bySource()) {
		// Nothing is to be written, and nothing can be deleted, or it is not known where: then the
		// record before, with the row that is gone, has deleted it.
		b.Skip()
		return nil
	}
	if r.Value.Value.Kind == record.Struct && r.Value.Schema != nil {
		switch e := w.envelopes.of(r.Value.Schema); {
		case e == nil:
		case e.data >= 0:
			return w.event(ctx, b, r, e)
		default:
			return w.change(ctx, b, r, e)
		}
	}
	var err error
	if w.table, err = w.target(r, record.Datum{}); err != nil {
		return err
	}
	p, err := w.planFor(ctx, r, tombstone)
	if err != nil || p.buffer == nil {
		return err
	}
	w.offset = r.Offset
	if tombstone || p.deleted >= 0 && marked(&r.Value.Value.Items[p.deleted]) {
		return w.remove(p, r)
	}
	return w.add(p, r)
}

// marked says whether the value of __deleted means that the row is gone.
func marked(v *record.Value) bool {
	return v.Kind == record.Bool && v.Bool() || v.Kind == record.String && string(v.B) == "true"
}

// planFor is the plan for records like r.
func (w *Writer) planFor(ctx context.Context, r *record.Record, tombstone bool) (*plan, error) {
	s := shape{table: w.table, topic: r.Topic, key: r.Key.Schema, value: r.Value.Schema, tombstone: tombstone}
	p := w.lastPlan
	if p == nil || s != w.last {
		p = w.plans[s]
	}
	if p == nil || p.waitsFor(r) || p.group == nil && p.buffer == nil && !tombstone {
		var err error
		if p, err = w.makePlan(ctx, r); err != nil {
			return nil, err
		}
		// Making it may have read the catalog, which is the version that it was made by.
		if v := w.sink.catalog.version.Load(); v != w.version {
			clear(w.plans)
			w.version = v
		}
		w.plans[s] = p
	}
	w.last, w.lastPlan = s, p
	return p, nil
}

// waitsFor says whether r has the first value of a field that had none so far.
func (p *plan) waitsFor(r *record.Record) bool {
	return slices.ContainsFunc(p.pending, func(at int) bool { return r.Value.Value.Items[at].Kind != record.Null })
}

// remove takes the key's waiting row out and notes that the stored one goes.
func (w *Writer) remove(p *plan, r *record.Record) error {
	if err := w.keyOf(p, r); err != nil {
		return err
	}
	e := p.buffer.keys.at(w.key)
	if e.group != nil {
		e.group.drop(e.row)
		e.group = nil
	}
	e.deleted, e.offset = true, r.Offset
	return nil
}

// add appends the row of r to its group, and takes the earlier row of its key out.
func (w *Writer) add(p *plan, r *record.Record) error {
	keyed := p.buffer.keys != nil && len(p.key) > 0
	if keyed {
		if err := w.keyOf(p, r); err != nil {
			return err
		}
	}
	g, start, err := w.line(p, r)
	if err != nil {
		return err
	}
	if !keyed {
		g.add(start, r.Offset)
		return nil
	}
	e := p.buffer.keys.at(w.key)
	switch mode := w.sink.cfg.InsertMode; {
	case mode == "update" && e.deleted, mode == "ignore" && e.group != nil:
		g.text = g.text[:start] // there is no such row to change; the first row stays
		return nil
	case mode == "insert" && e.group != nil:
		g.text = g.text[:start]
		return unfitf("insert into table %s: a row of the same key is written by an earlier record; insert.mode: upsert would replace it", p.table)
	}
	if e.group != nil && !g.set.covers(e.group.set) {
		if g, start, err = w.merge(p, e, g, start); err != nil {
			return err
		}
	}
	if e.group != nil {
		e.group.drop(e.row)
	}
	e.group, e.row = g, g.add(start, r.Offset)
	return nil
}

// merge replaces the line at g.text[start:] by one that has the columns of e's row too.
func (w *Writer) merge(p *plan, e *keyEntry, g *group, start int) (*group, int, error) {
	both := slices.Clone(g.set.columns)
	for _, c := range e.group.set.columns {
		if g.set.place(c.name) < 0 {
			both = append(both, c)
		}
	}
	slices.SortFunc(both, func(a, b *column) int { return a.index - b.index })
	union := p.buffer.group(w.sink.catalog.set(p.buffer.table, both))
	old := *e.group.rows.at(e.row)
	w.merged = append(w.merged[:0], g.text[start:]...)
	g.text = g.text[:start]
	union.room()
	start = len(union.text)
	if !union.merge(line{e.group.set, e.group.binary, e.group.at(old)}, line{g.set, g.binary, w.merged}) {
		return nil, 0, fmt.Errorf("table %s has changed while rows were waiting for it", p.table)
	}
	return union, start, nil
}

// keyOf leaves the key of r in w.key, as a line of COPY text in which equal keys are equal bytes.
func (w *Writer) keyOf(p *plan, r *record.Record) error {
	w.key = w.key[:0]
	var room record.Value
	for i := range p.key {
		c := &p.key[i]
		v := c.value(r, &room)
		if v.Kind == record.Null {
			return unfitf("column %q of table %s is part of the key, and its value is null", c.column.name, p.table)
		}
		if i > 0 {
			w.key = append(w.key, '\t')
		}
		start := len(w.key)
		out, err := w.encoder.field(w.key, &c.column.typ, c.schema, v)
		if err != nil {
			return c.refuse(p, err)
		}
		field := c.column.typ.canonical(out[start:])
		w.key = append(out[:start], field...)
	}
	w.key = append(w.key, '\n')
	return nil
}

func (c *cell) refuse(p *plan, err error) error {
	return unfit{&misfit{err, p.table, c.column}}
}

// line appends the row of r to the text of its group. Nothing is left behind by an error.
func (w *Writer) line(p *plan, r *record.Record) (*group, int, error) {
	g := p.group
	g.room()
	text := g.text
	if g.binary {
		text = binary.BigEndian.AppendUint16(text, uint16(len(p.cells)))
	}
	var room record.Value
	for i := range p.cells {
		c := &p.cells[i]
		v := c.value(r, &room)
		if v.Kind != record.Null && c.from == fromValue && w.sink.cfg.placeholder.Is(v) {
			return w.partial(p, r)
		}
		var err error
		before := len(text)
		switch {
		case g.binary && v.Kind == record.Null:
			text = append(text, binaryNull...)
		case g.binary:
			text, err = w.encoder.octets(text, &c.column.typ, c.schema, v)
		default:
			if i > 0 {
				text = append(text, '\t')
				before++
			}
			if v.Kind == record.Null {
				text = append(text, null...)
			} else {
				text, err = w.encoder.field(text, &c.column.typ, c.schema, v)
			}
		}
		if err != nil {
			if text, err = w.instead(p, c, text[:before], err); err != nil {
				return nil, 0, c.refuse(p, err)
			}
		}
	}
	if !g.binary {
		text = append(text, '\n')
	}
	start := len(g.text)
	g.text = text
	return g, start, nil
}

// instead appends what out.of.range has in place of a value that was refused with cause.
func (w *Writer) instead(p *plan, c *cell, text []byte, cause error) ([]byte, error) {
	v, ok := w.settle(p, c, cause)
	switch {
	case !ok:
		return text, cause
	case p.group.binary && v.Kind == record.Null:
		return append(text, binaryNull...), nil
	case p.group.binary:
		return w.encoder.octets(text, &c.column.typ, nil, &v)
	case v.Kind == record.Null:
		return append(text, null...), nil
	}
	return w.encoder.field(text, &c.column.typ, nil, &v)
}

// partial is line for a record with large values that have not changed: its row has no column
// for them, so that the stored values stay.
func (w *Writer) partial(p *plan, r *record.Record) (*group, int, error) {
	left := *p
	left.cells = slices.DeleteFunc(slices.Clone(p.cells), func(c cell) bool {
		return c.from == fromValue && w.sink.cfg.placeholder.Is(c.filled(&r.Value.Value))
	})
	if len(left.cells) == 0 {
		return nil, 0, unfitf("no column of table %s would get a value", p.table)
	}
	left.group = p.buffer.group(w.sink.catalog.set(p.buffer.table, columnsOf(left.cells)))
	return w.line(&left, r)
}

// Close drops the rows that wait.
func (w *Writer) Close() error {
	w.buffers, w.plans, w.lastPlan = nil, nil, nil
	return nil
}

// exactWriter is a Writer that keeps its offsets with its rows.
type exactWriter struct{ *Writer }

var _ connect.Starter = (*exactWriter)(nil)

// Start claims the partition. From here on a flush of an earlier owner finds nothing to move.
func (w *exactWriter) Start(ctx context.Context) (next int64, ok bool, err error) {
	id, err := w.sink.idOf(ctx, w.partition.Topic)
	if err != nil {
		return 0, false, err
	}
	c, err := w.sink.pool.acquire(ctx)
	if err != nil {
		return 0, false, err
	}
	defer w.sink.pool.release(c)
	doing := fmt.Sprintf("claim %s in %s", w.partition, w.position.table)
	next, ok, of, err := w.position.claim(ctx, c, id)
	if err != nil || id == "" || of == id {
		return next, ok, w.sink.explain(doing, err)
	}
	if w.sink.cfg.Recreated == "fail" {
		return 0, false, connect.Permanent(fmt.Errorf("topic %q was deleted and created again: %s has offset %d of the earlier one for partition %d; to read the new one from its start write on.topic.recreated: reset",
			w.partition.Topic, w.position.table, next, w.partition.ID))
	}
	w.sink.log.Warn("the topic was deleted and created again; it is read from its start", "partition", w.partition.String(), "offset", next)
	return 0, true, w.sink.explain(doing, w.position.recreated(ctx, c, id))
}
