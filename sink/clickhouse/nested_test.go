package clickhouse

import (
	"strings"
	"testing"

	"connectd/record"
)

// TestNested fills ClickHouse's Nested columns from arrays of structs and of objects.
func TestNested(t *testing.T) {
	x := newTarget(t)
	x.query("CREATE TABLE $db.orders (id Int64, items Nested(sku String, qty Int32, tags Array(String))) ENGINE = MergeTree ORDER BY id")
	loose := structOf("id", anything, "items", anything)
	item := structOf("qty", int64s, "sku", strings_)
	strict := structOf("id", int64s, "items", &record.Schema{Type: record.ArrayType, Elem: item})
	b := batchOf(0,
		rec(loose, record.OfInt(1), jsonOf(`[{"sku":"a\"b","qty":1,"tags":["x","y"]},{"qty":2}, null]`)),
		rec(strict, record.OfInt(2), record.OfArray([]record.Value{record.OfStruct([]record.Value{record.OfInt(3), text("c")})})),
		rec(loose, record.OfInt(3), record.Value{}),
		rec(loose, record.OfInt(4), jsonOf(`[{"sku":"d","colour":"red"}]`)),
		rec(loose, record.OfInt(5), jsonOf(`[{"sku":"d","qty":3000000000}]`)),
		rec(loose, record.OfInt(6), jsonOf(`[1]`)),
		rec(loose, record.OfInt(7), jsonOf(`{"sku":"d"}`)),
		rec(loose, record.OfInt(8), jsonOf(`[]`)),
	)
	if err := x.tryWrite(b, id(1)); err != nil {
		t.Fatal(err)
	}
	x.want("SELECT id, items.sku, items.qty, items.tags FROM $db.orders ORDER BY id",
		"1\t['a\"b','','']\t[1,2,0]\t[['x','y'],[],[]]\n2\t['c']\t[3]\t[[]]\n3\t[]\t[]\t[]\n8\t[]\t[]\t[]")
	wants := []string{`no column for the member "colour"`, "3000000000 is out of range", "no object", "not an array"}
	for i, f := range b.Failed() {
		if i >= len(wants) || !strings.Contains(f.Err.Error(), wants[i]) || !strings.Contains(f.Err.Error(), "column `items.") {
			t.Errorf("record %d: got %v", f.Index, f.Err)
		}
	}
	if len(b.Failed()) != len(wants) {
		t.Errorf("got %d failed records, want %d", len(b.Failed()), len(wants))
	}
}
