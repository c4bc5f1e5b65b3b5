package task

import (
	"maps"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// partitionMetrics are the figures of each partition: read is written + filtered + errors.
var partitionMetrics = []struct {
	name, help string
	of         func(*Tally) int64
}{
	{"connectd_partition_records_read_total", "Records of the partition that were read and are accounted for.", func(t *Tally) int64 { return t.Read }},
	{"connectd_partition_records_written_total", "Those that are durable in the target.", func(t *Tally) int64 { return t.Written }},
	{"connectd_partition_records_filtered_total", "Those that transforms, or the sink's settings, have left out.", func(t *Tally) int64 { return t.Filtered }},
	{"connectd_partition_errors_total", "Those that could not be processed and were left out.", func(t *Tally) int64 { return t.Failed }},
	{"connectd_partition_dlq_records_total", "The dead letters of those.", func(t *Tally) int64 { return t.DeadLettered }},
}

// collectPartitions sends the figures of all partitions.
func (c *Counters) collectPartitions(out chan<- prometheus.Metric, labels []string) {
	c.mu.Lock()
	all := maps.Clone(c.partitions)
	c.mu.Unlock()
	for _, m := range partitionMetrics {
		desc := prometheus.NewDesc(m.name, m.help, append(slices.Clone(taskLabels), "topic", "partition"), nil)
		for p, t := range all {
			out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(m.of(&t)), append(slices.Clone(labels), p.Topic, strconv.Itoa(int(p.ID)))...)
		}
	}
}
