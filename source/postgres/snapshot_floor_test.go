package postgres

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// The rows of a snapshot must not look newer than a change that it does not show: targets that keep
// the highest LSN would keep the old row for ever. Both tests have a transaction that has written
// its change before the snapshot is taken, and commits after it.

// TestFloorOfOldSlot takes a snapshot beside a slot that was there before: it shows what was open
// when it was asked for, and what began since has a higher LSN.
func TestFloorOfOldSlot(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text)", "INSERT INTO a VALUES (1, 'old'), (2, 'old')").publish(t, "a")
	d.exec(t, "SELECT pg_create_logical_replication_slot('"+d.name+"', 'pgoutput')")
	first := d.begin(t, "UPDATE a SET v = 'new' WHERE id = 1")
	r := start(t, d.config(t, "table.include.list", "public.a"), nil)
	r.until("the snapshot to wait for the open transaction", func() bool {
		p := r.intake.Progress()
		return p != nil && strings.Contains(p.Detail, "older than the snapshot")
	})
	second := d.begin(t, "UPDATE a SET v = 'new' WHERE id = 2")
	first.end(t, "COMMIT")
	rows := r.next(2)
	wantOps(t, rows, `r public.a {"id":2}`, `r public.a {"id":1}`) // in the order of the table's pages
	if !strings.Contains(rows[0].value, `"v":"old"`) || !strings.Contains(rows[1].value, `"v":"new"`) {
		t.Fatalf("the snapshot has %s and %s", rows[0].value, rows[1].value)
	}
	second.end(t, "COMMIT")
	changes := r.next(2)
	wantOps(t, changes, `u public.a {"id":1}`, `u public.a {"id":2}`)
	if snapshot, change := lsnOf(t, rows[0].value), lsnOf(t, changes[1].value); change < snapshot {
		t.Errorf("the change has LSN %d, which is below the snapshot's %d", change, snapshot)
	}
}

// TestFloorOfNewSlot has a transaction that begins while the server waits for others before it
// makes the slot's snapshot, and is open when it does.
func TestFloorOfNewSlot(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text)", "CREATE TABLE other (id int)", "INSERT INTO a VALUES (1, 'old')").publish(t, "a")
	first := d.begin(t, "INSERT INTO other VALUES (1)")
	r := start(t, d.config(t, "table.include.list", "public.a"), nil)
	first.awaited(t)
	second := d.begin(t, "INSERT INTO other VALUES (2)")
	first.end(t, "COMMIT")
	second.awaited(t)
	third := d.begin(t, "UPDATE a SET v = 'new'")
	second.end(t, "COMMIT")
	rows := r.next(1)
	wantOps(t, rows, `r public.a {"id":1}`)
	if !strings.Contains(rows[0].value, `"v":"old"`) {
		t.Fatalf("the snapshot shows the open transaction: %s", rows[0].value)
	}
	snapshot := lsnOf(t, rows[0].value)
	third.end(t, "COMMIT")
	changes := r.next(1)
	wantOps(t, changes, `u public.a {"id":1}`)
	if change := lsnOf(t, changes[0].value); change < snapshot {
		t.Errorf("the change has LSN %d, which is below the snapshot's %d", change, snapshot)
	}
}

// TestColumnBeforeSlot adds a column while the creation of the slot waits for a transaction: the
// snapshot has it.
func TestColumnBeforeSlot(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE other (id int)", "INSERT INTO a VALUES (1)").publish(t, "a")
	first := d.begin(t, "INSERT INTO other VALUES (1)")
	r := start(t, d.config(t, "table.include.list", "public.a"), nil)
	first.awaited(t)
	d.exec(t, "ALTER TABLE a ADD COLUMN v text DEFAULT 'new'")
	first.end(t, "COMMIT")
	if rows := r.next(1); !strings.Contains(rows[0].value, `"after":{"id":1,"v":"new"}`) {
		t.Errorf("the snapshot has %s", rows[0].value)
	}
}

// writing is a transaction that has written something.
type writing struct {
	conn *pgx.Conn
	id   string
}

func (d *database) begin(t *testing.T, sql string) *writing {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.server.DSN(d.name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	o := &writing{conn: conn}
	o.end(t, "BEGIN")
	o.end(t, sql)
	if err := conn.QueryRow(t.Context(), "SELECT pg_current_xact_id()::text").Scan(&o.id); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *writing) end(t *testing.T, sql string) {
	t.Helper()
	if _, err := o.conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// awaited waits until somebody waits for the transaction's end.
func (o *writing) awaited(t *testing.T) {
	t.Helper()
	sql := fmt.Sprintf("SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND transactionid::text = '%s' AND NOT granted", o.id)
	for limit := time.Now().Add(patience); ; {
		var n int
		if err := o.conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("nobody waits for transaction %s after %s", o.id, patience)
		}
	}
}

// lsnOf is the LSN in the source block of a change.
func lsnOf(t *testing.T, value string) (lsn int64) {
	t.Helper()
	_, rest, _ := strings.Cut(value, `"lsn":`)
	if _, err := fmt.Sscanf(rest, "%d", &lsn); err != nil {
		t.Fatalf("no lsn in %s: %v", value, err)
	}
	return lsn
}
