package postgres

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pglogrepl"
)

// lsnOf is where the database's WAL ends.
func (d *database) lsnOf(t *testing.T, expression string) uint64 {
	t.Helper()
	lsn, err := pglogrepl.ParseLSN(d.query(t, expression))
	if err != nil {
		t.Fatal(err)
	}
	return uint64(lsn)
}

// TestTakeOver has the offsets that Debezium leaves behind, and what is written around them. The
// rows that come afterwards are those that Debezium may not have sent.
func TestTakeOver(t *testing.T) {
	for _, c := range []struct {
		name   string
		offset string // with the LSNs {before} and {after} the first row
		want   []string
		notes  string
	}{
		{"after its snapshot", `{"last_snapshot_record":true,"lsn":{after},"txId":7,"ts_usec":5,"snapshot":"INITIAL","snapshot_completed":true}`,
			[]string{`c public.a {"id":1}`, `c public.a {"id":2}`}, "that is where slot"},
		{"after its snapshot, older", `{"last_snapshot_record":true,"lsn":{after},"txId":7,"ts_usec":5,"snapshot":true}`,
			[]string{`c public.a {"id":1}`, `c public.a {"id":2}`}, "that is where slot"},
		{"streaming", `{"lsn_proc":{after},"lsn_events_processed":1,"messageType":"INSERT","lsn_commit":{after},"lsn":{after},"txId":7,"ts_usec":1795678853921396}`,
			[]string{`c public.a {"id":2}`}, "of 2026-11-26T07:40:53Z"},
		{"in a transaction", `{"lsn_proc":{after},"messageType":"INSERT","lsn_commit":{before},"lsn":{after},"txId":7,"ts_usec":5}`,
			[]string{`c public.a {"id":1}`, `c public.a {"id":2}`}, "it comes again, from its first change"},
		{"before its first commit", `{"lsn_proc":{before},"messageType":"INSERT","lsn":{before},"txId":7,"ts_usec":5}`,
			[]string{`c public.a {"id":1}`, `c public.a {"id":2}`}, "no new snapshot"},
		{"in its snapshot", `{"last_snapshot_record":false,"lsn":{after},"txId":7,"ts_usec":5,"snapshot":"INITIAL","snapshot_completed":false}`,
			[]string{`r public.a {"id":1}`, `r public.a {"id":2}`, `c public.a {"id":1}`, `c public.a {"id":2}`}, "takes it again from the first row"},
		{"in its snapshot, older", `{"lsn":{after},"txId":7,"ts_usec":5,"snapshot":true}`,
			[]string{`r public.a {"id":1}`, `r public.a {"id":2}`, `c public.a {"id":1}`, `c public.a {"id":2}`}, "takes it again from the first row"},
		{"with an incremental snapshot", `{"lsn_proc":{after},"lsn_commit":{after},"lsn":{after},"incremental_snapshot_collections":"[{},{\"incremental_snapshot_collections_id\":\"public.a\",\"incremental_snapshot_collections_additional_condition\":\"id = 1\"}]"}`,
			[]string{`c public.a {"id":2}`, `r public.a {"id":1}`}, "an incremental snapshot of public.a is under way: connectd goes on with it, from the table's first row"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)").publish(t, "a")
			twin := d.name[:10] + d.name[len(d.name)-10:]
			d.exec(t, "SELECT pg_create_logical_replication_slot('"+d.name+"', 'pgoutput')", "SELECT pg_copy_logical_replication_slot('"+d.name+"', '"+twin+"')")
			before := d.lsnOf(t, "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '"+d.name+"'")
			d.exec(t, "INSERT INTO a VALUES (1)")
			after := d.lsnOf(t, "pg_current_wal_insert_lsn()")
			d.exec(t, "INSERT INTO a VALUES (2)")
			offset := strings.NewReplacer("{before}", fmt.Sprint(before), "{after}", fmt.Sprint(after)).Replace(c.offset)
			config := d.config(t, "table.include.list", "public.a")
			move, err := newSource(t, config).TakeOver(t.Context(), []byte(offset))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(strings.Join(move.Notes, "\n"), c.notes) || move.Busy != "" {
				t.Errorf("notes %q, busy %q, want %q", move.Notes, move.Busy, c.notes)
			}
			wantOps(t, start(t, config, move.Offset).next(len(c.want)), c.want...)

			// Without migrate, when both programs have the same topic and the same name.
			wantOps(t, start(t, d.config(t, "table.include.list", "public.a", "slot.name", twin), []byte(offset)).next(len(c.want)), c.want...)
		})
	}
}

func TestTakeOverRefused(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)").publish(t, "a")
	s := newSource(t, d.config(t, "table.include.list", "public.a"))
	refused := func(offset, want string) {
		t.Helper()
		var o []byte
		if offset != "" {
			o = []byte(offset)
		}
		if _, err := s.TakeOver(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("offset %s: got %v, want %q", offset, err, want)
		}
	}
	refused("", `there is no offset of partition {"server":"production"}`)
	refused(`{"lsn":"x"}`, "read the stored offset")
	refused(`{"lsn":5,"lsn_commit":5}`, "does not exist any more")
	d.exec(t, "SELECT pg_create_logical_replication_slot('"+d.name+"', 'pgoutput')")
	refused(`{"lsn":5,"lsn_commit":5}`, "what changed between them cannot be read")
	refused(fmt.Sprintf(`{"lsn":%[1]d,"lsn_commit":%[1]d}`, uint64(1)<<60), "is ahead of the server")
}

// TestGiveBack gives positions of ours to Debezium.
func TestGiveBack(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)").publish(t, "a")
	c := d.config(t, "table.include.list", "public.a")
	s := newSource(t, c)
	r := start(t, c, nil).streaming()
	d.exec(t, "INSERT INTO a VALUES (1)")
	r.until("a commit", func() bool { return strings.Contains(string(r.offset), "COMMIT") })
	if m, err := s.GiveBack(t.Context(), r.offset); err != nil || !strings.Contains(m.Busy, `is read by PID`) || !strings.Contains(m.Busy, "(connectd test)") {
		t.Errorf("while it runs: %v, %v", m, err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	p, err := parsePosition(r.offset)
	if err != nil {
		t.Fatal(err)
	}
	inside := p
	inside.lsn, inside.txEnd, inside.sameLSN, inside.message = p.commit+100, p.commit+200, 3, "INSERT"
	for _, from := range []position{p, inside} {
		m, err := s.GiveBack(t.Context(), from.append(nil))
		want := fmt.Sprintf(`{"lsn":%[1]d,"lsn_proc":%[1]d,"lsn_commit":%[1]d,"messageType":"COMMIT"`, uint64(p.commit))
		if p.txID != 0 { // what others have written since has moved an idle position on
			want += fmt.Sprintf(`,"txId":%d,"ts_usec":%d`, p.txID, p.tsMicros)
		}
		want += "}"
		if err != nil || string(m.Offset) != want || m.Busy != "" {
			t.Errorf("got %s, %q, %v, want %s", m.Offset, m.Busy, err, want)
		}
	}
	d.exec(t, "SELECT pg_drop_replication_slot('"+d.name+"')")
	if _, err := s.GiveBack(t.Context(), r.offset); err == nil || !strings.Contains(err.Error(), "does not exist any more") {
		t.Errorf("without a slot: %v", err)
	}
}
