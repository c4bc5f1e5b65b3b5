package postgres

import (
	"strings"
	"testing"
	"time"

	"connectd/internal/testenv"
)

// TestLimitsOfRole has a role with every limit on what a session may do, as careful administrators
// set them.
func TestLimitsOfRole(t *testing.T) {
	t.Parallel()
	for _, major := range []string{"15", "17"} {
		t.Run(major, func(t *testing.T) {
			d := newMajor(t, major, nil)
			limits := []string{"statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout", "lock_timeout"}
			if major == "17" {
				limits = append(limits, "transaction_timeout")
			}
			for _, limit := range limits {
				d.exec(t, "ALTER ROLE "+testenv.Replicator+" SET "+limit+" = '150ms'")
			}
			d.exec(t, "CREATE TABLE a (id int PRIMARY KEY, v text)", "INSERT INTO a SELECT i, repeat('x', 300) FROM generate_series(1, 5000) i")
			d.publish(t, "a")
			r := start(t, d.config(t, "table.include.list", "public.a", "max.batch.size", "50"), nil)
			r.until("the first rows", func() bool { return len(r.records) >= 100 })
			holdBack(t, 400*time.Millisecond) // in the snapshot
			r.until("the snapshot", func() bool { return reads(r.records) == 5000 })
			r.streaming()
			holdBack(t, 400*time.Millisecond) // the connection of the catalog is idle
			d.exec(t, "ALTER TABLE a ADD more int", "INSERT INTO a VALUES (5001, 'x', 7)")
			r.until("a change of the new column", func() bool { return strings.Contains(r.records[len(r.records)-1].value, `"more":7`) })
			for _, kind := range []string{"incremental", "blocking"} {
				from := len(r.records)
				r.must("execute-snapshot", `{"type":"`+kind+`","data-collections":["public.a"]}`)
				r.until("the first rows of it", func() bool { return len(snapshotMarks(r.records[from:])) >= 100 })
				holdBack(t, 400*time.Millisecond)
				r.until("all rows of it", func() bool { return len(snapshotMarks(r.records[from:])) == 5001 })
			}
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
			d.exec(t, "INSERT INTO a SELECT i, repeat('x', 300) FROM generate_series(6001, 10000) i")
			behind := d.startBehind(t, 64<<10, 1<<30, r.offset, "max.batch.size", "50")
			behind.until("the first rows", func() bool { return len(behind.records) >= 100 })
			holdBack(t, 400*time.Millisecond) // in the read of the backlog
			behind.until("the backlog", func() bool { return len(behind.records) >= 4000 })
			behind.streaming()
		})
	}
}
