// Package fault lets the crash tests end the process at a named step of a delivery protocol, as
// kill -9 would, or freeze it there. Without CONNECTD_FAULT in the environment a point costs one comparison.
package fault

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// armed is the step to die at, and left how many passes it has until then.
var (
	armed string
	left  atomic.Int64
	with  = syscall.SIGKILL // so that no deferred call or drain runs
)

// CONNECTD_FAULT=step or step:n kills the process at the n-th pass (from 1) of the step; with
// CONNECTD_FAULT_SIGNAL=STOP it is stopped there until SIGCONT.
func init() {
	step, n, _ := strings.Cut(os.Getenv("CONNECTD_FAULT"), ":")
	armed = step
	left.Store(1)
	if v, err := strconv.Atoi(n); err == nil {
		left.Store(int64(v))
	}
	if os.Getenv("CONNECTD_FAULT_SIGNAL") == "STOP" {
		with = syscall.SIGSTOP
	}
}

// Point dies, or stands still, when the step is armed. The steps, in the order of the protocols:
//
//	source.produced        records acknowledged, offset not yet written
//	source.offset          offset durable, upstream not yet told
//	source.confirmed       upstream told
//	source.tx.produced     records and offset acknowledged in an open transaction
//	source.tx.committed    transaction committed, upstream not yet told
//	sink.letters           dead letters durable, nothing written
//	sink.intent            intent committed, nothing written
//	sink.writing           in the middle of the write to the target
//	sink.written           target durable, offset not committed
//	sink.committed         offset committed
//	postgres.sink.precommit  rows and offset in the open transaction
//	postgres.sink.commit     transaction committed, group offset not yet
func Point(step string) {
	if armed == "" || armed != step || left.Add(-1) != 0 {
		return
	}
	_ = syscall.Kill(os.Getpid(), with)
	if with == syscall.SIGKILL {
		select {}
	}
}
