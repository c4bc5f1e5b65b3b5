package sourcetask

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"connectd/connect"
	"connectd/connect/task"
)

// errDrain ends a pipeline that could not be emptied in time.
var errDrain = errors.New("not all that was sent could be made durable before the deadline; it is read again at the next start")

// run runs src on the pipeline until ctx is done and the source has drained, the source ends by
// itself, or either fails. What was sent before is carried to its end in each case, for at most
// grace.
func (p *pipeline) run(ctx context.Context, src connect.Source, grace time.Duration) error {
	p.ready()
	p.stopping = ctx.Done()
	// The pipeline outlives ctx: the source drains through it.
	carrying, abort := context.WithCancelCause(context.WithoutCancel(ctx))
	defer abort(nil)
	reading, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	g, carried := errgroup.WithContext(carrying)
	quit := make(chan struct{})
	g.Go(func() error { return task.Guarded(func() error { return p.encode(carried, quit) }) })
	retire := p.retire
	if p.tx != nil {
		retire = p.transact
	}
	g.Go(func() error { return task.Guarded(func() error { return retire(carried) }) })
	// A pipeline that has failed takes nothing any more: the source must not wait for it.
	intake := p.intake
	defer context.AfterFunc(carried, func() {
		intake.Fail()
		stop(context.Cause(carried))
	})()
	// The time to drain begins when the task is told to stop, or when the source has ended.
	expire := func() { abort(errDrain) }
	defer context.AfterFunc(ctx, func() {
		t := time.AfterFunc(grace, expire)
		context.AfterFunc(carrying, func() { t.Stop() })
	})()

	failed := task.Guarded(func() error { return src.Run(reading, intake.Task()) })
	close(quit)
	timer := time.AfterFunc(grace, expire)
	defer timer.Stop()
	if err := g.Wait(); err != nil {
		return err
	}
	if failed != nil && ctx.Err() == nil {
		return failed
	}
	return nil
}
