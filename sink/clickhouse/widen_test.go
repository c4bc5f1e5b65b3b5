package clickhouse

import (
	"strings"
	"sync"
	"testing"

	"connectd/record"
)

const narrowTable = "CREATE TABLE $db.orders (id Int64, n Int8, u Nullable(UInt16), price Decimal(5, 2), name String) ENGINE = MergeTree ORDER BY id"

var narrowSchema = structOf("id", anything, "n", anything, "u", anything, "price", anything, "name", anything)

func narrow(id, n int64, u record.Value, price string, name record.Value) record.Record {
	return rec(narrowSchema, record.OfInt(id), record.OfInt(n), u, number(price), name)
}

// TestWiden has values that do not fit in the middle of a range, whose earlier rows are encoded
// already, and sends the range again.
func TestWiden(t *testing.T) {
	x := newTarget(t, func(c *Config) { c.Widen = true })
	x.query(narrowTable)
	b := batchOf(0,
		narrow(1, -5, record.OfInt(7), "-1.25", text("a")),
		narrow(2, 5, record.Value{}, "999.99", text("b")),
		narrow(3, -5_000_000_000, record.OfInt(70_000), "1234567890123.50", record.Value{}),
		narrow(4, -1, record.OfInt(1), "12345678901234567890123456.75", text("d")),
	)
	want := "1\t-5\t7\t-1.25\ta\n2\t5\t\\N\t999.99\tb\n3\t-5000000000\t70000\t1234567890123.5\t\\N\n4\t-1\t1\t12345678901234567890123456.75\td"
	x.write(b, id(1))
	x.want("SELECT * FROM $db.orders ORDER BY id", want)
	x.write(b, id(1)) // the types are wide from the start, and the block is the same
	x.want("SELECT * FROM $db.orders ORDER BY id", want)
	x.want("SELECT toTypeName(n), toTypeName(u), toTypeName(price), toTypeName(name) FROM $db.orders LIMIT 1",
		"Int64\tNullable(UInt64)\tDecimal(38, 2)\tNullable(String)")
}

func TestWidenIsAskedFor(t *testing.T) {
	x := newTarget(t)
	x.query(narrowTable)
	for want, r := range map[string]record.Record{
		"MODIFY COLUMN `n` Int64":               narrow(1, 300, record.Value{}, "1", text("a")),
		"MODIFY COLUMN `u` Nullable(UInt64)":    narrow(1, 1, record.OfInt(70_000), "1", text("a")),
		"MODIFY COLUMN `price` Decimal(18, 2)":  narrow(1, 1, record.Value{}, "1000", text("a")),
		"MODIFY COLUMN `name` Nullable(String)": narrow(1, 1, record.Value{}, "1", record.Value{}),
	} {
		b := batchOf(0, r)
		if err := x.tryWrite(b, id(1)); err != nil {
			t.Fatal(err)
		}
		if f := b.Failed(); len(f) != 1 || !strings.Contains(f[0].Err.Error(), "set auto.evolve.widen: true, or run ALTER TABLE") || !strings.HasSuffix(f[0].Err.Error(), want) {
			t.Errorf("got %v, want a refusal that ends in %s", f, want)
		}
	}
	// More digits behind the point, and a NULL in the sorting key: no wider type holds them.
	b := batchOf(0, narrow(1, 1, record.Value{}, "1.239", text("a")), rec(narrowSchema, record.Value{}, record.OfInt(1), record.Value{}, number("1"), text("a")))
	if err := x.tryWrite(b, id(1)); err != nil {
		t.Fatal(err)
	}
	if f := b.Failed(); len(f) != 2 || strings.Contains(f[0].Err.Error(), "ALTER") || strings.Contains(f[1].Err.Error(), "ALTER") {
		t.Errorf("got %v, want two refusals without a statement", f)
	}
	x.want("SELECT count() FROM $db.orders", "0")
}

// TestWidenedByOthers: a running sink takes what a column holds by now, in the middle of a range,
// whose earlier rows are encoded already.
func TestWidenedByOthers(t *testing.T) {
	x := newTarget(t)
	x.query(narrowTable)
	w := x.writer()
	defer w.Close()
	wide := func(id int64) record.Record {
		return narrow(id, -5_000_000_000, record.OfInt(70_000), "1234567890123.50", record.Value{})
	}
	flush := func(b *record.Batch, n int) {
		t.Helper()
		if err := w.Flush(t.Context(), rangeOf(b, id(n))); err != nil {
			t.Fatal(err)
		}
	}
	b := batchOf(0, narrow(1, 1, record.OfInt(1), "1.5", text("a")), wide(2))
	if err := w.Write(t.Context(), b); err != nil || len(b.Failed()) != 1 {
		t.Fatalf("got %v and %v, want one refusal", err, b.Failed())
	}
	flush(b, 1)
	b = batchOf(2, narrow(3, 2, record.OfInt(2), "2.5", text("b")))
	if err := w.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	x.query("ALTER TABLE $db.orders MODIFY COLUMN n Int64, MODIFY COLUMN u Nullable(UInt64), MODIFY COLUMN price Decimal(18, 2), MODIFY COLUMN name Nullable(String)")
	more := batchOf(3, wide(4), wide(5))
	if err := w.Write(t.Context(), more); err != nil || len(more.Failed()) > 0 {
		t.Fatal(err, more.Failed())
	}
	b.Records = append(b.Records, more.Records...)
	flush(b, 2)
	x.want("SELECT * FROM $db.orders ORDER BY id", "1\t1\t1\t1.5\ta\n3\t2\t2\t2.5\tb\n"+
		"4\t-5000000000\t70000\t1234567890123.5\t\\N\n5\t-5000000000\t70000\t1234567890123.5\t\\N")
}

// TestTasksEvolveTogether has writers of several partitions add and widen the same columns.
func TestTasksEvolveTogether(t *testing.T) {
	x := newTarget(t, evolving, func(c *Config) { c.Widen = true })
	x.write(batchOf(0, keyed(structOf("id", int64s, "n", &record.Schema{Type: record.Int16Type}), record.OfInt(0), record.OfInt(1))), id(0))
	s := structOf("id", int64s, "n", int64s, "extra", optional(*strings_))
	var wg sync.WaitGroup
	for p := range 6 {
		wg.Go(func() {
			w, err := x.sink.Open(t.Context(), record.Partition{Topic: testTopic, ID: int32(p)})
			if err != nil {
				t.Error(err)
				return
			}
			defer w.Close()
			b := batchOf(0, keyed(s, record.OfInt(int64(p+1)), record.OfInt(int64(100_000+p)), text("x")))
			if err := w.Write(t.Context(), b); err != nil || len(b.Failed()) > 0 {
				t.Errorf("partition %d: %v %v", p, err, b.Failed())
				return
			}
			if err := w.Flush(t.Context(), record.Range{Partition: record.Partition{Topic: testTopic, ID: int32(p)}, Start: 0, End: 1, ID: id(p + 1)}); err != nil {
				t.Errorf("partition %d: %v", p, err)
			}
		})
	}
	wg.Wait()
	x.want("SELECT count(), sum(n), countIf(extra = 'x') FROM $db.orders", "7\t600016\t6")
}
