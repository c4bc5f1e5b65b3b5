package postgres

import (
	"strings"
	"testing"

	"connectd/internal/testenv"
)

// TestHeartbeatInBlockingSnapshot has a blocking snapshot that lasts, with readers that wait for the
// server, and with readers that hold every batch there is.
func TestHeartbeatInBlockingSnapshot(t *testing.T) {
	for _, c := range []struct {
		name, threads, data string
		least               int
	}{
		{"of a server that is slow", "1", `{"type":"blocking","data-collections":["public.a"],"additional-conditions":[{"data-collection":"public.a","filter":"SELECT a.* FROM public.a, pg_sleep(1) WHERE id <= 3"}]}`, 3},
		{"of many readers", "4", `{"type":"blocking","data-collections":["public.a"]}`, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := manyPages(t)
			d.exec(t, "CREATE TABLE beats (at timestamptz)", "GRANT INSERT ON beats TO "+testenv.Replicator)
			r := start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "snapshot.max.threads", c.threads, "max.batch.size", "50", "status.update.interval.ms", "50",
				"heartbeat.interval.ms", "50", "topic.heartbeat.name", "beat", "heartbeat.action.query", "INSERT INTO beats VALUES (now())"), nil).streaming()
			r.must("execute-snapshot", c.data)
			r.until("the snapshot", func() bool { return len(r.demand().Blocking) == 1 })
			before, ran := len(places(r.records, "beat")), d.query(t, "SELECT count(*) FROM beats")
			r.until("the end of the snapshot", func() bool { return len(r.demand().Blocking) == 0 })
			rows := places(r.records, "production.public.a")
			if n := len(places(r.records[:rows[len(rows)-1]], "beat")) - before; n < c.least {
				t.Errorf("%d heartbeats in the snapshot, want %d or more", n, c.least)
			}
			if now := d.query(t, "SELECT count(*) FROM beats"); now == ran {
				t.Errorf("heartbeat.action.query was run %s times before the snapshot, and %s in all", ran, now)
			}
			r.streaming()
		})
	}
}

// TestHeartbeatBeforeSlot waits for a slot that another reader has, with and without a backlog. What
// is sent meanwhile has no position: the other reader may be our own, which stores newer ones.
func TestHeartbeatBeforeSlot(t *testing.T) {
	for _, mode := range []string{"auto", "off"} {
		t.Run("catch.up.mode "+mode, func(t *testing.T) {
			d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE beats (at timestamptz)", "GRANT INSERT ON beats TO "+testenv.Replicator).publish(t, "a").slotBehind(t)
			other := start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "lsn.flush.mode", "manual"), nil).streaming()
			d.exec(t, "INSERT INTO a VALUES (1)")
			r := d.startBehind(t, 1, 64<<20, nil, "table.include.list", "public.a", "catch.up.mode", mode, "heartbeat.interval.ms", "20", "topic.heartbeat.name", "beat", "heartbeat.action.query", "INSERT INTO beats VALUES (now())",
				"notification.enabled.channels", "sink", "notification.sink.topic.name", "told", "slot.retry.delay.ms", "500", "slot.max.retries", "100")
			r.until("heartbeats", func() bool { return len(places(r.records, "beat")) >= 3 })
			if r.offset != nil || r.phase() == "streaming" || d.query(t, "SELECT count(*) FROM beats") == "0" {
				t.Errorf("offset %s in phase %q; heartbeat.action.query was run %s times", r.offset, r.phase(), d.query(t, "SELECT count(*) FROM beats"))
			}
			if err := other.stop(); err != nil {
				t.Fatal(err)
			}
			r.until("the row", func() bool { return strings.Contains(strings.Join(ops(r.records), ";"), `c public.a {"id":1}`) })
		})
	}
}

// TestHeartbeatRefusedBeforeSlot has a query that the server refuses: that is said while the slot is
// waited for, and is no reason to read the backlog in another way.
func TestHeartbeatRefusedBeforeSlot(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)").publish(t, "a").slotBehind(t)
	start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data"), nil).streaming()
	r := d.startBehind(t, 1, 64<<20, nil, "heartbeat.interval.ms", "20", "heartbeat.action.query", "INSERT INTO nowhere VALUES (1)", "slot.retry.delay.ms", "500", "slot.max.retries", "100")
	wantPermanent(t, r, "heartbeat.action.query", `"nowhere" does not exist`)
}
