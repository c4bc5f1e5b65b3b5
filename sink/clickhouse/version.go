package clickhouse

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"connectd/convert"
	"connectd/record"
)

// versions makes the versions of a table's rows, which decide what of a key is the newest: the
// source's log position where records carry it, otherwise the offset in Kafka with the epoch
// above it. Bare offsets would not do: they start at 0 again when a topic is created anew, and
// every new row would lose against the old ones.
type versions struct {
	seen    bool         // a record with a value has shown which of the two it is
	log     bool         // positions of the source's log
	deleted record.Value // key of the newest row that was marked as deleted
}

// offsetBits leave 15 bits for the epoch in a positive int64.
const offsetBits = 48

func offsetVersion(epoch int, offset int64) int64 {
	return int64(epoch)<<offsetBits | offset
}

// version is the version of the i-th record's row; skip is true for the tombstone of a row that the
// record before has marked as deleted.
func (w *Writer) version(ctx context.Context, t *table, m *mapping, b *record.Batch, i int) (version int64, skip bool, err error) {
	r := &b.Records[i]
	if t.version < 0 {
		return 0, false, nil
	}
	v := &t.versions
	lsn, ok, err := position(r, m)
	if err != nil {
		return 0, false, err
	}
	if !r.Value.Value.IsNull() {
		if !ok && unplaced(r, m) {
			v.seen, v.log = true, true
			return 0, false, nil
		}
		if v.log && !ok {
			return 0, false, fmt.Errorf("the record has no log position (%s), but records before it had; rows without one would lose against them", strings.Join(lsnFields[:], " or "))
		}
		v.seen, v.log = true, ok
		if ok && m.flag >= 0 && isTrue(&r.Value.Value.Items[m.flag]) {
			v.deleted = r.Key.Value.Clone() // the tombstone may come in the next batch
		}
	}
	switch {
	case ok:
		return lsn, false, nil
	case v.log && equal(v.deleted, r.Key.Value):
		return 0, true, nil
	case v.log:
		return 0, false, errUnordered
	case !v.seen:
		if err := w.ordered(ctx, t, m, b, i); err != nil {
			return 0, false, err
		}
	}
	return offsetVersion(w.cfg.Epoch, r.Offset), false, nil
}

// errUnordered refuses a delete that may have happened before or after what the table has of its
// key: after a crash of the source, older changes follow on newer ones.
var errUnordered = fmt.Errorf("the tombstone carries no log position, but the rows of its topic do (%s), so the delete has no place in their order; "+
	"at the source set add.headers: lsn on the unwrap transform, or leave lsn out of its add.fields", strings.Join(lsnFields[:], " or "))

// equal says whether two keys are the same.
func equal(a, b record.Value) bool {
	return a.Kind == b.Kind && a.N == b.N && bytes.Equal(a.B, b.B) && slices.EqualFunc(a.Items, b.Items, equal)
}

// ordered makes sure that a tombstone that comes before any row of its topic, after a start, is
// ordered by offsets as the rows are: the rows behind it show it, or those in the table.
func (w *Writer) ordered(ctx context.Context, t *table, m *mapping, b *record.Batch, i int) error {
	if log, seen := upcoming(b, i); seen {
		if log {
			return errUnordered
		}
		return nil
	}
	newest, err := w.newest(ctx, t, m, &b.Records[i])
	if err == nil && newest > offsetVersion(w.cfg.Epoch, b.Records[i].Offset) {
		return errUnordered
	}
	return err
}

// position is the log position that r carries in a field or a header.
func position(r *record.Record, m *mapping) (lsn int64, ok bool, err error) {
	var d record.Datum
	if m.lsn >= 0 && !r.Value.Value.IsNull() {
		d = record.Datum{Schema: r.Value.Schema.Fields[m.lsn].Schema, Value: r.Value.Value.Items[m.lsn]}
	}
	for i := 0; d.Value.IsNull() && i < len(r.Headers); i++ {
		for _, name := range lsnFields {
			if r.Headers[i].Name == name {
				d = r.Headers[i].Value
			}
		}
	}
	if d.Value.IsNull() {
		return 0, false, nil
	}
	if lsn, err = convert.AsInt(d); err != nil || lsn < 0 {
		return 0, false, fmt.Errorf("the record's log position is not one: %w", err)
	}
	return lsn, true, nil
}

// unplaced says whether r has room for a log position and none in it: a row of an incremental
// snapshot. It is no change of its row, so it gives way to every change that there is.
func unplaced(r *record.Record, m *mapping) bool {
	if m.lsn >= 0 {
		return true
	}
	return slices.ContainsFunc(r.Headers, func(h record.Header) bool { return slices.Contains(lsnFields[:], h.Name) })
}

// upcoming looks at the records behind the i-th for one of the same topic with a value, which
// shows where versions come from.
func upcoming(b *record.Batch, i int) (log, seen bool) {
	for j := i + 1; j < len(b.Records); j++ {
		r := &b.Records[j]
		if r.Topic != b.Records[i].Topic || r.Value.Value.Kind != record.Struct {
			continue
		}
		for _, name := range lsnFields {
			if r.Value.Schema.Index(name) >= 0 {
				return true, true
			}
		}
		return false, true
	}
	return false, false
}

// newest is the newest version in the table of r's key, 0 when there is none.
func (w *Writer) newest(ctx context.Context, t *table, m *mapping, r *record.Record) (int64, error) {
	var where []string
	for _, c := range m.cells {
		if c.from != fromKey {
			continue
		}
		d := record.Datum{Schema: c.schema, Value: r.Key.Value}
		if c.field >= 0 {
			d.Value = r.Key.Value.Items[c.field]
		}
		text, err := convert.AppendText(nil, d)
		if err != nil {
			return 0, err
		}
		where = append(where, quoteName(c.name)+" = "+quoteText(string(text)))
	}
	sql := "SELECT toInt64(max(" + quoteName(t.columns[t.version].name) + ")) FROM " + t.quoted + " WHERE " + strings.Join(where, " AND ")
	var newest int64
	if err := w.conn.QueryRow(ctx, sql).Scan(&newest); err != nil {
		return 0, unreadable{w.explain("read the newest version of a deleted row", err)}
	}
	return newest, nil
}

// unreadable is an error of the server, which is no fault of the record that it came up for.
type unreadable struct{ error }

func (u unreadable) Unwrap() error { return u.error }
