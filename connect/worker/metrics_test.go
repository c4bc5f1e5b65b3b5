package worker

import (
	"strings"
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

// addsUp checks that each record that a task has read is written, filtered or left out in this
// scrape, and is how many it has read.
func addsUp(t *testing.T, found map[string]float64, task string) (read float64) {
	t.Helper()
	of := func(name string) float64 {
		v, ok := found["connectd_"+name+"_total "+task]
		if !ok {
			t.Errorf("there is no connectd_%s_total of %s", name, task)
		}
		return v
	}
	read = of("records_read")
	written, filtered, failed, dead := of("records_written"), of("records_filtered"), of("errors"), of("dlq_records")
	if read != written+filtered+failed || dead > failed {
		t.Errorf("%s: read %v, but written %v + filtered %v + left out %v; %v dead letters", task, read, written, filtered, failed, dead)
	}
	return read
}

// TestMetricsAddUp scrapes a sink and a source while they work: no scrape may see half of a range
// or of a batch.
func TestMetricsAddUp(t *testing.T) {
	k := testKafka(t)
	const n = 6000
	store := newMemory()
	w := testWorker(t, k)
	plugins := testPlugins(nil, store)
	few := []string{"transforms", "few", "transforms.few.type", "picky", "transforms.few.drop", "4", "transforms.few.fail", "9", "errors.tolerance", "all"}
	fill(t, k, "numbers", 3, 0, n)
	w.Add(load(t, plugins, "to-memory", sinkOf(append(few, "batch.max.rows", "5", "reject", "70", "errors.deadletterqueue.topic.name", "dead")...)))
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
			if sink, source = addsUp(t, found, "to-memory 0"), addsUp(t, found, "counter 0"); t.Failed() {
				return true
			}
		}
		return sink == n && source == n
	})
}

// TestMetricsOfViolation has a range in which the counters do not hold, behind one in which they do:
// the task fails, and neither offset nor counters move for it.
func TestMetricsOfViolation(t *testing.T) {
	for _, c := range []struct{ setting, at, cause string }{
		{"lose", "25", "the sink has changed a batch of"},
		{"transforms.few.add", "29", "the sink or a transform has lost or added records"},
	} {
		t.Run(c.setting, func(t *testing.T) {
			k := testKafka(t)
			fill(t, k, "numbers", 1, 0, 40)
			w := testWorker(t, k)
			w.Add(load(t, testPlugins(nil, newMemory()), "to-memory", sinkOf("batch.max.rows", "10", "transforms", "few", "transforms.few.type", "picky", c.setting, c.at)))
			registry := prometheus.NewPedanticRegistry()
			registry.MustRegister(w)
			start(t, w)
			until(t, "the failure", func() bool { return taskState(w).State == task.Failed })
			if cause := taskState(w).Cause.Error(); !strings.Contains(cause, c.cause) {
				t.Errorf("cause %s, want %s", cause, c.cause)
			}
			found := scraped(t, registry)
			if read := addsUp(t, found, "to-memory 0"); read != 20 {
				t.Errorf("read %v, want the 20 of the ranges before", read)
			}
			if found["connectd_task_state to-memory FAILED 0"] != 1 {
				t.Error("the metrics do not say that the task has failed")
			}
			if got := committedRecords(t, k, "to-memory"); got > 20 {
				t.Errorf("the offset is %d, beyond the range in which a record is missing", got)
			}
		})
	}
}
