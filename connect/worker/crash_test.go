package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"connectd/connect"
	"connectd/connect/connector"
	"connectd/internal/fault"
	"connectd/internal/testenv"
	"connectd/kafka"
	"connectd/record"
)

// The crash tests run a connector in a child process, which is this test binary started again,
// and let it die by SIGKILL between two steps of the delivery protocol. The broker and the
// target's files outlive it.

const (
	childSettings = "CONNECT_TEST_CHILD" // JSON of the connector's settings
	childBroker   = "CONNECT_TEST_BROKER"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(childSettings); text != "" {
		os.Exit(child(text, os.Getenv(childBroker)))
	}
	goleak.VerifyTestMain(m)
}

// child runs one connector until SIGTERM.
func child(text, broker string) int {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	var settings map[string]string
	if err := json.Unmarshal([]byte(text), &settings); err != nil {
		log.Error("settings", "err", err)
		return 1
	}
	var k kafka.Settings
	k.Defaults()
	k.Brokers = []string{broker}
	k.FetchWait = 50 * time.Millisecond
	var s connector.WorkerSettings
	s.Defaults()
	w := New(&s, k, log)
	plugins := testPlugins(&confirmations{}, nil)
	plugins.Sources = append(plugins.Sources, connect.SourcePlugin("told-source", newTold), connect.SourcePlugin("lanes-source", newLanes))
	plugins.Sinks = append(plugins.Sinks, connect.SinkPlugin("disk-sink", newDisk))
	c, err := loadChild(settings, plugins)
	if err != nil {
		log.Error("load", "err", err)
		return 1
	}
	w.Add(c)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := w.Run(ctx); err != nil {
		log.Error("run", "err", err)
		return 1
	}
	return 0
}

// process is a child.
type process struct {
	*exec.Cmd
	step   string
	output output
	ended  chan error
}

// output is what a child has printed.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// run starts a child that dies at the step, or lives on when it is empty.
func run(t *testing.T, k kafka.Settings, settings map[string]string, step string) *process {
	t.Helper()
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(os.Args[0]), step: step, ended: make(chan error, 1)}
	p.Stderr, p.Stdout = &p.output, &p.output
	p.Env = append(os.Environ(), childSettings+"="+string(text), childBroker+"="+k.Brokers[0], "CONNECTD_FAULT="+step)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.Wait() }()
	t.Cleanup(func() {
		_ = p.Process.Kill()
		if t.Failed() {
			t.Logf("child %d with fault %q:\n%s", p.Process.Pid, step, p.output.String())
		}
	})
	return p
}

// stop ends a child that lives.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	if err := <-p.ended; err != nil {
		t.Errorf("child ended with %v", err)
	}
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Error(err)
	}
}

// died waits until the child is killed at its step.
func (p *process) died(t *testing.T) {
	t.Helper()
	select {
	case err := <-p.ended:
		var exit *exec.ExitError
		if !errors.As(err, &exit) || !strings.Contains(exit.Error(), "killed") {
			t.Fatalf("child ended with %v, want it killed at %s", err, p.step)
		}
	case <-time.After(time.Minute):
		t.Fatalf("child does not pass %s", p.step)
	}
}

// crash runs a child that dies at the step.
func crash(t *testing.T, k kafka.Settings, settings map[string]string, step string) {
	t.Helper()
	run(t, k, settings, step).died(t)
}

func TestSinkCrash(t *testing.T) {
	for _, starts := range []string{"false", "true"} {
		for _, step := range []string{"sink.intent", "sink.intent:3", "sink.writing", "sink.writing:4", "sink.written", "sink.written:3", "sink.committed", "sink.committed:4"} {
			if starts == "true" && (strings.HasPrefix(step, "sink.intent") || step == "sink.committed:4") {
				continue // no intents, and commits only when it is idle
			}
			t.Run("starts="+starts+"/"+step, func(t *testing.T) {
				t.Parallel()
				k := testKafka(t)
				dir := t.TempDir()
				fill(t, k, "numbers", 2, 0, 600)
				settings := map[string]string{
					"connector.class": "disk-sink", "topics": "numbers", "dir": dir, "starts": starts,
					"batch.max.rows": "70", "linger.ms": "50", "tasks.max": "2",
					// A static member takes its place back at once; another one would wait for the
					// session of the killed member to end.
					"consumer.override.group.instance.id": "crash",
				}
				crash(t, k, settings, step)
				settings["batch.max.rows"] = "45" // the next life would cut other ranges
				child := run(t, k, settings, "")
				until(t, "all offsets", func() bool { return len(diskOffsets(t, dir)) >= 600 })
				fill(t, k, "numbers", 2, 600, 650)
				until(t, "the offsets that came later", func() bool { return len(diskOffsets(t, dir)) >= 650 })
				child.stop(t)
				for offset, copies := range diskOffsets(t, dir) {
					if copies != 1 {
						t.Errorf("%s is there %d times", offset, copies)
					}
				}
				for _, c := range committed(t, k, "child") {
					if strings.HasSuffix(c, "+intent") {
						t.Errorf("committed %s", c)
					}
				}
			})
		}
	}
}

// TestSinkRebalanceCrash has partitions move between two processes in the middle of flushes, and
// kills one of the two in the middle of others.
func TestSinkRebalanceCrash(t *testing.T) {
	var k kafka.Settings
	k.Defaults()
	k.FetchWait = 50 * time.Millisecond
	broker := testenv.OwnKafka(t, testenv.KafkaOptions{Properties: map[string]string{
		"group.consumer.session.timeout.ms": "6000", "group.consumer.min.session.timeout.ms": "6000",
		"group.consumer.heartbeat.interval.ms": "500", "group.consumer.min.heartbeat.interval.ms": "500",
	}})
	k.Brokers = strings.Split(broker.Brokers, ",")
	for _, protocol := range []string{"classic", "consumer"} {
		for _, starts := range []string{"false", "true"} {
			t.Run(protocol+"/starts="+starts, func(t *testing.T) {
				dir := t.TempDir()
				topic := "numbers-" + protocol + "-" + starts
				settings := map[string]string{
					"name": topic, "connector.class": "disk-sink", "topics": topic, "dir": dir, "starts": starts, "pause.ms": "20",
					"batch.max.rows": "25", "linger.ms": "20", "consumer.group.protocol": protocol,
					"consumer.override.session.timeout.ms": "6000", "consumer.override.heartbeat.interval.ms": "200",
				}
				n := 0
				more := func() {
					fill(t, k, topic, 6, n, n+120)
					n += 120
				}
				more()
				first := run(t, k, settings, "")
				until(t, "the first rows", func() bool { more(); return len(diskOffsets(t, dir)) > 0 })
				settings["mark"] = filepath.Join(t.TempDir(), "mark")
				second := run(t, k, settings, "")
				until(t, "the second process's rows", func() bool {
					more()
					_, err := os.Stat(settings["mark"])
					return err == nil
				})
				more()
				first.signal(t, syscall.SIGKILL)
				<-first.ended
				more()
				until(t, "all rows", func() bool { return len(diskOffsets(t, dir)) >= n })
				second.stop(t)
				for offset, copies := range diskOffsets(t, dir) {
					if copies != 1 {
						t.Errorf("%s is there %d times", offset, copies)
					}
				}
				for _, c := range committed(t, k, topic) {
					if strings.HasSuffix(c, "+intent") {
						t.Errorf("committed %s", c)
					}
				}
			})
		}
	}
}

func TestSourceCrash(t *testing.T) {
	for _, step := range []string{"source.produced", "source.produced:3", "source.offset", "source.offset:5", "source.confirmed:2"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			k := testKafka(t)
			dir := t.TempDir()
			settings := map[string]string{"connector.class": "told-source", "topic": "numbers", "count": "2000", "pace.ms": "2", "told": filepath.Join(dir, "told")}
			crash(t, k, settings, step)
			if told, stored := readTold(t, settings["told"]), storedOffset(t, k); told > stored {
				t.Errorf("upstream was told %d, the stored offset is %d", told, stored)
			}
			child := run(t, k, settings, "")
			until(t, "the end", func() bool { return readTold(t, settings["told"]) == 2000 })
			child.stop(t)
			seen := make([]bool, 2000)
			next := 0
			for _, m := range readTopic(t, k, "numbers") {
				var v struct{ N int }
				if err := json.Unmarshal(m.Value, &v); err != nil {
					t.Fatal(err)
				}
				if v.N > next {
					t.Fatalf("%d follows on %d: records are missing", v.N, next-1)
				}
				next = v.N + 1
				seen[v.N] = true
			}
			for n, ok := range seen {
				if !ok {
					t.Fatalf("%d is missing", n)
				}
			}
		})
	}
}

func storedOffset(t *testing.T, k kafka.Settings) int {
	t.Helper()
	n := 0
	for _, m := range readTopic(t, k, "connect-offsets") {
		var at struct{ N int }
		if err := json.Unmarshal(m.Value, &at); err != nil {
			t.Fatal(err)
		}
		n = at.N
	}
	return n
}

func readTold(t *testing.T, file string) int {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	n, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// toldConfig is a counter whose upstream is a file that holds what it was told.
type toldConfig struct {
	counterConfig
	Told string `yaml:"told" doc:"file"`
}

func newTold(c *toldConfig, e connect.Env) (connect.Source, error) {
	c.confirmed = &confirmations{tell: func(mark uint64) {
		if err := writeWhole(c.Told, strconv.AppendUint(nil, mark, 10)); err != nil {
			e.Log.Error("tell", "err", err)
		}
		fault.Point("source.confirmed")
	}}
	return newCounter(&c.counterConfig, e)
}

// diskConfig is a sink that writes a file for each half of a flush.
type diskConfig struct {
	Dir    string `yaml:"dir" doc:"folder"`
	Starts bool   `yaml:"starts" doc:"keep the offset with the rows"`
	Mark   string `yaml:"mark" doc:"file that is there after the first flush; empty for none"`
	Refuse int64  `yaml:"refuse.every" doc:"offsets that can be divided by it are refused when they are flushed; 0 for none"`

	Pause time.Duration `yaml:"pause.ms" doc:"time in the middle of a flush"`
}

func (*diskConfig) Defaults() {}

type disk struct{ c *diskConfig }

func newDisk(c *diskConfig, _ connect.Env) (connect.Sink, error) { return &disk{c}, nil }

func (d *disk) Open(_ context.Context, p record.Partition) (connect.Writer, error) {
	w := &diskWriter{diskConfig: d.c, p: p}
	if d.c.Starts {
		return &diskStarter{w}, nil
	}
	return w, nil
}

func (d *disk) Close() error { return nil }

type diskWriter struct {
	*diskConfig
	p       record.Partition
	offsets []int64
}

func (w *diskWriter) Write(_ context.Context, b *record.Batch) error {
	for i := range b.Records {
		w.offsets = append(w.offsets, b.Records[i].Offset)
	}
	return nil
}

// Flush writes the even and the odd offsets into two files, named after the flush. Written again
// they must be the same.
func (w *diskWriter) Flush(_ context.Context, r record.Range) error {
	if err := w.refusal(w.p, w.offsets); err != nil {
		return err
	}
	for half := range int64(2) {
		var text []byte
		for _, offset := range w.offsets {
			if offset%2 == half {
				text = fmt.Appendf(text, "%s@%d\n", w.p, offset)
			}
		}
		name := filepath.Join(w.Dir, fmt.Sprintf("%s-%d", r.ID, half))
		if old, err := os.ReadFile(name); err == nil && !bytes.Equal(old, text) {
			return connect.Permanent(fmt.Errorf("flush %s has other content than before", r.ID))
		}
		if err := writeWhole(name, text); err != nil {
			return err
		}
		fault.Point("sink.writing")
		if half == 0 && w.Pause > 0 {
			time.Sleep(w.Pause) // a target that takes its time
		}
	}
	w.offsets = w.offsets[:0]
	return w.mark()
}

// mark tells the test that this process has flushed.
func (w *diskWriter) mark() error {
	if w.Mark == "" {
		return nil
	}
	return writeWhole(w.Mark, nil)
}

func (w *diskWriter) Close() error { return nil }

// diskStarter writes rows and offset as one file.
type diskStarter struct{ *diskWriter }

type diskState struct {
	Next    int64
	Offsets []int64
}

func (w *diskStarter) file() string { return filepath.Join(w.Dir, w.p.String()+".state") }

func (w *diskStarter) state() (s diskState, ok bool, err error) {
	text, err := os.ReadFile(w.file())
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	return s, true, err
}

func (w *diskStarter) Start(context.Context) (int64, bool, error) {
	s, ok, err := w.state()
	return s.Next, ok, err
}

func (w *diskStarter) Flush(_ context.Context, r record.Range) error {
	if err := w.refusal(w.p, w.offsets); err != nil {
		return err
	}
	s, ok, err := w.state()
	if err != nil {
		return err
	}
	if ok && s.Next != r.Start {
		return fmt.Errorf("fenced: at %d, flush from %d", s.Next, r.Start)
	}
	s.Next, s.Offsets = r.End, append(s.Offsets, w.offsets...)
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	fault.Point("sink.writing")
	w.offsets = w.offsets[:0]
	return errors.Join(writeWhole(w.file(), text), w.mark())
}

// writeWhole replaces a file: after a crash it is the old one or the new one.
func writeWhole(name string, text []byte) error {
	if err := os.WriteFile(name+".tmp", text, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".tmp", name)
}

// diskOffsets counts the offsets in dir.
func diskOffsets(t *testing.T, dir string) map[string]int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]int{}
	for _, name := range names {
		if strings.HasSuffix(name, ".tmp") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".state") {
			var s diskState
			if err := json.Unmarshal(text, &s); err != nil {
				t.Fatal(err)
			}
			for _, offset := range s.Offsets {
				all[fmt.Sprintf("%s@%d", strings.TrimSuffix(filepath.Base(name), ".state"), offset)]++
			}
			continue
		}
		for _, line := range strings.Fields(string(text)) {
			all[line]++
		}
	}
	return all
}
