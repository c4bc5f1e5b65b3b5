package worker

import (
	"github.com/prometheus/client_golang/prometheus"

	"connectd/connect/task"
)

// connectorMetric is the metric of a connector's own state.
const connectorMetric = "connectd_connector_state"

// Collect and Describe make a Worker a prometheus.Collector, with the labels connector and task.
// It describes nothing beforehand, since the gauges of sources come and go.
func (w *Worker) Describe(chan<- *prometheus.Desc) {}

// Collect sends the states of all connectors and the figures of all tasks.
func (w *Worker) Collect(out chan<- prometheus.Metric) {
	for _, s := range w.all() {
		s.collect(out)
		for _, t := range s.all() {
			t.Collect(out)
		}
	}
}

// collect sends the connector's own state, which it has also when its settings were refused and it
// has no task.
func (s *supervised) collect(out chan<- prometheus.Metric) {
	is := s.status().State
	state := prometheus.NewDesc(connectorMetric, "1 for the state that the connector is in; FAILED is one whose settings were refused.", []string{"connector", "state"}, nil)
	for _, name := range []task.State{task.Running, task.Paused, task.Stopped, task.Failed} {
		value := 0.0
		if is == name {
			value = 1
		}
		out <- prometheus.MustNewConstMetric(state, prometheus.GaugeValue, value, s.name, string(name))
	}
}
