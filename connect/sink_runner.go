package connect

import (
	"context"
	"log/slog"

	"connectd/kafka"
	"connectd/record"
)

// sinkRunner runs the tasks of a worker's sinks.
type sinkRunner struct {
	settings *WorkerSettings
	kafka    kafka.Settings
	schemas  *schemas
	budget   *budget
}

// newSinkRunner is for the sinks of one worker, which share its memory.max.bytes.
func newSinkRunner(s *WorkerSettings, k kafka.Settings, schemas *schemas) *sinkRunner {
	return &sinkRunner{settings: s, kafka: k, schemas: schemas, budget: newBudget(int64(s.Memory))}
}

// newTask is a task of c.
func (r *sinkRunner) newTask(c *Connector, id int, log *slog.Logger) *task {
	var t *task
	t = newTask(c, id, log, func(ctx context.Context) error { return r.run(ctx, t) })
	return t
}

// run runs a task once, until ctx is done or something fails.
func (r *sinkRunner) run(ctx context.Context, t *task) error {
	c := t.connector
	if err := r.schemas.open(ctx); err != nil {
		return err
	}
	st := &sinkTask{
		task: t, schemas: r.schemas, budget: r.budget, policy: c.newPolicy(),
		failed: make(chan error, 1), parts: map[record.Partition]*partition{}, attention: map[*partition]bool{},
		wakePoll: func() {},
	}
	var err error
	if st.sink, err = c.newSink(t.id, t.log, st.topicID); err != nil {
		return err
	}
	err = st.run(ctx, r)
	if closing := st.sink.Close(); err == nil {
		err = closing
	}
	return err
}
