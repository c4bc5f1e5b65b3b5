package clickhouse

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"connectd/connect"
	"connectd/record"
)

var orderSchema = structOf("id", int64s, "name", strings_)

func orders(offset int64, n int) *record.Batch {
	b := new(record.Batch)
	for i := range n {
		b.Records = append(b.Records, keyed(orderSchema, record.OfInt(offset+int64(i)), record.OfText(fmt.Sprint("n", offset+int64(i)))))
	}
	return batchOf(offset, b.Records...)
}

func TestSameRangeTwice(t *testing.T) {
	x := newTarget(t)
	x.query("CREATE TABLE $db.orders (id Int64, name String) ENGINE = MergeTree ORDER BY id")
	x.query("CREATE TABLE $db.sums (name String, n UInt64) ENGINE = SummingMergeTree ORDER BY name SETTINGS non_replicated_deduplication_window = 100")
	x.query("CREATE MATERIALIZED VIEW $db.mv TO $db.sums AS SELECT 'all' AS name, count() AS n FROM $db.orders")
	b := orders(0, 10)
	x.write(b, id(1))
	x.write(b, id(1)) // by another writer, as after a crash
	x.want("SELECT count(), sum(id) FROM $db.orders", "10\t45")
	x.want("SELECT sum(n) FROM $db.sums", "10")
	// The same rows under another id are what an operator's rewind asks for.
	x.write(b, id(2))
	x.want("SELECT count() FROM $db.orders", "20")
}

func TestSubInsertsAfterCrash(t *testing.T) {
	x := newTarget(t, func(c *Config) { c.MaxRows = 4 })
	x.query("CREATE TABLE $db.orders (id Int64, name String) ENGINE = MergeTree ORDER BY id PARTITION BY id % 3")
	b := orders(0, 10)
	w := x.writer().(*Writer)
	if err := w.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if got := len(w.tables[testTopic].blocks); got != 3 {
		t.Fatalf("blocks: got %d, want 3 of at most 4 rows", got)
	}
	// The process dies after the first of the three inserts.
	w.tables[testTopic].blocks = w.tables[testTopic].blocks[:1]
	if err := w.Flush(t.Context(), rangeOf(b, id(1))); err != nil {
		t.Fatal(err)
	}
	x.want("SELECT count() FROM $db.orders", "4")
	x.write(b, id(1))
	x.want("SELECT count(), uniqExact(id) FROM $db.orders", "10\t10")
}

// TestBlockOfRefusedRecord flushes a range again without a record that was refused, and that had begun
// a block of its own, as the runtime does in the same process.
func TestBlockOfRefusedRecord(t *testing.T) {
	x := newTarget(t)
	x.query("CREATE TABLE $db.orders (id Int64, name String, n Int8 DEFAULT 7) ENGINE = MergeTree ORDER BY id")
	b := orders(0, 3)
	b.Records[0].Value = record.Datum{Schema: structOf("id", int64s, "n", int64s), Value: record.OfStruct([]record.Value{record.OfInt(0), record.OfInt(1000)})}
	r := rangeOf(b, id(1))
	flush := func(records []record.Record, failed int) {
		b := &record.Batch{Records: records}
		w := x.writer()
		defer w.Close()
		if err := w.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if len(b.Failed()) != failed {
			t.Fatalf("refused: got %v, want %d", b.Failed(), failed)
		}
		if err := w.Flush(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	flush(b.Records, 1)
	flush(b.Records[1:], 0)
	x.want("SELECT count() FROM $db.orders", "2")
}

func TestManyPartitions(t *testing.T) {
	x := newTarget(t)
	x.query("CREATE TABLE $db.orders (id Int64, name String) ENGINE = MergeTree ORDER BY id PARTITION BY id")
	b := orders(0, 150)
	x.write(b, id(1))
	x.write(b, id(1))
	x.want("SELECT count() FROM $db.orders", "150")
}

func TestDedupWindow(t *testing.T) {
	x := newTarget(t)
	x.query("CREATE TABLE $db.orders (id Int64, name String) ENGINE = MergeTree ORDER BY id")
	x.cfg.ManageWindow = false
	err := x.tryWrite(orders(0, 1), id(1))
	if !connect.IsPermanent(err) || !strings.Contains(fmt.Sprint(err), "MODIFY SETTING non_replicated_deduplication_window = 10000") {
		t.Errorf("without dedup.window.manage: got %v, want a permanent error with the ALTER", err)
	}
	x.cfg.ManageWindow = true
	x.write(orders(0, 1), id(1))
	if got := x.query("SELECT engine_full FROM system.tables WHERE database = '" + x.db + "' AND name = 'orders'"); !strings.Contains(got, "non_replicated_deduplication_window = 10000") {
		t.Errorf("engine_full: got %s, want a window of 10000", got)
	}
}

func TestEngineWithoutDeduplication(t *testing.T) {
	x := newTarget(t)
	x.query("CREATE TABLE $db.orders (id Int64, name String) ENGINE = Memory")
	if err := x.tryWrite(orders(0, 1), id(1)); !connect.IsPermanent(err) {
		t.Errorf("Memory: got %v, want a permanent error", err)
	}
	x.cfg.AcceptAtLeast = true
	x.write(orders(0, 1), id(1))
	x.want("SELECT count() FROM $db.orders", "1")
}

func TestUnknownTable(t *testing.T) {
	x := newTarget(t)
	err := x.tryWrite(orders(0, 1), id(1))
	want := "CREATE TABLE IF NOT EXISTS `" + x.db + "`.`orders` (`id` Int64, `name` String, `_version` UInt64, `_is_deleted` UInt8) " +
		"ENGINE = ReplacingMergeTree(`_version`, `_is_deleted`) ORDER BY (`id`) SETTINGS non_replicated_deduplication_window = 10000"
	if !connect.IsPermanent(err) || !strings.HasSuffix(fmt.Sprint(err), want) {
		t.Errorf("got %v, want a permanent error that ends in %s", err, want)
	}
}

// TestClusterDDL has a cluster, which no server of the tests has: the statements are in the texts
// of the refusals.
func TestClusterDDL(t *testing.T) {
	x := newTarget(t, func(c *Config) { c.Cluster, c.Replicated = "all", true })
	err := x.tryWrite(orders(0, 1), id(1))
	want := "run CREATE TABLE IF NOT EXISTS `" + x.db + "`.`orders` ON CLUSTER `all` (`id` Int64, `name` String, `_version` UInt64, `_is_deleted` UInt8) " +
		"ENGINE = ReplicatedReplacingMergeTree(`_version`, `_is_deleted`) ORDER BY (`id`)"
	if !connect.IsPermanent(err) || !strings.HasSuffix(fmt.Sprint(err), want) {
		t.Errorf("got %v, want a permanent error that ends in %s", err, want)
	}
	x.query("CREATE TABLE $db.orders (id Int64) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 100")
	err = x.tryWrite(orders(0, 1), id(1))
	if want := "run ALTER TABLE `" + x.db + "`.`orders` ON CLUSTER `all` ADD COLUMN IF NOT EXISTS `name` Nullable(String)"; !connect.IsPermanent(err) || !strings.HasSuffix(fmt.Sprint(err), want) {
		t.Errorf("got %v, want a permanent error that ends in %s", err, want)
	}
}

func TestUnknownTableSuppressed(t *testing.T) {
	x := newTarget(t, func(c *Config) { c.Suppress = true })
	b := orders(0, 3)
	x.write(b, id(1))
	if b.Skipped() != 3 {
		t.Errorf("skipped: got %d, want 3", b.Skipped())
	}
}

func TestWrongPassword(t *testing.T) {
	x := newTarget(t)
	x.cfg.Password = "wrong"
	if _, err := x.open().Open(t.Context(), record.Partition{Topic: testTopic}); !connect.IsPermanent(err) || !strings.Contains(err.Error(), "check username") {
		t.Errorf("got %v, want a permanent error that names the setting", err)
	}
}

// TestConstraint has the server refuse one row, which nobody can know before.
func TestConstraint(t *testing.T) {
	x := newTarget(t, func(c *Config) { c.MaxRows = 4 })
	x.query("CREATE TABLE $db.orders (id Int64, name String, CONSTRAINT small CHECK id != 6) ENGINE = MergeTree ORDER BY id")
	b := orders(0, 10)
	var refused *connect.RecordErrors
	if err := x.tryWrite(b, id(1)); !errors.As(err, &refused) || len(refused.Failed) != 1 || refused.Failed[0].Offset != 6 {
		t.Fatalf("got %v, want the record at offset 6 refused", err)
	}
	// The runtime gives the range again without it.
	b.Records = slices.Delete(b.Records, 6, 7)
	x.write(b, id(1))
	x.want("SELECT count(), sum(id) FROM $db.orders", "9\t39")
}

// TestTooManyParts has a table that takes no more parts for a while: no record is to blame, and
// nothing is lost or doubled when it takes them again.
func TestTooManyParts(t *testing.T) {
	x := newTarget(t, func(c *Config) { c.Retries = 1 })
	x.query("CREATE TABLE $db.orders (id Int64, name String) ENGINE = MergeTree ORDER BY id " +
		"SETTINGS non_replicated_deduplication_window = 100, parts_to_throw_insert = 2, parts_to_delay_insert = 1, max_delay_to_insert = 1, min_delay_to_insert_ms = 1, max_avg_part_size_for_too_many_parts = 1000000000")
	x.query("SYSTEM STOP MERGES $db.orders")
	for n := range 2 {
		x.write(orders(int64(n*10), 10), id(n))
	}
	b := orders(20, 10)
	var refused *connect.RecordErrors
	err := x.tryWrite(b, id(2))
	if err == nil || connect.IsPermanent(err) || errors.As(err, &refused) || len(b.Failed()) > 0 {
		t.Fatalf("got %v and failed records %v, want an error that waiting heals and no record to blame", err, b.Failed())
	}
	if !strings.Contains(err.Error(), "code 252") || !strings.Contains(err.Error(), "raise batch.max.rows and linger.ms") {
		t.Errorf("error is %v, want the code and what helps", err)
	}
	x.query("SYSTEM START MERGES $db.orders")
	x.query("OPTIMIZE TABLE $db.orders FINAL")
	x.write(b, id(2))
	x.want("SELECT count(), uniqExact(id) FROM $db.orders", "30\t30")
}

// TestTablesOfOneRange dies between the tables of a range that goes to two of them.
func TestTablesOfOneRange(t *testing.T) {
	x := newTarget(t, creating)
	batch := func() *record.Batch {
		b := orders(0, 10)
		for i := range b.Records {
			if i%2 == 1 {
				b.Records[i].Topic = "others"
			}
		}
		return b
	}
	w := x.writer().(*Writer)
	b := batch()
	if err := w.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if _, err := w.send(t.Context(), w.tables["others"], rangeOf(b, id(1)), 0); err != nil {
		t.Fatal(err)
	}
	x.want("SELECT count() FROM $db.others", "5")
	x.want("SELECT count() FROM $db.orders", "0")
	x.write(batch(), id(1))
	x.write(batch(), id(1))
	x.want("SELECT count(), sum(id) FROM $db.others", "5\t25")
	x.want("SELECT count(), sum(id) FROM $db.orders", "5\t20")
}
