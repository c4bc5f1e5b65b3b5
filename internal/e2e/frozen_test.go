package e2e

import (
	"syscall"
	"testing"
	"time"
)

// TestFrozen stops connectd with SIGSTOP for longer than its groups' session.timeout.ms, as a
// suspended laptop or a starved virtual machine does, and lets it go on: the groups have given its
// partitions up, the servers have closed connections, and nothing may be lost or stand still.
func TestFrozen(t *testing.T) {
	w := newWorld(t)
	l := newLoad(w)
	l.must("ALTER TABLE accounts ADD COLUMN note text")
	l.fill(5_000)
	d := newDaemon(t, w.config())
	d.start()
	for range 3 {
		for range 20 {
			l.transaction(150)
			pause(t, 50*time.Millisecond)
		}
		must(t, d.cmd.Process.Signal(syscall.SIGSTOP))
		l.transaction(300)
		pause(t, 13*time.Second)
		must(t, d.cmd.Process.Signal(syscall.SIGCONT))
	}
	for range 20 {
		l.transaction(150)
	}
	w.await()
	d.terminate()
	w.offsetsOnce()
}
