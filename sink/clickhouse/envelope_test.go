package clickhouse

import (
	"fmt"
	"strings"
	"testing"

	"connectd/convert"
	"connectd/record"
)

// envelopes decodes Debezium's JSON as the runtime does; an empty value is a tombstone.
func envelopes(t *testing.T, offset int64, pairs ...string) *record.Batch {
	t.Helper()
	settings := new(convert.JSONConfig)
	settings.Defaults()
	settings.Schemas = false
	j, err := convert.NewJSON(settings)
	if err != nil {
		t.Fatal(err)
	}
	b := new(record.Batch)
	for i := 0; i < len(pairs); i += 2 {
		r := record.Record{Topic: testTopic, Offset: offset + int64(i/2), RawValue: []byte(pairs[i+1])}
		if r.Key, err = j.Decode(b, testTopic, []byte(pairs[i]), nil); err != nil {
			t.Fatal(err)
		}
		if pairs[i+1] != "" {
			if r.Value, err = j.Decode(b, testTopic, []byte(pairs[i+1]), nil); err != nil {
				t.Fatal(err)
			}
		}
		b.Records = append(b.Records, r)
	}
	return b
}

func envelope(op, before, after string, lsn int) string {
	return fmt.Sprintf(`{"before":%s,"after":%s,"source":{"connector":"postgresql","schema":"public","table":"orders","lsn":%d},"op":"%s","ts_ms":1}`, before, after, lsn, op)
}

func TestEnvelopes(t *testing.T) {
	x := newTarget(t, creating, func(c *Config) { c.Envelopes = true })
	b := envelopes(t, 0,
		`{"id":1}`, envelope("c", "null", `{"id":1,"name":"a"}`, 100),
		`{"id":2}`, envelope("r", "null", `{"id":2,"name":"b"}`, 90),
		`{"id":1}`, envelope("u", "null", `{"id":1,"name":"newer"}`, 110),
		`{"id":2}`, envelope("d", `{"id":2,"name":null}`, "null", 120),
		`{"id":2}`, "",
		`{}`, envelope("t", "null", "null", 130),
	)
	raw := string(b.Records[0].RawValue)
	x.write(b, id(1))
	if b.Skipped() != 2 {
		t.Errorf("left out: got %d, want the tombstone and the truncate", b.Skipped())
	}
	if got := string(b.Records[0].RawValue); got != raw {
		t.Errorf("raw value: got %s, want the envelope", got)
	}
	x.want("SELECT id, name, _version, _is_deleted FROM $db.orders ORDER BY _version", "1\tnewer\t110\t0\n2\t\\N\t120\t1")
	x.want("SELECT id, name FROM $db.orders FINAL", "1\tnewer")
	// A crash of the source repeats an older change: the newer one stays.
	x.write(envelopes(t, 6, `{"id":1}`, envelope("c", "null", `{"id":1,"name":"a"}`, 100)), id(2))
	x.want("SELECT id, name FROM $db.orders FINAL", "1\tnewer")
}

func TestDateTimeFormats(t *testing.T) {
	x := newTarget(t, func(c *Config) {
		if err := c.Formats.UnmarshalText([]byte("at=dd.MM.yyyy HH:mm:ss.SSSSSSSSS; day=MM/dd/yyyy")); err != nil {
			t.Fatal(err)
		}
	})
	x.query("CREATE TABLE $db.orders (id Int64, at DateTime64(9, 'UTC'), day Nullable(Date32)) ENGINE = MergeTree ORDER BY id")
	s := structOf("id", int64s, "at", strings_, "day", optional(*strings_))
	b := batchOf(0, rec(s, record.OfInt(1), text("03.02.2024 04:05:06.123456789"), text("02/03/2024")), rec(s, record.OfInt(2), text("03.02.2024 04:05:06.000000000"), record.Value{}),
		rec(s, record.OfInt(3), text("2024-02-03"), record.Value{}))
	if err := x.tryWrite(b, id(1)); err != nil {
		t.Fatal(err)
	}
	x.want("SELECT * FROM $db.orders ORDER BY id", "1\t2024-02-03 04:05:06.123456789\t2024-02-03\n2\t2024-02-03 04:05:06.000000000\t\\N")
	if f := b.Failed(); len(f) != 1 || !strings.Contains(f[0].Err.Error(), "dateTimeFormats") || !strings.Contains(f[0].Err.Error(), "column `at`") {
		t.Errorf("failed: got %v, want the third, with column and setting", f)
	}
}

func TestDatabaseOfTopic(t *testing.T) {
	x := newTarget(t, creating)
	x.cfg.Split, x.cfg.SplitAt = true, "."
	other := x.db + "_other"
	x.query("CREATE DATABASE " + other)
	t.Cleanup(func() { x.query("DROP DATABASE " + other) })
	a, b := keyed(orderSchema, record.OfInt(1), text("a")), keyed(orderSchema, record.OfInt(2), text("b"))
	a.Topic, b.Topic = "orders", other+".orders"
	x.write(batchOf(0, a, b), id(1))
	x.want("SELECT id, name FROM $db.orders", "1\ta")
	x.want("SELECT id, name FROM "+other+".orders", "2\tb")
}

func TestIgnoreDeletes(t *testing.T) {
	x := newTarget(t, creating, func(c *Config) { c.NoDeletes = true })
	b := batchOf(0, keyed(orderSchema, record.OfInt(1), text("a")), tombstone(orderSchema, record.OfInt(1)))
	x.write(b, id(1))
	x.want("SELECT id, name FROM $db.orders FINAL", "1\ta")
	if b.Skipped() != 1 {
		t.Errorf("left out: got %d, want 1", b.Skipped())
	}
}

func TestStructsToJSON(t *testing.T) {
	x := newTarget(t, creating, func(c *Config) { c.StructJSON = true })
	inner := optional(*structOf("a", int64s))
	s := structOf("id", int64s, "inner", inner)
	x.write(batchOf(0, keyed(s, record.OfInt(1), record.OfStruct([]record.Value{record.OfInt(5)}))), id(1))
	x.want("SELECT id, inner.a, toTypeName(inner) FROM $db.orders", "1\t5\tNullable(JSON)")
}
