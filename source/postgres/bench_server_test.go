package postgres

import (
	"context"
	"fmt"
	"testing"

	"connectd/connect"
)

const benchRows = 200_000

// newEvents is the table of the reference workload.
func newEvents(b *testing.B) *database {
	return newDatabase(b, "CREATE TABLE events (id bigserial PRIMARY KEY, user_id bigint, kind text, amount numeric(12,2), payload jsonb, created_at timestamptz)").publish(b, "events")
}

// insertEvents inserts benchRows rows with so many in each transaction.
func (d *database) insertEvents(b *testing.B, inTransaction int) {
	b.Helper()
	d.exec(b, fmt.Sprintf(`DO $$ BEGIN FOR i IN 1..%d LOOP
		INSERT INTO events (user_id, kind, amount, payload, created_at)
		SELECT g %% 10000, 'page_view', g * 0.37, jsonb_build_object('path', '/products/' || g, 'agent', 'Mozilla/5.0 (X11; Linux x86_64)', 'n', g, 'ref', 'https://example.com/search'), now()
		FROM generate_series(1, %d) g; COMMIT; END LOOP; END $$`, benchRows/inTransaction, inTransaction))
}

// discard takes n records and makes them durable, without encoding them.
func discard(b *testing.B, i *connect.Intake, n int) {
	for n > 0 {
		batch := <-i.Sent()
		n -= len(batch.Records)
		i.Retire(batch)
	}
}

func run(b *testing.B, c *Config, offset []byte) (*connect.Intake, func()) {
	s := newSource(b, c)
	offsets := map[string][]byte{}
	if offset != nil {
		offsets[partitionKey] = offset
	}
	intake := connect.NewIntake("bench", 4, offsets, s.log)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, intake.Task()) }() // ends with cancel; waited for by the caller
	return intake, func() {
		cancel()
		for {
			select {
			case batch := <-intake.Sent():
				intake.Retire(batch)
			case err := <-done:
				if err != nil {
					b.Error(err)
				}
				return
			}
		}
	}
}

// BenchmarkReadSnapshot reads a table from a real server.
func BenchmarkReadSnapshot(b *testing.B) {
	d := newEvents(b)
	d.insertEvents(b, 1000)
	for b.Loop() {
		intake, stop := run(b, d.config(b, "snapshot.mode", "initial_only"), nil)
		discard(b, intake, benchRows)
		stop()
	}
	b.ReportMetric(float64(b.N)*benchRows/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkReadStream drains a backlog of a real server.
func BenchmarkReadStream(b *testing.B) {
	for _, inTransaction := range []int{1000, 1} {
		b.Run(fmt.Sprint(inTransaction, " rows a transaction"), func(b *testing.B) {
			d := newEvents(b)
			d.exec(b, "SELECT pg_create_logical_replication_slot('"+d.name+"', 'pgoutput')")
			for b.Loop() {
				b.StopTimer()
				d.insertEvents(b, inTransaction)
				b.StartTimer()
				intake, stop := run(b, d.config(b, "snapshot.mode", "no_data"), nil)
				discard(b, intake, benchRows)
				stop()
			}
			b.ReportMetric(float64(b.N)*benchRows/b.Elapsed().Seconds(), "events/s")
		})
	}
}
