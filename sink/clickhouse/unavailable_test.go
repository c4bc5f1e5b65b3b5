package clickhouse

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"connectd/connect"
	"connectd/record"
)

const unavailable = "__debezium_unavailable_value"

// placeholders are some forms of it; package convert knows all.
var placeholders = map[string]record.Value{
	"ints JSON": jsonOf("[" + strings.Trim(strings.Join(strings.Fields(fmt.Sprint([]byte(unavailable))), ","), "[]") + "]"),
	"map JSON":  jsonOf(`{"` + unavailable + `":"` + unavailable + `"}`),
}

// docSchema has a key and two large columns.
var docSchema = structOf("id", int64s, "name", strings_, "doc", anything, "tags", anything)

func doc(id int64, name string, doc, tags record.Value) record.Record {
	return keyed(docSchema, record.OfInt(id), text(name), doc, tags)
}

const docTable = "CREATE TABLE $db.orders (id Int64, name String, doc Nullable(String), tags Array(Int32), _version UInt64, _is_deleted UInt8) " +
	"ENGINE = ReplacingMergeTree(_version, _is_deleted) ORDER BY id"

func TestUnavailableIsRefused(t *testing.T) {
	x := newTarget(t)
	x.query(docTable)
	b := batchOf(0, doc(1, "a", text("large"), jsonOf("[1]")), doc(1, "b", text(unavailable), jsonOf("[1]")), doc(1, "c", text("new"), placeholders["ints JSON"]))
	if err := x.tryWrite(b, id(1)); err != nil {
		t.Fatal(err)
	}
	if len(b.Failed()) != 2 {
		t.Fatalf("failed records are %v, want the two with a placeholder", b.Failed())
	}
	for i, want := range []string{"column `doc`", "column `tags`"} {
		got := b.Failed()[i].Err.Error()
		for _, want := range []string{want, `key {"id":1}`, "REPLICA IDENTITY FULL", "post.processors: reselector", "unavailable.value.handling: lookup"} {
			if !strings.Contains(got, want) {
				t.Errorf("error is %q, want %s in it", got, want)
			}
		}
	}
	x.want("SELECT id, name, doc, tags FROM $db.orders FINAL", "1\ta\tlarge\t[1]")
}

func TestUnavailableDefault(t *testing.T) {
	x := newTarget(t, func(c *Config) { c.Unavailable = unavailableDefault })
	x.query(docTable)
	x.write(batchOf(0, doc(1, "a", text(unavailable), placeholders["ints JSON"])), id(1))
	x.want("SELECT id, name, doc, tags FROM $db.orders FINAL", "1\ta\t\\N\t[]")
}

// TestUnavailableLookup has what an update lacks in every place where it may be: in the table, in
// the rows of the range before it, and in those that waited for a lookup themselves.
func TestUnavailableLookup(t *testing.T) {
	x := newTarget(t, func(c *Config) { c.Unavailable, c.MaxRows = unavailableLookup, 3 })
	x.query(docTable)
	none := text(unavailable)
	noTags := placeholders["ints JSON"]
	octets := "large \x00\xff'\\ value"
	x.write(batchOf(0, doc(1, "a", text(octets), jsonOf("[1,2]")), doc(2, "a", record.Value{}, jsonOf("[]"))), id(1))
	b := batchOf(10,
		doc(1, "b", none, noTags),                       // all in the table
		doc(2, "b", none, noTags),                       // NULL and empty in the table
		doc(3, "a", text("three"), jsonOf("[3]")),       //
		doc(3, "b", none, noTags),                       // in this range
		doc(3, "c", none, jsonOf("[33]")),               // in a row that waits
		doc(3, "d", text("three more"), noTags),         // the same
		doc(3, "e", none, noTags),                       // the newest of each: "three more" and [33]
		doc(4, "a", text("four"), jsonOf("[4]")),        //
		doc(4, "b", none, noTags),                       // superseded by what follows
		tombstone(docSchema, record.OfInt(4)),           //
		doc(5, "a", text("five"), jsonOf("[5]")),        //
		tombstone(docSchema, record.OfInt(5)),           //
		doc(5, "b", text("five again"), jsonOf("[55]")), //
		doc(5, "c", none, noTags),                       //
	)
	want := "1\tb\t" + octets + "\t[1,2]\n2\tb\t\\N\t[]\n3\te\tthree more\t[33]\n5\tc\tfive again\t[55]"
	read := func() string {
		return x.query("SELECT id, name, doc, tags FROM $db.orders FINAL ORDER BY id FORMAT TSVRaw")
	}
	for i := range 2 { // and as after a crash
		x.write(b, id(2))
		if got := read(); got != want {
			t.Fatalf("time %d: table\n got %q\nwant %q", i, got, want)
		}
	}
	rows := x.query("SELECT count() FROM $db.orders")
	x.write(b, id(2))
	x.want("SELECT count() FROM $db.orders", rows)
	x.write(b, id(3)) // as after an operator's rewind
	if got := read(); got != want {
		t.Fatalf("after a rewind: table\n got %q\nwant %q", got, want)
	}
}

// TestUnavailableLookupInParts has more keys than one query asks for, and a row behind them that
// takes its value from one of the first, which lacked another.
func TestUnavailableLookupInParts(t *testing.T) {
	x := newTarget(t, func(c *Config) { c.Unavailable = unavailableLookup })
	x.query(docTable)
	const n = lookupKeys + 100
	var rows, updates []record.Record
	for i := range int64(n) {
		rows = append(rows, doc(i, "a", text(fmt.Sprint("doc", i)), jsonOf("[1]")))
		updates = append(updates, doc(i, "b", text(unavailable), jsonOf(fmt.Sprintf("[%d]", i))))
	}
	updates = append(updates, doc(7, "c", text("new"), placeholders["ints JSON"]))
	x.write(batchOf(0, rows...), id(1))
	x.write(batchOf(n, updates...), id(2))
	x.want("SELECT name, doc, tags FROM $db.orders FINAL WHERE id = 7", "c\tnew\t[7]")
	x.want("SELECT count(), countIf(doc = concat('doc', toString(id)) AND tags = [id] AND name = 'b') FROM $db.orders FINAL", fmt.Sprintf("%d\t%d", n, n-1))
}

// TestUnavailableLookupOfNothing refuses the one record whose value is nowhere, at the flush.
func TestUnavailableLookupOfNothing(t *testing.T) {
	x := newTarget(t, func(c *Config) { c.Unavailable = unavailableLookup })
	x.query(docTable)
	good, bad := doc(1, "a", text("large"), jsonOf("[1]")), doc(2, "b", text(unavailable), jsonOf("[1]"))
	var refused *connect.RecordErrors
	if err := x.tryWrite(batchOf(0, good, bad), id(1)); !errors.As(err, &refused) || len(refused.Failed) != 1 || refused.Failed[0].Offset != 1 {
		t.Fatalf("got %v, want the record at offset 1 refused", err)
	}
	if got := refused.Error(); !strings.Contains(got, `key {"id":2}`) || !strings.Contains(got, "no row of this key") {
		t.Errorf("error is %q, want the key and that there is no row of it", got)
	}
	x.write(batchOf(0, good), id(1)) // the runtime gives the range again without it
	x.want("SELECT id, name, doc, tags FROM $db.orders FINAL", "1\ta\tlarge\t[1]")

	x.query("DROP TABLE $db.orders")
	x.query("CREATE TABLE $db.orders (id Int64, name String, doc String) ENGINE = MergeTree ORDER BY id")
	err := x.tryWrite(batchOf(2, rec(structOf("id", int64s, "name", strings_, "doc", strings_), record.OfInt(1), text("a"), text(unavailable))), id(2))
	if !connect.IsPermanent(err) || !strings.Contains(err.Error(), "needs a ReplacingMergeTree") {
		t.Errorf("MergeTree: got %v, want a permanent error", err)
	}
}

// TestUnavailableLookupKeys has a sorting key of several columns, of types whose texts differ
// from the record's.
func TestUnavailableLookupKeys(t *testing.T) {
	x := newTarget(t, func(c *Config) { c.Unavailable = unavailableLookup })
	x.query("CREATE TABLE $db.orders (shop LowCardinality(String), uid UUID, n Int32, doc JSON, price Decimal(20, 4), props Map(String, Array(String)), _version UInt64, _is_deleted UInt8) " +
		"ENGINE = ReplacingMergeTree(_version, _is_deleted) ORDER BY (shop, uid, n)")
	s := structOf("shop", anything, "uid", anything, "n", anything, "doc", anything, "price", anything, "props", anything)
	row := func(shop string, doc, price, props record.Value) record.Record {
		return rec(s, text(shop), text("61F0C404-5CB3-11E7-907B-A6006AD3DBA0"), record.OfInt(7), doc, price, props)
	}
	none := text(unavailable)
	x.write(batchOf(0, row("it's", jsonOf(`{"a":[1,"x"]}`), number("12.5"), jsonOf(`{"k":["a","b\""]}`))), id(1))
	x.write(batchOf(1, row("it's", none, none, placeholders["map JSON"])), id(2))
	x.want("SELECT shop, doc, price, props, _version FROM $db.orders FINAL", "it\\'s\t{\"a\":[1,\"x\"]}\t12.5\t{'k':['a','b\"']}\t1")
}
