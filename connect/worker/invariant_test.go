package worker

import (
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"connectd/connect/task"
	"connectd/kafka"
	"connectd/record"
)

// TestSinkAccountsForEachPartition reads the figures of partitions as a scrape does, for records with
// every end that there is.
func TestSinkAccountsForEachPartition(t *testing.T) {
	k := testKafka(t)
	fill(t, k, "numbers", 3, 0, 300)
	w := testWorker(t, k)
	w.Add(load(t, testPlugins(nil, newMemory()), "to-memory", sinkOf("reject", "7", "errors.tolerance", "all", "batch.max.rows", "11",
		"errors.deadletterqueue.topic.name", "dead", "transforms", "few", "transforms.few.type", "picky", "transforms.few.fail", "9", "transforms.few.drop", "4")))
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(w)
	start(t, w)
	labels := []string{" to-memory 0 0 numbers", " to-memory 1 0 numbers", " to-memory 2 0 numbers"} // by the labels' names
	read := 0.0
	until(t, "all records", func() bool {
		found := scraped(t, registry)
		read = 0
		for _, l := range labels {
			of := func(name string) float64 { return found["connectd_partition_"+name+"_total"+l] }
			read += of("records_read")
			if sum := of("records_written") + of("records_filtered") + of("errors"); of("records_read") != sum || of("errors") != of("dlq_records") {
				t.Fatalf("partition%s: %v read, but %v written, filtered or left out, %v of %v errors as dead letters", l, of("records_read"), sum, of("dlq_records"), of("errors"))
			}
		}
		return read == 300
	})
	found := scraped(t, registry)
	for _, l := range labels {
		if found["connectd_partition_errors_total"+l] < 1 || found["connectd_partition_records_filtered_total"+l] < 1 || found["connectd_partition_records_written_total"+l] < 1 {
			t.Errorf("partition%s has nothing written, filtered or left out", l)
		}
	}
}

// TestSinkStopsAtTheOffsetWhenTheCountIsWrong has a transform that adds a record in the third range:
// the two before it stay committed, and nothing of it is.
func TestSinkStopsAtTheOffsetWhenTheCountIsWrong(t *testing.T) {
	k := testKafka(t)
	fill(t, k, "numbers", 1, 0, 100)
	setOffset(t, k, "to-memory", kafka.Commit{Partition: record.Partition{Topic: "numbers"}, Offset: 0})
	store := newMemory()
	w := testWorker(t, k)
	w.Add(load(t, testPlugins(nil, store), "to-memory", sinkOf("batch.max.rows", "20", "transforms", "few", "transforms.few.type", "picky", "transforms.few.add", "59")))
	stop := start(t, w)
	until(t, "the failure", func() bool { return taskState(w).State == task.Failed })
	want := "partition numbers-0, offsets 40 to 59: 20 records were read, but 21 written + 0 filtered + 0 left out are 21"
	if got := taskState(w).Cause.Error(); !strings.Contains(got, want) {
		t.Errorf("cause %s\nwant  %s", got, want)
	}
	stop()
	for _, r := range store.flushes {
		if r.End > 40 {
			t.Errorf("flushed offsets %d to %d", r.Start, r.End-1)
		}
	}
	// The intent of the second range, which is finished, may still stand in for its end.
	if got := committed(t, k, "to-memory"); !slices.Contains([]string{"numbers-0=20+intent", "numbers-0=40"}, got[0]) {
		t.Errorf("committed %v, want no more than the end of the second range", got)
	}
}
