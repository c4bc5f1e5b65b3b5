package task

import (
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"connectd/connect"
)

// metric is a line of the table of metrics: a figure of a task.
type metric struct {
	name string
	help string
	kind prometheus.ValueType
	only connect.Kind          // "" for both
	of   func(*Status) float64 // NaN: not known, and left out
}

// metrics is the table of all metrics of tasks but the histograms. Sources have further ones of
// their own, see Progress.Gauges and Health.Gauges.
var metrics = []metric{
	{"connectd_records_read_total", "Records sent by the source, or read from Kafka.", prometheus.CounterValue, "",
		func(t *Status) float64 { return float64(t.Read) }},
	{"connectd_records_written_total", "Records acknowledged by Kafka, or durable in the target.", prometheus.CounterValue, "",
		func(t *Status) float64 { return float64(t.Written) }},
	{"connectd_written_bytes_total", "Bytes of the keys and values of those records, as they are in Kafka.", prometheus.CounterValue, "",
		func(t *Status) float64 { return float64(t.Bytes) }},
	{"connectd_records_filtered_total", "Records filtered out by transforms, or left out by the sink's settings.", prometheus.CounterValue, "",
		func(t *Status) float64 { return float64(t.Filtered) }},
	{"connectd_errors_total", "Records that could not be processed and were left out.", prometheus.CounterValue, "",
		func(t *Status) float64 { return float64(t.Failed) }},
	{"connectd_dlq_records_total", "Dead letters written.", prometheus.CounterValue, "",
		func(t *Status) float64 { return float64(t.DeadLettered) }},
	{"connectd_source_batches_total", "Batches produced.", prometheus.CounterValue, connect.SourceKind,
		func(t *Status) float64 { return float64(t.Batches) }},
	{"connectd_source_in_flight_batches", "Batches on their way to Kafka.", prometheus.GaugeValue, connect.SourceKind,
		func(t *Status) float64 { return float64(t.InFlight) }},
	{"connectd_sink_retries_total", "Flushes and writes that the target refused and that were tried again in place.", prometheus.CounterValue, connect.SinkKind,
		func(t *Status) float64 { return float64(t.Retries) }},
	{"connectd_sink_lag_records", "Offsets of the task's partitions that are not flushed yet.", prometheus.GaugeValue, connect.SinkKind,
		func(t *Status) float64 {
			if t.LagRecords < 0 {
				return math.NaN()
			}
			return float64(t.LagRecords)
		}},
	{"connectd_lag_seconds", "How far the newest record that arrived was behind its origin; it grows while there is more to do.", prometheus.GaugeValue, "",
		func(t *Status) float64 { return t.Lag.Seconds() }},
	{"connectd_task_restarts_total", "Restarts of the task after a failure.", prometheus.CounterValue, "",
		func(t *Status) float64 { return float64(t.Restarts) }},
	{"connectd_task_degraded", "1 while the sink's target refuses and is tried again in place, or the source warns of its upstream.", prometheus.GaugeValue, "",
		func(t *Status) float64 { return float64(oneIf(t.Degraded != nil)) }},
	{"connectd_last_record_timestamp_seconds", "When the newest record arrived, in seconds since 1970.", prometheus.GaugeValue, "",
		func(t *Status) float64 {
			if t.LastRecord.IsZero() {
				return 0
			}
			return float64(t.LastRecord.UnixMilli()) / 1000
		}},
}

const (
	stateMetric   = "connectd_task_state"
	latencyMetric = "connectd_latency_seconds"
	flushMetric   = "connectd_sink_flush_duration_seconds"
)

func oneIf(b bool) int {
	if b {
		return 1
	}
	return 0
}

var taskLabels = []string{"connector", "task"}

// Collect sends the figures of the task.
func (t *Task) Collect(out chan<- prometheus.Metric) {
	status := t.Status()
	kind := t.Connector.Kind
	labels := []string{t.Connector.Name, strconv.Itoa(t.ID)}
	for _, m := range metrics {
		if m.only != "" && m.only != kind {
			continue
		}
		if v := m.of(&status); !math.IsNaN(v) {
			out <- prometheus.MustNewConstMetric(prometheus.NewDesc(m.name, m.help, taskLabels, nil), m.kind, v, labels...)
		}
	}
	state := prometheus.NewDesc(stateMetric, "1 for the state that the task is in.", append(slices.Clone(taskLabels), "state"), nil)
	for _, name := range []State{Unassigned, Running, Paused, Failed, Restarting} {
		out <- prometheus.MustNewConstMetric(state, prometheus.GaugeValue, float64(oneIf(status.State == name)), append(slices.Clone(labels), string(name))...)
	}
	out <- t.Count.latency.metric(latencyMetric, "From the time of a record at its origin until it arrived: was acknowledged by Kafka, or durable in the target.", labels)
	if kind == connect.SinkKind {
		out <- t.Count.flush.metric(flushMetric, "How long the target took for a flush.", labels)
		t.Count.collectPartitions(out, labels)
	}
	if status.Progress != nil {
		collectProgress(status.Progress, out, labels)
	}
	gauges := map[string]float64{}
	if status.Progress != nil {
		maps.Copy(gauges, status.Progress.Gauges)
	}
	if status.Health != nil {
		maps.Copy(gauges, status.Health.Gauges)
	}
	for _, name := range slices.Sorted(maps.Keys(gauges)) {
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, "Reported by the source.", taskLabels, nil), prometheus.GaugeValue, gauges[name], labels...)
	}
}

// tableMetrics are the figures of each table of a snapshot.
var tableMetrics = []struct {
	name, help string
	of         func(*connect.TableProgress) float64
}{
	{"connectd_snapshot_rows", "Rows of the table that the snapshot has read.", func(t *connect.TableProgress) float64 { return float64(t.Rows) }},
	{"connectd_snapshot_estimated_rows", "About how many rows the table has.", func(t *connect.TableProgress) float64 { return float64(t.Estimated) }},
	{"connectd_snapshot_done", "1 when all rows of the table are read.", func(t *connect.TableProgress) float64 { return float64(oneIf(t.Done)) }},
}

// collectProgress sends the figures of a snapshot, while there is one.
func collectProgress(p *connect.Progress, out chan<- prometheus.Metric, labels []string) {
	if p.Phase != connect.SnapshotPhase {
		return
	}
	for _, m := range tableMetrics {
		desc := prometheus.NewDesc(m.name, m.help, append(slices.Clone(taskLabels), "table"), nil)
		for i := range p.Tables {
			t := &p.Tables[i]
			out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, m.of(t), append(slices.Clone(labels), t.Table)...)
		}
	}
	rate := prometheus.NewDesc("connectd_snapshot_rows_per_second", "Rows that the snapshot reads in a second.", taskLabels, nil)
	out <- prometheus.MustNewConstMetric(rate, prometheus.GaugeValue, p.Rate, labels...)
	if left, ok := p.Left(); ok {
		desc := prometheus.NewDesc("connectd_snapshot_seconds_left", "About how long the rest of the snapshot takes.", taskLabels, nil)
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, left.Seconds(), labels...)
	}
}

// metric is h for Prometheus, with one bucket for each doubling from 1 ms to about 17 minutes.
func (h *Histogram) metric(name, help string, labels []string) prometheus.Metric {
	const firstPower, lastPower = 10, 30 // of microseconds
	buckets := map[float64]uint64{}
	var n uint64
	next := firstPower
	for i := range h.buckets {
		for next <= lastPower && upper(i) > float64(int64(1)<<next) {
			buckets[float64(int64(1)<<next)/1e6] = n
			next++
		}
		n += uint64(max(0, h.buckets[i].Load()))
	}
	return prometheus.MustNewConstHistogram(prometheus.NewDesc(name, help, taskLabels, nil), n, h.Sum().Seconds(), buckets, labels...)
}
