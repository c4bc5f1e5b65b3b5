package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"connectd/connect"
	"connectd/internal/fault"
	"connectd/record"
)

// Writer writes one partition.
type Writer struct {
	*client
	log   *slog.Logger
	spare *columnPool

	unavailable placeholder
	unwrapper   *unwrapper // nil without debeziumCDCEnabled
	flattener   *flattener // nil without nested.columns: flatten

	tables map[string]*table // by topic; transforms may send records elsewhere
	absent map[string]bool   // topics of this batch that need no table
	last   *table            // of the newest record, whose topic is
	topic  string
}

// Write appends the records to the blocks of their tables. A record that its table can not hold
// is reported, and leaves nothing behind.
func (w *Writer) Write(ctx context.Context, b *record.Batch) error {
	clear(w.absent)
	if w.unwrapper != nil {
		w.unwrapper.apply(b)
	}
	if w.flattener != nil {
		if err := w.flattener.apply(b); err != nil {
			return err
		}
	}
	for i := range b.Records {
		if w.unwrapper != nil && w.unwrapper.drop[i] {
			continue
		}
		t, err := w.table(ctx, b, i)
		if err != nil {
			return err
		}
		if t == nil {
			b.Skip()
			continue
		}
		if err := w.add(ctx, t, b, i); err != nil {
			return err
		}
	}
	return nil
}

// table is the table of the i-th record, created if need be; nil when there is none and none is
// needed.
func (w *Writer) table(ctx context.Context, b *record.Batch, i int) (*table, error) {
	topic := b.Records[i].Topic
	if w.last != nil && w.topic == topic {
		return w.last, w.reread(ctx, w.last)
	}
	if w.absent[topic] {
		return nil, nil
	}
	t, ok := w.tables[topic]
	if !ok {
		var err error
		if t, err = w.find(ctx, b, i); err != nil {
			return nil, err
		}
		if t == nil {
			w.absent[topic] = true
			return nil, nil
		}
		t.topic = []byte(topic)
		w.tables[topic] = t
	}
	w.last, w.topic = t, topic
	return t, w.reread(ctx, t)
}

// find inspects the table of the i-th record, and creates it when it may.
func (w *Writer) find(ctx context.Context, b *record.Batch, i int) (*table, error) {
	at := w.cfg.place(b.Records[i].Topic)
	t, err := w.inspect(ctx, at)
	var missing errNoTable
	if errors.As(err, &missing) {
		ddl, ddlErr := w.createTable(at, b, i)
		switch {
		case w.cfg.Suppress && !w.cfg.Create:
			return nil, nil
		case ddlErr != nil:
			return nil, connect.Permanent(ddlErr)
		case ddl == "":
			return nil, nil // only deletes: nothing is there to delete
		case !w.cfg.Create:
			return nil, connect.Permanent(fmt.Errorf("%w; set auto.create: true, or run %s", missing, ddl))
		}
		if err := w.exec(ctx, ddl); err != nil {
			return nil, w.explain("run "+ddl, err)
		}
		w.log.Info("table created", "table", at.table)
		t, err = w.inspect(ctx, at)
	}
	if err != nil {
		return nil, err
	}
	return t, w.checkDelivery(ctx, t, w.log)
}

// reread reads the table's columns again when tableRefreshInterval is over.
func (w *Writer) reread(ctx context.Context, t *table) error {
	if w.cfg.Refresh == 0 || time.Since(t.read) < time.Duration(w.cfg.Refresh) {
		return nil
	}
	return w.refresh(ctx, t)
}

// add appends the i-th record to t.
func (w *Writer) add(ctx context.Context, t *table, b *record.Batch, i int) error {
	r := &b.Records[i]
	m := t.mapping(r, w.cfg)
	if len(m.missing) > 0 && m.unknown(r) {
		if err := w.evolve(ctx, t, b, i); err != nil {
			return err
		}
		m = t.mapping(r, w.cfg)
	}
	facts, skip, err := w.facts(ctx, t, m, b, i)
	switch {
	case err != nil:
		return blame(b, i, err)
	case skip:
		b.Skip()
		if t.deleted < 0 && !w.cfg.NoDeletes {
			w.skip(t)
		}
		return nil
	}
	if m.block == nil || m.block.rows >= w.cfg.MaxRows {
		if err := m.bind(t.open(m.defaults, w.cfg.MaxRows), w.spare); err != nil {
			return connect.Permanent(fmt.Errorf("table %s: %w", t.quoted, err))
		}
	}
	if err := m.append(t, r, facts, w.unavailable); err != nil {
		m.block.truncate()
		return w.refused(ctx, t, b, i, facts, err)
	}
	return nil
}

// refused reports the i-th record for err, or keeps it until the flush when what it lacks can be
// looked up.
func (w *Writer) refused(ctx context.Context, t *table, b *record.Batch, i int, facts row, err error) error {
	var lacks errUnavailable
	if cell, ok := errors.AsType[*cellError](err); ok {
		if changed, err := w.lookAgain(ctx, t); changed || err != nil {
			if err != nil {
				return err
			}
			return w.add(ctx, t, b, i)
		}
		if kind := cell.wider(); kind != "" {
			return w.widen(ctx, t, b, i, cell, kind)
		}
	}
	switch {
	case !errors.As(err, &lacks):
		b.Fail(i, err)
	case w.unavailable.handling == unavailableLookup:
		if err := t.canLookUp(); err != nil {
			return err
		}
		t.wait(&b.Records[i], facts)
	default:
		b.Fail(i, t.unavailableError(lacks.column, &b.Records[i], "a row of ClickHouse is replaced as a whole"))
	}
	return nil
}

// lookAgain reads the columns of t again, once in a range, because one of them has refused a value:
// somebody may have made it wider.
func (w *Writer) lookAgain(ctx context.Context, t *table) (changed bool, err error) {
	if t.looked {
		return false, nil
	}
	t.looked = true
	if changed, err = w.changed(ctx, t); !changed || err != nil {
		return false, err
	}
	return true, w.refresh(ctx, t)
}

// blame reports the i-th record for err, unless the server is at fault.
func blame(b *record.Batch, i int, err error) error {
	if server, ok := errors.AsType[unreadable](err); ok {
		return server.error
	}
	b.Fail(i, err)
	return nil
}

// facts are what the row of the i-th record is beside its fields; skip is true for a delete that
// the table has no way to hold, or has already.
func (w *Writer) facts(ctx context.Context, t *table, m *mapping, b *record.Batch, i int) (f row, skip bool, err error) {
	r := &b.Records[i]
	switch {
	case r.Value.Value.IsNull():
		if t.deleted < 0 || w.cfg.NoDeletes {
			return f, true, nil
		}
		if err := t.hasKey(m); err != nil {
			return f, false, err
		}
		f.deleted = true
	case r.Value.Value.Kind != record.Struct:
		return f, false, fmt.Errorf("the value is %s and no row of table %s; use a converter that makes objects of it", kindName(r.Value.Value.Kind), t.quoted)
	case m.flag >= 0 && isTrue(&r.Value.Value.Items[m.flag]):
		if t.deleted < 0 && t.index(deletedField) < 0 || w.cfg.NoDeletes {
			return f, true, nil
		}
		f.deleted = t.deleted >= 0
	}
	f.version, skip, err = w.version(ctx, t, m, b, i)
	return f, skip, err
}

// isTrue says whether v is the boolean or the text true.
func isTrue(v *record.Value) bool {
	return v.Kind == record.Bool && v.Bool() || v.Kind == record.String && string(v.B) == "true"
}

// hasKey makes sure that a tombstone's row takes the place of the row that it deletes.
func (t *table) hasKey(m *mapping) error {
	for _, name := range t.sorting {
		found := false
		for i := range m.cells {
			found = found || m.cells[i].name == name && m.cells[i].from == fromKey
		}
		if !found {
			return fmt.Errorf("the tombstone's key has no field for sorting column %s of table %s; deletes need a key with all of them", quoteName(name), t.quoted)
		}
	}
	return nil
}

// skip says, once, that deletes are left out.
func (w *Writer) skip(t *table) {
	if !t.skips {
		t.skips = true
		w.log.Warn("deletes are left out: the table has no column that marks deleted rows", "table", t.table, "column", w.cfg.Deleted)
	}
}

// Flush sends one INSERT for each block. The token of each is made of the range's id, the table
// and the place of the block in the range: the server drops what it has seen under it, so that a
// range may be sent any number of times.
func (w *Writer) Flush(ctx context.Context, r record.Range) error {
	defer w.rest()
	for _, t := range w.sorted() {
		sent, err := w.send(ctx, t, r, 0)
		if err != nil {
			return err
		}
		if len(t.waiting) > 0 {
			w.release(t)
			if err := w.fill(ctx, t, r.Partition); err != nil {
				return err
			}
			if _, err := w.send(ctx, t, r, sent); err != nil {
				return err
			}
		}
		w.release(t)
	}
	for _, t := range w.tables {
		t.looked = false
	}
	return nil
}

// send sends the blocks of t, before which the range has had n, and returns how many it has had now.
// A block without rows, which a record that was refused has begun, does not count: another try of the
// range goes without that record.
func (w *Writer) send(ctx context.Context, t *table, r record.Range, n int) (int, error) {
	for _, b := range t.blocks {
		if b.rows == 0 {
			continue
		}
		token := fmt.Sprintf("%s/%s/%d-%d-%d", r.ID, t.table, n, b.offsets.of(0), b.rows)
		n++
		there, err := w.stored(ctx, t, r, b)
		if err != nil {
			return n, err
		}
		if there {
			continue
		}
		fault.Point("sink.writing")
		if err := w.insert(ctx, t, b, token); err != nil {
			return n, w.reject(ctx, t, b, r.Partition.String(), err)
		}
	}
	return n, nil
}

// release forgets the rows of a range that are in blocks.
func (w *Writer) release(t *table) {
	for _, b := range t.blocks {
		b.release(w.spare)
	}
	t.blocks = nil
	for _, m := range t.mappings {
		m.block = nil
	}
}

// Close drops what was not flushed.
func (w *Writer) Close() error {
	for _, t := range w.tables {
		w.release(t)
	}
	return w.hangUp()
}
