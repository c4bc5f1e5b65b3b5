package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// binary is the connectd under test, built once.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "connectd-e2e-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "connectd")
	build := exec.Command("go", "build", "-race", "-o", binary, "connectd/cmd/connectd")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintf(os.Stderr, "build connectd: %v\n", err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// daemon is one connectd that a test starts, kills and starts again.
type daemon struct {
	t    *testing.T
	args []string
	log  string // what all its processes wrote
	cmd  *exec.Cmd
	gone chan error // what Wait returned
}

// newDaemon writes the configuration into a file; start runs it.
func newDaemon(t *testing.T, configuration string) *daemon {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "connectors.yaml")
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &daemon{t: t, args: []string{"run", file}, log: filepath.Join(dir, "log")}
	t.Cleanup(func() {
		d.kill()
		if t.Failed() {
			t.Logf("connectd's log ends with:\n%s", d.tail(60))
		}
	})
	return d
}

// start runs connectd with env added to its environment.
func (d *daemon) start(env ...string) {
	d.t.Helper()
	logFile, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer logFile.Close()
	d.cmd = exec.Command(binary, d.args...)
	d.cmd.Env = append(os.Environ(), env...)
	d.cmd.Stdout, d.cmd.Stderr = logFile, logFile
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.gone = make(chan error, 1)
	go func(cmd *exec.Cmd, gone chan<- error) { gone <- cmd.Wait() }(d.cmd, d.gone)
}

// kill ends it with SIGKILL.
func (d *daemon) kill() {
	if d.cmd == nil {
		return
	}
	_ = d.cmd.Process.Kill()
	<-d.gone
	d.cmd = nil
}

// wait waits until it has ended by itself and returns how.
func (d *daemon) wait(limit time.Duration) error {
	d.t.Helper()
	select {
	case err := <-d.gone:
		d.cmd = nil
		return err
	case <-time.After(limit):
		d.t.Fatalf("connectd still runs after %v", limit)
		return nil
	}
}

// terminate ends it with SIGTERM and fails the test when that takes more than 10 s or ends badly.
// In a test that has failed it shows what connectd was doing instead.
func (d *daemon) terminate() {
	d.t.Helper()
	if d.t.Failed() {
		d.t.Logf("connectd was doing this:\n%s", d.dump())
		return
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	if err := d.wait(10 * time.Second); err != nil {
		d.t.Errorf("connectd ended with %v after SIGTERM, want exit code 0", err)
	}
	if text, _ := os.ReadFile(d.log); bytes.Contains(text, []byte("DATA RACE")) {
		d.t.Error("connectd reported a data race")
	}
}

// killedBySignal says whether err is the end of a process that SIGKILL ended.
func killedBySignal(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	ws, ok := exit.Sys().(syscall.WaitStatus)
	return ok && ws.Signaled() && ws.Signal() == syscall.SIGKILL
}

// tail is the end of the log.
func (d *daemon) tail(lines int) string {
	text, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
