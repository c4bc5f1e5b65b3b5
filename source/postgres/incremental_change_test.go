package postgres

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestIncrementalChange changes a table, or what is published of it, while it is read: it is read on
// as it is then, or its snapshot ends with a word of why, and the other tables are read.
func TestIncrementalChange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		statements []string
		status     string // of table a
		whole      bool   // all rows of a come
		last       string // is in the last row of a
	}{
		{"left the publication", []string{"ALTER PUBLICATION dbz_publication DROP TABLE a"}, "UNKNOWN_SCHEMA", false, ""},
		{"left and came back", []string{"ALTER PUBLICATION dbz_publication DROP TABLE a; ALTER PUBLICATION dbz_publication ADD TABLE a"}, "SUCCEEDED", true, `"id":3000`},
		{"another filter", []string{"ALTER PUBLICATION dbz_publication SET TABLE a WHERE (id <= 1000 OR id = 3000), b"}, "SUCCEEDED", false, `"id":3000`},
		{"fewer columns", []string{"ALTER PUBLICATION dbz_publication SET TABLE a (id), b"}, "SUCCEEDED", true, `"after":{"id":3000}`},
		{"dropped", []string{"DROP TABLE a"}, "UNKNOWN_SCHEMA", false, ""},
		{"renamed", []string{"ALTER TABLE a RENAME TO z"}, "UNKNOWN_SCHEMA", false, ""},
		{"not captured any more", []string{"ALTER TABLE a SET SCHEMA elsewhere"}, "UNKNOWN_SCHEMA", false, ""},
		{"one column more", []string{"ALTER TABLE a ADD more int DEFAULT 7"}, "SUCCEEDED", true, `"more":7`},
		{"one column less", []string{"ALTER TABLE a DROP COLUMN v"}, "SUCCEEDED", true, `"after":{"id":3000}`},
		{"another type", []string{"ALTER TABLE a ALTER v TYPE int USING 5"}, "SUCCEEDED", true, `"v":5`},
		{"without its key", []string{"ALTER TABLE a DROP CONSTRAINT a_pkey"}, "NO_PRIMARY_KEY", false, ""},
		{"truncated", []string{"TRUNCATE a"}, "SUCCEEDED", false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDatabase(t, "CREATE SCHEMA elsewhere", "GRANT USAGE ON SCHEMA elsewhere TO PUBLIC", "CREATE TABLE a (id int PRIMARY KEY, v text)", "CREATE TABLE b (id int PRIMARY KEY)",
				"INSERT INTO a SELECT i, 'v' FROM generate_series(1, 3000) i", "INSERT INTO b VALUES (1)").publish(t, "a, b")
			r := start(t, d.config(t, "table.include.list", "public.(a|b)", "snapshot.mode", "no_data", "incremental.snapshot.chunk.size", "20", "max.batch.size", "20",
				"notification.enabled.channels", "sink", "notification.sink.topic.name", "told"), nil).streaming()
			r.must("execute-snapshot", `{"data-collections":["public.(a|b)"]}`)
			r.until("some rows", func() bool { return r.rows() >= 40 })
			d.exec(t, c.statements...)
			r.until("the end of the snapshot", func() bool { return len(r.demand().Tables) == 0 })
			var told []string
			for _, n := range r.records {
				if n.topic == "told" && strings.Contains(n.value, "TABLE_SCAN_COMPLETED") {
					_, status, _ := strings.Cut(n.value, `"status":"`)
					status, _, _ = strings.Cut(status, `"`)
					told = append(told, status)
				}
			}
			if want := []string{c.status, "SUCCEEDED"}; !slices.Equal(told, want) {
				t.Errorf("tables ended with %v, want %v", told, want)
			}
			rows := slices.DeleteFunc(slices.Clone(r.records), func(s sentRecord) bool {
				return s.topic != "production.public.a" || !strings.Contains(s.value, `"op":"r"`)
			})
			if whole := len(rows) == 3000; whole != c.whole {
				t.Errorf("%d rows of a came", len(rows))
			}
			if last := rows[len(rows)-1]; c.last != "" && !strings.Contains(last.value, c.last) && !strings.Contains(last.key, c.last) {
				t.Errorf("the last row is %s %s, want %s in it", last.key, last.value, c.last)
			}
			if distinct, doubles := keys(rows); doubles != 0 || c.whole && len(distinct) != 3000 {
				t.Errorf("%d distinct rows, %d doubles", len(distinct), doubles)
			}
			d.exec(t, "INSERT INTO b VALUES (2)")
			r.until("the stream goes on", func() bool { return slices.Contains(ops(r.records), fmt.Sprintf("c public.b {%q:2}", "id")) })
		})
	}
}

// TestIncrementalOtherKey gives the table another key while it is read: the place within the table is
// one of the key that it had, so that it is read again.
func TestIncrementalOtherKey(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, k int NOT NULL)", "INSERT INTO a SELECT i, 10000 + i * 7 % 3001 FROM generate_series(1, 3000) i").publish(t, "a")
	c := d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "incremental.snapshot.chunk.size", "20", "max.batch.size", "20")
	for _, restart := range []bool{false, true} {
		r := start(t, c, nil).streaming()
		r.must("execute-snapshot", `{"data-collections":["public.a"]}`)
		r.until("some rows", func() bool { return r.rows() >= 1000 })
		key, other := "k", "id"
		if restart {
			key, other = other, key
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
		}
		d.exec(t, "ALTER TABLE a DROP CONSTRAINT a_pkey, ADD PRIMARY KEY ("+key+")")
		if restart {
			r = start(t, c, r.offset)
		}
		r.until("the end of the snapshot", func() bool { return r.offset != nil && len(r.demand().Tables) == 0 })
		distinct, _ := keys(slices.DeleteFunc(slices.Clone(r.records), func(s sentRecord) bool { return !strings.HasPrefix(s.key, `{"`+key) }))
		if len(distinct) != 3000 {
			t.Errorf("restart %t: %d rows came with the key %s after %s, want 3000", restart, len(distinct), key, other)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
	}
}
