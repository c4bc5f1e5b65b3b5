package postgres

import (
	"fmt"
	"strings"
	"testing"
)

func TestConfigProblems(t *testing.T) {
	const url = "connection.url: postgres://h/d\n"
	tests := []struct{ name, settings, want string }{
		{"nothing", "", "connection.url: is missing; set it"},
		{"mysql", "connection.url: jdbc:mysql://h/d", `connection.url: is for "mysql", not for PostgreSQL`},
		{"upsert without key", url + "insert.mode: upsert", "pk.mode: is none, but insert.mode upsert needs a key"},
		{"delete without key", url + "delete.enabled: true", "delete.enabled: needs the key of the row to delete, but pk.mode is none; write pk.mode: record_key"},
		{"delete by value", url + "delete.enabled: true\npk.mode: record_value\npk.fields: id", "a tombstone has no value to take the key from"},
		{"fields without mode", url + "pk.fields: id", "pk.fields: has no meaning with pk.mode none"},
		{"two kafka fields", url + "pk.mode: kafka\npk.fields: a,b", "names 2 columns"},
		{"variable", url + "table.name.format: ${tpoic}", "table.name.format: ${tpoic} is not a variable"},
		{"source variable", url + "table.name.format: ${source.}", "${source.} is not a variable"},
		{"regex", url + "field.exclude.list: (", "field.exclude.list: \"(\" is not a regular expression"},
		{"zone", url + "db.timezone: Mars/Base", `db.timezone: "Mars/Base" is not a time zone`},
		{"both lists", url + "field.include.list: a\nfield.exclude.list: b", "remove one of them"},
		{"alias", url + "primary.key.mode: sideways", `primary.key.mode: "sideways"`},
		{"no effect", url + "use.reduction.buffer: true", "has no effect here: rows of keyed tables"},
		{"validate only", url + "schema.evolution: validate-only\nauto.create: true", "schema.evolution: is validate-only, but auto.create or auto.evolve is true; write schema.evolution: basic"},
		{"widen alone", url + "auto.evolve.widen: true", "auto.evolve.widen: has no effect without auto.evolve; write auto.evolve: true"},
		{"no column", url + "string.output.value.column.name: ", "string.output.value.column.name: is empty; write the name of a column"},
		{"kafka by table", url + "pk.mode: kafka\npk.fields: orders:a,b,c", "names the columns of single tables"},
		{"range", url + "out.of.range: wrap", `out.of.range: "wrap" is not`},
		{"style", url + "column.naming.strategy: kebab", `column.naming.strategy: "kebab" is not`},
		{"precision", url + "timestamp.precision.mode: seconds", `timestamp.precision.mode: "seconds" is not`},
		{"table types", url + "table.types: TABLE", "views are refused"},
		{"exactly once in the group", url + "exactlyOnce: true\noffsets.storage: kafka", "exactlyOnce: contradicts offsets.storage: kafka"},
		{"header names", url + "pk.mode: record_header", "pk.fields: is empty; with pk.mode record_header write the names of the headers"},
		{"metadata alone", url + "metadata.columns.offset: at", "metadata.columns.offset: has no effect without metadata.columns; write metadata.columns: true"},
		{"another database", url + "dialect.sqlserver.identity.insert: true", "the sink writes to PostgreSQL only"},
		{"each change by value", url + "keyed.message.batch.mode: passthrough\npk.mode: record_value\npk.fields: id", "keyed.message.batch.mode: passthrough is for keys that are the records', and pk.mode is record_value; write pk.mode: record_key"},
		{"each change by table", url + "keyed.message.batch.mode: passthrough\npk.mode: record_key\npk.fields: orders:id", "does not go with keyed.message.batch.mode: passthrough"},
		{"cloud events", url + "cloud.events.schema.name.pattern: (", `cloud.events.schema.name.pattern: "(" is not a regular expression`},
		{"batch", url + "batch.size: 0", "batch.size: is 0; write 1 or more"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, problems := decode(test.settings)
			if !strings.Contains(problems.Error(), test.want) {
				t.Errorf("got\n%s\nwant %q in it", problems.Error(), test.want)
			}
		})
	}
}

func TestURL(t *testing.T) {
	tests := []struct{ settings, want string }{
		{"connection.url: jdbc:postgresql://h:5433/d?user=u&password=p&currentSchema=s&reWriteBatchedInserts=true", "h 5433 d u p s"},
		{"connection.url: postgresql://u@h/d\nconnection.password: p", "h 5432 d u p "},
		{"connection.url: postgres://h/d\nconnection.username: u\nconnection.password: p", "h 5432 d u p "},
	}
	for _, test := range tests {
		c, problems := decode(test.settings)
		if err := problems.Err(); err != nil {
			t.Fatal(err)
		}
		pc, err := parseURL(c)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join([]string{pc.Host, fmt.Sprint(pc.Port), pc.Database, pc.User, pc.Password, pc.RuntimeParams["search_path"]}, " ")
		if got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.settings, got, test.want)
		}
	}
}

func TestURLErrorHidesThePassword(t *testing.T) {
	for _, url := range []string{"postgres://u:s3cret@h:port/d", "jdbc:postgresql://u:s3cret@h:99999999/d", "postgres://u:s3cret@%zz/d"} {
		if _, problems := decode("connection.url: " + url); problems.Err() == nil || strings.Contains(problems.Error(), "s3cret") {
			t.Errorf("%s: got %q, want an error without the password", url, problems.Error())
		}
	}
}

func TestTableOf(t *testing.T) {
	const topic = "cdc.production.public.Orders-1"
	tests := []struct{ settings, topic, want string }{
		{"", topic, `"cdc_production_public_Orders-1"`},
		{"table.name.format: ${table}", topic, `"Orders-1"`},
		{"table.name.format: ${schema}.${table}", topic, `"public"."Orders-1"`},
		{"collection.name.format: ods.${topic}_raw", topic, `"ods"."cdc_production_public_Orders-1_raw"`},
		{"table.name.format: ${schema}.${table}", "orders", `"orders"`},
		{"table.name.format: ${table}\ntable.name.normalize: true", topic, `"Orders_1"`},
		{"table.name.format: ${table}\nquote.sql.identifiers: never", topic, `"orders-1"`},
		{"table.name.format: ${table}\ncollection.naming.strategy: snake", "s.p.OrderLines", `"order_lines"`},
		{"table.name.format: ${table}\ncollection.naming.strategy: camel", "s.p.order_lines", `"orderLines"`},
		{"table.name.format: ${table}\ncollection.naming.strategy: upper", "s.p.orders", `"ORDERS"`},
		{"topics.to.tables.mapping: " + topic + ":sales.o,other:x", topic, `"sales"."o"`},
	}
	for _, test := range tests {
		c, problems := decode("connection.url: postgres://h/d\n" + test.settings)
		if err := problems.Err(); err != nil {
			t.Fatal(err)
		}
		if got := c.tableOf(test.topic, nil).String(); got != test.want {
			t.Errorf("%q of %s: got %s, want %s", test.settings, test.topic, got, test.want)
		}
	}
}

func TestStyles(t *testing.T) {
	tests := []struct{ style, name, want string }{
		{"default", "orderId", "orderId"}, {"lower", "OrderID", "orderid"}, {"upper", "orderId", "ORDERID"},
		{"snake", "orderId", "order_id"}, {"snake", "HTTPServer", "http_server"}, {"snake", "order_id", "order_id"}, {"snake", "userID2", "user_id2"}, {"snake", "Order_Id", "order_id"},
		{"camel", "order_id", "orderId"}, {"camel", "Order_ID", "orderID"}, {"camel", "__deleted_at", "__deletedAt"}, {"camel", "orderId", "orderId"},
	}
	for _, test := range tests {
		if got := styled(test.style, test.name); got != test.want {
			t.Errorf("%s of %s: got %s, want %s", test.style, test.name, got, test.want)
		}
	}
}

func TestKeyFieldsByTable(t *testing.T) {
	c := &Config{KeyFields: []string{"id", "orders:region", "no", "sales.lines:line"}}
	tests := []struct {
		table name
		want  string
	}{{name{"", "customers"}, "id"}, {name{"", "orders"}, "region no"}, {name{"sales", "orders"}, "region no"}, {name{"sales", "lines"}, "line"}, {name{"", "lines"}, "id"}}
	for _, test := range tests {
		if got := strings.Join(c.keyFields(test.table), " "); got != test.want {
			t.Errorf("%s: got %s, want %s", test.table, got, test.want)
		}
	}
}

func TestFieldsToWrite(t *testing.T) {
	tests := []struct {
		settings string
		want     string // of a, secret and Secret2
	}{
		{"", "a secret Secret2"}, {"fields.whitelist: a", "a"}, {"field.include.list: a,SECRET", "a secret"},
		{"field.exclude.list: secret.*", "a"}, {"field.exclude.list: other:a,t:secret", "a Secret2"},
	}
	for _, test := range tests {
		c, problems := decode("connection.url: postgres://h/d\n" + test.settings)
		if err := problems.Err(); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range []string{"a", "secret", "Secret2"} {
			if c.writes("t", f) {
				got = append(got, f)
			}
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%q: got %v, want %s", test.settings, got, test.want)
		}
	}
}

func TestBatching(t *testing.T) {
	c := &Config{}
	c.Defaults()
	if b := c.Batching(); b.Linger != linger || b.Rows != 0 || b.Bytes != 0 {
		t.Errorf("got %+v, want %v and the runtime's own", b, linger)
	}
}
