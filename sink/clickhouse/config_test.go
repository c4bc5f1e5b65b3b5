package clickhouse

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"connectd/config"
	"connectd/connect"
)

func decode(pairs ...string) (*Config, config.Problems) {
	s := &config.Section{Path: "connectors.to-clickhouse"}
	for i := 0; i < len(pairs); i += 2 {
		s.Entries = append(s.Entries, config.Entry{Key: pairs[i], Raw: pairs[i+1], Value: pairs[i+1]})
	}
	c := new(Config)
	return c, config.Decode(s, c)
}

func TestConfigOfIncumbents(t *testing.T) {
	c, problems := decode(
		"hostname", "ch.example", "port", "8443", "database", "shop", "username", "u", "password", "p", "ssl", "true",
		"exactlyOnce", "true", "topic2TableMap", "a=t1, b=t2", "clickhouseSettings", "insert_quorum=2",
		"timeoutSeconds", "20", "clickhouseClientInsertTimeoutMs", "5000", "retryCount", "2", "tableRefreshInterval", "60",
		"auto.create.tables", "true", "schema.evolution", "true", "replacingmergetree.delete.column", "gone",
	)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	if c.Timeout != seconds(20*time.Second) || c.InsertTimeout != millis(5*time.Second) || c.Refresh != seconds(time.Minute) {
		t.Errorf("durations: got %v s, %v ms, %v s", c.Timeout, c.InsertTimeout, c.Refresh)
	}
	if !c.Create || !c.Evolve || c.Deleted != "gone" || c.place("b") != (place{"shop", "t2"}) || c.Settings["insert_quorum"] != "2" {
		t.Errorf("got %+v", c)
	}
}

func TestConfigWithoutEffect(t *testing.T) {
	_, problems := decode("hostname", "h", "zkPath", "/x", "thread.pool.size", "10", "ignorePartitionsWhenBatching", "true")
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"tasks.max", "batch.max.rows", "consumer group"} {
		if !strings.Contains(problems.Error(), want) {
			t.Errorf("warnings: got %v, want %q in them", problems, want)
		}
	}
}

func TestConfigProblems(t *testing.T) {
	cases := []struct{ key, value, want string }{
		{"hostname", "http//x:y", "is not a server"},
		{"port", "70000", "is not a server"},
		{"table.name.format", "${tabel}", "${tabel} is not known"},
		{"clickhouseSettings", "async_insert=1", "async_insert is set by the delivery protocol"},
		{"out.of.range", "drop", "fail, dlq, clamp, null"},
		{"unavailable.value.handling", "keep", "fail, lookup, default"},
		{"unavailable.value.placeholder", "hex:5", "is not hexadecimal"},
		{"insert.max.rows", "2000000", "out of range"},
		{"replacingmergetree.version.epoch", "40000", "out of range"},
		{"timeoutSeconds", "x", "is not a duration"},
		{"nested.columns", "map", "json, tuple, flatten"},
		{"on.intent.expired", "skip", "fail, insert"},
		{"auto.evolve.widen", "yes", "neither true nor false"},
		{"topic2TableMap", "shop\\.(.*=t", "is not a regular expression"},
		{"dbTopicSplitChar", "/", "is not . or _ or -"},
		{"clickhouse.database.override.map", "shop", "has no colon"},
		{"clickhouse.database.override.map", "shop:", "a name is empty"},
		{"dateTimeFormats", "at", "is not column=pattern"},
		{"dateTimeFormats", "at=yyyy-MM-dd GG", "has GG, which is not supported"},
		{"dateTimeFormats", "at=HHmmssSSS", "has SSS, which is not supported"},
		{"dateTimeFormats", "at=yyyy'T", "has a quote without an end"},
		{"bufferCount", "-1", "is negative"},
		{"bufferFlushTime", "soon", "is not a duration"},
		{"hostname", "clickhouse://me:secret@h/db", "write it as password"},
		{"hostname", "jdbc:ch://h/db?password=secret", "write it as password"},
		{"hostname", "https://me:secret@h:port", "is not the URL of a server"},
		{"hostname", "mysql://h/db", "is not a server"},
	}
	for _, c := range cases {
		pairs := []string{c.key, c.value}
		if c.key != "hostname" {
			pairs = append(pairs, "hostname", "h")
		}
		if _, problems := decode(pairs...); !strings.Contains(problems.Error(), c.want) {
			t.Errorf("%s=%s: got %v, want %q", c.key, c.value, problems, c.want)
		}
	}
}

func TestContradictions(t *testing.T) {
	for want, pairs := range map[string][]string{
		"has no effect without TLS; write ssl: true": {"ssl.socket.sni", "name", "port", "8123"},
		"is not a kind of proxy; write http":         {"proxyType", "SOCKS"},
		"do not name the proxy; write both":          {"proxyType", "HTTP", "proxyHost", "p"},
		"speaks the native protocol":                 {"proxyType", "HTTP", "proxyHost", "p", "proxyPort", "1", "port", "9000"},
		"so proxyHost and proxyPort have no effect":  {"proxyHost", "p"},
		"contradicts out.of.range: clamp":            {"auto.evolve.widen", "true", "out.of.range", "clamp"},
		"write Replicated there":                     {"auto.create.tables.replicated", "true", "clickhouse.table.engine", "MergeTree"},
	} {
		if _, problems := decode(append(pairs, "hostname", "h")...); problems.Err() == nil || !strings.Contains(problems.Error(), want) {
			t.Errorf("%v: got %v, want %q", pairs, problems, want)
		}
	}
}

func TestAddress(t *testing.T) {
	cases := []struct {
		host, ssl, protocol string
		port                int
		want                address
	}{
		{"h", "auto", "auto", 8443, address{addr: "h:8443", host: "h", sni: "h", tls: true}},
		{"h", "auto", "auto", 8123, address{addr: "h:8123", host: "h", sni: "h"}},
		{"h", "auto", "auto", 9000, address{addr: "h:9000", host: "h", sni: "h", native: true}},
		{"h", "auto", "auto", 9440, address{addr: "h:9440", host: "h", sni: "h", native: true, tls: true}},
		{"h:1234", "true", "native", 8443, address{addr: "h:1234", host: "h", sni: "h", native: true, tls: true}},
		{"http://h:80", "auto", "auto", 8443, address{addr: "h:80", host: "h", sni: "h"}},
		{"https://h", "auto", "auto", 8443, address{addr: "h:8443", host: "h", sni: "h", tls: true}},
		{"http://h", "auto", "auto", 8443, address{addr: "h:8123", host: "h", sni: "h"}},
		{"clickhouse://h", "auto", "auto", 8443, address{addr: "h:9000", host: "h", sni: "h", native: true}},
		{"clickhouse://h/db?secure=true", "auto", "auto", 8443, address{addr: "h:9440", host: "h", sni: "h", native: true, tls: true}},
		{"jdbc:clickhouse://h:8123/db", "auto", "auto", 8443, address{addr: "h:8123", host: "h", sni: "h"}},
		{"jdbc:ch://h/db?ssl=true", "auto", "auto", 8443, address{addr: "h:8443", host: "h", sni: "h", tls: true}},
		{"jdbc:ch:https://h:443", "auto", "auto", 8443, address{addr: "h:443", host: "h", sni: "h", tls: true}},
	}
	for _, c := range cases {
		cfg := Config{Host: c.host, Port: c.port, SSL: c.ssl, Protocol: c.protocol}
		if got, err := cfg.address(); err != nil || got != c.want {
			t.Errorf("%+v: got %+v %v, want %+v", c, got, err, c.want)
		}
	}
}

func TestTableNames(t *testing.T) {
	cases := []struct{ format, topic, want string }{
		{"${topic}", "cdc.public.orders", "cdc.public.orders"},
		{"${table}", "cdc.public.orders", "orders"},
		{"${schema}_${table}", "cdc.public.orders", "public_orders"},
		{"raw_${table}", "orders", "raw_orders"},
	}
	for _, c := range cases {
		if got := (&Config{TableFormat: c.format}).place(c.topic).table; got != c.want {
			t.Errorf("%s of %s: got %s, want %s", c.format, c.topic, got, c.want)
		}
	}
}

func TestURL(t *testing.T) {
	c, problems := decode("hostname", "jdbc:ch://h:8123/shop?user=me&socket_timeout=5")
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	if c.Database != "shop" || c.Username != "me" {
		t.Errorf("got database %s and user %s, want shop and me", c.Database, c.Username)
	}
	if !strings.Contains(problems.Error(), "socket_timeout has no effect") {
		t.Errorf("warnings: got %v, want one about socket_timeout", problems)
	}
	c, _ = decode("hostname", "clickhouse://me@h/shop", "database", "other", "username", "you")
	if c.Database != "other" || c.Username != "you" {
		t.Errorf("got database %s and user %s, want what is set beside the URL", c.Database, c.Username)
	}
}

func TestPlaces(t *testing.T) {
	split := []string{"enableDbTopicSplit", "true"}
	override := []string{"clickhouse.database.override.map", "shop:store, public:raw"}
	cases := []struct {
		settings []string
		topic    string
		want     place
	}{
		{nil, "cdc.public.orders", place{"default", "cdc.public.orders"}},
		{split, "shop.orders", place{"shop", "orders"}},
		{append(split, "topic2TableMap", "orders=o"), "shop.orders", place{"shop", "o"}},
		{split, "cdc.shop.orders", place{"default", "cdc.shop.orders"}},
		{append(split, "dbTopicSplitChar", "_"), "shop_orders", place{"shop", "orders"}},
		{append(split, override...), "shop.orders", place{"store", "orders"}},
		{append(override, "table.name.format", "${table}"), "cdc.public.orders", place{"raw", "orders"}},
		{override, "orders", place{"default", "orders"}},
		{[]string{"topic2TableMap", `cdc\.(\w+)\.orders=orders_$1, cdc.a.orders=one`}, "cdc.b.orders", place{"default", "orders_b"}},
		{[]string{"topic2TableMap", `cdc\.(\w+)\.orders=orders_$1, cdc.a.orders=one`}, "cdc.a.orders", place{"default", "one"}},
		{[]string{"topic2TableMap", `cdc.*=all`}, "xcdc", place{"default", "xcdc"}},
	}
	for _, tc := range cases {
		c, problems := decode(append([]string{"hostname", "h"}, tc.settings...)...)
		if err := problems.Err(); err != nil {
			t.Errorf("%v: %v", tc.settings, err)
		}
		if got := c.place(tc.topic); got != tc.want {
			t.Errorf("%v, topic %s: got %v, want %v", tc.settings, tc.topic, got, tc.want)
		}
	}
}

func TestBatching(t *testing.T) {
	if got, want := new(Config).Batching(), (connect.Batching{Rows: 100000, Bytes: 32 << 20, Whole: true}); got != want {
		t.Errorf("by default: got %+v, want %+v", got, want)
	}
	c, problems := decode("hostname", "h", "buffer.max.records", "5000", "buffer.flush.time.ms", "30000")
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	if got, want := c.Batching(), (connect.Batching{Rows: 5000, Bytes: 32 << 20, Linger: 30 * time.Second, Whole: true}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestLayouts(t *testing.T) {
	for pattern, text := range map[string]string{
		"yyyy-MM-dd HH:mm:ss.SSSSSS":    "2024-02-03 04:05:06.123456",
		"dd/MM/yyyy'T'HH:mm:ss.SSSSSS":  "03/02/2024T04:05:06.123456",
		"d MMM uuuu, h:mm:ss.SSSSSS a":  "3 Feb 2024, 4:05:06.123456 AM",
		"yyyyMMddHHmmss.SSSSSSXXX":      "20240203050506.123456+01:00",
		"yyyy-MM-dd HH:mm:ss.SSSSSS xx": "2024-02-02 23:05:06.123456 -0500",
	} {
		layout, err := layoutOf(pattern)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
			continue
		}
		if d, err := parseMoment(layout, []byte(text)); err != nil || d.Value.N != 1706933106123456 {
			t.Errorf("%s of %s: got %d, %v, want 1706933106123456", pattern, text, d.Value.N, err)
		}
	}
}

func TestPasswordIsNotShown(t *testing.T) {
	c := &Config{Password: "hunter2"}
	if s := fmt.Sprintf("%+v %v", *c, c.Password); strings.Contains(s, "hunter2") {
		t.Errorf("got %s", s)
	}
}
