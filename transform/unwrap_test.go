package transform

import (
	"reflect"
	"strings"
	"testing"

	"connectd/config"
	"connectd/convert"
	"connectd/record"
)

// unwrapOf is a transform with these settings, decoded as from a file.
func unwrapOf(t testing.TB, settings ...string) *Unwrap {
	t.Helper()
	c := new(UnwrapConfig)
	if err := config.Decode(section(settings...), c).Err(); err != nil {
		t.Fatal(err)
	}
	u, err := NewUnwrap(c)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// section is settings written as key=value.
func section(settings ...string) *config.Section {
	s := &config.Section{Path: "transforms.unwrap"}
	for i, text := range settings {
		key, value, _ := strings.Cut(text, "=")
		s.Entries = append(s.Entries, config.Entry{Key: key, Raw: value, Value: value, Pos: config.Pos{File: "x.yaml", Line: i + 1, Col: 1}})
	}
	return s
}

// TestDeletes is the table of modes: what one delete and its tombstone become.
func TestDeletes(t *testing.T) {
	const row, null = `{"id":1,"v":"a","w":5,"__deleted":"true"}`, "null"
	for _, c := range []struct {
		settings []string
		want     []string
	}{
		{nil, []string{null}},
		{[]string{"delete.tombstone.handling.mode=drop"}, nil},
		{[]string{"delete.tombstone.handling.mode=tombstone"}, []string{null}},
		{[]string{"delete.tombstone.handling.mode=rewrite"}, []string{row}},
		{[]string{"delete.tombstone.handling.mode=rewrite-with-tombstone"}, []string{row, tombstone}},
		{[]string{"delete.tombstone.handling.mode=delete-to-tombstone"}, []string{tombstone}},
		{[]string{"drop.tombstones=false"}, []string{tombstone}},
		{[]string{"drop.tombstones=true"}, nil},
		{[]string{"drop.tombstones=false", "delete.handling.mode=drop"}, []string{tombstone}},
		{[]string{"delete.handling.mode=none"}, []string{null}},
		{[]string{"drop.tombstones=false", "delete.handling.mode=none"}, []string{null, tombstone}},
		{[]string{"delete.handling.mode=rewrite"}, []string{row}},
		{[]string{"drop.tombstones=false", "delete.handling.mode=rewrite"}, []string{row, tombstone}},
		{[]string{"drop.tombstones=false", "delete.tombstone.handling.mode=tombstone"}, []string{null}},
	} {
		u, b, j := unwrapOf(t, c.settings...), new(record.Batch), newJSON(t, false)
		table := tables(t)["full_t"]
		old := record.OfStruct([]record.Value{record.OfInt(1), record.OfText("a"), record.OfInt(5)})
		key, topic := change(t, b, table, record.Delete, old, record.Value{}, 1, 2).Key, b.Records[0].Topic
		after := b.Add()
		after.Key, after.Topic = key, topic
		var got []string
		for i := range b.Records {
			keep, err := u.Apply(b, &b.Records[i])
			if err != nil {
				t.Fatal(err)
			}
			if keep {
				got = append(got, written(t, j, &b.Records[i]).value)
			}
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v: got %q, want %q", c.settings, got, c.want)
		}
	}
}

func TestUnwrapConfig(t *testing.T) {
	for _, c := range []struct{ settings, want string }{
		{"add.fields=op,nowhere.x", `"nowhere.x" is in no part of an envelope`},
		{"add.headers=lsn:", `"lsn:" is not a field`},
		{"add.fields=lsn,source.lsn:lsn", `"__lsn" is there twice`},
		{"delete.tombstone.handling.mode=keep", `keep`},
	} {
		problems := config.Decode(section(c.settings), new(UnwrapConfig))
		if problems.Err() == nil || !strings.Contains(problems.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.settings, problems, c.want)
		}
	}
	problems := config.Decode(section("delete.tombstone.handling.mode=drop", "drop.tombstones=false"), new(UnwrapConfig))
	if len(problems) != 1 || !problems[0].Warning || !strings.Contains(problems[0].Text, "no effect") {
		t.Errorf("both kinds of settings: got %v, want one warning", problems)
	}
	config.Describe(new(UnwrapConfig), new(RegexRouterConfig)) // panics on a tag that can not be decoded
}

// TestUnwrapSchema checks the schema of an unwrapped row with what is added to it.
func TestUnwrapSchema(t *testing.T) {
	u, b := unwrapOf(t, "delete.tombstone.handling.mode=rewrite", "add.fields=op,source.snapshot,ts_ns:now,id,nothing"), new(record.Batch)
	table := tables(t)["full_t"]
	row := record.OfStruct([]record.Value{record.OfInt(1), record.OfText("a"), record.OfInt(5)})
	for range 2 {
		change(t, b, table, record.Create, record.Value{}, row, 1, 2)
	}
	for i := range b.Records {
		if keep, err := u.Apply(b, &b.Records[i]); !keep || err != nil {
			t.Fatal(keep, err)
		}
	}
	got := string(convert.AppendSchema(nil, b.Records[0].Value.Schema))
	want := `{"type":"struct","fields":[{"type":"int32","optional":false,"field":"id"},{"type":"string","optional":true,"field":"v"},{"type":"int32","optional":false,"field":"w"},` +
		`{"type":"string","optional":true,"field":"__deleted"},{"type":"string","optional":true,"field":"__op"},` +
		`{"type":"string","optional":true,"name":"io.debezium.data.Enum","version":1,"parameters":{"allowed":"true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"},"field":"__source_snapshot"},` +
		`{"type":"int64","optional":true,"field":"__now"},{"type":"string","optional":true,"field":"__id"}],"optional":false,"name":"production.public.full_t.Value"}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if b.Records[0].Value.Schema != b.Records[1].Value.Schema {
		t.Error("two rows of one table have two schemas")
	}
}

func TestRouteByField(t *testing.T) {
	u := unwrapOf(t, "route.by.field=v", "delete.tombstone.handling.mode=rewrite-with-tombstone")
	table := tables(t)["full_t"]
	row := func(v record.Value) record.Value {
		return record.OfStruct([]record.Value{record.OfInt(1), v, record.OfInt(5)})
	}
	b := new(record.Batch)
	change(t, b, table, record.Create, record.Value{}, row(record.OfText("new")), 1, 2)
	change(t, b, table, record.Delete, row(record.OfText("old")), record.Value{}, 1, 2)
	b.Add().Topic = "production.public.full_t"
	for i, want := range []string{"new", "old", "old"} {
		if keep, err := u.Apply(b, &b.Records[i]); !keep || err != nil || b.Records[i].Topic != want {
			t.Errorf("record %d goes to %s, %v, %v; want %s", i, b.Records[i].Topic, keep, err, want)
		}
	}
	r := change(t, b, table, record.Create, record.Value{}, row(record.Value{}), 1, 2)
	if _, err := u.Apply(b, r); err == nil || !strings.Contains(err.Error(), `"v"`) {
		t.Errorf("a null topic: got %v, want an error that names the column", err)
	}
}

func TestDropFields(t *testing.T) {
	table := tables(t)["full_t"]
	list := record.OfArray([]record.Value{record.OfText("v"), record.OfText("id")})
	for _, c := range []struct {
		settings         []string
		header           record.Value
		key, value, want string
	}{
		{nil, list, `{"id":1}`, `{"id":1,"w":5,"__op":"c"}`, ""},
		{[]string{"drop.fields.keep.schema.compatible=false"}, list, `{"id":1}`, `{"w":5,"__op":"c"}`, ""},
		{[]string{"drop.fields.keep.schema.compatible=false", "drop.fields.from.key=true"}, list, `{}`, `{"w":5,"__op":"c"}`, ""},
		{nil, record.OfText(`["v", "x"]`), `{"id":1}`, `{"id":1,"w":5,"__op":"c"}`, ""},
		{nil, record.Value{}, `{"id":1}`, `{"id":1,"v":"a","w":5,"__op":"c"}`, ""},
	} {
		u := unwrapOf(t, append(c.settings, "drop.fields.header.name=drop", "add.fields=op")...)
		b, j := new(record.Batch), newJSON(t, false)
		r := change(t, b, table, record.Create, record.Value{}, record.OfStruct([]record.Value{record.OfInt(1), record.OfText("a"), record.OfInt(5)}), 1, 2)
		r.RawKey = []byte("key")
		r.Headers = []record.Header{{Name: "drop", Value: record.Datum{Value: c.header}}}
		if _, err := u.Apply(b, r); err != nil {
			t.Fatal(err)
		}
		if m := written(t, j, r); m.key != c.key || m.value != c.value || (r.RawKey == nil) != (c.key == `{}`) {
			t.Errorf("%v: got %s %s, raw key %s; want %s %s", c.settings, m.key, m.value, r.RawKey, c.key, c.value)
		}
	}
}

func TestUnwrapErrors(t *testing.T) {
	table := tables(t)["full_t"]
	b := new(record.Batch)
	row := record.OfStruct([]record.Value{record.OfInt(1), record.OfText("a"), record.OfInt(5)})
	u := unwrapOf(t, "add.fields=lsn:w", "add.fields.prefix=")
	if _, err := u.Apply(b, change(t, b, table, record.Create, record.Value{}, row, 1, 2)); err == nil || !strings.Contains(err.Error(), `"w" already`) {
		t.Errorf("an added field with a column's name: got %v", err)
	}
	j := newJSON(t, false)
	r := b.Add()
	var err error
	if r.Value, err = j.Decode(b, "", []byte(`{"before":null,"after":[1],"source":{},"op":"c"}`), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Apply(b, r); err == nil || !strings.Contains(err.Error(), "after of the envelope") {
		t.Errorf("an array for a row: got %v", err)
	}
}

// TestUnwrapNoAllocations runs the settings of the golden files on a steady stream.
func TestUnwrapNoAllocations(t *testing.T) {
	u := unwrapOf(t, "delete.tombstone.handling.mode=rewrite-with-tombstone", "add.fields=op,table,lsn,source.ts_ms", "add.headers=op,db", "replace.null.with.default=true")
	router, err := NewRegexRouter(&RegexRouterConfig{Regex: `([^.]*)\.(.*)`, Replacement: "cdc.$2"})
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, stream(t, u, router)); n > 0 {
		t.Errorf("%v allocations a batch, want none", n)
	}
}

// stream is a batch of an insert, a delete and its tombstone, sent again and again.
func stream(t testing.TB, u *Unwrap, router *RegexRouter) func() {
	table := tables(t)["full_t"]
	row := record.OfStruct([]record.Value{record.OfInt(1), record.OfText("a"), record.OfInt(5)})
	model := new(record.Batch)
	change(t, model, table, record.Create, record.Value{}, row, 1, 2)
	change(t, model, table, record.Delete, row, record.Value{}, 1, 2)
	model.Add().Topic = "production.public.full_t"
	b := new(record.Batch)
	run := func() {
		b.Reset()
		for i := range model.Records {
			r := b.Add()
			*r = model.Records[i]
			if _, err := u.Apply(b, r); err != nil {
				t.Fatal(err)
			}
			if _, err := router.Apply(b, r); err != nil {
				t.Fatal(err)
			}
		}
	}
	run()
	return run
}

func BenchmarkUnwrap(b *testing.B) {
	router, err := NewRegexRouter(&RegexRouterConfig{Regex: "(.*)", Replacement: "cdc.$1"})
	if err != nil {
		b.Fatal(err)
	}
	for name, settings := range map[string][]string{"plain": nil, "added": {"add.fields=op,table,lsn,source.ts_ms", "add.headers=op,db"}} {
		b.Run(name, func(b *testing.B) {
			run := stream(b, unwrapOf(b, settings...), router)
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
	}
}
