package clickhouse

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"connectd/connect"
	"connectd/record"
)

// refusedOf are the offsets that err refuses.
func refusedOf(t *testing.T, err error) (offsets []int64) {
	t.Helper()
	var refused *connect.RecordErrors
	if !errors.As(err, &refused) {
		t.Fatalf("got %v, want connect.RecordErrors", err)
	}
	for _, f := range refused.Failed {
		offsets = append(offsets, f.Offset)
	}
	return offsets
}

// TestRejected has the server refuse rows for what is in them without a word of which they are.
func TestRejected(t *testing.T) {
	for _, c := range []struct{ name, table, says string }{
		{"materialized column", "(id Int64, name String, n Int64 MATERIALIZED toInt64(name)) ENGINE = MergeTree ORDER BY id", "Cannot parse string 'bad'"},
		{"constraint that can not be computed", "(id Int64, name String, CONSTRAINT c CHECK toInt64(name) >= 0) ENGINE = MergeTree ORDER BY id", "Cannot parse string 'bad'"},
		{"constraint", "(id Int64, name String, tags Array(String), CONSTRAINT c CHECK name != 'bad') ENGINE = MergeTree ORDER BY id", "Constraint `c` is violated. Expression"},
		{"partition key", "(id Int64, name String) ENGINE = MergeTree PARTITION BY intDiv(toInt64(name), 100) ORDER BY id", "Cannot parse string 'bad'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newTarget(t)
			x.query("CREATE TABLE $db.orders " + c.table)
			bad := []int64{13, 50, 51, 199}
			batch := func(without []int64) *record.Batch {
				var all []record.Record
				for i := range int64(200) {
					name := fmt.Sprint(i)
					if slices.Contains(bad, i) {
						name = "bad"
					}
					all = append(all, keyed(orderSchema, record.OfInt(i), record.OfText(name)))
				}
				b := batchOf(0, all...)
				b.Records = slices.DeleteFunc(b.Records, func(r record.Record) bool { return slices.Contains(without, r.Offset) })
				return b
			}
			err := x.tryWrite(batch(nil), id(1))
			if got := refusedOf(t, err); !slices.Equal(got, bad) {
				t.Errorf("refused %v, want %v", got, bad)
			}
			if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), copyName) {
				t.Errorf("error is %q, want %q and no word of the copy", err, c.says)
			}
			x.want("SELECT count() FROM $db.orders", "0")
			// The runtime gives the range again without them, once more after a crash.
			for range 2 {
				x.write(batch(bad), id(1))
			}
			x.want("SELECT count(), uniqExact(id) FROM $db.orders", "196\t196")
		})
	}
}

// TestRejectedJSON has a JSON column that does not take what is valid JSON.
func TestRejectedJSON(t *testing.T) {
	x := newTarget(t)
	x.query("CREATE TABLE $db.orders (id Int64, doc JSON) ENGINE = MergeTree ORDER BY id")
	s := structOf("id", int64s, "doc", anything)
	var all []record.Record
	for i := range int64(20) {
		doc := fmt.Sprintf(`{"a":%d}`, i)
		if i == 7 {
			doc = `{"a":1,"a":2}`
		}
		all = append(all, keyed(s, record.OfInt(i), record.OfJSON([]byte(doc))))
	}
	b := batchOf(0, all...)
	if got := refusedOf(t, x.tryWrite(b, id(1))); !slices.Equal(got, []int64{7}) {
		t.Errorf("refused %v, want the offset 7", got)
	}
	b.Records = slices.Delete(b.Records, 7, 8)
	x.write(b, id(1))
	x.want("SELECT count() FROM $db.orders", "19")
}

// TestRejectedByView has a materialized view refuse rows that the table has stored by then: none of
// them may become a dead letter, and the same rows must not be stored a second time.
func TestRejectedByView(t *testing.T) {
	x := newTarget(t)
	x.query("CREATE TABLE $db.orders (id Int64, name String) ENGINE = MergeTree ORDER BY id")
	x.query("CREATE TABLE $db.small (id Int64, CONSTRAINT c CHECK id != 3) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 100")
	x.query("CREATE MATERIALIZED VIEW $db.mv TO $db.small AS SELECT id FROM $db.orders WHERE id > 1")
	b := orders(0, 10)
	for range 2 {
		err := x.tryWrite(b, id(1))
		if !connect.IsPermanent(err) || errors.As(err, new(*connect.RecordErrors)) || !strings.Contains(err.Error(), "correct or drop the view") {
			t.Fatalf("got %v, want a permanent error that names the view", err)
		}
	}
	x.want("SELECT count(), uniqExact(id) FROM $db.orders", "10\t10")
	x.query("ALTER TABLE $db.small DROP CONSTRAINT c")
	x.write(b, id(1))
	x.want("SELECT count(), uniqExact(id) FROM $db.orders", "10\t10")
	x.want("SELECT count(), uniqExact(id) FROM $db.small", "8\t8")
}

// TestRejectedAfterChange has a table whose column is another one now: that is no fault of the
// records.
func TestRejectedAfterChange(t *testing.T) {
	x := newTarget(t)
	x.query("CREATE TABLE $db.orders (id Int64, name String) ENGINE = MergeTree ORDER BY id")
	w := x.writer()
	defer w.Close()
	b := orders(0, 10)
	if err := w.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	x.query("ALTER TABLE $db.orders MODIFY COLUMN name Int64")
	err := w.Flush(t.Context(), rangeOf(b, id(1)))
	if err == nil || connect.IsPermanent(err) || errors.As(err, new(*connect.RecordErrors)) {
		t.Errorf("got %v, want an error that another writer heals, and no record to blame", err)
	}
}

// TestCut compares the encoding of some rows of a column with that of a column that has only them.
func TestCut(t *testing.T) {
	pair := func(a, b int64) record.Value { return record.OfJSON(fmt.Appendf(nil, "[%d,%d]", a, b)) }
	for _, c := range []struct {
		kind   string
		values []record.Value
	}{
		{"Int32", []record.Value{record.OfInt(1), record.OfInt(2), record.OfInt(3), record.OfInt(4)}},
		{"String", []record.Value{record.OfText("a"), record.OfText(""), record.OfText("ccc"), record.OfText("d")}},
		{"Nullable(String)", []record.Value{record.OfText("a"), {}, record.OfText("ccc"), {}}},
		{"Array(Array(Int64))", []record.Value{record.OfJSON([]byte("[[1],[2,3]]")), record.OfJSON([]byte("[]")), record.OfJSON([]byte("[[],[4,5,6]]")), record.OfJSON([]byte("[[7]]"))}},
		{"Map(String, Int64)", []record.Value{record.OfJSON([]byte(`{"a":1,"b":2}`)), record.OfJSON([]byte(`{}`)), record.OfJSON([]byte(`{"c":3}`)), record.OfJSON([]byte(`{"d":4}`))}},
		{"Tuple(Int64, Int64)", []record.Value{pair(1, 2), pair(3, 4), pair(5, 6), pair(7, 8)}},
	} {
		encoded := func(values []record.Value) column {
			column, _, err := newColumn(c.kind, refuse)
			if err != nil {
				t.Fatal(err)
			}
			for i := range values {
				if err := column.append(nil, &values[i]); err != nil {
					t.Fatalf("%s: %v", c.kind, err)
				}
			}
			return column
		}
		all := encoded(c.values)
		for from := range c.values {
			for to := from; to <= len(c.values); to++ {
				got := bytes.Join((&cut{all, from, to}).segments(nil), nil)
				want := bytes.Join(encoded(c.values[from:to]).segments(nil), nil)
				if !bytes.Equal(got, want) {
					t.Errorf("%s, rows %d to %d: got %x, want %x", c.kind, from, to, got, want)
				}
			}
		}
	}
}
