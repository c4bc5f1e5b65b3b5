package postgres

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"connectd/connect"
	"connectd/internal/testenv"
)

// TestStandby has a primary and its standby: a connector that reads the standby, and one that reads
// the primary with a failover slot. The primary crashes, the standby is promoted, and both go on.
func TestStandby(t *testing.T) {
	t.Parallel()
	primary := newMajor(t, "17", map[string]string{"synchronized_standby_slots": "standby"})
	primary.exec(t, "CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1)")
	primary.publish(t, "a")
	standby := &database{server: testenv.OwnStandby(t, primary.server, map[string]string{"synchronized_standby_slots": ""}), name: "db"}
	standby.settings = primary.with("database.port", strconv.Itoa(standby.server.Port))

	ofPrimary := []string{"table.include.list", "public.a", "slot.name", "main", "slot.failover", "true", "status.update.interval.ms", "100"}
	first := start(t, primary.config(t, ofPrimary...), nil)
	wantOps(t, first.next(1), `r public.a {"id":1}`)
	first.streaming()

	ofStandby := []string{"table.include.list", "public.a", "slot.name", "replica", "slot.failover", "true", "status.update.interval.ms", "100"}
	second := start(t, standby.config(t, ofStandby...), nil)
	second.until("the stream of the standby", func() bool {
		primary.exec(t, "SELECT pg_log_standby_snapshot()") // the slot waits for one
		p := second.intake.Progress()
		return p != nil && p.Phase == "streaming"
	})
	wantOps(t, second.records, `r public.a {"id":1}`)
	primary.exec(t, "INSERT INTO a VALUES (2)")
	wantOps(t, first.next(1), `c public.a {"id":2}`)
	wantOps(t, second.next(1), `c public.a {"id":2}`)

	first.until("the slot on the standby", func() bool {
		standby.exec(t, "SELECT pg_sync_replication_slots()")
		return standby.query(t, "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'main' AND synced AND NOT temporary") == "1"
	})
	for _, r := range []*reading{first, second} {
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
	}
	system := primary.query(t, "SELECT system_identifier FROM pg_control_system()")
	wantTimeline(t, first, system+"/1")
	wantTimeline(t, second, system) // that of a standby may change while it is read

	standby.exec(t, "SELECT pg_wal_replay_pause()")
	primary.exec(t, "INSERT INTO a VALUES (5)")
	ahead := primary.lsnOf(t, "pg_current_wal_lsn()")
	late := start(t, standby.config(t, append(ofStandby, "snapshot.mode", "when_needed")...), []byte(fmt.Sprintf(`{"lsn":%[1]d,"lsn_commit":%[1]d}`, ahead)))
	if err := late.wait(); err == nil || connect.IsPermanent(err) || !strings.Contains(err.Error(), "waiting for it") {
		t.Errorf("of a standby that is late: %v", err)
	}
	standby.exec(t, "SELECT pg_wal_replay_resume()")
	primary.exec(t, "INSERT INTO a VALUES (3)")
	wait(t, "the standby has it", func() bool { return standby.query(t, "SELECT count(*) FROM a") == "4" })
	if err := primary.server.Stop("immediate"); err != nil {
		t.Fatal(err)
	}
	standby.exec(t, "SELECT pg_promote()", "INSERT INTO a VALUES (4)")

	for _, c := range []struct {
		r        *reading
		settings []string
	}{{first, ofPrimary}, {second, ofStandby}} {
		r := start(t, standby.config(t, c.settings...), c.r.offset)
		r.until("what came after", func() bool { return len(r.records) >= 3 && strings.Contains(string(r.offset), "COMMIT") })
		seen, _ := keys(append(c.r.records, r.records...))
		for id := 1; id <= 5; id++ {
			if !seen[fmt.Sprintf(`{"id":%d}`, id)] {
				t.Errorf("slot %s: row %d is lost", c.settings[3], id)
			}
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		wantTimeline(t, r, system+"/2")
	}
}

// wantTimeline checks whose WAL the last offset says that it is of.
func wantTimeline(t *testing.T, r *reading, want string) {
	t.Helper()
	if got := `"connectd_timeline":"` + want + `"`; !strings.Contains(string(r.offset), got) {
		t.Errorf("offset %s, want %s", r.offset, got)
	}
}

// TestOldStandby refuses a standby that cannot be read.
func TestOldStandby(t *testing.T) {
	t.Parallel()
	primary := newMajor(t, "14", nil)
	primary.exec(t, "CREATE TABLE a (id int PRIMARY KEY)")
	primary.publish(t, "a")
	standby := testenv.OwnStandby(t, primary.server, nil)
	c := primary.config(t, "database.port", strconv.Itoa(standby.Port))
	if err := newSource(t, c).Check(t.Context()); !connect.IsPermanent(err) || !strings.Contains(err.Error(), "is a standby, and PostgreSQL 14 decodes no WAL there") {
		t.Errorf("check: %v", err)
	}
	if found := fmt.Sprint(examined(t, primary.with("database.port", strconv.Itoa(standby.Port)))); !strings.Contains(found, "logical replication from one needs PostgreSQL 16") {
		t.Errorf("doctor: %s", found)
	}
}

// wait waits until ok says so.
func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(patience); !ok(); {
		if time.Now().After(limit) {
			t.Fatalf("%s: not after %s", what, patience)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
}
