package connectortest

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

	"connectd/connect"
	"connectd/connect/connector"
	"connectd/kafka"
)

// What a Process finds in its environment.
const (
	processSettings = "CONNECTD_TEST_PROCESS" // JSON of the connector's settings
	processBrokers  = "CONNECTD_TEST_BROKERS"
)

// Main is for the begin of TestMain. In a Process it runs the connector until SIGTERM and does not
// return; in the tests themselves it does nothing. newWorker is worker.New.
func Main[W Worker](plugins connect.Plugins, newWorker func(*connector.WorkerSettings, kafka.Settings, *slog.Logger) W) {
	text := os.Getenv(processSettings)
	if text == "" {
		return
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	var s connector.WorkerSettings
	s.Defaults()
	if err := runProcess(newWorker(&s, Kafka(os.Getenv(processBrokers)), log), text, plugins); err != nil {
		log.Error("run", "err", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func runProcess(w Worker, text string, plugins connect.Plugins) error {
	var settings map[string]string
	if err := json.Unmarshal([]byte(text), &settings); err != nil {
		return err
	}
	c, err := load(plugins, settings["name"], settings)
	if err != nil {
		return err
	}
	w.Add(c)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return w.Run(ctx)
}

// Process is a worker with one connector in a process of its own, which is the test's binary,
// started again: a test can kill it, while the broker and the target live on.
type Process struct {
	t     testing.TB
	step  string
	cmd   *exec.Cmd
	out   output
	ended chan struct{} // closed when err is set
	err   error         // what cmd.Wait said
}

// Start starts a process. It kills itself at a step of the delivery protocol, see internal/fault, or
// lives on when that is empty. The end of the test kills it.
func Start(t testing.TB, k kafka.Settings, settings map[string]string, step string) *Process {
	t.Helper()
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{t: t, step: step, cmd: exec.Command(os.Args[0]), ended: make(chan struct{})}
	p.cmd.Stderr, p.cmd.Stdout = &p.out, &p.out
	p.cmd.Env = append(os.Environ(), processSettings+"="+string(text), processBrokers+"="+strings.Join(k.Brokers, ","), "CONNECTD_FAULT="+step)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the process
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			text := p.Output()
			t.Logf("the output of process %d with fault %q ends with:\n%s", p.Pid(), step, text[max(0, len(text)-16<<10):])
		}
	})
	return p
}

// Pid is the number of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Output is what the process has printed so far, such as its log.
func (p *Process) Output() string { return p.out.String() }

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Signal sends s.
func (p *Process) Signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Error(err)
	}
}

// Kill ends the process by SIGKILL, if it has not ended, and waits for that.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// Stop ends the process in good order. One that had nothing to do may be told so before it listens
// to signals.
func (p *Process) Stop() {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	<-p.ended
	if p.err != nil && !p.endedBy(syscall.SIGTERM) {
		p.t.Errorf("the process ended with %v", p.err)
	}
}

// Died waits until the process is killed at its step.
func (p *Process) Died() {
	p.t.Helper()
	select {
	case <-p.ended:
		if !p.endedBy(syscall.SIGKILL) {
			p.t.Fatalf("the process ended with %v, want it killed at %s", p.err, p.step)
		}
	case <-time.After(2 * time.Minute):
		p.t.Fatalf("the process does not pass %s", p.step)
	}
}

func (p *Process) endedBy(s syscall.Signal) bool {
	var exit *exec.ExitError
	return errors.As(p.err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == s
}

// output is what a process has printed.
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
