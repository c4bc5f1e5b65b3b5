package clickhouse

import (
	"strings"
	"testing"

	"connectd/record"
)

// TestTuples has an existing table, and rows from every form that a tuple may come in.
func TestTuples(t *testing.T) {
	x := newTarget(t)
	x.query("CREATE TABLE $db.orders (id Int64, p Tuple(x Int32, `the name` LowCardinality(String), inner Tuple(a Nullable(Decimal(10, 2)), b Array(Int8))), " +
		"q Tuple(Int32, String), list Array(Tuple(k String, v Nullable(Int64)))) ENGINE = MergeTree ORDER BY id")
	inner := structOf("a", anything, "b", anything)
	p := structOf("the name", strings_, "x", int64s, "inner", inner)
	s := structOf("id", int64s, "p", p, "q", anything, "list", anything)
	loose := structOf("id", anything, "p", anything, "q", anything, "list", anything)
	none := structOf("id", int64s)
	b := batchOf(0,
		rec(s, record.OfInt(1), record.OfStruct([]record.Value{text("n"), record.OfInt(7), record.OfStruct([]record.Value{number("1.25"), jsonOf("[1,2]")})}),
			record.OfArray([]record.Value{record.OfInt(3), text("three")}), jsonOf(`[{"k":"a","v":1},{"v":null,"k":"b"}]`)),
		rec(loose, record.OfInt(2), jsonOf(`{"inner":{"b":[3],"a":null},"x":8,"the name":"it's"}`), jsonOf(`[4,"four"]`), jsonOf("[]")),
		rec(loose, record.OfInt(3), jsonOf(`{"x":9}`), jsonOf(`[5]`), record.Value{}),
		rec(loose, record.OfInt(4), jsonOf(`{"x":1,"y":2}`), jsonOf(`[5]`), record.Value{}),
		rec(loose, record.OfInt(5), jsonOf(`{"x":3000000000}`), jsonOf(`[5]`), record.Value{}),
		rec(loose, record.OfInt(6), jsonOf(`{}`), jsonOf(`[5,"a",6]`), record.Value{}),
		rec(loose, record.OfInt(7), record.Value{}, jsonOf(`[5]`), record.Value{}),
		rec(none, record.OfInt(8)),
	)
	if err := x.tryWrite(b, id(1)); err != nil {
		t.Fatal(err)
	}
	x.want("SELECT id, p.x, p.`the name`, p.inner.a, p.inner.b, q, list FROM $db.orders ORDER BY id", strings.Join([]string{
		"1\t7\tn\t1.25\t[1,2]\t(3,'three')\t[('a',1),('b',NULL)]",
		`2	8	it\'s	\N	[3]	(4,'four')	[]`,
		"3\t9\t\t\\N\t[]\t(5,'')\t[]",
		"8\t0\t\t\\N\t[]\t(0,'')\t[]",
	}, "\n"))
	wants := []string{`no element "y"`, "element `x`: 3000000000 is out of range", "has 2 elements only", "element `x`: null does not fit"}
	for i, f := range b.Failed() {
		if i >= len(wants) || !strings.Contains(f.Err.Error(), wants[i]) {
			t.Errorf("record %d: got %v", f.Index, f.Err)
		}
	}
	if len(b.Failed()) != len(wants) {
		t.Errorf("got %d failed records, want %d", len(b.Failed()), len(wants))
	}
}

func TestCreateTuple(t *testing.T) {
	x := newTarget(t, creating, func(c *Config) { c.Nested = nestedTuple })
	p := structOf("x", int64s, "note", optional(*strings_))
	s := structOf("id", int64s, "p", p, "o", optional(*p))
	value := func(x int64) record.Value { return record.OfStruct([]record.Value{record.OfInt(x), {}}) }
	x.write(batchOf(0, keyed(s, record.OfInt(1), value(5), value(6)), keyed(s, record.OfInt(2), value(7), record.Value{})), id(1))
	x.want("SELECT id, p, o FROM $db.orders ORDER BY id", "1\t(5,NULL)\t(6,NULL)\n2\t(7,NULL)\t(NULL,NULL)")
	x.want("SELECT count() FROM system.columns WHERE database = '"+x.db+"' AND replaceRegexpAll(type, '\\\\s+', ' ') IN ('Tuple(x Int64, note Nullable(String))', 'Tuple(x Nullable(Int64), note Nullable(String))')", "2")
}
