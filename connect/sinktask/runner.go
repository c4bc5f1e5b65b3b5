package sinktask

import (
	"context"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"connectd/connect/connector"
	"connectd/connect/schemas"
	"connectd/connect/task"
	"connectd/kafka"
	"connectd/record"
)

// Runner runs the tasks of a worker's sinks.
type Runner struct {
	settings *connector.WorkerSettings
	kafka    kafka.Settings
	schemas  *schemas.Store
	budget   *budget
}

// NewRunner is for the sinks of one worker, which share its memory.max.bytes.
func NewRunner(s *connector.WorkerSettings, k kafka.Settings, schemas *schemas.Store) *Runner {
	return &Runner{settings: s, kafka: k, schemas: schemas, budget: newBudget(int64(s.Memory))}
}

// NewTask is a task of c.
func (r *Runner) NewTask(c *connector.Connector, id int, log *slog.Logger) *task.Task {
	var t *task.Task
	t = task.New(c, id, log, func(ctx context.Context) error { return r.run(ctx, t) })
	return t
}

// run runs a task once, until ctx is done or something fails.
func (r *Runner) run(ctx context.Context, t *task.Task) error {
	c := t.Connector
	// The target is asked meanwhile, and dead letters get their topic.
	var opening errgroup.Group
	opening.Go(func() error { return r.schemas.Open(ctx) })
	defer func() { _ = opening.Wait() }()
	st := &sinkTask{
		Task: t, schemas: r.schemas, opened: opening.Wait, budget: r.budget, policy: c.Policy(),
		failed: make(chan error, 1), parts: map[record.Partition]*partition{}, attention: map[*partition]bool{},
		wakePoll: func() {},
	}
	var err error
	if st.sink, err = c.NewSink(t.ID, t.Log, st.topicID); err != nil {
		return err
	}
	err = st.run(ctx, r)
	if closing := st.sink.Close(); err == nil {
		err = closing
	}
	return err
}
