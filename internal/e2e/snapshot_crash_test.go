package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"connectd/internal/testenv"
	"connectd/kafka"
)

const snapshotRows = 20_000

// TestSnapshotKilled kills connectd at random moments of a snapshot while rows are changed, moved,
// deleted and inserted. The topic, replayed by key, is the table; and what the offset says is read
// is not read again.
func TestSnapshotKilled(t *testing.T) {
	for _, mode := range []string{"required", "requested"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := newSnapshotCrash(t, mode)
			s.write()
			// Each start reads the changed rows of finished ranges again: when the writer is faster than
			// the kills, a snapshot that is killed for ever has no end.
			for kills, complete := 0, false; kills < 6 && !complete; kills++ {
				s.d.start()
				complete = s.killAfter(4500 + rand.IntN(4000))
			}
			s.d.start()
			s.finish()
			s.d.terminate()
			s.compare()
		})
	}
}

// snapshotCrash is one table of about ten ranges, its topic, and what is known of both.
type snapshotCrash struct {
	t *testing.T
	*load
	d       *daemon
	topic   *counting
	offsets *counting
	key     string // of the offset
	stop    context.CancelFunc
	writer  *errgroup.Group
	noted   map[int]int // how often a row that is never changed was read when the offset first had it
}

func newSnapshotCrash(t *testing.T, mode string) *snapshotCrash {
	server, database := testenv.Database(t)
	broker := testenv.SharedKafka(t)
	prefix := strings.ToLower(database)
	l := publish(t, server, database, "moved",
		"CREATE TABLE moved (id int PRIMARY KEY, n int, pad text, large text)",
		"ALTER TABLE moved ALTER pad SET STORAGE PLAIN, ALTER large SET STORAGE EXTERNAL",
		fmt.Sprintf("INSERT INTO moved SELECT g, 0, repeat('x', 3500), CASE WHEN g %% 20 = 0 THEN repeat('y', 3000) END FROM generate_series(1, %d) g", snapshotRows))
	d := newDaemon(t, fmt.Sprintf(`
worker:
  bootstrap.servers: %s
  listeners: http://127.0.0.1:0
  offset.storage.topic: %s-offsets
connectors:%s
    exactly.once.support: %s
    topic.creation.default.partitions: 1
    key.converter: org.apache.kafka.connect.json.JsonConverter
    key.converter.schemas.enable: false
    value.converter: org.apache.kafka.connect.json.JsonConverter
    value.converter.schemas.enable: false
`, broker.Brokers, prefix, tableSource(server, database, "moved"), mode))
	return &snapshotCrash{
		t: t, load: l, d: d, topic: newCounting(t, broker.Brokers, prefix+".public.moved"),
		offsets: newCounting(t, broker.Brokers, prefix+"-offsets"), key: fmt.Sprintf(`["%[1]s",{"server":"%[1]s"}]`, prefix), noted: map[int]int{},
	}
}

// write changes two of three rows, at random, until finish.
func (s *snapshotCrash) write() {
	ctx, cancel := context.WithCancel(s.t.Context())
	s.stop, s.writer = cancel, new(errgroup.Group)
	s.t.Cleanup(cancel)
	conn, err := pgx.Connect(ctx, s.dsn)
	must(s.t, err)
	s.writer.Go(func() error { // ends with stop
		defer conn.Close(context.WithoutCancel(ctx))
		for next := snapshotRows; ; {
			id := 1 + rand.IntN(snapshotRows-300)
			next += 3
			for _, sql := range []string{
				fmt.Sprintf("UPDATE moved SET n = n + 1 WHERE id BETWEEN %d AND %d AND id %% 3 = 0", id, id+60),
				fmt.Sprintf("DELETE FROM moved WHERE id BETWEEN %d AND %d AND id %% 3 = 1", id+100, id+120),
				fmt.Sprintf("INSERT INTO moved SELECT g * 3 + 1, 7, 'new', NULL FROM generate_series(%d, %d) g ON CONFLICT DO NOTHING", next, next+2),
				"VACUUM moved",
			} {
				if _, err := conn.Exec(ctx, sql); err != nil {
					if ctx.Err() != nil {
						return nil
					}
					return err
				}
			}
			select {
			case <-time.After(5 * time.Millisecond):
			case <-ctx.Done():
				return nil
			}
		}
	})
}

// killAfter kills the daemon when so many more records are committed, and remembers what the
// offset says is read. It is true when the snapshot was complete.
func (s *snapshotCrash) killAfter(records int) (complete bool) {
	s.t.Helper()
	before, more := s.committed(), 0
	for deadline := time.Now().Add(patience); more < records; pause(s.t, 10*time.Millisecond) {
		if more = s.committed() - before; time.Now().After(deadline) {
			s.t.Fatalf("%d records in %s", more, patience)
		}
	}
	s.d.kill()
	offset := s.offset()
	if !strings.Contains(offset, `"snapshot_completed":false`) {
		return offset != ""
	}
	reads, _, _ := s.replay()
	for _, id := range s.rowsIn(offset) {
		if _, ok := s.noted[id]; !ok {
			s.noted[id] = reads[id]
		}
	}
	s.t.Logf("killed with %d rows noted as read", len(s.noted))
	return false
}

func (s *snapshotCrash) committed() (n int) {
	_ = s.topic.admin(func(a *kafka.Admin) error {
		logs, err := a.ListOffsets(s.t.Context(), true, s.topic.topic)
		for _, o := range logs {
			n += int(o.End)
		}
		return err
	})
	return n
}

// offset is the newest committed one.
func (s *snapshotCrash) offset() (offset string) {
	s.t.Helper()
	must(s.t, s.offsets.admin(func(a *kafka.Admin) error {
		return s.offsets.each(a, func(m *kafka.Message) error {
			if string(m.Key) == s.key {
				offset = string(m.Value)
			}
			return nil
		})
	}))
	return offset
}

// rowsIn are the rows that are never changed in the pages that the offset has.
func (s *snapshotCrash) rowsIn(offset string) (ids []int) {
	s.t.Helper()
	var o struct {
		Tables string `json:"connectd_snapshot"`
	}
	must(s.t, json.Unmarshal([]byte(offset), &o))
	_, ranges, ok := strings.Cut(o.Tables, ":")
	if !ok {
		return nil
	}
	conn, err := pgx.Connect(s.t.Context(), s.dsn)
	must(s.t, err)
	defer conn.Close(context.WithoutCancel(s.t.Context()))
	for r := range strings.SplitSeq(ranges, ",") {
		from, to, _ := strings.Cut(r, "-")
		if to == "" {
			to = strconv.Itoa(1 << 30)
		}
		rows, err := conn.Query(s.t.Context(), fmt.Sprintf("SELECT id FROM moved WHERE ctid >= '(%s,0)' AND ctid < '(%s,0)' AND id %% 3 = 2 AND id <= %d", from, to, snapshotRows))
		must(s.t, err)
		some, err := pgx.CollectRows(rows, pgx.RowTo[int])
		must(s.t, err)
		ids = append(ids, some...)
	}
	return ids
}

// row is what is compared.
type row struct {
	ID    int
	N     int
	Pad   string
	Large *string
}

// replay is how often each row was read, what the topic leaves of each, and whether the stream has
// brought the last one.
func (s *snapshotCrash) replay() (reads map[int]int, rows map[int]string, end bool) {
	s.t.Helper()
	reads = map[int]int{}
	last := map[int]row{}
	must(s.t, s.topic.admin(func(a *kafka.Admin) error {
		return s.topic.each(a, func(m *kafka.Message) error {
			if m.Value == nil {
				return nil
			}
			var v struct {
				Op            string
				Before, After *row
			}
			if err := json.Unmarshal(m.Value, &v); err != nil {
				return fmt.Errorf("value %s: %w", m.Value, err)
			}
			if v.Op == "d" {
				delete(last, v.Before.ID)
				return nil
			}
			if v.Op == "r" {
				reads[v.After.ID]++
			}
			end = end || v.Op == "c" && v.After.ID == -1
			if v.After.Large != nil && *v.After.Large == "__debezium_unavailable_value" {
				v.After.Large = last[v.After.ID].Large
			}
			last[v.After.ID] = *v.After
			return nil
		})
	}))
	rows = map[int]string{}
	for id, r := range last {
		large := 0
		if r.Large != nil {
			large = len(*r.Large)
		}
		rows[id] = fmt.Sprint(r.N, len(r.Pad), large)
	}
	return reads, rows, end
}

// finish ends the writer and waits for its last change.
func (s *snapshotCrash) finish() {
	s.t.Helper()
	s.stop()
	must(s.t, s.writer.Wait())
	s.must("INSERT INTO moved VALUES (-1, 0, 'last', NULL)")
	for deadline := time.Now().Add(2 * time.Minute); ; pause(s.t, 200*time.Millisecond) {
		if _, _, end := s.replay(); end {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatal("the last change does not come")
		}
	}
}

func (s *snapshotCrash) compare() {
	s.t.Helper()
	reads, got, _ := s.replay()
	conn, err := pgx.Connect(s.t.Context(), s.dsn)
	must(s.t, err)
	defer conn.Close(context.WithoutCancel(s.t.Context()))
	rows, err := conn.Query(s.t.Context(), "SELECT id, n || ' ' || length(pad) || ' ' || coalesce(length(large), 0) FROM moved")
	must(s.t, err)
	want := map[int]string{}
	var id int
	var text string
	_, err = pgx.ForEachRow(rows, []any{&id, &text}, func() error { want[id] = text; return nil })
	must(s.t, err)
	wrong := 0
	for id, text := range want {
		if got[id] != text {
			if wrong++; wrong < 5 {
				s.t.Errorf("row %d: the topic has %q, the table %q", id, got[id], text)
			}
		}
	}
	for id := range got {
		if _, ok := want[id]; !ok {
			if wrong++; wrong < 5 {
				s.t.Errorf("row %d is in the topic and not in the table", id)
			}
		}
	}
	if wrong > 0 || len(s.noted) < snapshotRows/10 {
		s.t.Errorf("%d rows differ; %d were noted before a kill", wrong, len(s.noted))
	}
	twice := 0
	for id, n := range s.noted {
		if n == 0 || reads[id] != n {
			if twice++; twice < 5 {
				s.t.Errorf("row %d was read %d times when the offset said so, and %d times in the end", id, n, reads[id])
			}
		}
	}
	all := 0
	for _, n := range reads {
		all += n
	}
	s.t.Logf("%d rows in the end, %d noted, %d reads", len(want), len(s.noted), all)
}
