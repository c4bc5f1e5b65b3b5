package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"connectd/connect"
	"connectd/connect/connector"
	"connectd/kafka"
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
