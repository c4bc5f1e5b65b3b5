package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"connectd/connect"
	"connectd/internal/testenv"
)

const signalTable = "CREATE TABLE debezium_signal (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048))"

// signalTo sends a signal as REST does.
func (r *reading) signal(kind, data string) error {
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	answer := make(chan error, 1)
	go func() {
		answer <- r.source.Signal(ctx, connect.Signal{ID: "s1", Type: kind, Data: json.RawMessage(data)})
	}()
	var err error
	r.until("an answer to the signal", func() bool {
		select {
		case err = <-answer:
			return true
		default:
			return false
		}
	})
	return err
}

// must sends a signal that is followed.
func (r *reading) must(kind, data string) {
	r.t.Helper()
	if err := r.signal(kind, data); err != nil {
		r.t.Fatalf("signal %s %s: %v", kind, data, err)
	}
}

// demand is what the stored offset says is not done.
func (r *reading) demand() *demand {
	r.t.Helper()
	d, err := parseDemand(r.offset)
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

func TestIncrementalSnapshot(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text)", "INSERT INTO a SELECT i, 'v' || i FROM generate_series(1, 25) i").publish(t, "a")
	r := start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "incremental.snapshot.chunk.size", "10"), nil).streaming()
	r.must("execute-snapshot", `{"data-collections":["public.a"]}`)
	r.until("the end of the snapshot", func() bool { return len(r.records) > 0 && len(r.demand().Tables) == 0 })
	records := r.records
	if len(records) != 25 {
		t.Fatalf("got %d records", len(records))
	}
	for i, got := range records {
		if want := fmt.Sprintf(`{"id":%d}`, i+1); got.key != want {
			t.Fatalf("record %d has key %s, want %s", i, got.key, want)
		}
	}
	var value struct {
		Before, After map[string]any
		Op            string
		Source        map[string]any
	}
	if err := json.Unmarshal([]byte(records[0].value), &value); err != nil {
		t.Fatal(err)
	}
	s := value.Source
	if value.Op != "r" || value.Before != nil || value.After["v"] != "v1" || s["snapshot"] != "incremental" || s["lsn"] != nil || s["txId"] != nil || !strings.HasSuffix(s["sequence"].(string), ",null]") {
		t.Errorf("got %s", records[0].value)
	}
	d.exec(t, "INSERT INTO a VALUES (26, 'x')")
	wantOps(t, r.next(1), `c public.a {"id":26}`)
}

func TestSignalTable(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1), (2)", signalTable,
		"INSERT INTO debezium_signal VALUES ('old', 'execute-snapshot', '{\"data-collections\":[\"public.a\"]}')",
		"GRANT INSERT, DELETE ON debezium_signal TO "+testenv.Replicator).publish(t, "a, debezium_signal")
	for _, strategy := range []string{"insert_insert", "insert_delete"} {
		t.Run(strategy, func(t *testing.T) {
			c := d.config(t, "table.include.list", "public.a", "signal.data.collection", "public.debezium_signal", "slot.name", d.name+"_"+strategy,
				"incremental.snapshot.watermarking.strategy", strategy)
			r := start(t, c, nil)
			wantOps(t, r.next(2), `r public.a {"id":1}`, `r public.a {"id":2}`)
			r.streaming()
			d.exec(t, "INSERT INTO debezium_signal VALUES ('"+strategy+"', 'execute-snapshot', '{\"data-collections\":[\"public.A\"]}')",
				"INSERT INTO debezium_signal VALUES ('bad-"+strategy+"', 'nonsense', 'x')")
			r.until("both rows again", func() bool { return strings.Count(strings.Join(ops(r.records), " "), "r public.a") == 4 })
			r.until("the watermarks", func() bool {
				marks := strings.Join(ops(r.records), " ")
				if strategy == "insert_delete" {
					return strings.Contains(marks, "-open") && strings.Contains(marks, "d public.debezium_signal")
				}
				return strings.Contains(marks, "-open") && strings.Contains(marks, "-close")
			})
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestIncrementalKill kills the connector in the middle of a snapshot, again and again.
func TestIncrementalKill(t *testing.T) {
	const rows = 1000
	d := newDatabase(t, "CREATE TABLE a (k text, n int, v text, PRIMARY KEY (k, n))", fmt.Sprintf("INSERT INTO a SELECT 'k''' || i %% 7, i, 'v' FROM generate_series(1, %d) i", rows)).publish(t, "a")
	c := d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "incremental.snapshot.chunk.size", "30", "max.batch.size", "11")
	r := start(t, c, nil).streaming()
	r.must("execute-snapshot", `{"data-collections":["public.a"]}`)
	r.until("the signal in the offset", func() bool { return len(r.demand().Tables) == 1 })
	all := r.records
	for run := 0; ; run++ {
		if run > 100 {
			t.Fatal("it never ends")
		}
		from := len(r.records)
		r.until("some rows", func() bool { return len(r.records)-from >= 200 || len(r.demand().Tables) == 0 })
		all = append(all, r.records[from:]...)
		done := len(r.demand().Tables) == 0
		r.abandon() // what was sent and not received is lost
		if done {
			break
		}
		r = start(t, c, r.offset)
	}
	distinct, doubles := keys(all)
	if len(distinct) != rows || doubles != 0 {
		t.Errorf("%d distinct keys and %d doubles, want %d and none", len(distinct), doubles, rows)
	}
}

func TestIncrementalStopPauseResume(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)", "CREATE TABLE c (id int PRIMARY KEY)",
		"INSERT INTO a SELECT generate_series(1, 5000)", "INSERT INTO b VALUES (1)", "INSERT INTO c VALUES (1)").publish(t, "a, b, c")
	r := start(t, d.config(t, "table.include.list", "public.*", "snapshot.mode", "no_data", "incremental.snapshot.chunk.size", "10"), nil).streaming()
	if err := r.signal("pause-snapshot", "{}"); err == nil || !strings.Contains(err.Error(), "no incremental snapshot") {
		t.Errorf("pause without a snapshot: %v", err)
	}
	r.must("execute-snapshot", `{"data-collections":["public.(a|b|c)"]}`)
	r.until("some rows", func() bool { return len(r.records) >= 20 })
	r.must("pause-snapshot", "")
	r.until("the pause in the offset", func() bool { return r.demand().Paused })
	r.must("stop-snapshot", `{"data-collections":["public.b"]}`)
	d.exec(t, "INSERT INTO b VALUES (2)")
	r.until("the insert", func() bool { return r.records[len(r.records)-1].topic == "production.public.b" })
	paused := len(r.records)
	d.exec(t, "INSERT INTO b VALUES (3)")
	r.until("the next insert", func() bool { return len(r.records) > paused })
	if len(r.records) != paused+1 {
		t.Errorf("%d records came in the pause", len(r.records)-paused-1)
	}
	r.must("resume-snapshot", "{}")
	r.until("more rows", func() bool { return len(r.records) > paused+20 })
	r.must("stop-snapshot", `{"data-collections":["public.a"]}`)
	r.until("the last table", func() bool { return len(r.demand().Tables) == 0 })
	got := strings.Join(ops(r.records), " ")
	if !strings.Contains(got, "r public.c") || strings.Contains(got, "r public.b") || strings.Contains(got, `{"id":5000}`) {
		t.Errorf("got %s", got)
	}
}

func TestSignalProblems(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE keyless (id int)", "INSERT INTO keyless VALUES (2), (1)",
		"CREATE TABLE holes (id int)", "INSERT INTO holes VALUES (1), (NULL)", "INSERT INTO a VALUES (1)").publish(t, "a, keyless, holes")
	r := start(t, d.config(t, "table.include.list", "public.*", "snapshot.mode", "no_data", "notification.enabled.channels", "sink,log", "notification.sink.topic.name", "told"), nil).streaming()
	for _, c := range []struct{ kind, data, want string }{
		{"execute-snapshot", `{"data-collections":["public.nothing"]}`, "no captured table matches"},
		{"execute-snapshot", `{"data-collections":["public.("]}`, "is not a regular expression"},
		{"execute-snapshot", `{}`, "names no tables"},
		{"execute-snapshot", `[]`, "is not a JSON object"},
		{"execute-snapshot", `{"data-collections":["public.a"],"type":"full"}`, "write incremental or blocking"},
		{"stop-snapshot", `{}`, "no such snapshot"},
		{"explode", `{}`, "is not a type of signal"},
		{"", `{}`, "is missing"},
	} {
		if err := r.signal(c.kind, c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: got %v, want %q", c.kind, c.data, err, c.want)
		}
	}
	// What the database refuses ends the table, and not the connector.
	for _, c := range []struct{ data, status string }{
		{`{"data-collections":["public.keyless"]}`, "NO_PRIMARY_KEY"},
		{`{"data-collections":["public.keyless"],"surrogate-key":"nothing"}`, "NO_PRIMARY_KEY"},
		{`{"data-collections":["public.holes"],"surrogate-key":"id"}`, "SQL_EXCEPTION"},
		{`{"data-collections":["public.a"],"additional-conditions":[{"data-collection":"public.a","filter":"nonsense = 1"}]}`, "SQL_EXCEPTION"},
		{`{"data-collections":["public.a"],"additional-conditions":[{"data-collection":"public.a","filter":"true); DROP TABLE a; SELECT (true"}]}`, "SQL_EXCEPTION"},
		{`{"data-collections":["public.a"],"additional-conditions":[{"data-collection":"public.a","filter":"false"}]}`, "EMPTY"},
		{`{"data-collections":["public.a"],"additional-condition":"id = 1"}`, "SUCCEEDED"},
		{`{"data-collections":["public.keyless"],"surrogate-key":"id"}`, "SUCCEEDED"},
	} {
		from := len(r.records)
		r.must("execute-snapshot", c.data)
		var last string
		r.until("the table's end", func() bool {
			for _, m := range r.records[from:] {
				if strings.Contains(m.value, "TABLE_SCAN_COMPLETED") {
					last = m.value
				}
			}
			return last != "" && len(r.demand().Tables) == 0
		})
		if !strings.Contains(last, `"status":"`+c.status+`"`) {
			t.Errorf("%s: got %s, want status %s", c.data, last, c.status)
		}
	}
}

// TestIncrementalTypes has every type: its values are those of the snapshot before the stream, of
// an incremental and of a blocking snapshot alike.
func TestIncrementalTypes(t *testing.T) {
	eachCompat(t, func(t *testing.T, _ golden, settings ...string) {
		d := newTypes(t)
		d.exec(t, script(t, "types-insert.sql"))
		r := start(t, d.config(t, append(settings, "decimal.handling.mode", "precise", "incremental.snapshot.chunk.size", "1", "column.mask.with.3.chars", ".*[.]name")...), nil).streaming()
		rows := func(from int) map[string]string {
			found := map[string]string{}
			for _, s := range r.records[from:] {
				if fields := fieldsOf(t, []byte(s.value)); strings.Contains(s.value, `"op":"r"`) && s.key != "" {
					found[s.topic+s.key] = string(member(fields, "after"))
				}
			}
			return found
		}
		want := rows(0)
		if len(want) < 2 {
			t.Fatalf("the snapshot has %d rows with keys", len(want))
		}
		for _, kind := range []string{"incremental", "blocking"} {
			from := len(r.records)
			r.must("execute-snapshot", `{"type":"`+kind+`","data-collections":[".*"]}`)
			r.until("the end", func() bool {
				d := r.demand()
				return len(r.records) > from && len(d.Tables)+len(d.Blocking) == 0
			})
			got := rows(from)
			for key, row := range want {
				if got[key] != row {
					t.Errorf("%s, %s:\ngot  %.3000s\nwant %.3000s", kind, key, got[key], row)
				}
			}
		}
	})
}
