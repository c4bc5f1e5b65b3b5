package worker

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectd/config"
	"connectd/connect"
	"connectd/connect/connector"
	"connectd/connect/task"
	"connectd/convert"
	"connectd/kafka"
)

// The tests run connectors of their own, in memory, on the embedded broker.

// testLog writes to the test's log while the test runs.
func testLog(t testing.TB) *slog.Logger {
	w := &logWriter{t: t}
	t.Cleanup(func() { w.mu.Lock(); w.t = nil; w.mu.Unlock() })
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

type logWriter struct {
	mu sync.Mutex
	t  testing.TB
}

func (w *logWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t != nil {
		w.t.Log(strings.TrimRight(string(p), "\n"))
	}
	return len(p), nil
}

// testPlugins are the connectors of the tests. up is the counter's upstream, store what the
// memory sink writes to; either may be nil.
func testPlugins(up *confirmations, store *memory) connect.Plugins {
	return connect.Plugins{
		Sources: []connect.Plugin{connect.SourcePlugin("counter-source", func(c *counterConfig, e connect.Env) (connect.Source, error) {
			c.confirmed = up
			return newCounter(c, e)
		}, "org.example.CounterSourceConnector")},
		Sinks: []connect.Plugin{connect.SinkPlugin("memory-sink", func(c *memoryConfig, e connect.Env) (connect.Sink, error) {
			return store.sink(c), nil
		})},
		Transforms: []connect.Plugin{connect.TransformPlugin("picky", newPicky)},
		Converters: []connect.Plugin{
			connect.ConverterPlugin("json", convert.NewJSON, "org.apache.kafka.connect.json.JsonConverter"),
			connect.ConverterPlugin("simple", convert.NewSimple, "org.apache.kafka.connect.storage.SimpleHeaderConverter"),
			connect.ConverterPlugin("string", convert.NewString, "org.apache.kafka.connect.storage.StringConverter"),
		},
	}
}

// load is the connector called name with settings.
func load(t testing.TB, plugins connect.Plugins, name string, settings map[string]string) *connector.Connector {
	t.Helper()
	c, err := loadNamed(name, settings, plugins)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func loadChild(settings map[string]string, plugins connect.Plugins) (*connector.Connector, error) {
	name := settings["name"]
	if name == "" {
		name = "child"
	}
	return loadNamed(name, settings, plugins)
}

func loadNamed(name string, settings map[string]string, plugins connect.Plugins) (*connector.Connector, error) {
	written, _ := config.NewConnector(name, settings)
	var w connector.WorkerSettings
	w.Defaults()
	c, problems := connector.Load(written, &w, plugins)
	return c, problems.Err()
}

// testWorker is a worker that is not running yet.
func testWorker(t testing.TB, k kafka.Settings, adjust ...func(*connector.WorkerSettings)) *Worker {
	var s connector.WorkerSettings
	s.Defaults()
	for _, f := range adjust {
		f(&s)
	}
	return New(&s, k, testLog(t))
}

// start runs w until the test's end or until the returned function is called.
func start(t testing.TB, w *Worker) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// until waits until what holds, and fails the test with what it saw when it does not come.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	const patience = time.Minute // a machine may be busy with other tests
	deadline := time.Now().Add(patience)
	for tick := time.NewTicker(5 * time.Millisecond); ; <-tick.C {
		if holds() {
			tick.Stop()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s", patience, what)
		}
	}
}

func taskState(w *Worker) (s task.Status) {
	if c := w.Status()[0]; len(c.Tasks) > 0 {
		s = c.Tasks[0]
	}
	return s
}

// sinkOf are the settings of a memory sink of numbers.
func sinkOf(more ...string) map[string]string {
	m := map[string]string{"connector.class": "memory-sink", "topics": "numbers", "linger.ms": "20"}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

// sorted is numbers in the order of their text, as memory.values are.
func sorted(all []string) []string {
	slices.Sort(all)
	return all
}
