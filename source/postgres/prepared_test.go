package postgres

import (
	"strings"
	"testing"

	"connectd/internal/testenv"
)

// TestPrepared has two-phase commits, small and in blocks: their changes come once, with COMMIT
// PREPARED, also when a restart is between the two phases.
func TestPrepared(t *testing.T) {
	t.Parallel()
	p := testenv.OwnPostgres(t, testenv.PostgresOptions{Settings: map[string]string{"max_prepared_transactions": "5", "logical_decoding_work_mem": "64kB"}})
	if err := p.CreateDatabase(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	d := databaseOn(t, p, "db", "CREATE TABLE a (id int PRIMARY KEY, v text)").publish(t, "a")
	c := d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "status.update.interval.ms", "50")
	r := start(t, c, nil).streaming()
	small, large, never := d.session(t), d.session(t), d.session(t)
	small("BEGIN", insertRows(1, 1), "PREPARE TRANSACTION 'small'")
	large("BEGIN", insertRows(1001, 2000), "PREPARE TRANSACTION 'large'")
	never("BEGIN", insertRows(5001, 6000), "PREPARE TRANSACTION 'never'")
	d.exec(t, insertRows(100, 100))
	r.until("the transaction that was committed", func() bool { return len(r.records) > 0 })
	wantRuns(t, r.records, [2]int{100, 100})
	r.until("its position", func() bool { return strings.Contains(string(r.offset), "COMMIT") })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	r = start(t, c, r.offset).streaming()
	d.exec(t, "COMMIT PREPARED 'small'", "ROLLBACK PREPARED 'never'", "COMMIT PREPARED 'large'", insertRows(101, 101))
	r.until("all", func() bool { return len(r.records) >= 1002 })
	wantRuns(t, r.records, [2]int{1, 1}, [2]int{1001, 2000}, [2]int{101, 101})
	if v := r.records[0].value; !strings.Contains(v, `"op":"c"`) || strings.Contains(v, `"ts_ms":0,`) {
		t.Errorf("a prepared change: %s", v)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = start(t, c, r.offset).streaming()
	d.exec(t, insertRows(102, 102))
	wantRuns(t, r.next(1), [2]int{102, 102})
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	d.exec(t, "SELECT pg_create_logical_replication_slot('phases', 'pgoutput', false, true)")
	wantPermanent(t, start(t, d.config(t, "slot.name", "phases"), nil), `slot "phases" sends prepared transactions before they are committed`)
}
