package clickhouse

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"connectd/connect"
	"connectd/connect/conform"
	"connectd/record"
)

func TestConformance(t *testing.T) {
	x := newTarget(t, func(c *Config) { c.Create, c.MaxRows = true, 7 })
	s := structOf("name", strings_, "small", &record.Schema{Type: record.Int8Type})
	fill := func(b *record.Batch, r *record.Record, small int64) {
		cells := b.Cells(2)
		cells[0] = record.OfString(b.Copy(fmt.Append(nil, "name ", r.Offset)))
		cells[1] = record.OfInt(small)
		r.Value = record.Datum{Schema: s, Value: record.OfStruct(cells)}
	}
	conform.Sink(t, conform.Sinks{
		Topic: testTopic,
		New: func(t *testing.T) connect.Sink {
			sink, err := New(x.cfg, connect.Env{Connector: "to-clickhouse", Log: x.log()})
			if err != nil {
				t.Fatal(err)
			}
			return sink
		},
		Record: func(b *record.Batch, r *record.Record) { fill(b, r, 1) },
		Bad:    func(b *record.Batch, r *record.Record) { fill(b, r, 300) },
		Offsets: func(t *testing.T, p record.Partition) []int64 {
			if x.query("EXISTS TABLE $db.orders") == "0" {
				return nil
			}
			var offsets []int64
			out := x.query(fmt.Sprintf("SELECT _offset FROM $db.orders WHERE _topic = '%s' AND _partition = %d AND name = concat('name ', toString(_offset))", p.Topic, p.ID))
			for line := range strings.Lines(out) {
				n, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				offsets = append(offsets, n)
			}
			return offsets
		},
	})
}
