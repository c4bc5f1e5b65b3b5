package postgres

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"connectd/connect"
	"connectd/record"
)

const columnsOfOrders = `SELECT string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum) AS columns
	FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 0 AND NOT attisdropped`

// TestCreate is case T20: the primary key has the order of the key's fields, and names are taken
// as they are.
func TestCreate(t *testing.T) {
	g := newTarget(t)
	p := g.open(g.sink(upsert + "auto.create: true"))
	p.put([2]string{`{"b":1,"a":"x"}`, `{"a":"x","b":1,"select":true,"Upper Case":1.5,"na\"me":{"x":1},"n":null}`})
	g.want(columnsOfOrders, `{"columns": "b bigint, a text, \"select\" boolean, \"Upper Case\" numeric, \"na\"\"me\" jsonb"}`)
	g.want("SELECT pg_get_constraintdef(oid) AS key FROM pg_constraint WHERE conrelid = 'orders'::regclass", `{"key": "PRIMARY KEY (b, a)"}`)
	g.want(`SELECT b, "Upper Case", "na""me" FROM orders`, `{"b": 1, "na\"me": {"x": 1}, "Upper Case": 1.5}`)
}

// TestEvolve: a field that nothing is known of waits for its first value, wherever in a batch.
func TestEvolve(t *testing.T) {
	g := newTarget(t)
	p := g.open(g.sink(upsert + "schema.evolution: basic"))
	p.put(order(1, "a"),
		[2]string{key(2), `{"id":2,"name":"b","extra":null}`},
		[2]string{key(3), `{"id":3,"name":"c","extra":7}`},
		[2]string{key(4), `{"id":4,"name":"d","extra":null}`}, order(5, "e"))
	g.want(columnsOfOrders, `{"columns": "id bigint, name text, extra bigint"}`)
	g.want("SELECT id FROM orders WHERE extra = 7", `{"id": 3}`)
	g.want("SELECT count(*) FROM orders WHERE extra IS NULL", `{"count": 4}`)
}

// TestColumnsChangedByOthers is case T10: added, reordered, dropped while the sink runs.
func TestColumnsChangedByOthers(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text)")
	p := g.open(g.sink(upsert))
	p.put(order(1, "a"))
	g.exec("ALTER TABLE orders ADD extra int")
	p.put([2]string{key(2), `{"id":2,"name":"b","extra":7}`})
	g.exec("DROP TABLE orders", "CREATE TABLE orders (name text, id int PRIMARY KEY)")
	p.put(order(3, "c"))
	g.want("SELECT * FROM orders", `{"id": 3, "name": "c"}`)
	g.exec("ALTER TABLE orders DROP name")
	p.write(order(4, "d"))
	if err := p.tryFlush(); err == nil || connect.IsPermanent(err) {
		t.Errorf("dropped column: got %v, want an error that has the table read again", err)
	}
	p.reopen()
	err := p.w.Write(t.Context(), p.batch(order(4, "d")))
	if err == nil || !connect.IsPermanent(err) || !strings.Contains(err.Error(), `ALTER TABLE "orders" ADD COLUMN IF NOT EXISTS "name" text`) {
		t.Errorf("got %v, want a permanent error with the ALTER TABLE", err)
	}
}

// TestTypeChangedByOthers: rows that wait are in the binary form of the old type, and none of them
// is to blame.
func TestTypeChangedByOthers(t *testing.T) {
	for _, change := range []string{"bigint", "smallint", "text", "real", "numeric"} {
		g := newTarget(t)
		g.exec("CREATE TABLE orders (id int PRIMARY KEY, n int)")
		p := g.open(g.sink(upsert))
		p.write([2]string{key(1), `{"id":1,"n":7}`})
		g.exec("ALTER TABLE orders ALTER n TYPE " + change)
		err := p.tryFlush()
		if err == nil || errors.As(err, new(*connect.RecordErrors)) || connect.IsPermanent(err) {
			t.Errorf("%s: got %v, want an error that has the table read again", change, err)
		}
		p.reopen()
		p.put([2]string{key(1), `{"id":1,"n":8}`})
		g.want("SELECT n::text FROM orders", `{"n": "8"}`)
	}
}

// TestEvolveRace is case T21.
func TestEvolveRace(t *testing.T) {
	g := newTarget(t)
	var tasks sync.WaitGroup
	for n := range 4 {
		p := &part{target: g, sink: g.sink(upsert + "schema.evolution: basic"), id: record.Partition{Topic: testTopic, ID: int32(n)}}
		p.json = newJSON(t)
		p.reopen()
		batches := []*record.Batch{p.batch(order(n, "a")), p.batch([2]string{key(n + 10), `{"id":1,"name":"b","extra":7}`})}
		tasks.Go(func() {
			for _, b := range batches {
				if err := p.w.Write(t.Context(), b); err != nil {
					t.Error(err)
				}
				for _, f := range b.Failed() {
					t.Error(f.Err)
				}
			}
			if err := p.tryFlush(); err != nil {
				t.Error(err)
			}
		})
	}
	tasks.Wait()
	g.want("SELECT count(*), count(extra) AS extra FROM orders", `{"count": 8, "extra": 4}`)
}

// TestRefusedTargets is case T22 and what goes with it: each error says what to do.
func TestRefusedTargets(t *testing.T) {
	required := record.Datum{
		Schema: &record.Schema{Type: record.StructType, Fields: []record.Field{{Name: "id", Schema: &record.Schema{Type: record.Int32Type}}, {Name: "new", Schema: &record.Schema{Type: record.Int32Type}}}},
		Value:  record.OfStruct([]record.Value{record.OfInt(1), record.OfInt(2)}),
	}
	tests := []struct {
		name, table, settings, want string
		value                       record.Datum
	}{
		{"no table", "SELECT", upsert, `set auto.create: true, or run: CREATE TABLE IF NOT EXISTS "orders" ("id" bigint NOT NULL, "name" text, PRIMARY KEY ("id"))`, record.Datum{}},
		{"no column", "CREATE TABLE orders (id int PRIMARY KEY)", upsert, `ALTER TABLE "orders" ADD COLUMN IF NOT EXISTS "name" text`, record.Datum{}},
		{"required", "CREATE TABLE orders (id int PRIMARY KEY)", upsert + "auto.evolve: true", `the new field "new" is required and has no default`, required},
		{"view", "CREATE VIEW orders AS SELECT 1 AS id, ''::text AS name", upsert, "is not a table but a view", record.Datum{}},
		{"no unique index", "CREATE TABLE orders (id int, name text)", upsert, `CREATE UNIQUE INDEX ON "orders" ("id")`, record.Datum{}},
		{"long name", "SELECT", upsert + "table.name.format: " + strings.Repeat("x", 64), "topics.to.tables.mapping", record.Datum{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := newTarget(t)
			g.exec(test.table)
			p := g.open(g.sink(strings.Replace(upsert, "table.name.format: ${table}\n", "", 1) + strings.TrimPrefix(test.settings, upsert) + formatUnlessSet(test.settings)))
			b := p.batch(order(1, "a"))
			if test.value.Schema != nil {
				b.Records[0].Value = test.value
			}
			err := p.w.Write(t.Context(), b)
			if err == nil || !connect.IsPermanent(err) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want a permanent error with %q", err, test.want)
			}
		})
	}
}

// formatUnlessSet is the table's name for settings that do not have one of their own.
func formatUnlessSet(settings string) string {
	if strings.Contains(strings.TrimPrefix(settings, upsert), "table.name.format") {
		return ""
	}
	return "\ntable.name.format: ${table}"
}

func TestDefaultOfNewColumn(t *testing.T) {
	five := record.OfInt(5)
	quote := record.OfText(`it's a \ "test"`)
	value := record.Datum{
		Schema: &record.Schema{Type: record.StructType, Fields: []record.Field{
			{Name: "id", Schema: &record.Schema{Type: record.Int32Type}},
			{Name: "n", Schema: &record.Schema{Type: record.Int32Type, Default: &five}},
			{Name: "s", Schema: &record.Schema{Type: record.StringType, Optional: true, Default: &quote}},
		}},
		Value: record.OfStruct([]record.Value{record.OfInt(2), record.OfInt(6), record.OfText("x")}),
	}
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int PRIMARY KEY)", "INSERT INTO orders VALUES (1)")
	p := g.open(g.sink(upsert + "auto.evolve: true"))
	b := p.batch([2]string{key(2), "{}"})
	b.Records[0].Value = value
	if err := p.w.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	p.flush()
	g.want("SELECT * FROM orders ORDER BY id", `{"n": 5, "s": "it's a \\ \"test\"", "id": 1}`+"\n"+`{"n": 6, "s": "x", "id": 2}`)
}

func TestRecordsThatDoNotFit(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text)")
	p := g.open(g.sink(upsert))
	failed := p.write([2]string{"", `{"id":1,"name":"a"}`}, [2]string{key(2), `"text"`}, [2]string{`{"id":null}`, `{"name":"b"}`}, order(3, "c"))
	if len(failed) != 3 {
		t.Fatalf("got %d failures, want 3: %v", len(failed), failed)
	}
	for i, want := range []string{"has no key", "not an object", "its value is null"} {
		if got := failed[i].Err.Error(); !strings.Contains(got, want) {
			t.Errorf("record %d: got %q, want %q", failed[i].Index, got, want)
		}
	}
	p.flush()
	g.want("SELECT * FROM orders", `{"id": 3, "name": "c"}`)
}
