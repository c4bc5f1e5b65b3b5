package postgres

import (
	"fmt"
	"strings"
	"testing"

	"connectd/record"
)

// codes is the placeholder as a JSON array with a number for each of its octets.
func codes(format string) string {
	var out []string
	for _, c := range []byte("__debezium_unavailable_value") {
		out = append(out, fmt.Sprintf(format, c))
	}
	return "[" + strings.Join(out, ",") + "]"
}

// TestPlaceholderForms writes every form in which a source says that a large value has not
// changed, as JSON without a schema, alone in its table (binary where there is such a form) and
// beside a column that has only a text form.
func TestPlaceholderForms(t *testing.T) {
	const text, base64 = `"__debezium_unavailable_value"`, `"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="`
	tests := []struct{ column, stored, unchanged string }{
		{"text", "'large'", text}, {"jsonb", `'{"a": 1}'`, text}, {"json", `'[1]'`, text}, {"xml", "'<a/>'", text},
		{"bytea", `'\x0102'`, base64}, {"bytea", `'\x0102'`, text}, {"varbit", "'101'", base64},
		{"text[]", "'{a,b}'", "[" + text + "]"}, {"jsonb[]", `'{"{}"}'`, "[" + text + "]"}, {"bytea[]", `'{"\\x01"}'`, "[" + base64 + "]"},
		{"uuid[]", "'{00000000-0000-0000-0000-000000000001}'", `["b68a35a7-17ad-35b3-af2a-ae46edb4545a"]`},
		{"int[]", "'{1,2}'", codes("%d")}, {"bigint[]", "'{1,2}'", codes("%d")}, {"date[]", "'{2026-11-21}'", codes("%d")},
		{"float8[]", "'{1.5}'", codes("%d.0")}, {"float8[]", "'{1.5}'", codes(" %d ")}, {"numeric(12,2)[]", "'{1.50}'", codes("%d.00")},
		{"jsonb", `'{"k": "v"}'`, `{` + text + ": " + text + `}`}, {"jsonb", `'{"k": "v"}'`, `"{\"__debezium_unavailable_value\":\"__debezium_unavailable_value\"}"`},
		{"jsonb", `'{"wkb": "AQ=="}'`, `{"wkb": ` + base64 + `, "srid": null}`},
		{"jsonb", `'[1]'`, `{"dimensions":28,"vector":` + pairs() + `}`},
	}
	for _, more := range []string{"", ", place inet"} {
		g := newTarget(t)
		for _, test := range tests {
			g.exec("DROP TABLE IF EXISTS orders", "CREATE TABLE orders (id int PRIMARY KEY, c "+test.column+", n int"+more+")",
				"INSERT INTO orders VALUES (1, "+test.stored+", 1)")
			before := g.rows("SELECT c::text FROM orders")
			p := g.open(g.sink(upsert + "offsets.storage: kafka"))
			p.put([2]string{key(1), `{"id":1,"n":2,"c":` + test.unchanged + `}`})
			if got := g.rows("SELECT c::text FROM orders WHERE n = 2"); got != before {
				t.Errorf("%s after %s%s: got %s, want %s", test.column, test.unchanged, more, got, before)
			}
		}
	}
}

func pairs() string {
	var out []string
	for i, c := range []byte("__debezium_unavailable_value") {
		out = append(out, fmt.Sprintf("[%d,%d.0]", i+1, c))
	}
	return "[" + strings.Join(out, ",") + "]"
}

func TestPlaceholderInHex(t *testing.T) {
	c, problems := decode("connection.url: postgres://h/d\nunavailable.value.placeholder: hex:00ff")
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	v := record.OfBytes([]byte{0, 0xff})
	if !c.placeholder.Is(&v) {
		t.Error("the octets of hex:00ff are not recognized")
	}
	_, problems = decode("connection.url: postgres://h/d\nunavailable.value.placeholder: hex:0g")
	if want := "unavailable.value.placeholder: has something that is not hexadecimal"; !strings.Contains(problems.Error(), want) {
		t.Errorf("got %q, want %q", problems.Error(), want)
	}
}
