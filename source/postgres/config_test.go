package postgres

import (
	"maps"
	"strings"
	"testing"

	"connectd/config"
)

// seed is the least that a connector needs.
var seed = map[string]string{"database.hostname": "h", "database.user": "u", "database.dbname": "d", "topic.prefix": "p"}

func TestDefaults(t *testing.T) {
	c := decode(t, seed)
	if c.Port != 5432 || c.Slot != "debezium" || c.Publication != "dbz_publication" || c.Autocreate != "filtered" || c.Mode != "initial" || !c.Tombstones {
		t.Errorf("got %+v", c)
	}
	for _, o := range config.Describe(new(Config)) {
		if o.Doc == "" && o.NoEffect == "" {
			t.Errorf("%s has no documentation", o.Key)
		}
	}
}

func TestConfigProblems(t *testing.T) {
	for _, c := range []struct{ key, value, want string }{
		{"slot.name", "Orders-1", "is not a slot name"},
		{"table.include.list", "public.(?!x)y", "look-around"},
		{"table.include.list", "public.(", "is not a regular expression"},
		{"column.exclude.list", "a.b.[", "is not a regular expression"},
		{"message.key.columns", "public.a", "has no columns"},
		{"skipped.operations", "c,x", "is not an operation"},
		{"column.mask.with.5.letters", "public.a.v", "is not a mask; write column.mask.with.5.chars"},
		{"column.mask.with.5.chars", "public.(", "is not a regular expression"},
		{"column.mask.hash.SHA-9.with.salt.x", "public.a.v", `"SHA-9" is not a hash algorithm`},
		{"column.truncate.to.many.chars", "public.a.v", "is not a length"},
		{"column.propagate.source.type", "public.(", "is not a regular expression"},
		{"schema.name.adjustment.mode", "avr", "avro"},
		{"compat.mode", "debezum", `did you mean "debezium"`},
		{"post.processors", "mine", "reselector"},
		{"reselector.type", "com.example.Mine", "io.debezium.processors.reselect.ReselectColumnsPostProcessor"},
		{"reselector.reselect.columns.include.list", "[", "is not a regular expression"},
		{"reselector.reselect.error.handling.mode", "ignore", "warn, fail"},
		{"replica.identity.autoset.values", "public.a:SOME", "is not a replica identity"},
		{"replica.identity.autoset.values", "public.(:FULL", "is not a regular expression"},
		{"event.processing.failure.handling.mode", "drop", "fail, warn, skip, ignore"},
		{"message.prefix.include.list", "(", "is not a regular expression"},
		{"guardrail.collections.max", "-1", "write 0 or more"},
		{"guardrail.collections.limit.action", "stop", "warn, fail"},
		{"snapshot.mode", "intial", "initial"},
		{"snapshot.max.threads", "0", "write 1 to 64"},
		{"signal.data.collection", "signals", "write schema.table"},
		{"signal.enabled.channels", "source,mail", "is not a channel"},
		{"signal.poll.interval.ms", "0", "is not an interval"},
		{"signal.kafka.topic", "a b", "is not a topic"},
		{"incremental.snapshot.chunk.size", "0", "write 1 to"},
		{"incremental.snapshot.watermarking.strategy", "insert", "insert_insert"},
		{"snapshot.new.tables", "parallel", "incremental"},
		{"notification.enabled.channels", "sink", "is missing"},
		{"notification.enabled.channels", "mail", "is not a channel"},
		{"notification.sink.topic.name", "a b", "is not a topic"},
		{"snapshot.mode", "configuration_based", "configuration_based does nothing"},
		{"snapshot.select.statement.overrides", "public.a", `"public.a" has no SELECT; write it in snapshot.select.statement.overrides.public.a`},
		{"snapshot.select.statement.overrides.public.a", "SELECT 1", "is of a table that snapshot.select.statement.overrides does not list"},
		{"topic.prefix", "a b", "is not a topic prefix"},
		{"slot.stream.params", "x", "is not an option"},
		{"slot.retained.max.bytes", "-1", "10GiB"},
		{"transaction.memory.max.bytes", "1000", "1MiB or more"},
		{"database.port", "99999", "write 1 to 65535"},
		{"unavailable.value.placeholder", "hex:zz", "hexadecimal"},
	} {
		t.Run(c.key+"="+c.value, func(t *testing.T) {
			all := maps.Clone(seed)
			all[c.key] = c.value
			problems := config.Decode(section(all), new(Config))
			if err := problems.Err(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want something with %q", problems, c.want)
			}
		})
	}
}

// TestSeedConfig has the properties of the connector that users start from.
func TestSeedConfig(t *testing.T) {
	problems := config.Decode(section(map[string]string{
		"database.hostname": "postgres.example.com", "database.port": "5432", "database.user": "debezium", "database.password": "secret",
		"database.dbname": "production_db", "database.server.name": "production", "plugin.name": "pgoutput", "slot.name": "debezium_slot",
		"publication.name": "dbz_publication", "table.include.list": "public.orders,public.customers,public.products",
		"include.schema.changes": "true", "schema.history.internal.kafka.topic": "schema-changes.production",
		"schema.history.internal.kafka.bootstrap.servers": "kafka:9092", "max.batch.size": "2048", "max.queue.size": "8192",
		"poll.interval.ms": "1000", "snapshot.mode": "initial", "snapshot.lock.timeout.ms": "10000",
	}), new(Config))
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	if len(problems) != 7 { // the old name, and six keys without effect
		t.Errorf("%d warnings:\n%s", len(problems), problems.Error())
	}
}

func TestCapture(t *testing.T) {
	c := decode(t, with(seed, "table.include.list", "public.Orders, shop[.]item.*", "column.include.list", "public.orders.(id|total)"))
	w, err := newCapture(c)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[[2]string]bool{
		{"public", "orders"}: true, {"PUBLIC", "ORDERS"}: true, {"public", "orders2"}: false, {"shop", "items"}: true,
		{"pg_catalog", "pg_class"}: false, {"xpublic", "orders"}: false,
	} {
		if got := w.table(name[0], name[1]); got != want {
			t.Errorf("table %v: got %v", name, got)
		}
	}
	if !w.column("public", "orders", "total") || w.column("public", "orders", "totals") {
		t.Error("columns")
	}
	missing := missingTables([]string{"public.a", `public\.b`, "public.c.*", "public.d"}, []relation{{schema: "public", table: "a"}})
	if strings.Join(missing, " ") != `public\.b public.d` {
		t.Errorf("missing tables: %v", missing)
	}
}

func with(settings map[string]string, changes ...string) map[string]string {
	return (&database{settings: settings}).with(changes...)
}

func TestTopicName(t *testing.T) {
	for name, want := range map[string]string{"p.public.orders": "p.public.orders", "p.s.größe x": "p.s.gr__e_x", strings.Repeat("a", 300): strings.Repeat("a", 249)} {
		if got := topicName(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}
