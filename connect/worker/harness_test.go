package worker

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectd/connect"
	"connectd/connect/connector"
	"connectd/connect/connector/connectortest"
	"connectd/connect/task"
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
		Converters: connectortest.Converters,
	}
}

// What all tests begin with.
var (
	load      = connectortest.Load
	start     = connectortest.Run
	testKafka = connectortest.Broker
)

// testWorker is a worker that is not running yet.
func testWorker(t testing.TB, k kafka.Settings, adjust ...func(*connector.WorkerSettings)) *Worker {
	var s connector.WorkerSettings
	s.Defaults()
	for _, f := range adjust {
		f(&s)
	}
	return New(&s, k, testLog(t))
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
