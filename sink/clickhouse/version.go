package clickhouse

import (
	"context"
	"fmt"
	"strings"

	"connectd/convert"
	"connectd/record"
)

// versions makes the versions of a table's rows, which decide what of a key is the newest: the
// source's log position where records carry it, otherwise the offset in Kafka with the epoch
// above it. Bare offsets would not do: they start at 0 again when a topic is created anew, and
// every new row would lose against the old ones.
type versions struct {
	seen bool  // a record with a value has shown which of the two it is
	log  bool  // positions of the source's log
	last int64 // newest log position so far
}

// offsetBits leave 15 bits for the epoch in a positive int64.
const offsetBits = 48

func offsetVersion(epoch int, offset int64) int64 {
	return int64(epoch)<<offsetBits | offset
}

// version is the version of r's row.
func (w *Writer) version(ctx context.Context, t *table, m *mapping, b *record.Batch, i int) (int64, error) {
	r := &b.Records[i]
	if t.version < 0 {
		return 0, nil
	}
	v := &t.versions
	if !r.Value.Value.IsNull() {
		lsn, ok, err := position(r, m)
		if err != nil {
			return 0, err
		}
		v.seen = true
		switch {
		case ok:
			v.log, v.last = true, max(v.last, lsn)
			return lsn, nil
		case v.log:
			return 0, fmt.Errorf("the record has no log position (%s), but records before it had; rows without one would lose against them", strings.Join(lsnFields[:], " or "))
		}
		return offsetVersion(w.cfg.Epoch, r.Offset), nil
	}
	if lsn, ok, err := position(r, m); ok || err != nil {
		v.last = max(v.last, lsn)
		return lsn, err
	}
	if !v.seen {
		v.log, v.seen = upcoming(b, i)
	}
	switch {
	case v.seen && !v.log:
		return offsetVersion(w.cfg.Epoch, r.Offset), nil
	case v.last > 0:
		// A tombstone has no position. The delete's own was higher than every one before it, so
		// this is too, and it is not higher than the ones that follow.
		return v.last + 1, nil
	}
	// The first records after a start: only the table knows what the delete has to beat.
	newest, err := w.newest(ctx, t, m, r)
	if err != nil {
		return 0, err
	}
	if v.log {
		return newest + 1, nil
	}
	return max(newest+1, offsetVersion(w.cfg.Epoch, r.Offset)), nil
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
