package clickhouse

import (
	"strings"
	"testing"
	"time"

	"connectd/connect"
	"connectd/record"
)

// late writes b as a range that was begun an hour ago, and whose tokens the table has forgotten:
// its window holds fewer inserts than there were since.
func (x *target) late(b *record.Batch, id string) error {
	x.t.Helper()
	w := x.writer()
	defer w.Close()
	if err := w.Write(x.t.Context(), b); err != nil {
		return err
	}
	r := rangeOf(b, id)
	r.Time = time.Now().Add(-time.Hour).UnixMilli()
	return w.Flush(x.t.Context(), r)
}

// forget makes the table forget the tokens before.
func (x *target) forget() {
	for n := range 4 {
		x.write(orders(int64(1000+n), 1), id(100+n))
	}
}

const (
	plainColumns  = "id Int64, name String"
	originColumns = plainColumns + ", _topic String, _partition Int32, _offset Int64"
	smallWindow   = " SETTINGS non_replicated_deduplication_window = 3"
)

func TestExpiredWithOffsets(t *testing.T) {
	x := newTarget(t)
	x.query("CREATE TABLE $db.orders (" + originColumns + ") ENGINE = MergeTree ORDER BY id" + smallWindow)
	x.write(orders(0, 10), id(1))
	x.forget()
	if err := x.late(orders(0, 10), id(1)); err != nil { // all is there
		t.Fatal(err)
	}
	x.want("SELECT count() FROM $db.orders WHERE id < 1000", "10")
	if err := x.late(orders(10, 10), id(2)); err != nil { // nothing is there
		t.Fatal(err)
	}
	x.want("SELECT count() FROM $db.orders WHERE id < 1000", "20")
	err := x.late(orders(15, 10), id(3)) // a part is there
	if !connect.IsPermanent(err) || !strings.Contains(err.Error(), "for 5 of 10 rows only") {
		t.Errorf("a part is there: got %v, want a permanent error that says so", err)
	}
}

// TestChangedSettings finishes a flush whose records are other ones by now, because a transform leaves
// some out: their block has another token.
func TestChangedSettings(t *testing.T) {
	x := newTarget(t)
	x.query("CREATE TABLE $db.orders (" + originColumns + ") ENGINE = MergeTree ORDER BY id")
	x.write(orders(0, 10), id(1))
	again := func(b *record.Batch) error {
		w := x.writer()
		defer w.Close()
		if err := w.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		r := rangeOf(b, id(1))
		r.Changed = true
		return w.Flush(t.Context(), r)
	}
	if err := again(&record.Batch{Records: orders(0, 10).Records[3:]}); err != nil {
		t.Fatal(err)
	}
	x.want("SELECT count() FROM $db.orders", "10")
	if err := again(orders(20, 5)); err != nil { // nothing of it is there
		t.Fatal(err)
	}
	x.want("SELECT count() FROM $db.orders", "15")
	err := again(orders(5, 10))
	if !connect.IsPermanent(err) || !strings.Contains(err.Error(), "its settings have changed since") || !strings.Contains(err.Error(), "for 5 of 10 rows only") {
		t.Errorf("a part is there: got %v, want a permanent error that says so", err)
	}
}

func TestExpiredWithoutOffsets(t *testing.T) {
	x := newTarget(t)
	x.query("CREATE TABLE $db.orders (" + plainColumns + ") ENGINE = MergeTree ORDER BY id" + smallWindow)
	x.write(orders(0, 10), id(1))
	if err := x.late(orders(0, 10), id(1)); err != nil { // the table remembers one insert
		t.Fatal(err)
	}
	x.forget()
	if err := x.late(orders(0, 10), id(1)); !connect.IsPermanent(err) || !strings.Contains(err.Error(), "on.intent.expired: insert") {
		t.Errorf("got %v, want a permanent error that names the setting", err)
	}
	x.want("SELECT count() FROM $db.orders WHERE id < 1000", "10")
	x.cfg.Expired = expiredInsert
	if err := x.late(orders(0, 10), id(1)); err != nil {
		t.Fatal(err)
	}
	x.want("SELECT count() FROM $db.orders WHERE id < 1000", "20")
}

// TestExpiredWithVersionsThatReplaceNothing: a column of that name in a table that keeps all rows.
func TestExpiredWithVersionsThatReplaceNothing(t *testing.T) {
	x := newTarget(t)
	x.query("CREATE TABLE $db.orders (" + plainColumns + ", _version UInt64) ENGINE = MergeTree ORDER BY id" + smallWindow)
	x.write(orders(0, 10), id(1))
	x.forget()
	if err := x.late(orders(0, 10), id(1)); !connect.IsPermanent(err) || !strings.Contains(err.Error(), "on.intent.expired: insert") {
		t.Errorf("got %v, want a permanent error that names the setting", err)
	}
	x.want("SELECT count() FROM $db.orders WHERE id < 1000", "10")
}

func TestExpiredWithVersions(t *testing.T) {
	x := newTarget(t)
	x.query("CREATE TABLE $db.orders (" + plainColumns + ", _version UInt64, _is_deleted UInt8) ENGINE = ReplacingMergeTree(_version, _is_deleted) ORDER BY id" + smallWindow)
	x.write(orders(0, 10), id(1))
	x.forget()
	if err := x.late(orders(0, 10), id(1)); err != nil {
		t.Fatal(err)
	}
	x.want("SELECT count() FROM $db.orders FINAL WHERE id < 1000", "10")
}
