package conform

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"connectd/connect"
	"connectd/record"
)

// Run is a source that runs with a test for its runtime. All calls come from the test's goroutine.
type Run struct {
	Intake *connect.Intake

	t      testing.TB
	take   func(*record.Batch)
	cancel context.CancelFunc
	done   chan error
	ended  bool
	err    error
}

// Start runs source from offsets, which may be nil and are the source's from then on, until Stop or
// the end of the test. take gets what it sends, batch after batch; a batch is durable, and goes back
// to the source, once take has given it to Intake.Retire.
func Start(t testing.TB, source connect.Source, batches int, offsets map[string][]byte, log *slog.Logger, take func(*record.Batch)) *Run {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &Run{Intake: connect.NewIntake("test", batches, offsets, log), t: t, take: take, cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- source.Run(ctx, r.Intake.Task()) }() // ends with cancel; waited for in Stop
	t.Cleanup(func() { r.Stop() })
	return r
}

// Next takes one batch, or fails the test when the source ends instead. It waits as long as it has
// to, which takes no time in a synctest bubble.
func (r *Run) Next() {
	r.t.Helper()
	select {
	case b := <-r.Intake.Sent():
		r.take(b)
	case r.err = <-r.done:
		r.ended = true
		r.t.Fatalf("the source ended with %v", r.err)
	}
}

// Until takes batches until ok, which may also look at something else.
func (r *Run) Until(what string, ok func() bool) {
	r.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case b := <-r.Intake.Sent():
			r.take(b)
		case r.err = <-r.done:
			r.ended = true
			r.t.Fatalf("%s: the source ended with %v", what, r.err)
		case <-look.C:
		case <-limit.C:
			r.t.Fatalf("%s: not after %s", what, patience)
		}
	}
}

// endPatience is how long Wait waits: a source may try again for a while, with the pauses of a
// synctest bubble.
const endPatience = 5 * time.Minute

// Wait takes batches until the source has ended by itself, and returns its error.
func (r *Run) Wait() error {
	r.t.Helper()
	limit := time.NewTimer(endPatience)
	defer limit.Stop()
	for !r.ended {
		select {
		case b := <-r.Intake.Sent():
			r.take(b)
		case r.err = <-r.done:
			r.ended = true
		case <-limit.C:
			r.t.Fatalf("the source has not ended after %s", endPatience)
		}
	}
	for len(r.Intake.Sent()) > 0 {
		r.take(<-r.Intake.Sent())
	}
	return r.err
}

// Ended says whether the source has ended already, and with what.
func (r *Run) Ended() (err error, ended bool) {
	select {
	case r.err = <-r.done:
		r.ended = true
	default:
	}
	return r.err, r.ended
}

// Cancel tells the source to stop, and does not wait for it.
func (r *Run) Cancel() { r.cancel() }

// Stop stops the source in good order and returns its error.
func (r *Run) Stop() error {
	r.t.Helper()
	r.cancel()
	return r.Wait()
}
