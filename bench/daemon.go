package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// daemon is one run of connectd.
type daemon struct {
	cmd     *exec.Cmd
	log     bytes.Buffer
	dir     string
	started time.Time
}

// start runs connectd with a configuration.
func (e *engines) start(configuration string) (*daemon, error) {
	dir, err := os.MkdirTemp("", "connectd-bench-")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "connectors.yaml")
	worker := fmt.Sprintf("worker:\n  bootstrap.servers: %s\n  listeners: http://127.0.0.1:0\nconnectors:\n", e.kafka.Brokers)
	if err := os.WriteFile(file, []byte(worker+configuration), 0o600); err != nil {
		return nil, err
	}
	d := &daemon{cmd: exec.Command(e.binary, "run", file), dir: dir, started: time.Now()}
	d.cmd.Stderr = &d.log
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w; run make build", err)
	}
	return d, nil
}

// stop ends it and removes its files; what it has logged is kept for the error.
func (d *daemon) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	_ = d.cmd.Wait()
	_ = os.RemoveAll(d.dir)
}

// kill ends it as a crash does.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
	_ = os.RemoveAll(d.dir)
}

// failed adds the end of connectd's log to err.
func (d *daemon) failed(err error) error {
	lines := strings.Split(strings.TrimSpace(d.log.String()), "\n")
	return fmt.Errorf("%w; connectd's log ends with: %s", err, strings.Join(lines[max(0, len(lines)-3):], " | "))
}

// cpu is the time that connectd has used so far, user and system.
func (d *daemon) cpu() time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	// The fields after the command's name, which may hold spaces: utime and stime are 12 and 13.
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	const tick = 10 * time.Millisecond // Linux counts in hundredths of a second
	return time.Duration(user+system) * tick
}

// peak is the most resident memory so far, in MB.
func (d *daemon) peak() float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024
		}
	}
	return 0
}
