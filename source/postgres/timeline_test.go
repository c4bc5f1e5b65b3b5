package postgres

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"connectd/connect"
	"connectd/internal/testenv"
)

func TestTimeline(t *testing.T) {
	for text, want := range map[string]timeline{"": {}, "7412345678901234567": {"7412345678901234567", 0}, "7412345678901234567/3": {"7412345678901234567", 3}} {
		got := parseTimeline(text)
		if again := string(got.append(nil)); got != want || again != text {
			t.Errorf("%q: got %v, written as %q", text, got, again)
		}
	}
	const history = "1\t0/5000028\tno recovery target specified\n\n2\t0/A1000000\tbefore 2026-11-27 07:00:00+00\n# 3\t0/1\n"
	for was, want := range map[int32]LSN{1: 0x5000028, 2: 0xA1000000, 3: 0} {
		if got, err := parting(history, was); got != want || err != nil {
			t.Errorf("timeline %d was left at %s, %v, want %s", was, got, err, want)
		}
	}
	if _, err := parting("1\tnowhere", 1); err == nil {
		t.Error("no error of a history that can not be read")
	}
}

// TestReached has what was read behind the position from which the stream goes on.
func TestReached(t *testing.T) {
	for offset, want := range map[string]LSN{
		`{"lsn":30,"lsn_commit":30}`: 30,
		`{"lsn":30,"lsn_commit":20,"connectd_tx_lsn":99,"connectd_tx_events":4}`:    99, // part of a transaction
		`{"lsn":40,"lsn_commit":20,"snapshot":"INITIAL","snapshot_completed":true}`: 40, // rows that are newer than the slot
	} {
		p, err := parsePosition([]byte(offset))
		if got := p.reached(); got != want || err != nil {
			t.Errorf("%s: got %s, %v, want %s", offset, got, err, want)
		}
	}
}

// TestPlanElsewhere has snapshots that were begun on another timeline: what is read of them may show
// what this one does not have.
func TestPlanElsewhere(t *testing.T) {
	for _, c := range []struct {
		name, tables string
		now          timeline
		again        bool
	}{
		{"the same", `,"connectd_timeline":"7/1"`, timeline{"7", 1}, false},
		{"not known", ``, timeline{"7", 1}, false},
		{"promoted", `,"connectd_timeline":"7/1"`, timeline{"7", 2}, true},
		{"another server", `,"connectd_timeline":"7/1"`, timeline{"8", 1}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSource(t, decode(t, seed))
			s.timeline = c.now
			offset := `{"lsn":30,"lsn_commit":20,"snapshot":"INITIAL","snapshot_completed":false,"connectd_snapshot":"735 1.1.00000000.3:0-9"` + c.tables +
				`,"connectd_snapshots":{"blocking":[{"id":"1","tables":[{"schema":"public","table":"a"}],"state":"735 1.1.00000000.3:0-9"}]}}`
			intake := connect.NewIntake("test", 1, map[string][]byte{string(s.partition): []byte(offset)}, s.log)
			stored, err := s.stored(intake.Task())
			if err != nil {
				t.Fatal(err)
			}
			p, err := s.plan(stored, slot{confirmed: 20, walEnd: 50})
			if err != nil || !p.snapshot {
				t.Fatalf("snapshot %t, %v", p.snapshot, err)
			}
			if again := p.tables == ""; again != c.again {
				t.Errorf("tables that are read: %q", p.tables)
			}
			if again := s.demand.Blocking[0].State == ""; again != c.again {
				t.Errorf("tables that are read of the blocking snapshot: %q", s.demand.Blocking[0].State)
			}
		})
	}
}

// TestAnotherServer has an offset of a server that is not this one, and that this one's WAL has gone
// past: nothing but the system identifier tells them apart.
func TestAnotherServer(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)").publish(t, "a")
	before := d.lsnOf(t, "pg_current_wal_lsn()")
	d.slotBehind(t)
	d.exec(t, "INSERT INTO a VALUES (1)")
	after := d.lsnOf(t, "pg_current_wal_lsn()")
	d.exec(t, "INSERT INTO a VALUES (2)")
	of := func(lsn uint64) []byte {
		return []byte(fmt.Sprintf(`{"lsn":%[1]d,"lsn_proc":%[1]d,"lsn_commit":%[1]d,"messageType":"COMMIT","connectd_timeline":"7412345678901234567/1"}`, lsn))
	}
	for _, c := range []struct {
		strategy, offset string
		stored           []byte
		refused          bool
	}{
		{"trust_offset", "behind the slot", of(before), true},
		{"no_validation", "behind the slot", of(before), false}, // as after pg_upgrade
		{"trust_offset", "ahead of the slot", of(after), true},
		{"no_validation", "ahead of the slot", of(after), true},
		{"trust_greater_lsn", "ahead of the slot", of(after), true},
		{"trust_slot", "ahead of the slot", of(after), false},
	} {
		t.Run(c.strategy+" "+c.offset, func(t *testing.T) {
			r := start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "lsn.flush.mode", "manual", "offset.mismatch.strategy", c.strategy), c.stored)
			if c.refused {
				wantPermanent(t, r, "the server is another one", "7412345678901234567", "trust_slot", "when_needed")
				return
			}
			wantOps(t, r.next(2), `c public.a {"id":1}`, `c public.a {"id":2}`)
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
		})
	}
	r := start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "when_needed"), of(after))
	wantOps(t, r.next(2), `r public.a {"id":1}`, `r public.a {"id":2}`)
}

// promotedCopy is a server that was restored from a copy of d as it is now, and promoted.
func (d *database) promotedCopy(t *testing.T) *database {
	t.Helper()
	c := &database{server: testenv.OwnStandby(t, d.server, map[string]string{"primary_conninfo": ""}), name: d.name}
	c.settings = d.with("database.port", fmt.Sprint(c.server.Port))
	c.exec(t, "SELECT pg_promote()")
	return c
}

// TestRestored has a copy of the server that was promoted before the connector had read all that the
// server had, and whose WAL has gone past that since: what it has written up to there is never left
// out in silence.
func TestRestored(t *testing.T) {
	t.Parallel()
	for _, major := range []string{"14", "18"} {
		t.Run(major, func(t *testing.T) {
			d := newMajor(t, major, nil)
			d.exec(t, "CREATE TABLE a (id int PRIMARY KEY)")
			d.publish(t, "a")
			settings := []string{"table.include.list", "public.a", "slot.name", "main", "lsn.flush.mode", "manual"}
			read := func(d *database, n int, offset []byte) []byte {
				t.Helper()
				r := start(t, d.config(t, settings...), offset).streaming()
				d.exec(t, fmt.Sprintf("INSERT INTO a SELECT generate_series(%d, %d)", n, n+999))
				last := fmt.Sprintf(`{"id":%d}`, n+999)
				r.until("the rows and their commit", func() bool {
					return len(r.records) > 0 && r.records[len(r.records)-1].key == last && strings.Contains(string(r.offset), "COMMIT")
				})
				if err := r.stop(); err != nil {
					t.Fatal(err)
				}
				return r.offset
			}
			common := read(d, 1, nil)
			restored := d.promotedCopy(t)
			ahead := read(d, 2001, common)
			if err := d.server.Stop("fast"); err != nil {
				t.Fatal(err)
			}
			restored.exec(t, "INSERT INTO a VALUES (100000)")
			position, err := parsePosition(ahead)
			if err != nil {
				t.Fatal(err)
			}
			if at := restored.lsnOf(t, "pg_current_wal_lsn()"); at >= uint64(position.commit) {
				t.Fatalf("the first row after the promotion is at %s, behind the offset %s", LSN(at), position.commit)
			}
			restored.exec(t, "SELECT pg_switch_wal()", "INSERT INTO a VALUES (100001)")

			for _, c := range []struct {
				offset  string
				stored  []byte
				changes []string
				refused bool
				want    []string // among the last records
			}{
				{"up to the copy", common, nil, false, []string{`c public.a {"id":100000}`, `c public.a {"id":100001}`}},
				{"ahead of the copy", ahead, nil, true, nil},
				{"ahead of the copy", ahead, []string{"offset.mismatch.strategy", "no_validation"}, true, nil},
				{"ahead of the copy", ahead, []string{"offset.mismatch.strategy", "trust_slot"}, false, []string{`c public.a {"id":100000}`, `c public.a {"id":100001}`}},
				{"ahead of the copy", ahead, []string{"snapshot.mode", "when_needed"}, false, []string{`r public.a {"id":100000}`, `r public.a {"id":100001}`}},
			} {
				t.Run(fmt.Sprint(c.offset, c.changes), func(t *testing.T) {
					r := start(t, restored.config(t, slices.Concat(settings, c.changes)...), c.stored)
					if c.refused {
						wantPermanent(t, r, "is on timeline 2, which left timeline 1", "trust_slot", "when_needed")
						return
					}
					r.until("the newest row", func() bool { return slices.Contains(ops(r.records), c.want[1]) })
					if !slices.Contains(ops(r.records), c.want[0]) {
						t.Errorf("%q is not among %d records", c.want[0], len(r.records))
					}
					r.until("the offset on the new timeline", func() bool { return strings.Contains(string(r.offset), `/2"`) })
					if err := r.stop(); err != nil {
						t.Fatal(err)
					}
				})
			}
			restored.exec(t, "COPY (SELECT) TO PROGRAM 'rm pg_wal/00000002.history'")
			wantPermanent(t, start(t, restored.config(t, settings...), common), "nothing says whether the server has all that was read", "trust_slot")
		})
	}
}
