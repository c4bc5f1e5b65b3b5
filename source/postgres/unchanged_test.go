package postgres

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestUnchanged has a large value of each type that an update leaves as it is, so that the server
// does not send it.
func TestUnchanged(t *testing.T) {
	t.Parallel()
	const text = `"__debezium_unavailable_value"`
	var letters []string
	for _, c := range "__debezium_unavailable_value" {
		letters = append(letters, fmt.Sprint(int(c)))
	}
	codes := "[" + strings.Join(letters, ",") + "]"
	floats := strings.ReplaceAll(codes[:len(codes)-1], ",", ".0,") + ".0]"
	repeated := func(element, typ string) string {
		return fmt.Sprintf("(SELECT array_agg(%s) FROM generate_series(1, 2000))::%s", element, typ)
	}
	cases := []struct{ typ, value, want, debezium string }{
		{"text", "repeat('x', 3000)", text, ""},
		{"varchar(4000)", "repeat('x', 3000)", text, ""},
		{"citext", "repeat('x', 3000)", text, ""},
		{"xml", "('<a>' || repeat('x', 3000) || '</a>')::xml", text, ""},
		{"jsonb", "to_jsonb(repeat('x', 3000))", text, ""},
		{"ltree", "(repeat('x.', 2000) || 'x')::text::ltree", text, ""},
		{"tsvector", "repeat('x', 1500)::tsvector || repeat('y', 1500)::tsvector", text, ""},
		{"bytea", "repeat('x', 3000)::bytea", `"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="`, ""},
		{"hstore", "hstore('k', repeat('x', 3000))", `"{\"__debezium_unavailable_value\":\"__debezium_unavailable_value\"}"`, ""},
		{"text[]", repeated("text 'x'", "text[]"), "[" + text + "]", ""},
		{"varchar(9)[]", repeated("text 'x'", "varchar[]"), "[" + text + "]", ""},
		{"char(3)[]", repeated("text 'x'", "char(3)[]"), "[" + text + "]", ""},
		{"json[]", repeated("text '{}'", "json[]"), "[" + text + "]", ""},
		{"jsonb[]", repeated("text '{}'", "jsonb[]"), "[" + text + "]", ""},
		{"uuid[]", repeated("gen_random_uuid()", "uuid[]"), `["b68a35a7-17ad-35b3-af2a-ae46edb4545a"]`, ""},
		{"bytea[]", repeated(`'\x01'::bytea`, "bytea[]"), `["X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="]`, ""},
		{"int4[]", repeated("1", "int4[]"), codes, ""},
		{"date[]", repeated("now()", "date[]"), codes, ""},
		{"int8[]", repeated("1", "int8[]"), codes, ""},
		// Where Debezium has no placeholder it writes null.
		{"int2[]", repeated("1", "int2[]"), codes, "null"},
		{"float8[]", repeated("1", "float8[]"), floats, "null"},
		{"citext[]", repeated("text 'x'", "citext[]"), "[" + text + "]", "null"},
		{"timestamp[]", repeated("now()", "timestamp[]"), codes, "null"},
		{"timestamptz[]", repeated("now()", "timestamptz[]"), "[" + text + "]", "null"},
		{"varbit", "repeat('1', 30000)::varbit", `"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="`, "null"},
		{"vector", "('[' || repeat('1,', 2000) || '1]')::text::vector", floats, "null"},
		{"geometry", "repeat('01', 2000)::text::geometry", `{"wkb":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==","srid":null}`, "null"},
		{"path", "('(' || repeat('(1,1),', 500) || '(1,1))')::path", text, leftOut},
	}
	for _, mode := range []string{"connectd", "debezium"} {
		t.Run(mode, func(t *testing.T) {
			statements := append(madeTypes, "CREATE EXTENSION ltree", "CREATE CAST (text AS vector) WITH INOUT", "CREATE CAST (text AS geometry) WITH INOUT",
				"CREATE TABLE a (id int PRIMARY KEY, n int)")
			values := "1, 1"
			for i, c := range cases {
				statements = append(statements, fmt.Sprintf("ALTER TABLE a ADD c%d %s; ALTER TABLE a ALTER c%[1]d SET STORAGE EXTERNAL", i, c.typ))
				values += ", " + c.value
			}
			d := newDatabase(t, append(statements, "INSERT INTO a VALUES ("+values+")")...).publish(t, "a")
			r := start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "compat.mode", mode), nil).streaming()
			d.exec(t, "UPDATE a SET n = 2")
			row := member(fieldsOf(t, []byte(r.next(1)[0].value)), "after")
			if !json.Valid(row) {
				t.Fatalf("%s is not JSON", row)
			}
			for i, c := range cases {
				want := c.want
				if mode == "debezium" && c.debezium != "" {
					want = c.debezium
				}
				if got := string(member(fieldsOf(t, row), fmt.Sprint("c", i))); got != want && (got != "" || want != leftOut) {
					t.Errorf("%s: got %.200s, want %s", c.typ, got, want)
				}
			}
		})
	}
}
