package s3

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"connectd/connect"
	"connectd/connect/conform"
	"connectd/record"
)

func TestConformance(t *testing.T) {
	s, client := open(t, func(c *Config) {
		c.Partitioner, c.PartitionFields, c.Fields = "field", []string{"half"}, []string{"offset"}
	})
	schema := &record.Schema{Type: record.StructType, Fields: []record.Field{{Name: "half", Schema: &record.Schema{}}}}
	fill := func(b *record.Batch, r *record.Record, v record.Value) {
		cells := b.Cells(1)
		cells[0] = v
		r.Value = record.Datum{Schema: schema, Value: record.OfStruct(cells)}
	}
	conform.Sink(t, conform.Sinks{
		Topic: "orders",
		New: func(t *testing.T) connect.Sink {
			sink, err := New(s.cfg, connect.Env{Connector: "to-s3", Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			return sink
		},
		Record: func(b *record.Batch, r *record.Record) { fill(b, r, record.OfInt(r.Offset%2)) },
		Bad:    func(b *record.Batch, r *record.Record) { fill(b, r, record.OfFloat(0.5)) }, // no folder is named so
		Offsets: func(t *testing.T, p record.Partition) (offsets []int64) {
			for key, text := range content(t, client, s.cfg.Bucket) {
				if !strings.Contains(key, fmt.Sprintf("/orders+%d+", p.ID)) {
					continue
				}
				for line := range strings.Lines(text) {
					var n int64
					if _, err := fmt.Sscanf(line, "%d", &n); err != nil {
						t.Fatalf("line %q: %v", line, err)
					}
					offsets = append(offsets, n)
				}
			}
			return offsets
		},
	})
}
