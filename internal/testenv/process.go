package testenv

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	host = "127.0.0.1"

	startTimeout = 180 * time.Second     // for a start whose context has no earlier deadline
	stopTimeout  = 60 * time.Second      // for a server to end by itself after a signal
	pollInterval = 20 * time.Millisecond // between two looks at whether a server is ready
	logTail      = 2000                  // bytes of a server's log that an error shows
)

// guard starts a server such that it does not outlive the program that started it.
// Its standard input is a pipe that only that program holds open: when the read ends, the
// program is gone, and so go the server and its directory. The shell becomes the
// server (exec), so the process id and the process group are the server's own.
// Pdeathsig would not do: the kernel ties it to the thread that started the process, and
// Go ends threads as it likes.
const guard = `
exec 3<&0 </dev/null
dir=$1 copy=$2 signal=$3
shift 3
cd "$dir" || exit
(
	read -r _ <&3
	kill -s "$signal" $$
	n=0
	while kill -0 $$ 2>/dev/null && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
	rm -rf -- "$dir" ${copy:+"$copy"}
	kill -s KILL -- -$$
) &
exec "$@" 3<&-
`

// process is one server: what to run, and the running instance if there is one.
type process struct {
	name   string              // for error messages
	dir    string              // the server's directory; Close removes it
	args   []string            // program and arguments
	env    []string            // in addition to our own environment
	attr   syscall.SysProcAttr // user to run as; zero: ours
	copy   string              // temporary copy of the programs; "": none
	orphan string              // signal when our program is gone, such as "KILL"

	ready func(context.Context) error // nil as soon as the server answers

	cmd  *exec.Cmd
	pipe *os.File      // write end of the guard's standard input
	done chan struct{} // closed after the process has ended
}

func (p *process) logFile() string { return filepath.Join(p.dir, "log") }

// start runs the server and returns when it is ready.
func (p *process) start(ctx context.Context) error {
	if p.running() {
		return fmt.Errorf("start %s: it is running", p.name)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := p.run(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	if err := p.waitReady(ctx); err != nil {
		err = fmt.Errorf("start %s: %w; its log ends with:\n%s", p.name, err, p.tail())
		p.kill()
		return err
	}
	return nil
}

func (p *process) run() error {
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command("sh", append([]string{"-c", guard, "guard", p.dir, p.copy, p.orphan}, p.args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r, log, log
	cmd.Dir = "/" // the guard changes to the server's directory; see passAnywhere
	cmd.Env = append(os.Environ(), p.env...)
	attr := p.attr
	attr.Setpgid = true
	cmd.SysProcAttr = &attr
	if err := cmd.Start(); err != nil {
		w.Close()
		return err
	}
	p.cmd, p.pipe, p.done = cmd, w, make(chan struct{})
	// Ends when the server has ended, which kill and stop see to.
	go func(done chan struct{}) {
		cmd.Wait()
		close(done)
	}(p.done)
	return nil
}

func (p *process) waitReady(ctx context.Context) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		err := p.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("it ended (%s)", p.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("not ready in time: %w", err)
		case <-tick.C:
		}
	}
}

func (p *process) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// stop sends the signal to the server alone and waits until it has ended.
func (p *process) stop(sig syscall.Signal) error {
	if !p.running() {
		return fmt.Errorf("stop %s: it is not running", p.name)
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		return fmt.Errorf("stop %s: still running %v after %v; its log ends with:\n%s", p.name, stopTimeout, sig, p.tail())
	}
	p.reap()
	return nil
}

// kill ends the server and its children with SIGKILL. A server that is not running is fine.
func (p *process) kill() {
	if p.cmd == nil {
		return
	}
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
	p.reap()
}

// reap ends the guard of a server that has ended. The guard keeps the process group's number
// from going to somebody else until here. The pipe is closed last, else the guard would
// remove the directory.
func (p *process) reap() {
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	p.pipe.Close()
	p.cmd, p.pipe = nil, nil
}

// close kills the server and removes its directory.
func (p *process) close() error {
	p.kill()
	err := os.RemoveAll(p.dir)
	if p.copy != "" {
		err = errors.Join(err, os.RemoveAll(p.copy))
	}
	if err != nil {
		return fmt.Errorf("close %s: %w", p.name, err)
	}
	return nil
}

// tail returns the end of the server's log.
func (p *process) tail() string {
	b, err := os.ReadFile(p.logFile())
	if err != nil {
		return err.Error()
	}
	if len(b) > logTail {
		b = b[len(b)-logTail:]
	}
	return strings.TrimSpace(string(b))
}

// newDir returns the directory for a server: dir itself, which has to be empty or new,
// because Close removes it; or a temporary one if dir is "".
func newDir(name, dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "connectd-"+name+"-")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	if len(entries) > 0 {
		return "", fmt.Errorf("start %s: directory %q is not empty; give a new one", name, dir)
	}
	return dir, nil
}

// ports are those that freePort has handed out: their servers may not listen yet, or may be
// down between a kill and a restart.
var ports sync.Map

// freePort returns port, or if that is 0 a port nobody listens on and nobody else was given. It
// is taken from below the range that the kernel gives to outgoing connections: none of those can
// take the port while the server is down.
func freePort(port int) (int, error) {
	if port != 0 {
		return port, nil
	}
	var err error
	for range 100 {
		port := 12000 + rand.IntN(20000)
		if _, given := ports.LoadOrStore(port, true); given {
			continue
		}
		var l net.Listener
		if l, err = net.Listen("tcp", address(port)); err == nil {
			l.Close()
			return port, nil
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}

func address(port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// dial says whether somebody listens at the address.
func dial(ctx context.Context, address string) error {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err == nil {
		c.Close()
	}
	return err
}
