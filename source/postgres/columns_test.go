package postgres

import (
	"fmt"
	"strings"
	"testing"
)

// TestMaskedColumns has each kind of mask, in the snapshot and in the stream.
func TestMaskedColumns(t *testing.T) {
	t.Parallel()
	row := func(key string) string {
		return "('" + key + `', 'secret', NULL, 'test', 'test', 'tëxt 🙂!', '\x01020304', 5, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', repeat('x', 3000))`
	}
	settings := []string{"table.include.list", "public.a", "column.mask.with.5.chars", "public.a.v, public.a.n, public.a.i, public.a.u",
		"column.mask.with.2.chars", "PUBLIC.A.ID", "column.mask.hash.SHA-256.with.salt.CzQMA0cB5K", "public.a.(h1|big)",
		"column.mask.hash.v2.MD5.with.salt.s.1", "public.a.h2", "column.truncate.to.6.chars", "public.a.t", "column.truncate.to.3.chars", "public.a.b"}
	for _, c := range []struct{ mode, uuid, changed string }{
		{"connectd", `"*****"`, `"big":"__debezium_unavailable_value"`},
		{"debezium", `"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"`, `"big":"296a90bf4bbab137251d338217c3af14a135f175daedc7c39aacd0b8a408ba6d"`},
	} {
		t.Run(c.mode, func(t *testing.T) {
			d := newDatabase(t, "CREATE TABLE a (id text PRIMARY KEY, v text, n text, h1 varchar(20), h2 text, t text, b bytea, i int, u uuid, big text)",
				"ALTER TABLE a ALTER big SET STORAGE EXTERNAL", "INSERT INTO a VALUES "+row("key-1")).publish(t, "a")
			r := startWith(t, d.config(t, append(settings, "compat.mode", c.mode)...), nil, true)
			r.next(1)
			r.streaming()
			d.exec(t, "INSERT INTO a VALUES "+row("key-2"), "UPDATE a SET i = 6 WHERE id = 'key-2'", "DELETE FROM a WHERE id = 'key-2'")
			r.next(4)
			want := `{"id":"**","v":"*****","n":"*****","h1":"8e68c68edbbac316dfe2","h2":"b2136205d846737411d3f38a3fc6c83e","t":"tëxt ","b":"AQID","i":5,"u":` + c.uuid
			for i, r := range r.records[:2] {
				payload := member(fieldsOf(t, []byte(r.value)), "payload")
				if after := string(member(fieldsOf(t, payload), "after")); !strings.HasPrefix(after, want) {
					t.Errorf("record %d:\n got %s\nwant %s", i, after, want)
				}
				for _, param := range []string{`"parameters":{"masked":"true"},"field":"v"`, `"parameters":{"masked":"true"},"field":"h1"`,
					`"parameters":{"truncateLength":"6"},"field":"t"`, `"parameters":{"truncateLength":"3"},"field":"b"`} {
					if !strings.Contains(r.value, param) {
						t.Errorf("record %d: no %s in %.3000s", i, param, r.value)
					}
				}
			}
			if k := r.records[1].key; !strings.HasSuffix(k, `"payload":{"id":"key-2"}}`) || strings.Contains(k, "masked") {
				t.Errorf("the key is not as it was: %s", k)
			}
			if v := r.records[2].value; !strings.Contains(v, c.changed) {
				t.Errorf("update: got %s, want %s", v[strings.Index(v, "payload"):], c.changed)
			}
			if v := r.records[3].value; !strings.Contains(v, `"before":{"id":"**","v":"*****"`) {
				t.Errorf("delete: %s", v[strings.Index(v, "payload"):])
			}
		})
	}
}

// TestJavaString compares with what Java's ObjectOutputStream writes.
func TestJavaString(t *testing.T) {
	for text, want := range map[string]string{
		"test": "\xac\xed\x00\x05t\x00\x04test", "": "\xac\xed\x00\x05t\x00\x00", "ë€": "\xac\xed\x00\x05t\x00\x05\xc3\xab\xe2\x82\xac",
		"\x00🙂": "\xac\xed\x00\x05t\x00\x08\xc0\x80\xed\xa0\xbd\xed\xb9\x82",
	} {
		if got := string(appendJavaString(nil, []byte(text))); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	long := string(appendJavaString(nil, []byte(strings.Repeat("x", 70000))))
	if !strings.HasPrefix(long, "\xac\xed\x00\x05|\x00\x00\x00\x00\x00\x01\x11\x70xxx") || len(long) != 13+70000 {
		t.Errorf("a long string: %d bytes, %q", len(long), long[:20])
	}
}

func TestPropagateSourceType(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, "CREATE DOMAIN money2 AS money", "CREATE TYPE mood AS ENUM ('sad')",
		"CREATE TABLE a (id serial PRIMARY KEY, v varchar(128), n numeric(5,2), m money2, f real, e mood, es mood[], ts timestamp(3), other numeric(6,1), plain int)",
		"INSERT INTO a VALUES (1)").publish(t, "a")
	r := startWith(t, d.config(t, "table.include.list", "public.a", "column.propagate.source.type", "public.a.(id|v|n|m|f|es?|ts)",
		"datatype.propagate.source.type", `.+\.NUMERIC`), nil, true)
	got := r.next(1)[0]
	for _, c := range []struct{ name, typ, length, scale string }{
		{"id", "SERIAL", "10", "0"}, {"v", "VARCHAR", "128", "0"}, {"m", "MONEY2", "2147483647", "0"}, {"f", "FLOAT4", "8", "8"},
		{"es", "_MOOD", "2147483647", "0"}, {"ts", "TIMESTAMP", "26", "3"},
	} {
		want := `"__debezium.source.column.type":"` + c.typ + `","__debezium.source.column.length":"` + c.length +
			`","__debezium.source.column.scale":"` + c.scale + `","__debezium.source.column.name":"` + c.name + `"}`
		if !strings.Contains(got.value, want) {
			t.Errorf("%s: no %s", c.name, want)
		}
	}
	if !strings.Contains(got.value, `"connect.decimal.precision":"6","__debezium.source.column.type":"NUMERIC","__debezium.source.column.length":"6","__debezium.source.column.scale":"1"`) {
		t.Errorf("by the data type: %s", got.value)
	}
	if strings.Contains(got.key, "__debezium") || !strings.Contains(got.value, `{"type":"int32","optional":true,"field":"plain"}`) {
		t.Errorf("more was told than asked: key %s, value %s", got.key, got.value)
	}
}

func TestNameAdjustment(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ mode, name, schema, field string }{
		{"none", "a-b.ü", "a-b.ü", "a-b.ü"}, {"avro", "1a-b.ü", "_1a_b._", "_1a_b__"}, {"avro", "_x", "_x", "_x"}, {"avro", "🙂", "__", "__"},
		{"avro_unicode", "1a_b.€", "_u0031a_u005fb._u20ac", "_u0031a_u005fb_u002e_u20ac"}, {"avro_unicode", "ā", "_u101", "_u101"},
	} {
		if got := (adjuster{c.mode, true}).name(c.name); got != c.schema {
			t.Errorf("schema %s, %s: got %s, want %s", c.name, c.mode, got, c.schema)
		}
		if got := (adjuster{c.mode, false}).name(c.name); got != c.field {
			t.Errorf("field %s, %s: got %s, want %s", c.name, c.mode, got, c.field)
		}
	}
	d := newDatabase(t, `CREATE TABLE "a-b" ("the id" int PRIMARY KEY, "x.y" int)`, `INSERT INTO "a-b" VALUES (1, 2)`).publish(t, `"a-b"`)
	r := startWith(t, d.config(t, "table.include.list", "public.a-b", "schema.name.adjustment.mode", "avro", "field.name.adjustment.mode", "avro_unicode"), nil, true)
	got := r.next(1)[0]
	if got.topic != "production.public.a-b" || !strings.Contains(got.key, `"name":"production.public.a_b.Key"},"payload":{"the_u0020id":1}`) ||
		!strings.Contains(got.value, `"after":{"the_u0020id":1,"x_u002ey":2}`) || !strings.Contains(got.value, `"name":"production.public.a_b.Envelope"`) {
		t.Errorf("got %+v", got)
	}
	r.stop()
	d.exec(t, `ALTER TABLE "a-b" ADD "x-y" int`)
	r = start(t, d.config(t, "table.include.list", "public.a-b", "field.name.adjustment.mode", "avro", "snapshot.mode", "initial_only"), nil)
	if err := r.wait(); err == nil || !strings.Contains(err.Error(), `two columns have the field name "x_y"`) {
		t.Errorf("got %v", err)
	}
}

// TestDefaultsOfColumns has what schemas tell of defaults: constants, what Debezium has for functions, and
// nothing for types and expressions of which it tells nothing.
func TestDefaultsOfColumns(t *testing.T) {
	t.Parallel()
	cases := []struct{ column, want string }{
		{"text DEFAULT 'it''s'", `"it's"`}, {"varchar(9) DEFAULT ''", `""`}, {"int DEFAULT -5", `-5`}, {"bool DEFAULT true", `true`}, {"mood DEFAULT 'ok'", `"ok"`},
		{"numeric(6,2) DEFAULT 1.5", `"AJY="`}, {"date DEFAULT '1970-01-02'", `1`}, {"timestamp(3) DEFAULT '1970-01-01 00:00:01'", `1000`}, {"jsonb DEFAULT '{\"a\": 1}'", `"{\"a\": 1}"`},
		{"bit(3) DEFAULT B'101'", `"BQ=="`}, {"float8 DEFAULT 1e10", `1.0E10`}, {"interval DEFAULT '1 second'", `1000000`},
		{"timestamptz DEFAULT now()", `"1970-01-01T00:00:00.000000Z"`}, {"date DEFAULT CURRENT_DATE", `0`}, {"uuid DEFAULT gen_random_uuid()", `"00000000-0000-0000-0000-000000000000"`},
		{"text DEFAULT upper('x')", `""`}, {"timestamp DEFAULT timezone('utc', now())", `0`}, {"json DEFAULT json_build_object()", `"{}"`},
		{"text DEFAULT NULL", ""}, {"numeric DEFAULT 1.5", ""}, {"point DEFAULT '(1,2)'", ""}, {"int[] DEFAULT '{1}'", ""}, {"inet DEFAULT '10.0.0.1'", ""}, {"money DEFAULT 1", ""},
		{"bytea DEFAULT '\\x01'", ""}, {"positive DEFAULT 1", ""}, {"int DEFAULT 1 + 2", ""}, {"text DEFAULT 'a' || 'b'", ""}, {"mood DEFAULT any_mood()", ""},
	}
	var columns []string
	for i, c := range cases {
		columns = append(columns, fmt.Sprintf("c%d %s", i, c.column))
	}
	d := newDatabase(t, "CREATE TYPE mood AS ENUM ('sad', 'ok')", "CREATE DOMAIN positive AS int", "CREATE FUNCTION any_mood() RETURNS mood LANGUAGE sql AS $$ SELECT 'sad'::mood $$",
		"CREATE TABLE a ("+strings.Join(columns, ", ")+")", "INSERT INTO a DEFAULT VALUES").publish(t, "a")
	r := startWith(t, d.config(t, "table.include.list", "public.a"), nil, true)
	schema := member(fieldsOf(t, []byte(r.next(1)[0].value)), "schema")
	after := columnsOf(t, member(fieldsOf(t, schema), "fields"))[1]
	for i, f := range columnsOf(t, member(fieldsOf(t, after.raw), "fields")) {
		if got := string(member(fieldsOf(t, f.raw), "default")); got != cases[i].want {
			t.Errorf("%s: got %s, want %s", cases[i].column, got, cases[i].want)
		}
	}
}
