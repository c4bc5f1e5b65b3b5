package postgres

import (
	"fmt"
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
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)").publish(t, "a")
	c := d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "max.batch.size", "3")
	r := start(t, c, nil).streaming()
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
			r = start(t, c, r.offset)
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
