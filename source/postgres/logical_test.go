package postgres

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// contents are the messages among records, as prefix=content.
func contents(t *testing.T, records []sentRecord) (all []string) {
	t.Helper()
	for _, r := range records {
		if r.topic != "production.message" {
			all = append(all, ops([]sentRecord{r})[0])
			continue
		}
		m := fieldsOf(t, member(fieldsOf(t, []byte(r.value)), "message"))
		all = append(all, fmt.Sprintf("%s=%s", member(m, "prefix"), member(m, "content")))
	}
	return all
}

// TestMessages emits messages in transactions that commit and that do not, and in none.
func TestMessages(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)").publish(t, "a")
	settings := []string{"table.include.list", "public.a", "snapshot.mode", "no_data", "binary.handling.mode", "hex", "message.prefix.exclude.list", "secret.*"}
	r := start(t, d.config(t, settings...), nil).streaming()
	d.exec(t, "BEGIN; INSERT INTO a VALUES (1); SELECT pg_logical_emit_message(true, 'in', 'a'); SELECT pg_logical_emit_message(false, 'out', 'b'); INSERT INTO a VALUES (2); COMMIT",
		"BEGIN; SELECT pg_logical_emit_message(true, 'in', 'lost'); SELECT pg_logical_emit_message(false, 'out', 'kept'); ROLLBACK",
		"SELECT pg_logical_emit_message(true, 'secrets', 'x')", "SELECT pg_logical_emit_message(false, 'in', '')")
	want := []string{`"out"="62"`, `c public.a {"id":1}`, `"in"="61"`, `c public.a {"id":2}`, `"out"="6b657074"`, `"in"=""`}
	if got := contents(t, r.next(6)); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	for i, part := range map[int]string{0: `"txId":null`, 1: `"txId":`, 2: `"schema":"","table":""`} {
		if !strings.Contains(r.records[i].value, part) {
			t.Errorf("record %d: no %s in %s", i, part, r.records[i].value)
		}
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	// What was consumed does not come again, though nothing was committed since.
	d.exec(t, "SELECT pg_logical_emit_message(false, 'out', 'new')", "INSERT INTO a VALUES (3)")
	r = start(t, d.config(t, settings...), r.offset)
	if got := contents(t, r.next(2)); !slices.Equal(got, []string{`"out"="6e6577"`, `c public.a {"id":3}`}) {
		t.Errorf("after a restart: %v", got)
	}
}

// TestMessagesAndRestarts stops again and again inside of transactions with messages between their
// changes: none may be lost or come twice.
func TestMessagesAndRestarts(t *testing.T) {
	t.Parallel()
	t.Run("stream", func(t *testing.T) { t.Parallel(); testMessagesAndRestarts(t, math.MaxInt64) })
	t.Run("by SQL", func(t *testing.T) { t.Parallel(); testMessagesAndRestarts(t, 1) })
}

// testMessagesAndRestarts reads a backlog of so much WAL by SQL.
func testMessagesAndRestarts(t *testing.T, backlogFrom LSN) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)").publish(t, "a")
	begin := func(offset []byte) *reading {
		return d.startBehind(t, backlogFrom, 1<<30, offset, "table.include.list", "public.a", "max.batch.size", "3")
	}
	r := begin(nil).streaming()
	d.exec(t, `DO $$ BEGIN FOR i IN 1..15 LOOP
		FOR j IN 1..3 LOOP
			PERFORM pg_logical_emit_message(false, 'out', i || '.' || j);
			PERFORM pg_logical_emit_message(true, 'in', i || '.' || j);
			INSERT INTO a VALUES (10 * i + j);
		END LOOP; COMMIT; END LOOP; END $$`)
	const want = 15 * 3 * 3
	var all []sentRecord
	for len(all) < want {
		r.until("some records", func() bool { return len(r.records) >= min(17, want-len(all)) })
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		all = append(all, r.records...)
		if len(all) < want {
			r = begin(r.offset)
		}
	}
	seen := map[string]int{}
	for _, c := range contents(t, all) {
		if seen[c]++; seen[c] > 1 {
			t.Errorf("%s came %d times", c, seen[c])
		}
	}
	if len(seen) != want {
		t.Errorf("%d different records, want %d", len(seen), want)
	}
}

// TestSchemasOfTopics has the schemas of the records that belong to no table.
func TestSchemasOfTopics(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)").publish(t, "a")
	r := startWith(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "provide.transaction.metadata", "true"), nil, true).streaming()
	d.exec(t, "SELECT pg_logical_emit_message(true, 'p', 'x')")
	r.next(3)
	const str, optional = `{"type":"string","optional":false,"field":"`, `{"type":"string","optional":true,"field":"`
	const block = `{"type":"struct","fields":[` + str + `id"},{"type":"int64","optional":false,"field":"total_order"},{"type":"int64","optional":false,"field":"data_collection_order"}],"optional":true,"name":"event.block","version":1,"field":"transaction"}`
	for i, want := range [][2]string{
		{`{"type":"struct","fields":[` + str + `id"}],"optional":false,"name":"io.debezium.connector.common.TransactionMetadataKey","version":1}`,
			`{"type":"struct","fields":[` + str + `status"},` + str + `id"},{"type":"int64","optional":true,"field":"event_count"},{"type":"array","items":{"type":"struct","fields":[` +
				str + `data_collection"},{"type":"int64","optional":false,"field":"event_count"}],"optional":true,"name":"event.collection","version":1},"optional":true,"field":"data_collections"},` +
				`{"type":"int64","optional":false,"field":"ts_ms"}],"optional":false,"name":"io.debezium.connector.common.TransactionMetadataValue","version":1}`},
		{`{"type":"struct","fields":[` + optional + `prefix"}],"optional":false,"name":"io.debezium.connector.postgresql.MessageKey","version":1}`,
			block + `,{"type":"struct","fields":[` + optional + `prefix"},{"type":"bytes","optional":true,"field":"content"}],"optional":false,"name":"io.debezium.connector.postgresql.Message","version":1,"field":"message"}],` +
				`"optional":false,"name":"io.debezium.connector.postgresql.MessageValue","version":1}`},
	} {
		key := string(member(fieldsOf(t, []byte(r.records[i].key)), "schema"))
		value := string(member(fieldsOf(t, []byte(r.records[i].value)), "schema"))
		if key != want[0] || !strings.HasSuffix(value, want[1]) {
			t.Errorf("record %d:\n key %s\nwant %s\n value %s\nwant %s", i, key, want[0], value, want[1])
		}
	}
}
