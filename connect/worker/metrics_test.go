package worker

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"connectd/connect/task"
)

// scraped are the figures of a scrape by name and the values of their labels.
func scraped(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			name := f.GetName()
			for _, l := range m.Label {
				name += " " + l.GetValue()
			}
			switch {
			case m.Counter != nil:
				found[name] = m.Counter.GetValue()
			case m.Gauge != nil:
				found[name] = m.Gauge.GetValue()
			case m.Histogram != nil:
				found[name] = float64(m.Histogram.GetSampleCount())
			}
		}
	}
	return found
}

// addsUp checks that each record that a task, or a partition of it, has read is written, filtered or
// left out in this scrape, and is how many it has read.
func addsUp(t *testing.T, found map[string]float64, prefix, of string) (read float64) {
	t.Helper()
	figure := func(name string) float64 {
		v, ok := found[prefix+name+"_total "+of]
		if !ok {
			t.Errorf("there is no %s%s_total of %s", prefix, name, of)
		}
		return v
	}
	read = figure("records_read")
	written, filtered, failed, dead := figure("records_written"), figure("records_filtered"), figure("errors"), figure("dlq_records")
	if read != written+filtered+failed || dead > failed {
		t.Errorf("%s: read %v, but written %v + filtered %v + left out %v; %v dead letters", of, read, written, filtered, failed, dead)
	}
	return read
}

const (
	ofTask      = "connectd_"
	ofPartition = "connectd_partition_"
)

// TestMetricsAddUp scrapes a sink and a source while they work: no scrape may see half of a range
// or of a batch, and the partitions of the sink are all of it.
func TestMetricsAddUp(t *testing.T) {
	k := testKafka(t)
	const n, partitions = 6000, 3
	store := newMemory()
	w := testWorker(t, k)
	plugins := testPlugins(nil, store)
	few := []string{"transforms", "few", "transforms.few.type", "picky", "transforms.few.drop", "4", "transforms.few.fail", "9", "errors.tolerance", "all"}
	fill(t, k, "numbers", partitions, 0, n)
	w.Add(load(t, plugins, "to-memory", sinkOf(append(few, "batch.max.rows", "5", "reject", "71", "errors.deadletterqueue.topic.name", "dead")...)))
	source := map[string]string{"connector.class": "counter-source", "topic": "counted", "count": "6000"}
	for i := 0; i < len(few); i += 2 {
		source[few[i]] = few[i+1]
	}
	w.Add(load(t, plugins, "counter", source))
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(w)
	start(t, w)
	until(t, "all records", func() bool {
		if all := w.Status(); len(all[0].Tasks) == 0 || len(all[1].Tasks) == 0 {
			return false
		}
		var sink, source float64
		for range 50 { // as closely as it goes: the moment between two counters is short
			found := scraped(t, registry)
			sink, source = addsUp(t, found, ofTask, "to-memory 0"), addsUp(t, found, ofTask, "counter 0")
			for p := range partitions {
				if name := fmt.Sprintf("to-memory %d 0 numbers", p); found[ofPartition+"records_read_total "+name] > 0 {
					addsUp(t, found, ofPartition, name)
				}
			}
			if t.Failed() {
				return true
			}
		}
		return sink == n && source == n
	})
	found := scraped(t, registry)
	read := 0.0
	for p := range partitions {
		name := fmt.Sprintf("to-memory %d 0 numbers", p)
		read += addsUp(t, found, ofPartition, name)
		for _, figure := range []string{"records_written", "records_filtered", "errors", "dlq_records"} {
			if found[ofPartition+figure+"_total "+name] < 1 {
				t.Errorf("partition %d has no %s", p, figure)
			}
		}
	}
	if read != n {
		t.Errorf("the partitions have read %v, want the %d of the task", read, n)
	}
}

// TestSinkStopsWhereTheCountIsWrong has a range of which a record is lost or added, behind two that
// are well: the task fails, and neither target nor offset nor counters move for it.
func TestSinkStopsWhereTheCountIsWrong(t *testing.T) {
	for _, c := range []struct{ setting, at, cause string }{
		{"lose", "25", "partition numbers-0: the sink has changed a batch of 10 records to one of 9"},
		{"transforms.few.add", "29", "partition numbers-0, offsets 20 to 29: 10 records were read, but 11 written + 0 filtered + 0 left out are 11: the sink or a transform has lost or added records"},
	} {
		t.Run(c.setting, func(t *testing.T) {
			k := testKafka(t)
			fill(t, k, "numbers", 1, 0, 40)
			store := newMemory()
			w := testWorker(t, k)
			w.Add(load(t, testPlugins(nil, store), "to-memory", sinkOf("batch.max.rows", "10", "transforms", "few", "transforms.few.type", "picky", c.setting, c.at)))
			registry := prometheus.NewPedanticRegistry()
			registry.MustRegister(w)
			stop := start(t, w)
			until(t, "the failure", func() bool { return taskState(w).State == task.Failed })
			if cause := taskState(w).Cause.Error(); cause != c.cause {
				t.Errorf("cause %s\nwant  %s", cause, c.cause)
			}
			found := scraped(t, registry)
			if read := addsUp(t, found, ofTask, "to-memory 0"); read != 20 {
				t.Errorf("read %v, want the 20 of the ranges before", read)
			}
			if found["connectd_task_state to-memory FAILED 0"] != 1 {
				t.Error("the metrics do not say that the task has failed")
			}
			stop()
			for _, r := range store.flushes {
				if r.End > 20 {
					t.Errorf("flushed offsets %d to %d", r.Start, r.End-1)
				}
			}
			// The intent of the second range, which is finished, may still stand in for its end.
			if got := committed(t, k, "to-memory"); len(got) != 1 || got[0] != "numbers-0=10+intent" && got[0] != "numbers-0=20" {
				t.Errorf("committed %v, want no more than the end of the second range", got)
			}
		})
	}
}
