package connect

import (
	"maps"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"connectd/record"
)

// partitionCounts are what became of the records of each partition that a sink's task has had. They
// move once a range, under the lock of the task's counters: a reader never sees records that are read
// and not accounted for.
type partitionCounts map[record.Partition]rangeTally

// add counts a range of p that is durable.
func (c *partitionCounts) add(p record.Partition, t *rangeTally) {
	if *c == nil {
		*c = partitionCounts{}
	}
	sum := (*c)[p]
	sum.consumed += t.consumed
	sum.written += t.written
	sum.filtered += t.filtered
	sum.failed += t.failed
	sum.dead += t.dead
	(*c)[p] = sum
}

// partitionMetrics are the figures of each partition: read is written + filtered + errors.
var partitionMetrics = []struct {
	name, help string
	of         func(*rangeTally) int64
}{
	{"connectd_partition_records_read_total", "Records of the partition that were read and are accounted for.", func(t *rangeTally) int64 { return t.consumed }},
	{"connectd_partition_records_written_total", "Those that are durable in the target.", func(t *rangeTally) int64 { return t.written }},
	{"connectd_partition_records_filtered_total", "Those that transforms, or the sink's settings, have left out.", func(t *rangeTally) int64 { return t.filtered }},
	{"connectd_partition_errors_total", "Those that could not be processed and were left out.", func(t *rangeTally) int64 { return t.failed }},
	{"connectd_partition_dlq_records_total", "The dead letters of those.", func(t *rangeTally) int64 { return t.dead }},
}

// collectPartitions sends the figures of all partitions.
func (c *counters) collectPartitions(out chan<- prometheus.Metric, labels []string) {
	c.whole.Lock()
	all := maps.Clone(c.partitions)
	c.whole.Unlock()
	for _, m := range partitionMetrics {
		desc := prometheus.NewDesc(m.name, m.help, append(slices.Clone(taskLabels), "topic", "partition"), nil)
		for p, t := range all {
			out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(m.of(&t)), append(slices.Clone(labels), p.Topic, strconv.Itoa(int(p.ID)))...)
		}
	}
}
