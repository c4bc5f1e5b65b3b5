package task

import (
	"fmt"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"connectd/connect"
)

// collected makes a Progress a prometheus.Collector.
type collected struct{ *connect.Progress }

func (c collected) Describe(chan<- *prometheus.Desc) {}

func (c collected) Collect(out chan<- prometheus.Metric) {
	collectProgress(c.Progress, out, []string{"shop", "0"})
}

func TestSnapshotMetrics(t *testing.T) {
	p := connect.Progress{Phase: connect.SnapshotPhase, Rate: 50, Tables: []connect.TableProgress{{Table: "public.a", Rows: 7, Estimated: 7, Done: true}, {Table: "public.b", Rows: 100, Estimated: 200}}}
	r := prometheus.NewRegistry()
	if err := r.Register(collected{&p}); err != nil {
		t.Fatal(err)
	}
	gathered := func() (lines []string) {
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				line := f.GetName()
				for _, l := range m.GetLabel() {
					line += " " + l.GetValue()
				}
				lines = append(lines, fmt.Sprint(line, " ", m.GetGauge().GetValue()))
			}
		}
		return lines
	}
	want := []string{
		"connectd_snapshot_done shop public.a 0 1", "connectd_snapshot_done shop public.b 0 0",
		"connectd_snapshot_estimated_rows shop public.a 0 7", "connectd_snapshot_estimated_rows shop public.b 0 200",
		"connectd_snapshot_rows shop public.a 0 7", "connectd_snapshot_rows shop public.b 0 100",
		"connectd_snapshot_rows_per_second shop 0 50", "connectd_snapshot_seconds_left shop 0 2",
	}
	if got := gathered(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	p.Phase = "streaming"
	if got := gathered(); len(got) > 0 {
		t.Errorf("metrics of a snapshot while streaming: %q", got)
	}
}
