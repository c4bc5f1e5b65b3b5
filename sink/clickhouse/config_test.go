package clickhouse

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"connectd/config"
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
	if !c.Create || !c.Evolve || c.Deleted != "gone" || c.table("b") != "t2" || c.Settings["insert_quorum"] != "2" {
		t.Errorf("got %+v", c)
	}
}

func TestConfigWithoutEffect(t *testing.T) {
	_, problems := decode("hostname", "h", "zkPath", "/x", "bufferCount", "1000", "bufferFlushTime", "100")
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"set batch.max.rows", "set linger.ms", "consumer group"} {
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

func TestAddress(t *testing.T) {
	cases := []struct {
		host, ssl, protocol string
		port                int
		want                address
	}{
		{"h", "auto", "auto", 8443, address{addr: "h:8443", host: "h", tls: true}},
		{"h", "auto", "auto", 8123, address{addr: "h:8123", host: "h"}},
		{"h", "auto", "auto", 9000, address{addr: "h:9000", host: "h", native: true}},
		{"h", "auto", "auto", 9440, address{addr: "h:9440", host: "h", native: true, tls: true}},
		{"h:1234", "true", "native", 8443, address{addr: "h:1234", host: "h", native: true, tls: true}},
		{"http://h:80", "auto", "auto", 8443, address{addr: "h:80", host: "h"}},
		{"https://h", "auto", "auto", 8443, address{addr: "h:8443", host: "h", tls: true}},
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
		if got := (&Config{TableFormat: c.format}).table(c.topic); got != c.want {
			t.Errorf("%s of %s: got %s, want %s", c.format, c.topic, got, c.want)
		}
	}
}

func TestPasswordIsNotShown(t *testing.T) {
	c := &Config{Password: "hunter2"}
	if s := fmt.Sprintf("%+v %v", *c, c.Password); strings.Contains(s, "hunter2") {
		t.Errorf("got %s", s)
	}
}
