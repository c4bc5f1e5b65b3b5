package worker

import (
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"connectd/config"
	"connectd/connect/connector"
	"connectd/connect/task"
)

func TestWorkerLifecycle(t *testing.T) {
	k := testKafka(t)
	w := testWorker(t, k)
	w.Add(load(t, testPlugins(nil, nil), "numbers", map[string]string{"connector.class": "counter-source", "topic": "numbers", "count": "10"}))
	state := func() string {
		s, err := w.Connector("numbers")
		if err != nil {
			t.Fatal(err)
		}
		text := string(s.State)
		for _, task := range s.Tasks {
			text += " " + string(task.State)
		}
		return text
	}
	if got := state(); got != "RUNNING" {
		t.Errorf("before Run: %s", got)
	}
	start(t, w)
	steps := []struct {
		name string
		do   func() error
		want string
	}{
		{"start", func() error { return nil }, "RUNNING RUNNING"},
		{"pause", func() error { return w.Pause("numbers") }, "PAUSED PAUSED"},
		{"pause again", func() error { return w.Pause("numbers") }, "PAUSED PAUSED"},
		{"resume", func() error { return w.Resume("numbers") }, "RUNNING RUNNING"},
		{"restart", func() error { return w.Restart("numbers", false) }, "RUNNING RUNNING"},
		{"restart task", func() error { return w.RestartTask("numbers", 0) }, "RUNNING RUNNING"},
		{"stop", func() error { return w.Stop("numbers") }, "STOPPED"},
		{"resume after stop", func() error { return w.Resume("numbers") }, "RUNNING RUNNING"},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		until(t, s.name+": "+s.want, func() bool { return state() == s.want })
	}
	if err := w.Pause("nobody"); !errors.Is(err, ErrUnknown) {
		t.Errorf("pause of an unknown connector: %v", err)
	}
	if err := w.RestartTask("numbers", 7); !errors.Is(err, ErrUnknown) {
		t.Errorf("restart of an unknown task: %v", err)
	}
}

func TestWorkerKeepsBadConnectorsApart(t *testing.T) {
	k := testKafka(t)
	w := testWorker(t, k)
	written, _ := config.NewConnector("bad", map[string]string{"connector.class": "nonsense"})
	var s connector.WorkerSettings
	s.Defaults()
	_, problems := connector.Load(written, &s, testPlugins(nil, nil))
	w.AddFailed(written, problems.Err())
	w.Add(load(t, testPlugins(nil, nil), "failing", map[string]string{
		"connector.class": "counter-source", "topic": "failing", "count": "10",
		"transforms": "few", "transforms.few.type": "picky", "transforms.few.fail": "3",
	}))
	w.Add(load(t, testPlugins(nil, nil), "numbers", map[string]string{"connector.class": "counter-source", "topic": "numbers", "count": "10"}))
	start(t, w)
	until(t, "the good one's records and the failure", func() bool {
		all := w.Status()
		return len(all[2].Tasks) == 1 && all[2].Tasks[0].Written == 10 && len(all[1].Tasks) == 1 && all[1].Tasks[0].State == task.Failed
	})
	bad, _ := w.Connector("bad")
	if bad.State != task.Failed || !strings.Contains(bad.Cause.Error(), `"nonsense" is not a known connector`) {
		t.Errorf("state %s, cause %v", bad.State, bad.Cause)
	}
	if err := w.Resume("bad"); err != nil {
		t.Fatal(err)
	}
	if bad, _ := w.Connector("bad"); bad.State != task.Failed {
		t.Errorf("state %s after resume", bad.State)
	}
	// A failed task stays so until it is told otherwise.
	if err := w.Restart("failing", true); err != nil {
		t.Fatal(err)
	}
	until(t, "the failure again", func() bool { s, _ := w.Connector("failing"); return s.Tasks[0].State == task.Failed })
}

func TestMetrics(t *testing.T) {
	k := testKafka(t)
	w := testWorker(t, k)
	store := newMemory()
	plugins := testPlugins(nil, store)
	w.Add(load(t, plugins, "numbers", map[string]string{"connector.class": "counter-source", "topic": "numbers", "count": "10"}))
	w.Add(load(t, plugins, "to-memory", sinkOf()))
	broken, _ := config.NewConnector("broken", nil)
	w.AddFailed(broken, errors.New("connector.class is missing"))
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(w)
	start(t, w)
	until(t, "the rows", func() bool {
		all := w.Status()
		return len(all[0].Tasks) == 1 && all[0].Tasks[0].Written == 10 && len(all[1].Tasks) == 1 && all[1].Tasks[0].Written == 10
	})
	found := scraped(t, registry)
	for name, want := range map[string]float64{
		"connectd_records_written_total numbers 0":         10,
		"connectd_records_read_total to-memory 0":          10,
		"connectd_latency_seconds to-memory 0":             10,
		"connectd_sink_lag_records to-memory 0":            0,
		"connectd_connector_state numbers RUNNING":         1,
		"connectd_connector_state broken RUNNING":          0,
		"connectd_connector_state broken FAILED":           1,
		"connectd_task_state numbers RUNNING 0":            1,
		"connectd_task_state numbers FAILED 0":             0,
		"connectd_sink_flush_duration_seconds to-memory 0": found["connectd_sink_flush_duration_seconds to-memory 0"],
	} {
		if got, ok := found[name]; !ok || got != want {
			t.Errorf("%s is %v (%v), want %v", name, got, ok, want)
		}
	}
	if found["connectd_sink_flush_duration_seconds to-memory 0"] < 1 {
		t.Error("no flush was measured")
	}
}
