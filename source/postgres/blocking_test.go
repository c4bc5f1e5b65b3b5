package postgres

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"connectd/connect"
	"connectd/internal/testenv"
)

// snapshotMarks are the markers of the rows of snapshots, with their keys.
func snapshotMarks(records []sentRecord) []string {
	var marks []string
	for _, r := range records {
		if at := strings.Index(r.value, `"snapshot":"`); at >= 0 && strings.Contains(r.value, `"op":"r"`) {
			mark, _, _ := strings.Cut(r.value[at+12:], `"`)
			marks = append(marks, strings.TrimPrefix(r.topic, "production.public.")+r.key+mark)
		}
	}
	return marks
}

func TestBlockingSnapshot(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text)", "CREATE TABLE b (id int PRIMARY KEY, v text)", "CREATE TABLE empty (id int PRIMARY KEY)", "CREATE TABLE wrong (id int PRIMARY KEY)",
		"INSERT INTO a SELECT i, 'v' FROM generate_series(1, 3) i", "INSERT INTO b SELECT i, 'v' FROM generate_series(1, 9) i").publish(t, "a, b, empty, wrong")
	r := start(t, d.config(t, "table.include.list", "public.*", "snapshot.mode", "no_data", "notification.enabled.channels", "sink", "notification.sink.topic.name", "told"), nil).streaming()
	d.exec(t, "INSERT INTO a VALUES (4, 'x')")
	r.must("execute-snapshot", `{"type":"BLOCKING","data-collections":["public.(a|b|empty|wrong)"],"additional-conditions":[
		{"data-collection":"public.b","filter":"SELECT v, id FROM public.b WHERE id > 7 ORDER BY id"},{"data-collection":"public.wrong","filter":"SELECT nonsense"}]}`)
	r.until("the end of the snapshot", func() bool { return len(r.demand().Blocking) == 0 && r.records[len(r.records)-1].topic == "told" })
	want := []string{`a{"id":1}first`, `a{"id":2}true`, `a{"id":3}true`, `a{"id":4}last_in_data_collection`, `b{"id":8}first_in_data_collection`, `b{"id":9}last`}
	if got := snapshotMarks(r.records); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	var told []string
	for _, n := range r.records {
		if n.topic == "told" {
			for _, kind := range []string{"STARTED", "SUCCEEDED", "EMPTY", "SQL_EXCEPTION", "COMPLETED"} {
				if strings.Contains(n.value, `:"`+kind+`"`) {
					told = append(told, kind)
				}
			}
		}
	}
	if want := []string{"STARTED", "SQL_EXCEPTION", "SUCCEEDED", "SUCCEEDED", "EMPTY", "COMPLETED"}; !slices.Equal(told, want) {
		t.Errorf("notifications: got %v, want %v", told, want)
	}
	d.exec(t, "INSERT INTO a VALUES (5, 'x')")
	// What the stream had not sent before the snapshot follows on it.
	changes := func() (found []sentRecord) {
		for _, s := range r.records {
			if strings.Contains(s.value, `"op":"c"`) {
				found = append(found, s)
			}
		}
		return found
	}
	r.until("the changes", func() bool { return len(changes()) == 2 })
	wantOps(t, changes(), `c public.a {"id":4}`, `c public.a {"id":5}`)
}

// TestBlockingSnapshotSlow takes a snapshot that lasts longer than the server waits for an
// answer, is killed in the middle of it, and changes the table meanwhile.
func TestBlockingSnapshotSlow(t *testing.T) {
	p := testenv.OwnPostgres(t, testenv.PostgresOptions{Settings: map[string]string{"wal_sender_timeout": "1s"}})
	if err := p.CreateDatabase(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	d := databaseOn(t, p, "db", "CREATE TABLE a (id int PRIMARY KEY, v text)", "INSERT INTO a SELECT i, 'v' FROM generate_series(1, 300) i").publish(t, "a")
	c := d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "max.batch.size", "10")
	r := start(t, c, nil).streaming()
	r.must("execute-snapshot", `{"type":"blocking","data-collections":["public.a"]}`)
	r.until("some rows", func() bool { return len(snapshotMarks(r.records)) >= 50 })
	r.abandon()
	d.exec(t, "DELETE FROM a WHERE id = 1", "INSERT INTO a VALUES (301, 'x')")
	all := r.records
	r = start(t, c, r.offset)
	r.until("some rows", func() bool { return len(snapshotMarks(r.records)) >= 50 })
	select { // nothing is taken: the source waits for a batch, and must stay connected
	case err := <-r.done:
		t.Fatalf("the source ended with %v", err)
	case <-time.After(3 * time.Second):
	}
	d.exec(t, "UPDATE a SET v = 'y' WHERE id = 2")
	r.until("the update", func() bool { return strings.Contains(strings.Join(ops(r.records), ";"), `u public.a {"id":2}`) })
	all = append(all, r.records...)
	got := map[string]string{}
	for _, s := range ops(all) {
		op, key, _ := strings.Cut(s, " ")
		got[key] = op
	}
	if len(got) != 301 || got[`public.a {"id":1}`] != "tombstone" || got[`public.a {"id":2}`] != "u" || got[`public.a {"id":301}`] == "" {
		t.Errorf("%d keys; 1: %s, 2: %s, 301: %s", len(got), got[`public.a {"id":1}`], got[`public.a {"id":2}`], got[`public.a {"id":301}`])
	}
}

// TestBlockingSnapshotPosition hands over a notification when the position has moved since it was last
// stored: the slot must not get ahead of the stored offset.
func TestBlockingSnapshotPosition(t *testing.T) {
	st := offline(everyForm(t))
	intake := connect.NewIntake("test", 2, nil, st.source.log)
	st.task = intake.Task()
	st.pos, st.sent = position{commit: 40, lsn: 40}, 20
	b := &blockingRun{signals: st.signals, job: &blockingJob{}}
	for _, want := range []int{1, 0} { // what is stored is not stored again
		b.send(handed{batch: <-st.task.Free()})
		if sent := <-intake.Sent(); sent.Mark != 40 || len(sent.Offsets) != want {
			t.Errorf("a batch with mark %d and %d offsets, want %d", sent.Mark, len(sent.Offsets), want)
		}
	}
}

func TestBlockingSnapshotStop(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text)", "INSERT INTO a SELECT i, repeat('v', 2000) FROM generate_series(1, 20000) i").publish(t, "a")
	r := start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "max.batch.size", "10"), nil).streaming()
	r.must("execute-snapshot", `{"type":"blocking","data-collections":["public.a"]}`)
	r.until("some rows", func() bool { return len(snapshotMarks(r.records)) >= 50 })
	r.must("stop-snapshot", `{"type":"blocking"}`)
	d.exec(t, "DELETE FROM a WHERE id = 1")
	r.until("the delete", func() bool { return strings.Contains(strings.Join(ops(r.records), ";"), `d public.a {"id":1}`) })
	if n := len(snapshotMarks(r.records)); n >= 20000 || len(r.demand().Blocking) > 0 {
		t.Errorf("%d rows were sent, still to do: %v", n, r.demand().Blocking)
	}
}

// blockingPages are how many pages of table a the stored offset notes as read.
func (r *reading) blockingPages() (n int64) {
	r.t.Helper()
	for _, job := range r.demand().Blocking {
		state, err := parseSnapshotState(job.State)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, p := range state.parts {
			for _, done := range p.done {
				n += done.to - done.from
			}
		}
	}
	return n
}

// TestBlockingSnapshotGoesOn kills the connector twice in a blocking snapshot with several readers,
// while the table changes: rows move into ranges that are done and out of ranges that are not.
func TestBlockingSnapshotGoesOn(t *testing.T) {
	const threads = 2
	t.Parallel()
	d := manyPages(t)
	c := d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "snapshot.max.threads", fmt.Sprint(threads))
	r := start(t, c, nil).streaming()
	d.exec(t, "INSERT INTO a VALUES (0, 1, 'before', NULL)")
	r.must("execute-snapshot", `{"type":"blocking","data-collections":["public.a"]}`)
	r.until("readers", func() bool {
		return d.query(t, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY%a%'") == fmt.Sprint(threads)
	})
	r.until("two ranges", func() bool { return r.blockingPages() >= 2000 })
	r.abandon()
	all := r.records
	d.exec(t, "DELETE FROM a WHERE id BETWEEN 100 AND 4000 AND id % 3 = 1", "VACUUM a",
		"UPDATE a SET n = 1 WHERE id % 50 = 0 AND id > 4000", "UPDATE a SET n = 2 WHERE id IN (10, 19990)",
		"INSERT INTO a SELECT g, 3, 'new', NULL FROM generate_series(30001, 30100) g", "DELETE FROM a WHERE id = 19999")
	r = start(t, c, r.offset)
	r.until("four ranges", func() bool { return r.blockingPages() >= 4000 })
	r.abandon()
	all = append(all, r.records...)
	d.exec(t, "UPDATE a SET n = 4 WHERE id % 200 = 0", "DELETE FROM a WHERE id = 30001", "INSERT INTO a VALUES (30001, 5, 'again', NULL)")
	r = start(t, c, r.offset)
	r.until("the end of the snapshot", func() bool { return len(r.demand().Blocking) == 0 })
	d.exec(t, "INSERT INTO a VALUES (99999, 6, 'end', NULL)")
	r.until("the end", func() bool {
		return len(r.records) > 0 && strings.Contains(r.records[len(r.records)-1].value, `"pad":"end"`)
	})
	all = append(all, r.records...)
	wantState(t, stateOf(t, all), d.state(t))
	if n := reads(all); n > 20000+2*(threads+1)*20000/7 {
		t.Errorf("%d rows were read in all; what was read before was read again", n)
	}
	if marks := strings.Join(snapshotMarks(r.records), " "); strings.Count(marks, "}last") != 1 {
		t.Error("no row is marked as the last")
	}
}

// TestBlockingSnapshotSignals takes signals while two readers have all batches but one.
func TestBlockingSnapshotSignals(t *testing.T) {
	d := manyPages(t)
	d.exec(t, "CREATE TABLE b (id int PRIMARY KEY)", "INSERT INTO b VALUES (1)", "ALTER PUBLICATION dbz_publication ADD TABLE b")
	r := start(t, d.config(t, "table.include.list", "public.(a|b)", "snapshot.mode", "no_data", "snapshot.max.threads", "4",
		"notification.enabled.channels", "sink", "notification.sink.topic.name", "told"), nil).streaming()
	r.must("execute-snapshot", `{"type":"blocking","data-collections":["public.a"]}`)
	r.until("some rows", func() bool { return r.rows() > 0 })
	r.must("execute-snapshot", `{"data-collections":["public.b"]}`)
	r.must("pause-snapshot", "")
	if r.rows() >= 20000 {
		t.Error("the signals were taken after the blocking snapshot")
	}
	r.until("the end of the blocking snapshot", func() bool { return len(r.demand().Blocking) == 0 })
	r.must("resume-snapshot", "")
	r.until("the end", func() bool { return len(r.demand().Tables) == 0 })
	if n := len(places(r.records, "production.public.b")); r.rows() != 20001 || n != 1 {
		t.Errorf("%d rows, %d of b", r.rows(), n)
	}
}

// TestBlockingSnapshotFails has a SELECT that fails in the middle, and one that gives some of the
// columns; the tables beside it are read.
func TestBlockingSnapshotFails(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text)", "CREATE TABLE b (id int PRIMARY KEY, v text, w text)", "INSERT INTO a SELECT i, 'v' FROM generate_series(1, 100) i",
		"INSERT INTO b SELECT i, 'v', 'w' FROM generate_series(1, 3) i").publish(t, "a, b")
	r := start(t, d.config(t, "table.include.list", "public.*", "snapshot.mode", "no_data", "notification.enabled.channels", "sink", "notification.sink.topic.name", "told"), nil).streaming()
	r.must("execute-snapshot", `{"type":"blocking","data-collections":["public.(a|b)"],"additional-conditions":[
		{"data-collection":"public.a","filter":"SELECT id, (1 / (50 - id))::text AS v FROM public.a ORDER BY id;"},{"data-collection":"public.b","filter":"SELECT w, id FROM public.b -- not v"}]}`)
	r.until("the end of the snapshot", func() bool { return len(r.demand().Blocking) == 0 && r.records[len(r.records)-1].topic == "told" })
	var told []string
	for _, n := range r.records {
		if at := strings.Index(n.value, `"status":"`); n.topic == "told" && at >= 0 {
			status, _, _ := strings.Cut(n.value[at+10:], `"`)
			told = append(told, status)
		}
	}
	slices.Sort(told)
	if want := []string{"SQL_EXCEPTION", "SUCCEEDED"}; !slices.Equal(told, want) {
		t.Errorf("tables ended with %v, want %v", told, want)
	}
	rows := places(r.records, "production.public.b")
	if len(rows) != 3 || !strings.Contains(r.records[rows[0]].value, `"after":{"id":1,"v":null,"w":"w"}`) {
		t.Errorf("rows of b: %v", rows)
	}
	d.exec(t, "INSERT INTO b VALUES (4)")
	r.until("the stream", func() bool { return len(places(r.records, "production.public.b")) == 4 })
}

// TestBlockingSnapshotUnderLoad takes a blocking snapshot while writers change the table, with a crash
// in the middle, and compares what a reader of the topic has with the table.
func TestBlockingSnapshotUnderLoad(t *testing.T) {
	const keys = 8000
	d := newDatabase(t, "CREATE SEQUENCE seq", "CREATE TABLE a (id bigint PRIMARY KEY, n bigint, big text)", "ALTER TABLE a ALTER big SET STORAGE EXTERNAL",
		fmt.Sprintf("INSERT INTO a SELECT i, nextval('seq'), repeat(md5(i::text), 90) FROM generate_series(0, %d) i", keys-1)).publish(t, "a")
	c := d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "snapshot.max.threads", "2", "max.batch.size", "64", "skipped.operations", "t")
	r := start(t, c, nil).streaming()
	w := startWriters(t, d, 3, keys)
	r.must("execute-snapshot", `{"type":"blocking","data-collections":["public.a"]}`)
	r.until("a range", func() bool { return r.blockingPages() > 0 })
	r.abandon()
	all := r.records
	r = start(t, c, r.offset)
	r.until("the end of the snapshot", func() bool { return len(r.demand().Blocking) == 0 })
	w.end()
	d.exec(t, "INSERT INTO a VALUES (-1, 0, '')")
	r.until("the last change", func() bool { return len(r.records) > 0 && strings.Contains(r.records[len(r.records)-1].key, `-1`) })
	got, want := replay(t, append(all, r.records...), false), d.inTable(t)
	for id, row := range want {
		if got[id] != row {
			t.Errorf("row %d is %.60v, want %.60v", id, got[id], row)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d rows, want %d", len(got), len(want))
	}
	t.Logf("%d changes, %d records, %d rows read, %d rows", w.count.Load(), len(all)+len(r.records), reads(all)+reads(r.records), len(want))
}
