package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"connectd/config"
	"connectd/connect"
	"connectd/connect/connector"
	"connectd/convert"
	"connectd/internal/testenv"
	"connectd/kafka"
	"connectd/record"
)

// The tests run connectors of their own, in memory, on the embedded broker.

// testKafka starts a broker for one test.
func testKafka(t testing.TB) kafka.Settings {
	t.Helper()
	broker, err := kafka.StartEmbedded(t.TempDir(), "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	var k kafka.Settings
	k.Defaults()
	k.Brokers = []string{broker.Addr}
	k.FetchWait = 50 * time.Millisecond
	return k
}

// eachKafka runs test against a broker of its own in this process, and against the real one, which
// it shares: prefix begins the names of its topics and connectors.
func eachKafka(t *testing.T, test func(t *testing.T, k kafka.Settings, prefix string)) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, testKafka(t), "")
	})
	t.Run("kafka", func(t *testing.T) {
		t.Parallel()
		test(t, sharedKafka(t), fmt.Sprintf("connect-%08x-", rand.Uint32()))
	})
}

// sharedKafka is the real broker.
func sharedKafka(t testing.TB) kafka.Settings {
	t.Helper()
	var k kafka.Settings
	k.Defaults()
	k.Brokers = strings.Split(testenv.SharedKafka(t).Brokers, ",")
	k.FetchWait = 50 * time.Millisecond
	return k
}

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

// counterConfig is a source that counts: record n has the key {"n":n} and the value {"n":n,"text":…}.
type counterConfig struct {
	Topic  string `yaml:"topic" required:"true" doc:"topic to write to"`
	Count  int    `yaml:"count" doc:"how many records"`
	Size   int    `yaml:"batch.size" doc:"records in a batch"`
	FailAt int    `yaml:"fail.at" doc:"record before which the source fails once"`
	BadAt  int    `yaml:"bad.at" doc:"record that the source itself reports as failed"`
	Stay   bool   `yaml:"stay" doc:"wait to be stopped after the last record"`
	Panic  bool   `yaml:"panic" doc:"panic instead of failing"`

	Pace time.Duration `yaml:"pace.ms" doc:"time for each batch; 0 for as fast as it goes"`

	confirmed *confirmations
}

func (c *counterConfig) Defaults() { c.Size, c.FailAt, c.BadAt, c.Stay = 10, -1, -1, true }

// confirmations is the upstream of a counter: what it was told to forget.
type confirmations struct {
	mu     sync.Mutex
	marks  []uint64
	failed bool
	tell   func(mark uint64) // nil for nobody
}

type counter struct{ c *counterConfig }

func newCounter(c *counterConfig, _ connect.Env) (connect.Source, error) { return &counter{c}, nil }

var (
	keySchema   = &record.Schema{Type: record.StructType, Name: "Key", Fields: []record.Field{{Name: "n", Schema: &record.Schema{Type: record.Int64Type}}}}
	valueSchema = &record.Schema{Type: record.StructType, Name: "Value", Fields: []record.Field{
		{Name: "n", Schema: &record.Schema{Type: record.Int64Type}},
		{Name: "text", Schema: &record.Schema{Type: record.StringType, Optional: true}},
	}}
)

const counterPartition = `{"counter":"a"}`

func (s *counter) Run(ctx context.Context, t *connect.SourceTask) error {
	n := 0
	if o := t.Offset(counterPartition); o != nil {
		var at struct{ N int }
		if err := json.Unmarshal(o, &at); err != nil {
			return connect.Permanent(err)
		}
		n = at.N
	}
	for n < s.c.Count {
		if s.c.Pace > 0 {
			select {
			case <-time.After(s.c.Pace):
			case <-ctx.Done():
			}
		}
		var b *record.Batch
		select {
		case b = <-t.Free():
		case <-t.Wake():
			s.confirm(t)
			continue
		case <-ctx.Done():
			return s.drain(ctx, t, uint64(n))
		}
		for range s.c.Size {
			if n == s.c.Count {
				break
			}
			if n == s.c.FailAt && !s.c.confirmed.failed {
				s.c.confirmed.failed = true
				if s.c.Panic {
					panic("counter is out of fingers")
				}
				return errors.New("counter has lost count")
			}
			s.add(b, n)
			n++
		}
		b.Offsets = append(b.Offsets, record.SourceOffset{
			Partition: []byte(counterPartition),
			Offset:    b.Copy([]byte(fmt.Sprintf(`{"n":%d}`, n))),
		})
		b.Mark = uint64(n)
		t.Send(b)
	}
	if !s.c.Stay {
		return nil
	}
	for ctx.Err() == nil {
		select {
		case <-t.Wake():
			s.confirm(t)
		case <-ctx.Done():
		}
	}
	return s.drain(ctx, t, uint64(n))
}

func (s *counter) add(b *record.Batch, n int) {
	r := b.Add()
	r.Topic, r.Timestamp = s.c.Topic, time.Now().UnixMilli()
	key := b.Cells(1)
	key[0] = record.OfInt(int64(n))
	r.Key = record.Datum{Schema: keySchema, Value: record.OfStruct(key)}
	cells := b.Cells(2)
	cells[0] = record.OfInt(int64(n))
	cells[1] = record.OfString(strconv.AppendInt(b.Bytes(20)[:0], int64(n), 10))
	r.Value = record.Datum{Schema: valueSchema, Value: record.OfStruct(cells)}
	if n == s.c.BadAt {
		b.Fail(len(b.Records)-1, errors.New("row can not be read"))
	}
}

// drain waits until everything that was sent is committed.
func (s *counter) drain(ctx context.Context, t *connect.SourceTask, last uint64) error {
	deadline := time.After(time.Minute)
	for t.Committed() < last {
		select {
		case <-t.Wake():
		case <-t.Failed():
			return context.Cause(ctx)
		case <-deadline:
			return fmt.Errorf("drained to %d of %d", t.Committed(), last)
		}
	}
	s.confirm(t)
	return nil
}

func (s *counter) confirm(t *connect.SourceTask) {
	if s.c.confirmed == nil {
		return
	}
	s.c.confirmed.mu.Lock()
	defer s.c.confirmed.mu.Unlock()
	s.c.confirmed.marks = append(s.c.confirmed.marks, t.Committed())
	if s.c.confirmed.tell != nil {
		s.c.confirmed.tell(t.Committed())
	}
}

// pickyConfig is a transform that filters out multiples of Drop and fails at Fail.
type pickyConfig struct {
	Drop int64 `yaml:"drop" doc:"multiples of this are filtered out; 0 for none"`
	Fail int64 `yaml:"fail" doc:"record that can not be transformed; -1 for none"`
	Add  int64 `yaml:"add" doc:"record beside which another one is smuggled in; -1 for none"`
}

func (c *pickyConfig) Defaults() { c.Fail, c.Add = -1, -1 }

type picky struct{ c *pickyConfig }

func newPicky(c *pickyConfig) (*picky, error) { return &picky{c}, nil }

func (p *picky) Apply(b *record.Batch, r *record.Record) (bool, error) {
	n := r.Value.Value.Items[0].N
	if n == p.c.Add {
		extra := *r
		extra.Offset++
		*b.Add() = extra
	}
	if n == p.c.Fail {
		return false, errors.New("too picky")
	}
	return p.c.Drop == 0 || n%p.c.Drop != 0, nil
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

// readTopic reads all messages of a topic.
func readTopic(t testing.TB, k kafka.Settings, topic string) []kafka.Message {
	t.Helper()
	admin, err := kafka.NewAdmin(k)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	logs, err := admin.ListOffsets(t.Context(), true, topic)
	if err != nil {
		t.Fatal(err)
	}
	left := 0
	for _, l := range logs {
		left += int(l.End - l.Start)
	}
	g, err := kafka.NewGroup(k, kafka.GroupOptions{ID: fmt.Sprintf("read-%d", time.Now().UnixNano()), Topics: []string{topic}, Reset: "earliest"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close(context.Background())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var all []kafka.Message
	for len(all) < left {
		fetches, err := g.Poll(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range fetches {
			all = append(all, f.Messages...)
		}
	}
	return all
}
