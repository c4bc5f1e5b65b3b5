package postgres

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"connectd/connect"
)

var roundTripSeed = flag.Uint64("roundtrip.seed", 0, "seed of TestRoundTrip; 0 for new ones each time")

// randomType is a type with random values, and the SQL of the JSON that a value is expected to be.
type randomType struct {
	typ   string
	value func(r *rand.Rand) string
	json  string
}

func quotedText(s string) string { return literal(s) }

var randomTypes = []randomType{
	{"int", func(r *rand.Rand) string { return fmt.Sprint(r.Int32N(100)) }, "to_json(%s)"},
	{"bigint", func(r *rand.Rand) string { return fmt.Sprint(r.Int64() - 1<<62) }, "to_json(%s)"},
	{"text", randomText, "to_json(%s)"},
	{"varchar(20)", func(r *rand.Rand) string { return quotedText(fmt.Sprintf("v%d\t\\\n", r.IntN(50))) }, "to_json(%s)"},
	{"boolean", func(r *rand.Rand) string { return fmt.Sprint(r.IntN(2) == 0) }, "to_json(%s)"},
	{"numeric", func(r *rand.Rand) string {
		return fmt.Sprintf("%d.%0*d", r.Int64N(1e18)-5e17, r.IntN(30)+1, r.IntN(1e6))
	}, "to_json(%s::text)"},
	{"numeric(12,3)", func(r *rand.Rand) string { return fmt.Sprintf("%d.%d", r.Int64N(1e9)-5e8, r.IntN(1000)) }, "to_json(%s::text)"},
	{"float8", func(r *rand.Rand) string { return fmt.Sprint(r.NormFloat64() * 1e10) }, "to_json(%s)"},
	{"bytea", func(r *rand.Rand) string { return fmt.Sprintf(`'\x%x'`, fmt.Sprint(r.Uint64())) }, "to_json(encode(%s, 'hex'))"},
	{"uuid", func(r *rand.Rand) string { return fmt.Sprintf("'%016x%016x'", r.Uint64(), r.Uint64()) }, "to_json(%s)"},
	{"date", func(r *rand.Rand) string { return fmt.Sprintf("date '1970-01-01' + %d", r.IntN(2_000_000)-700_000) }, "to_json(%s - date '1970-01-01')"},
	{"timestamp", func(r *rand.Rand) string {
		return fmt.Sprintf("timestamp '1970-01-01' + %d * interval '1 microsecond'", r.Int64N(1e17)-5e16)
	}, "to_json((extract(epoch from %s) * 1000000)::bigint)"},
	{"timestamptz", func(r *rand.Rand) string { return fmt.Sprintf("to_timestamp(%d.%06d)", r.IntN(2e9), r.IntN(1e6)) },
		`to_json(to_char(%s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))`},
	{"time", func(r *rand.Rand) string {
		return fmt.Sprintf("time '00:00' + %d * interval '1 microsecond'", r.Int64N(86_400_000_000))
	},
		"to_json((extract(epoch from %s) * 1000000)::bigint)"},
	{"jsonb", func(r *rand.Rand) string {
		return quotedText(fmt.Sprintf(`{"b": [%d, null], "a\n": "ü"}`, r.IntN(10)))
	}, "to_json(%s::text)"},
	{"text[]", func(r *rand.Rand) string {
		return fmt.Sprintf(`ARRAY['a,b', NULL, '%d"\', '{}']::text[]`, r.IntN(10))
	}, "array_to_json(%s)"},
	{"int[]", func(r *rand.Rand) string { return fmt.Sprintf("ARRAY[%d, NULL]", r.IntN(10)) }, "array_to_json(%s)"},
	{"hstore", func(r *rand.Rand) string { return fmt.Sprintf(`hstore(ARRAY['k"', '%d', 'n', NULL])`, r.IntN(10)) }, "to_json(hstore_to_json(%s)::jsonb::text)"},
}

// randomText is now and then so large that it is kept out of line.
func randomText(r *rand.Rand) string {
	if r.IntN(3) == 0 {
		return fmt.Sprintf("repeat('%c', 3000)", 'a'+r.IntN(26))
	}
	return quotedText(fmt.Sprintf("%c'\\%d", rune(0x1F600+r.IntN(50)), r.IntN(1000)))
}

// randomTable is a table with random columns, of which the first are the key.
type randomTable struct {
	name    string
	columns []randomType
	keys    int // columns of the key, 0 for none
	next    int // number of the newest row
	shift   int // of the last change of keys: rows stay apart by their numbers below a million
	ddl     string
}

func newRandomTable(r *rand.Rand, name string) *randomTable {
	t := &randomTable{name: name, keys: r.IntN(3), columns: []randomType{randomTypes[0], randomTypes[2]}}
	for range 1 + r.IntN(6) {
		t.columns = append(t.columns, randomTypes[r.IntN(len(randomTypes))])
	}
	var parts []string
	for i, c := range t.columns {
		parts = append(parts, fmt.Sprintf("c%d %s", i, c.typ))
	}
	if t.keys > 0 {
		var names []string
		for i := range t.keys {
			names = append(names, fmt.Sprint("c", i))
		}
		parts = append(parts, "PRIMARY KEY ("+strings.Join(names, ", ")+")")
	}
	t.ddl = "CREATE TABLE " + name + " (" + strings.Join(parts, ", ") + "); ALTER TABLE " + name + " ALTER c1 SET STORAGE EXTERNAL"
	if t.keys == 0 || r.IntN(3) == 0 {
		t.ddl += "; ALTER TABLE " + name + " REPLICA IDENTITY FULL"
	}
	return t
}

// statement is a random change of the table.
func (t *randomTable) statement(r *rand.Rand, streaming bool) string {
	value := func(i int) string {
		if i >= t.keys && r.IntN(5) == 0 {
			return "NULL"
		}
		return t.columns[i].value(r)
	}
	some := fmt.Sprintf(" WHERE c0 %% %d = 0", 2+r.IntN(20))
	switch n := r.IntN(20); {
	case n < 8:
		var rows []string
		for range 1 + r.IntN(12) {
			t.next++
			row := []string{fmt.Sprint(t.next), quotedText(fmt.Sprint("k", t.next))}
			if t.keys < 2 {
				row[1] = value(1)
			}
			for i := 2; i < len(t.columns); i++ {
				row = append(row, value(i))
			}
			rows = append(rows, "("+strings.Join(row, ", ")+")")
		}
		return "INSERT INTO " + t.name + " VALUES " + strings.Join(rows, ", ")
	case n < 15:
		at := t.keys + r.IntN(len(t.columns)-t.keys)
		if at == 0 {
			at = 1
		}
		return fmt.Sprintf("UPDATE %s SET c%d = %s%s", t.name, at, value(at), some)
	case n < 17:
		t.shift += 1_000_000
		return fmt.Sprintf("UPDATE %s SET c0 = c0 - %d%s", t.name, t.shift, some)
	case n < 19:
		return "DELETE FROM " + t.name + some
	case streaming && r.IntN(3) == 0: // it would wait for the readers of a snapshot
		return "TRUNCATE " + t.name
	}
	return fmt.Sprintf("SAVEPOINT s; DELETE FROM %s; ROLLBACK TO SAVEPOINT s", t.name)
}

// rebuild applies the records to an empty table. A table without a key is a list of rows.
func (t *randomTable) rebuild(tt *testing.T, records []sentRecord) []string {
	state, gone := map[string]map[string]string{}, map[string]map[string]string{}
	var list []string
	for _, rec := range records {
		if rec.topic != "production.public."+t.name || rec.value == "" {
			continue
		}
		f := fieldsOf(tt, []byte(rec.value))
		before, after := t.row(tt, member(f, "before")), t.row(tt, member(f, "after"))
		switch op := string(member(f, "op")); {
		case op == `"t"`:
			clear(state)
			list = nil
		case t.keys == 0:
			if before != nil {
				at := slices.Index(list, t.line(before))
				if at < 0 {
					tt.Fatalf("%s of a row that is not there: %s", op, rec.value)
				}
				list = slices.Delete(list, at, at+1)
			}
			if after != nil {
				list = append(list, t.line(after))
			}
		case after == nil: // perhaps of a row that was not there any more when an interrupted snapshot was taken again
			if row := state[rec.key]; row != nil {
				gone[rec.key] = row
			}
			delete(state, rec.key)
		default:
			old := state[rec.key]
			if old == nil && len(rec.headers) > 0 { // the key has changed: what the server did not send is in the row of the old one
				old = gone[strings.TrimPrefix(rec.headers[0], "__debezium.oldkey=")]
			}
			for column, value := range after {
				if value == `"__debezium_unavailable_value"` {
					after[column] = old[column]
				}
			}
			state[rec.key] = after
		}
	}
	for _, row := range state {
		list = append(list, t.line(row))
	}
	slices.Sort(list)
	return list
}

// row are the values of a row in canonical JSON; nil for null.
func (t *randomTable) row(tt *testing.T, text []byte) map[string]string {
	if string(text) == "null" {
		return nil
	}
	row := map[string]string{}
	for _, f := range fieldsOf(tt, text) {
		row[f.name] = canonical(tt, f.raw)
	}
	return row
}

func (t *randomTable) line(row map[string]string) string {
	var values []string
	for i := range t.columns {
		values = append(values, row[fmt.Sprint("c", i)])
	}
	return strings.Join(values, " | ")
}

// canonical is JSON in one form of numbers and without spaces.
func canonical(tt *testing.T, text []byte) string {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		tt.Fatalf("%s: %v", text, err)
	}
	if n, ok := v.(json.Number); ok {
		if r, ok := new(big.Rat).SetString(n.String()); ok {
			return r.String()
		}
	}
	if s, ok := v.(string); ok && strings.HasPrefix(s, "{") && json.Valid([]byte(s)) {
		return canonical(tt, []byte(s)) // JSON in text: the spaces do not matter
	}
	out, err := json.Marshal(v)
	if err != nil {
		tt.Fatal(err)
	}
	return string(out)
}

// rows are the table's own rows, in the same form.
func (t *randomTable) rows(tt *testing.T, d *database) []string {
	var columns []string
	for i, c := range t.columns {
		columns = append(columns, fmt.Sprintf("'c%d', %s", i, fmt.Sprintf(c.json, fmt.Sprint("c", i))))
	}
	all := d.query(tt, "SELECT coalesce(json_agg(json_build_object("+strings.Join(columns, ", ")+")), '[]') FROM "+t.name)
	var rows []json.RawMessage
	if err := json.Unmarshal([]byte(all), &rows); err != nil {
		tt.Fatal(err)
	}
	var lines []string
	for _, row := range rows {
		lines = append(lines, t.line(t.row(tt, row)))
	}
	slices.Sort(lines)
	return lines
}

// TestRoundTrip changes random tables at random while they are read, stops and goes on at random,
// and rebuilds the tables from the records.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for i := range 3 {
		seed := *roundTripSeed
		if seed == 0 {
			seed = uint64(time.Now().UnixNano())
		}
		if *roundTripSeed == 0 || i == 0 {
			t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { t.Parallel(); roundTrip(t, rand.New(rand.NewPCG(seed, 1))) })
		}
	}
}

func isStreaming(r *reading) bool {
	p := r.intake.Progress()
	return p != nil && p.Phase == "streaming"
}

func roundTrip(t *testing.T, random *rand.Rand) {
	tables := []*randomTable{newRandomTable(random, "one"), newRandomTable(random, "two")}
	d := newDatabase(t, "CREATE EXTENSION hstore", "CREATE TABLE done (id int PRIMARY KEY)", tables[0].ddl, tables[1].ddl).publish(t, "one, two, done")
	changeSome := func(streaming bool) {
		for range 1 + random.IntN(4) {
			statements := []string{"BEGIN"}
			for range 1 + random.IntN(5) {
				statements = append(statements, tables[random.IntN(2)].statement(random, streaming))
			}
			d.exec(t, strings.Join(append(statements, "COMMIT"), "; "))
		}
	}
	changeSome(false)
	c := d.config(t, "table.include.list", "public.(one|two|done)", "max.batch.size", fmt.Sprint(1+random.IntN(20)),
		"decimal.handling.mode", "string", "binary.handling.mode", "hex", "snapshot.max.threads", fmt.Sprint(1+random.IntN(3)))
	if random.IntN(2) == 0 {
		d.streamsSoon(t)
	}
	backlog := LSN(math.MaxInt64)
	if random.IntN(2) == 0 {
		backlog = 1
	}
	var all []sentRecord
	begin := func(offset []byte) *reading {
		s := newSource(t, c)
		s.backlogFrom, s.backlogSpan = backlog, 1<<30
		return startSource(t, s, offset, false)
	}
	r := begin(nil)
	if tables[0].keys*tables[1].keys == 0 {
		// Without a key a row that an interrupted snapshot has sent can not be known again.
		r.streaming()
	}
	restart := func() {
		if err := r.stop(); connect.IsPermanent(err) { // any other error is one that a restart mends
			t.Fatal(err)
		}
		all = append(all, r.records...)
		r = begin(r.offset)
	}
	for range 12 {
		for range random.IntN(6) {
			select {
			case b := <-r.intake.Sent():
				r.take(b)
			case <-time.After(time.Duration(random.IntN(20)) * time.Millisecond):
			}
		}
		if random.IntN(3) == 0 {
			restart()
		}
		changeSome(isStreaming(r))
	}
	for limit := time.Now().Add(patience); !isStreaming(r); {
		select {
		case b := <-r.intake.Sent():
			r.take(b)
		case r.err = <-r.done:
			r.ended = true
			restart()
		case <-time.After(20 * time.Millisecond):
			if time.Now().After(limit) {
				t.Fatal("the source does not stream")
			}
		}
	}
	d.exec(t, "INSERT INTO done VALUES (1)")
	r.until("the end", func() bool {
		return slices.ContainsFunc(r.records, func(s sentRecord) bool { return s.topic == "production.public.done" })
	})
	all = append(all, r.records...)
	for _, table := range tables {
		got, want := table.rebuild(t, all), table.rows(t, d)
		if len(got) != len(want) {
			t.Errorf("%s: %d rows, want %d", table.ddl, len(got), len(want))
			continue
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("%s:\n got %s\nwant %s", table.ddl, got[i], want[i])
			}
		}
	}
}
