package postgres

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"connectd/record"
)

// The reference workload: about 250 bytes a row.
const (
	eventsTable = "CREATE TABLE events (id bigint PRIMARY KEY, user_id bigint, kind text, amount numeric(12,2), payload jsonb, created_at timestamptz)"
	perFlush    = 50_000 // the runtime's batch.max.rows
	perBatch    = 2_000
)

func eventJSON(i int) (key, value []byte) {
	at := time.UnixMicro(1795222923456789 + int64(i)*1000).UTC()
	return fmt.Appendf(nil, `{"id":%d}`, i), fmt.Appendf(nil,
		`{"id":%d,"user_id":%d,"kind":"checkout","amount":"%d.%02d","payload":"{\"path\": \"/products/%d\", \"agent\": \"Mozilla/5.0 (X11; Linux x86_64)\", \"items\": [1, 2, 3]}","created_at":"%s"}`,
		i, i%5000, i%10000, i%100, i, at.Format("2006-01-02T15:04:05.000000Z"))
}

// events are decoded records from i on; the memory is the batch's.
func events(tb testing.TB, p *part, from, n int) *record.Batch {
	b := &record.Batch{}
	for i := from; i < from+n; i++ {
		key, value := eventJSON(i)
		k, err := p.json.Decode(b, p.id.Topic, key, nil)
		if err != nil {
			tb.Fatal(err)
		}
		v, err := p.json.Decode(b, p.id.Topic, value, nil)
		if err != nil {
			tb.Fatal(err)
		}
		r := b.Add()
		r.Topic, r.Offset, r.Key, r.Value = p.id.Topic, int64(i), k, v
	}
	return b
}

// openEvents is a partition whose rows go into events.
func openEvents(b testing.TB, settings string) *part {
	g := newTarget(b)
	g.exec(eventsTable)
	p := g.open(g.sink("table.name.format: events\n" + settings))
	p.json = newJSON(b)
	return p
}

// BenchmarkEncode is what Write costs a row, without the server.
func BenchmarkEncode(b *testing.B) {
	for name, settings := range map[string]string{"append": "", "upsert": "insert.mode: upsert\npk.mode: record_key"} {
		b.Run(name, func(b *testing.B) {
			p := openEvents(b, settings)
			batch := events(b, p, 0, perBatch)
			w := p.w.(*exactWriter).Writer
			write := func() {
				if err := w.Write(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			for range perFlush / perBatch {
				write() // the buffers grow to their size
			}
			w.flushed()
			b.ReportAllocs()
			b.SetBytes(250)
			b.ResetTimer()
			for n := 0; n < b.N; n += perBatch {
				write()
				if n%perFlush == 0 {
					w.flushed()
				}
			}
		})
	}
}

// TestWriteAllocatesNothing: at its steady state the encode path lives on memory that it has.
func TestWriteAllocatesNothing(t *testing.T) {
	for name, settings := range map[string]string{"append": "", "upsert": "insert.mode: upsert\npk.mode: record_key"} {
		p := openEvents(t, settings)
		batch := events(t, p, 0, perBatch)
		w := p.w.(*exactWriter).Writer
		allocs := testing.AllocsPerRun(20, func() {
			if err := w.Write(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			w.flushed()
		})
		if allocs > 2 {
			t.Errorf("%s: got %.0f allocations for %d rows, want at most 2", name, allocs, perBatch)
		}
	}
}

// BenchmarkSink is decoded records to committed rows, by one partition and by four at once, beside
// what pgx does with rows that are ready in memory.
func BenchmarkSink(b *testing.B) {
	for _, test := range []struct{ name, settings string }{
		{"append", ""}, {"upsert", "insert.mode: upsert\npk.mode: record_key"},
	} {
		for _, partitions := range []int{1, 4} {
			b.Run(fmt.Sprintf("%s/partitions=%d", test.name, partitions), func(b *testing.B) {
				benchmarkSink(b, test.settings, partitions)
			})
		}
	}
	for _, mode := range []string{"append", "upsert"} {
		b.Run("pgx/"+mode, func(b *testing.B) { benchmarkCopyFrom(b, mode == "upsert") })
	}
}

func benchmarkSink(b *testing.B, settings string, partitions int) {
	first := openEvents(b, settings)
	parts := []*part{first}
	for n := 1; n < partitions; n++ {
		p := &part{target: first.target, sink: first.sink, id: record.Partition{Topic: testTopic, ID: int32(n)}}
		p.reopen()
		parts = append(parts, p)
	}
	batches := make([][]*record.Batch, partitions)
	for i := 0; i < b.N; i += perBatch {
		n := i / perBatch % partitions
		batches[n] = append(batches[n], events(b, first, i, min(perBatch, b.N-i)))
	}
	b.ResetTimer()
	var running sync.WaitGroup
	for n, p := range parts {
		running.Go(func() {
			for i, batch := range batches[n] {
				if err := p.w.Write(b.Context(), batch); err != nil {
					b.Error(err)
				}
				p.next += int64(len(batch.Records))
				if (i+1)%(perFlush/perBatch) != 0 && i < len(batches[n])-1 {
					continue
				}
				if err := p.tryFlush(); err != nil {
					b.Error(err)
				}
			}
		})
	}
	running.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func benchmarkCopyFrom(b *testing.B, upsert bool) {
	g := newTarget(b)
	g.exec(eventsTable)
	rows := make([][]any, b.N)
	for i := range rows {
		var amount pgtype.Numeric
		if err := amount.Scan(fmt.Sprintf("%d.%02d", i%10000, i%100)); err != nil {
			b.Fatal(err)
		}
		rows[i] = []any{int64(i), int64(i % 5000), "checkout", amount,
			fmt.Sprintf(`{"path": "/products/%d", "agent": "Mozilla/5.0 (X11; Linux x86_64)", "items": [1, 2, 3]}`, i),
			time.UnixMicro(1795222923456789 + int64(i)*1000)}
	}
	columns := []string{"id", "user_id", "kind", "amount", "payload", "created_at"}
	g.exec("CREATE TEMP TABLE staged ON COMMIT DELETE ROWS AS SELECT * FROM events WITH NO DATA")
	b.ResetTimer()
	for from := 0; from < b.N; from += perFlush {
		err := pgx.BeginFunc(b.Context(), g.sql, func(tx pgx.Tx) error {
			part := pgx.CopyFromRows(rows[from:min(from+perFlush, b.N)])
			if !upsert {
				_, err := tx.CopyFrom(b.Context(), pgx.Identifier{"events"}, columns, part)
				return err
			}
			if _, err := tx.CopyFrom(b.Context(), pgx.Identifier{"staged"}, columns, part); err != nil {
				return err
			}
			_, err := tx.Exec(b.Context(), `INSERT INTO events SELECT * FROM staged ON CONFLICT (id) DO UPDATE SET user_id = EXCLUDED.user_id,
				kind = EXCLUDED.kind, amount = EXCLUDED.amount, payload = EXCLUDED.payload, created_at = EXCLUDED.created_at`)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
