package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"connectd/connect"
)

// BenchmarkReadIncremental reads a table from a real server in chunks beside an idle stream.
func BenchmarkReadIncremental(b *testing.B) {
	d := newEvents(b)
	d.insertEvents(b, 1000)
	d.exec(b, "VACUUM ANALYZE events", "SELECT pg_create_logical_replication_slot('"+d.name+"', 'pgoutput')")
	for _, size := range []int{1024, 4096, 8192, 16384, 65536} {
		b.Run(fmt.Sprint("chunk=", size), func(b *testing.B) {
			for b.Loop() {
				s := newSource(b, d.config(b, "snapshot.mode", "no_data", "incremental.snapshot.chunk.size", fmt.Sprint(size)))
				intake := connect.NewIntake("bench", 4, nil, s.log)
				ctx, cancel := context.WithCancel(b.Context())
				done := make(chan error, 1)
				go func() { done <- s.Run(ctx, intake.Task()) }() // ends with cancel
				signal := connect.Signal{Type: executeSnapshot, Data: json.RawMessage(`{"data-collections":["public.events"]}`)}
				for s.wake.Load() == nil {
					select {
					case batch := <-intake.Sent():
						intake.Retire(batch)
					case err := <-done:
						b.Fatal(err)
					default:
					}
				}
				if err := s.Signal(ctx, signal); err != nil {
					b.Fatal(err)
				}
				discard(b, intake, benchRows)
				intake.Fail()
				cancel()
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*benchRows/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
