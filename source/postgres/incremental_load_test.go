package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
)

// writers change the table all the time: transactions of several rows that overlap, some rolled
// back, some that touch only a small column of a row with a large one, keys that change.
type writers struct {
	stop  atomic.Bool
	group sync.WaitGroup
	count atomic.Int64
}

func startWriters(t *testing.T, d *database, n, keys int) *writers {
	w := &writers{}
	for i := range n {
		conn, err := pgx.Connect(t.Context(), d.server.DSN(d.name))
		if err != nil {
			t.Fatal(err)
		}
		w.group.Go(func() { // ends with stop
			defer conn.Close(context.Background())
			r := rand.New(rand.NewPCG(uint64(i), 7))
			for !w.stop.Load() {
				if err := w.transaction(conn, r, keys); err != nil && !strings.Contains(err.Error(), "deadlock") {
					t.Errorf("writer: %v", err)
					return
				}
			}
		})
	}
	t.Cleanup(w.end)
	return w
}

func (w *writers) end() {
	w.stop.Store(true)
	w.group.Wait()
}

func (w *writers) transaction(conn *pgx.Conn, r *rand.Rand, keys int) error {
	ctx := context.Background()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	for range 1 + r.IntN(4) {
		k := r.IntN(keys)
		if r.IntN(3) == 0 {
			k = r.IntN(10) // rows that everybody changes
		}
		sql := "UPDATE a SET n = nextval('seq') WHERE id = $1"
		switch r.IntN(12) {
		case 0, 1:
			sql = "DELETE FROM a WHERE id = $1"
		case 2, 3, 4:
			sql = "INSERT INTO a SELECT $1, nextval('seq'), repeat(md5(random()::text), 90) ON CONFLICT (id) DO UPDATE SET n = excluded.n"
		case 5:
			sql = "UPDATE a SET n = nextval('seq'), big = repeat(md5(random()::text), 90) WHERE id = $1"
		case 6:
			sql = fmt.Sprintf("UPDATE a SET id = id + %d, n = nextval('seq'), big = big || 'x' WHERE id = $1 AND NOT EXISTS (SELECT FROM a WHERE id = $1 + %d)", keys, keys)
		}
		if _, err := tx.Exec(ctx, sql, k); err != nil {
			if strings.Contains(err.Error(), "23505") { // two moved to the same key
				return nil
			}
			return err
		}
		w.count.Add(1)
	}
	if r.IntN(10) == 0 {
		return nil // rolled back
	}
	return tx.Commit(ctx)
}

// row is a row as the topic has it.
type row struct {
	N   int64  `json:"n"`
	Big string `json:"big"`
}

// replay is the table that a reader of the topic has, by key; a value that an update did not
// change stays. Each row of a snapshot has to be as new as what came before; a placed one, of an
// incremental snapshot, does not tell either of what the stream has not sent yet.
func replay(t *testing.T, records []sentRecord, placed bool) map[int64]row {
	t.Helper()
	table, deleted := map[int64]row{}, map[int64]bool{}
	for _, sent := range records {
		if sent.topic != "production.public.a" || sent.value == "" {
			continue
		}
		var key struct {
			ID int64 `json:"id"`
		}
		var value struct {
			Op    string
			After row
		}
		if err := json.Unmarshal([]byte(sent.key), &key); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(sent.value), &value); err != nil {
			t.Fatal(err)
		}
		old, known := table[key.ID]
		switch value.Op {
		case "d":
			delete(table, key.ID)
			deleted[key.ID] = true
			continue
		case "r":
			if known && old.N > value.After.N {
				t.Errorf("key %d: a row of the snapshot with n=%d after a change to n=%d", key.ID, value.After.N, old.N)
			}
			if placed && deleted[key.ID] {
				t.Errorf("key %d: a row of the snapshot after its delete", key.ID)
			}
		}
		if value.After.Big == "__debezium_unavailable_value" {
			value.After.Big = old.Big
		}
		table[key.ID] = value.After
		delete(deleted, key.ID)
	}
	return table
}

// inTable is the table itself.
func (d *database) inTable(t *testing.T) map[int64]row {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.server.DSN(d.name))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), "SELECT id, n, big FROM a")
	if err != nil {
		t.Fatal(err)
	}
	table := map[int64]row{}
	var id int64
	var r row
	if _, err := pgx.ForEachRow(rows, []any{&id, &r.N, &r.Big}, func() error { table[id] = r; return nil }); err != nil {
		t.Fatal(err)
	}
	return table
}

// TestIncrementalUnderLoad takes snapshots while writers change the table, with a crash now and
// then, and compares what a reader of the topic has with the table.
func TestIncrementalUnderLoad(t *testing.T) {
	for _, c := range []struct {
		name    string
		crashes int
		more    []string
	}{
		{"read only", 0, nil},
		{"killed", 3, nil},
		{"watermarks", 1, []string{"signal.data.collection", "public.debezium_signal"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			const keys = 4000
			d := newDatabase(t, "CREATE SEQUENCE seq", "CREATE TABLE a (id bigint PRIMARY KEY, n bigint, big text)", "ALTER TABLE a ALTER big SET STORAGE EXTERNAL",
				fmt.Sprintf("INSERT INTO a SELECT i, nextval('seq'), repeat(md5(i::text), 90) FROM generate_series(0, %d) i", keys-1), signalTable).publish(t, "a, debezium_signal")
			config := d.config(t, append([]string{"table.include.list", "public.a", "snapshot.mode", "no_data", "incremental.snapshot.chunk.size", "150",
				"max.batch.size", "64", "skipped.operations", "t"}, c.more...)...)
			r := start(t, config, nil).streaming()
			w := startWriters(t, d, 3, keys)
			r.must("execute-snapshot", `{"data-collections":["public.a"]}`)
			r.until("the signal in the offset", func() bool { return len(r.demand().Tables) == 1 })
			all := r.records
			for crash := range c.crashes {
				from := len(r.records)
				r.until("rows of the snapshot", func() bool {
					return strings.Count(strings.Join(ops(r.records[from:]), " "), "r public.a") > 300 || len(r.demand().Tables) == 0
				})
				if len(r.demand().Tables) == 0 {
					t.Logf("done before crash %d", crash)
				}
				all = append(all, r.records[from:]...)
				r.abandon()
				r = start(t, config, r.offset)
			}
			from := len(r.records)
			r.until("the end of the snapshot", func() bool { return len(r.demand().Tables) == 0 })
			w.end()
			d.exec(t, "INSERT INTO a VALUES (-1, 0, '')")
			r.until("the last change", func() bool {
				return len(r.records) > 0 && strings.Contains(r.records[len(r.records)-1].key, `-1`)
			})
			all = append(all, r.records[from:]...)
			got, want := replay(t, all, true), d.inTable(t)
			for id, row := range want {
				if got[id] != row {
					t.Errorf("row %d is %.60v, want %.60v", id, got[id], row)
				}
			}
			if len(got) != len(want) {
				t.Errorf("%d rows, want %d", len(got), len(want))
			}
			t.Logf("%d changes, %d records, %d rows", w.count.Load(), len(all), len(want))
		})
	}
}
