package postgres

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"connectd/connect"
)

// keys are the distinct keys of records in their first order, and how many came twice.
func keys(records []sentRecord) (distinct map[string]bool, doubles int) {
	distinct = map[string]bool{}
	for _, r := range records {
		if distinct[r.key] {
			doubles++
		}
		distinct[r.key] = true
	}
	return distinct, doubles
}

// TestRestartInsideTransaction stops in the middle of transactions whose rows share LSNs, again
// and again. A position by LSN would lose the rest of a group; one by transaction alone would
// send the whole transaction again each time.
func TestRestartInsideTransaction(t *testing.T) {
	const rows = 5000
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text)").publish(t, "a")
	c := d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "max.batch.size", "7")
	first := start(t, c, nil).streaming()
	// One COPY: rows of a page are one WAL record and have one LSN.
	copyInto(t, d, rows)
	d.exec(t, "INSERT INTO a VALUES (0, 'last')")
	first.until("some records", func() bool { return len(first.records) >= 14 })
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	all := first.records
	offset := first.offset
	if !strings.Contains(string(offset), `"connectd_tx_events"`) {
		t.Fatalf("the offset %s is not inside a transaction", offset)
	}
	for run := 0; len(all) < rows+1; run++ {
		r := start(t, c, offset)
		r.until("some records", func() bool { return len(r.records) >= min(300, rows+1-len(all)) })
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		all = append(all, r.records...)
		offset = r.offset
	}
	distinct, doubles := keys(all)
	if len(distinct) != rows+1 || doubles != 0 {
		t.Errorf("%d distinct keys and %d doubles, want %d and none", len(distinct), doubles, rows+1)
	}
}

func copyInto(t *testing.T, d *database, rows int) {
	t.Helper()
	var text strings.Builder
	for i := range rows {
		fmt.Fprintf(&text, "%d\tcopied\n", i+1)
	}
	d.copyIn(t, "COPY a FROM STDIN", text.String())
}

// TestInterruptedSnapshot deletes a row that the first attempt has sent.
func TestInterruptedSnapshot(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a SELECT generate_series(1, 5000)").publish(t, "a")
	c := d.config(t, "table.include.list", "public.a", "max.batch.size", "10")
	r := start(t, c, nil)
	r.receive(patience) // one batch of ten; the stop comes before the rest is durable
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(r.offset), `"snapshot_completed":false`) {
		t.Fatalf("the snapshot was complete before it could be stopped: %s", r.offset)
	}
	d.exec(t, "DELETE FROM a WHERE id = 1")
	r = start(t, c, r.offset)
	r.next(4999 + 2)
	if got := ops(r.records[4999:]); !slices.Equal(got, []string{`d public.a {"id":1}`, `tombstone public.a {"id":1}`}) {
		t.Errorf("after the second snapshot: %v", got)
	}
}

func TestSlotProblems(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)").publish(t, "a")
	settings := []string{"table.include.list", "public.a", "snapshot.mode", "no_data"}
	r := start(t, d.config(t, settings...), nil).streaming()
	d.exec(t, "INSERT INTO a VALUES (1)")
	r.next(1)
	r.until("a commit", func() bool { return strings.Contains(string(r.offset), "COMMIT") })

	t.Run("in use", func(t *testing.T) {
		busy := start(t, d.config(t, append(settings, "slot.max.retries", "1", "slot.retry.delay.ms", "1")...), r.offset)
		if err := busy.wait(); err == nil || !strings.Contains(err.Error(), "is active for PID") || !strings.Contains(err.Error(), "slot.name") {
			t.Errorf("got error %v", err)
		}
	})
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	t.Run("ahead", func(t *testing.T) {
		d.released(t)
		d.exec(t, "INSERT INTO a VALUES (2)", "SELECT pg_replication_slot_advance('"+d.name+"', pg_current_wal_lsn())")
		gone := start(t, d.config(t, settings...), r.offset)
		if err := gone.wait(); err == nil || !strings.Contains(err.Error(), "cannot be read") || !strings.Contains(err.Error(), "when_needed") {
			t.Errorf("got error %v", err)
		}
		trusting := start(t, d.config(t, append(settings, "offset.mismatch.strategy", "trust_slot")...), r.offset).streaming()
		d.exec(t, "INSERT INTO a VALUES (3)")
		wantOps(t, trusting.next(1), `c public.a {"id":3}`)
		if err := trusting.stop(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("missing", func(t *testing.T) {
		d.released(t)
		d.exec(t, "SELECT pg_drop_replication_slot('"+d.name+"')")
		gone := start(t, d.config(t, settings...), r.offset)
		if err := gone.wait(); err == nil || !strings.Contains(err.Error(), "does not exist any more") || !strings.Contains(err.Error(), "when_needed") {
			t.Errorf("got error %v", err)
		}
		again := start(t, d.config(t, append(settings[:2:2], "snapshot.mode", "when_needed")...), r.offset)
		wantOps(t, again.next(3), `r public.a {"id":1}`, `r public.a {"id":2}`, `r public.a {"id":3}`)
	})
}

func TestOffsets(t *testing.T) {
	for _, c := range []struct{ name, offset, want string }{
		{"debezium, streaming", `{"lsn_proc":30,"messageType":"INSERT","lsn_commit":20,"lsn":30,"txId":7,"ts_usec":5}`,
			`{"lsn":30,"lsn_proc":30,"lsn_commit":20,"messageType":"INSERT","txId":7,"ts_usec":5}`},
		{"debezium, no commit yet", `{"lsn_proc":30,"messageType":"INSERT","lsn":30}`, `{"lsn":30,"lsn_proc":30,"lsn_commit":30,"messageType":"INSERT"}`},
		{"debezium, snapshot", `{"last_snapshot_record":false,"lsn":9,"snapshot":"INITIAL","snapshot_completed":false}`,
			`{"lsn":9,"snapshot":"INITIAL","snapshot_completed":false,"last_snapshot_record":false,"lsn_commit":9}`},
		{"ours, in a transaction", `{"lsn":30,"lsn_proc":30,"lsn_commit":20,"connectd_tx_lsn":99,"connectd_tx_events":4}`,
			`{"lsn":30,"lsn_proc":30,"lsn_commit":20,"connectd_tx_lsn":99,"connectd_tx_events":4}`},
		{"ours, of a server", `{"lsn":30,"lsn_proc":30,"lsn_commit":30,"connectd_timeline":"7412345678901234567/3"}`,
			`{"lsn":30,"lsn_proc":30,"lsn_commit":30,"connectd_timeline":"7412345678901234567/3"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := parsePosition([]byte(c.offset))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(p.append(nil)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	for _, bad := range []string{`{}`, `[]`, `{"lsn":"x"}`, ``} {
		if _, err := parsePosition([]byte(bad)); err == nil {
			t.Errorf("offset %q: no error", bad)
		}
	}
}

// TestIdleBeforeResume moves an idle position while the transaction in which the stream resumes
// is still to come: what is done of it must stay known.
func TestIdleBeforeResume(t *testing.T) {
	for _, c := range []struct {
		walEnd LSN
		want   string
	}{
		{40, `{"lsn":30,"lsn_proc":30,"lsn_commit":40,"connectd_tx_lsn":99,"connectd_tx_events":4}`},
		{120, `{"lsn":120,"lsn_proc":120,"lsn_commit":120}`},
	} {
		st := offline(everyForm(t))
		intake := connect.NewIntake("test", 1, nil, st.source.log)
		st.task = intake.Task()
		st.resume = position{commit: 20, lsn: 30, txEnd: 99, sameLSN: 4}
		st.pos, st.sent, st.walEnd = st.resume, 20, c.walEnd
		st.idle()
		b := <-intake.Sent()
		if got := string(b.Offsets[0].Offset); got != c.want || b.Mark != uint64(c.walEnd) {
			t.Errorf("end of WAL %d: got %s, mark %d; want %s", c.walEnd, got, b.Mark, c.want)
		}
	}
}

// TestSilentServer has not heard of the server for longer than the server may be silent.
func TestSilentServer(t *testing.T) {
	st := offline(everyForm(t))
	st.silence, st.heard = time.Minute, time.Now().Add(-2*time.Minute)
	if _, err := st.tend(t.Context(), time.Now()); err == nil || connect.IsPermanent(err) || !strings.Contains(err.Error(), "nothing heard from") {
		t.Errorf("got %v", err)
	}
}
