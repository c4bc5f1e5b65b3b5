package clickhouse

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"connectd/connect"
	"connectd/record"
)

func creating(c *Config) { c.Create = true }

func evolving(c *Config) { c.Create, c.Evolve = true, true }

func (x *target) ddl() string {
	x.t.Helper()
	out := x.query("SELECT create_table_query FROM system.tables WHERE database = '" + x.db + "' AND name = 'orders'")
	return strings.NewReplacer(x.db+".", "", `\'`, "'").Replace(out)
}

func TestCreateKeyed(t *testing.T) {
	x := newTarget(t, creating)
	s := structOf(
		"id", int64s,
		"name", optional(*strings_),
		"price", named(record.BytesType, record.DecimalName, record.Param{Name: "scale", Value: "2"}, record.Param{Name: "connect.decimal.precision", Value: "12"}),
		"any", named(record.StructType, record.VariableScaleName),
		"at", named(record.Int64Type, record.MicroTimestampName),
		"zoned", named(record.StringType, record.ZonedTimestampName),
		"day", named(record.Int32Type, record.DateName),
		"time", named(record.Int64Type, record.MicroTimeName),
		"uid", named(record.StringType, record.UUIDName),
		"doc", named(record.StringType, record.JSONName),
		"mood", named(record.StringType, record.EnumName),
		"tags", &record.Schema{Type: record.ArrayType, Optional: true, Elem: optional(*strings_)},
		"small", &record.Schema{Type: record.Int16Type},
		"ok", &record.Schema{Type: record.BoolType},
		"f", &record.Schema{Type: record.Float32Type},
		"raw", &record.Schema{Type: record.BytesType},
	)
	scale, unscaled := record.OfInt(3), record.OfBytes([]byte{0x04, 0xD2})
	x.write(batchOf(5, keyed(s, record.OfInt(1), text("a"), number("12.50"), record.OfStruct([]record.Value{scale, unscaled}),
		record.OfInt(1706933106123456), text("2024-02-03T04:05:06.5Z"), record.OfInt(19000), record.OfInt(1000000),
		text("61f0c404-5cb3-11e7-907b-a6006ad3dba0"), text(`{"a":1}`), text("happy"), record.OfArray([]record.Value{text("x"), {}}),
		record.OfInt(7), record.OfBool(true), record.OfFloat(1.5), record.OfBytes([]byte("\x01")))), id(1))
	x.want("SELECT * FROM $db.orders", strings.Join([]string{"1", "a", "12.5", "1.234", "2024-02-03 04:05:06.123456", "2024-02-03 04:05:06.500000",
		"2022-01-08", "00:00:01.000000", "61f0c404-5cb3-11e7-907b-a6006ad3dba0", `{"a":1}`, "happy", "['x',NULL]", "7", "true", "1.5", "\x01", "5", "0"}, "\t"))
	want := "CREATE TABLE orders (`id` Int64, `name` Nullable(String), `price` Nullable(Decimal(12, 2)), `any` Nullable(String), " +
		"`at` Nullable(DateTime64(6, 'UTC')), `zoned` Nullable(DateTime64(6, 'UTC')), `day` Nullable(Date32), `time` Nullable(Time64(6)), " +
		"`uid` Nullable(UUID), `doc` Nullable(String), `mood` LowCardinality(Nullable(String)), `tags` Array(Nullable(String)), " +
		"`small` Int16, `ok` Bool, `f` Float32, `raw` String, `_version` UInt64, `_is_deleted` UInt8) " +
		"ENGINE = ReplacingMergeTree(_version, _is_deleted) ORDER BY (id) SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192"
	if got := x.ddl(); got != want {
		t.Errorf("table\n got %s\nwant %s", got, want)
	}
}

func TestCreateSchemaless(t *testing.T) {
	x := newTarget(t, creating)
	a := structOf("n", anything, "x", anything, "empty", anything)
	b := structOf("n", anything, "x", anything, "s", anything, "doc", anything, "b", anything)
	x.write(batchOf(0,
		rec(a, record.OfInt(1), record.OfInt(5), record.Value{}),
		rec(b, record.OfInt(2), number("12.10"), text("t"), jsonOf(`{"k":[1]}`), record.OfBool(true)),
	), id(1))
	x.want("SELECT * FROM $db.orders ORDER BY n", "1\t5\t\\N\t\\N\t\\N\t\\N\torders\t0\t0\n2\t12.1\t\\N\tt\t{\"k\":[1]}\ttrue\torders\t0\t1")
	want := "CREATE TABLE orders (`n` Nullable(Int64), `x` Nullable(Decimal(76, 38)), `empty` Nullable(String), `s` Nullable(String), " +
		"`doc` Nullable(String), `b` Nullable(Bool), `_topic` LowCardinality(String), `_partition` Int32, `_offset` Int64) " +
		"ENGINE = MergeTree ORDER BY (_topic, _partition, _offset) SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192"
	if got := x.ddl(); got != want {
		t.Errorf("table\n got %s\nwant %s", got, want)
	}
}

func TestCreateTemplates(t *testing.T) {
	x := newTarget(t, creating, func(c *Config) {
		c.Keys, c.Engine, c.OrderBy = []string{"name"}, "ReplacingMergeTree(_version)", "name, id"
		c.PartitionBy, c.TableOpts, c.TTL = "id % 2", "index_granularity = 1024", "toDateTime(id) + toIntervalYear(10)"
		c.TableFormat = "${schema}_${table}"
	})
	r := rec(orderSchema, record.OfInt(2_000_000_000), text("a"))
	r.Topic = "shop.public.orders"
	x.write(batchOf(3, r), id(1))
	got := x.query("SELECT create_table_query FROM system.tables WHERE database = '" + x.db + "'")
	for _, want := range []string{"public_orders", "ENGINE = ReplacingMergeTree(_version) PARTITION BY id % 2", "ORDER BY (name, id)", "TTL toDateTime(id)",
		"SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000"} {
		if !strings.Contains(got, want) {
			t.Errorf("table: got %s, want %s in it", got, want)
		}
	}
	if strings.Contains(got, "_is_deleted") {
		t.Errorf("table: got %s, want no _is_deleted, which the engine does not name", got)
	}
	x.want("SELECT id, name, _version FROM $db.public_orders", "2000000000\ta\t3")
}

func TestEvolve(t *testing.T) {
	x := newTarget(t, evolving)
	v1 := structOf("id", int64s, "name", strings_)
	v2 := structOf("id", int64s, "name", strings_, "note", optional(*strings_), "n", &record.Schema{Type: record.Int32Type})
	v3 := structOf("id", anything, "extra", anything)
	x.write(batchOf(0, keyed(v1, record.OfInt(1), text("a"))), id(1))
	// The new field is in the middle of the batch only, and not in its last record.
	b := batchOf(1,
		keyed(v1, record.OfInt(2), text("b")),
		keyed(v2, record.OfInt(3), text("c"), text("new"), record.OfInt(7)),
		keyed(v3, record.OfInt(4), record.Value{}),
		keyed(v3, record.OfInt(5), number("0.5")),
		keyed(v1, record.OfInt(6), text("f")),
	)
	x.write(b, id(2))
	want := "1\ta\t\\N\t\\N\t\\N\n2\tb\t\\N\t\\N\t\\N\n3\tc\tnew\t7\t\\N\n4\t\t\\N\t\\N\t\\N\n5\t\t\\N\t\\N\t0.5\n6\tf\t\\N\t\\N\t\\N"
	x.want("SELECT id, name, note, n, extra FROM $db.orders ORDER BY id", want)
	x.write(b, id(2)) // a replay, when the columns are there already
	x.want("SELECT count() FROM $db.orders", "6")

	x.cfg.Evolve = false
	v4 := structOf("id", int64s, "later", &record.Schema{Type: record.Int8Type})
	err := x.tryWrite(batchOf(6, keyed(v4, record.OfInt(7), record.OfInt(1))), id(3))
	if !connect.IsPermanent(err) || !strings.HasSuffix(fmt.Sprint(err), "ADD COLUMN IF NOT EXISTS `later` Nullable(Int8)") {
		t.Errorf("without auto.evolve: got %v, want a permanent error with the ALTER", err)
	}
}

// TestColumnsChange lets somebody else change the table under a running writer.
func TestColumnsChange(t *testing.T) {
	x := newTarget(t)
	x.query("CREATE TABLE $db.orders (id Int64, name String, note Nullable(String)) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 100")
	s := structOf("id", int64s, "name", strings_, "note", optional(*strings_))
	w := x.writer()
	defer w.Close()
	send := func(n int) error {
		b := batchOf(int64(n), rec(s, record.OfInt(int64(n)), text("name"), text("note")))
		if err := w.Write(t.Context(), b); err != nil {
			return err
		}
		return w.Flush(t.Context(), rangeOf(b, id(n)))
	}
	for i, change := range []string{"", "ADD COLUMN more Int32 DEFAULT 5 FIRST", "MODIFY COLUMN note Nullable(String) AFTER id", "MODIFY COLUMN name LowCardinality(String)"} {
		if change != "" {
			x.query("ALTER TABLE $db.orders " + change)
		}
		if err := send(i); err != nil {
			t.Fatalf("after %q: %v", change, err)
		}
	}
	x.want("SELECT id, name, note, more FROM $db.orders ORDER BY id", "0\tname\tnote\t5\n1\tname\tnote\t5\n2\tname\tnote\t5\n3\tname\tnote\t5")
	x.query("ALTER TABLE $db.orders DROP COLUMN note")
	if err := send(4); err == nil || connect.IsPermanent(err) {
		t.Errorf("after DROP COLUMN: got %v, want an error that a new writer may heal", err)
	}
}

func TestDefaults(t *testing.T) {
	x := newTarget(t)
	x.query("CREATE TABLE $db.orders (id Int64, a Int32 DEFAULT 7, b Int32, c String DEFAULT concat('c', toString(id)), e Enum8('x' = 3), m Int64 MATERIALIZED id * 2) ENGINE = MergeTree ORDER BY id")
	none := structOf("id", int64s)
	some := structOf("id", int64s, "a", int64s)
	all := structOf("id", int64s, "a", int64s, "b", int64s, "c", strings_, "e", strings_)
	x.write(batchOf(0,
		rec(none, record.OfInt(1)),
		rec(all, record.OfInt(2), record.OfInt(1), record.OfInt(2), text("set"), text("x")),
		rec(some, record.OfInt(3), record.OfInt(1)),
		rec(none, record.OfInt(4)),
	), id(1))
	x.want("SELECT id, a, b, c, e, m FROM $db.orders ORDER BY id", "1\t7\t0\tc1\tx\t2\n2\t1\t2\tset\tx\t4\n3\t1\t0\tc3\tx\t6\n4\t7\t0\tc4\tx\t8")
}

// TestReplacing plays random changes of a few keys, in ranges that are sent once, twice and out of
// order, and compares what FINAL shows with a map.
func TestReplacing(t *testing.T) {
	for _, withLSN := range []bool{false, true} {
		t.Run(fmt.Sprintf("lsn=%v", withLSN), func(t *testing.T) {
			x := newTarget(t, creating)
			s := structOf("id", int64s, "name", optional(*strings_), "qty", &record.Schema{Type: record.Int32Type})
			if withLSN {
				s = structOf("id", int64s, "name", optional(*strings_), "qty", &record.Schema{Type: record.Int32Type}, "__deleted", strings_, "__lsn", int64s)
			}
			random := rand.New(rand.NewPCG(1, 2))
			live := make(map[int64]string)
			var batches []*record.Batch
			for n := range 20 {
				var records []record.Record
				for i := range 30 {
					key, lsn := random.Int64N(15), int64(1_000_000+n*1000+i*3)
					name := fmt.Sprintf("n%d.%d", n, i)
					cells := []record.Value{record.OfInt(key), text(name), record.OfInt(int64(i))}
					switch del := random.IntN(3) == 0; {
					case del && (n+i)%2 == 0:
						delete(live, key)
						r := tombstone(s, record.OfInt(key))
						if withLSN {
							r.Headers = []record.Header{{Name: "__lsn", Value: record.Datum{Value: text(strconv.FormatInt(lsn, 10))}}}
						}
						records = append(records, r)
					case del && withLSN:
						delete(live, key)
						records = append(records, keyed(s, record.OfInt(key), record.Value{}, record.Value{}, text("true"), record.OfInt(lsn)), tombstone(s, record.OfInt(key)))
					default:
						live[key] = name
						if withLSN {
							cells = append(cells, text("false"), record.OfInt(lsn))
						}
						records = append(records, keyed(s, cells...))
					}
				}
				batches = append(batches, batchOf(int64(n*100), records...))
			}
			for n, b := range batches {
				x.write(b, id(n))
				if n%3 == 0 {
					x.write(b, id(n))
				}
			}
			// A zombie sends an old range late.
			x.write(batches[4], id(4))
			var want []string
			for key := range int64(15) {
				if name, ok := live[key]; ok {
					want = append(want, fmt.Sprintf("%d\t%s", key, name))
				}
			}
			x.want("SELECT id, name FROM $db.orders FINAL ORDER BY id", strings.Join(want, "\n"))
			x.query("OPTIMIZE TABLE $db.orders FINAL")
			x.want("SELECT id, name FROM $db.orders FINAL ORDER BY id", strings.Join(want, "\n"))
		})
	}
}

// TestUnorderedTombstone has rows with a log position, and a tombstone without one.
func TestUnorderedTombstone(t *testing.T) {
	s := structOf("id", int64s, "__lsn", int64s)
	for name, batches := range map[string][]*record.Batch{
		"behind a row":                  {batchOf(0, keyed(s, record.OfInt(1), record.OfInt(900)), tombstone(s, record.OfInt(1)))},
		"before a row":                  {batchOf(0, keyed(s, record.OfInt(1), record.OfInt(900))), batchOf(1, tombstone(s, record.OfInt(1)), keyed(s, record.OfInt(2), record.OfInt(901)))},
		"alone, of a row that is there": {batchOf(0, keyed(s, record.OfInt(1), record.OfInt(900))), batchOf(1, tombstone(s, record.OfInt(1)))},
	} {
		t.Run(name, func(t *testing.T) {
			x := newTarget(t, creating)
			for n, b := range batches[:len(batches)-1] {
				x.write(b, id(n))
			}
			// The last batch comes to a new writer, as after a start.
			last := batches[len(batches)-1]
			w := x.writer()
			defer w.Close()
			if err := w.Write(t.Context(), last); err != nil {
				t.Fatal(err)
			}
			if f := last.Failed(); len(f) != 1 || !errors.Is(f[0].Err, errUnordered) {
				t.Errorf("failed records are %v, want the tombstone: %v", f, errUnordered)
			}
		})
	}
}

// TestIncrementalRows has rows of an incremental snapshot among changes with log positions.
func TestIncrementalRows(t *testing.T) {
	x := newTarget(t, creating)
	s := structOf("id", int64s, "name", strings_, "__lsn", optional(*int64s))
	row := func(id int64, name string, lsn record.Value) record.Record {
		return keyed(s, record.OfInt(id), text(name), lsn)
	}
	x.write(batchOf(0, row(1, "read", record.Value{}), row(2, "changed", record.OfInt(900))), id(1))
	x.write(batchOf(2, row(2, "read", record.Value{}), row(1, "changed", record.OfInt(800)), row(3, "read", record.Value{})), id(2))
	x.want("SELECT id, name FROM $db.orders FINAL ORDER BY id", "1\tchanged\n2\tchanged\n3\tread")
}

// TestTopicCreatedAnew starts at offset 0 again with a higher epoch.
func TestTopicCreatedAnew(t *testing.T) {
	x := newTarget(t, creating)
	x.write(batchOf(500, keyed(orderSchema, record.OfInt(1), text("old"))), id(1))
	x.cfg.Epoch = 1
	x.write(batchOf(0, keyed(orderSchema, record.OfInt(1), text("new"))), id(2))
	x.want("SELECT id, name FROM $db.orders FINAL", "1\tnew")
}

func TestTombstones(t *testing.T) {
	x := newTarget(t)
	// No table yet, nothing to delete, nothing to create a table from.
	x.write(batchOf(0, tombstone(orderSchema, record.OfInt(1))), id(1))
	x.want("SELECT count() FROM system.tables WHERE database = '"+x.db+"'", "0")
	// No column for deletes: left out and counted.
	x.query("CREATE TABLE $db.orders (id Int64, name String) ENGINE = MergeTree ORDER BY id")
	x.write(batchOf(1, tombstone(orderSchema, record.OfInt(1)), keyed(orderSchema, record.OfInt(2), text("b"))), id(2))
	x.want("SELECT * FROM $db.orders", "2\tb")
	// The names of the engine's columns count, and a key that does not cover the sorting key is refused.
	x.query("DROP TABLE $db.orders")
	x.query("CREATE TABLE $db.orders (id Int64, name String, v UInt64, gone UInt8) ENGINE = ReplacingMergeTree(v, gone) ORDER BY id")
	x.write(batchOf(3, keyed(orderSchema, record.OfInt(2), text("b")), tombstone(orderSchema, record.OfInt(2))), id(3))
	x.want("SELECT * FROM $db.orders ORDER BY v", "2\t\t4\t1")
	x.want("SELECT count() FROM $db.orders FINAL", "0")
	x.query("DROP TABLE $db.orders")
	x.query("CREATE TABLE $db.orders (id Int64, name String, v UInt64, gone UInt8) ENGINE = ReplacingMergeTree(v, gone) ORDER BY (id, name)")
	b := batchOf(5, tombstone(orderSchema, record.OfInt(2)))
	if err := x.tryWrite(b, id(4)); err != nil {
		t.Fatal(err)
	}
	if len(b.Failed()) != 1 || !strings.Contains(b.Failed()[0].Err.Error(), "sorting column `name`") {
		t.Errorf("got %v, want a failure that names the sorting column", b.Failed())
	}
}

// TestSortingKeyOfOneColumn has names that are no longer than a pair of parentheses.
func TestSortingKeyOfOneColumn(t *testing.T) {
	x := newTarget(t)
	x.query("CREATE TABLE $db.orders (id Int64, name String, v UInt64, gone UInt8) ENGINE = ReplacingMergeTree(v, gone) ORDER BY id")
	b := batchOf(0, tombstone(structOf("other", int64s), record.OfInt(2)))
	if err := x.tryWrite(b, id(1)); err != nil {
		t.Fatal(err)
	}
	if len(b.Failed()) != 1 || !strings.Contains(b.Failed()[0].Err.Error(), "sorting column `id`") {
		t.Errorf("got %v, want a failure that names the sorting column", b.Failed())
	}
}

func TestCreateJSON(t *testing.T) {
	x := newTarget(t, creating, func(c *Config) { c.JSON, c.Unbound = "JSON", "Decimal" })
	s := structOf("id", int64s, "doc", named(record.StringType, record.JSONName), "any", named(record.BytesType, record.DecimalName, record.Param{Name: "scale", Value: "0"}))
	x.write(batchOf(0,
		keyed(s, record.OfInt(1), text(`{"a":{"b":1}}`), number("12")),
		keyed(s, record.OfInt(2), record.Value{}, record.Value{}),
		tombstone(s, record.OfInt(3)),
	), id(1))
	x.want("SELECT id, doc, any, _is_deleted FROM $db.orders ORDER BY id", "1\t{\"a\":{\"b\":1}}\t12\t0\n2\t\\N\t\\N\t0\n3\t\\N\t\\N\t1")
}

// TestKeyWithoutStruct names the column of a plain key by pk.fields.
func TestKeyWithoutStruct(t *testing.T) {
	x := newTarget(t, func(c *Config) { c.Keys = []string{"id"} })
	x.query("CREATE TABLE $db.orders (id Int64, name String, _version UInt64, _is_deleted UInt8) ENGINE = ReplacingMergeTree(_version, _is_deleted) ORDER BY id")
	key := record.Datum{Value: text("7")}
	row := rec(structOf("name", strings_), text("seven"))
	row.Key = key
	x.write(batchOf(0, row), id(1))
	x.want("SELECT id, name FROM $db.orders FINAL", "7\tseven")
	x.write(batchOf(1, record.Record{Key: key}), id(2))
	x.want("SELECT count() FROM $db.orders FINAL", "0")
}
