package connect

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// healthy is how long a task must have run for its next failure to count as the first.
const healthy = 5 * time.Minute

// task is one task of a connector. It outlives its attempts to run: a failed attempt is followed
// by another after a pause, unless its error is permanent.
type task struct {
	connector *Connector
	id        int
	log       *slog.Logger
	count     counters
	attempt   func(ctx context.Context) error // runs the source or the sink once
	backoff   backoff

	before *predecessors

	cancel context.CancelFunc // of the running goroutine; owned by the connector's loop

	mu       sync.Mutex
	done     chan struct{} // closed when the goroutine has ended; nil without one
	state    State
	cause    error
	degraded map[string]error // by partition
	finished bool
	since    time.Time
	next     time.Time
	look     func(*TaskStatus) // adds what only the running attempt knows
	signaled Signaled          // its source, when that takes signals
}

func newTask(c *Connector, id int, log *slog.Logger, attempt func(context.Context) error) *task {
	return &task{
		connector: c,
		id:        id,
		log:       log.With("connector", c.Name, "task", id),
		attempt:   attempt,
		backoff:   backoff{first: c.RestartDelay, most: c.RestartDelayMax},
		state:     Unassigned,
		since:     time.Now(),
	}
}

// start runs the task in a goroutine of its own until halt, a permanent error, or its end.
func (t *task) start(ctx context.Context) {
	ctx, t.cancel = context.WithCancel(ctx)
	done := make(chan struct{})
	t.backoff.reset()
	t.enter(Running, nil)
	t.setDone(done)
	go func() {
		defer close(done)
		t.supervise(ctx)
	}()
}

// halt tells the task to drain and end.
func (t *task) halt() {
	if t.started() != nil {
		t.cancel()
	}
}

// wait waits until the task has ended.
func (t *task) wait() {
	if done := t.started(); done != nil {
		<-done
		t.cancel()
		t.setDone(nil)
	}
}

// started is closed when the task has ended; nil when it was not started.
func (t *task) started() chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.done
}

func (t *task) setDone(done chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done = done
}

// supervise runs attempt after attempt.
func (t *task) supervise(ctx context.Context) {
	for {
		began := time.Now()
		err := guarded(func() error { return t.attempt(ctx) })
		switch {
		case ctx.Err() != nil:
			if err != nil {
				t.log.Warn("task stopped with an error", "err", err)
			}
			return
		case err == nil:
			t.finish()
			return
		case IsPermanent(err):
			t.log.Error("task failed; it stays so until the connector is changed or restarted", "err", err)
			t.enter(Failed, err)
			return
		}
		if time.Since(began) >= healthy {
			t.backoff.reset()
		}
		pause := t.backoff.next()
		if IsFenced(err) {
			pause = t.backoff.most // leave the other one alone, see yield
		}
		t.log.Warn("task restarts", "in", pause.Round(time.Millisecond), "err", err)
		t.enter(Restarting, err)
		t.retryAt(time.Now().Add(pause))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		t.count.restarted()
		t.enter(Running, nil)
	}
}

// enter sets the task's state.
func (t *task) enter(s State, cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state, t.cause, t.since = s, cause, time.Now()
	t.next, t.finished, t.degraded, t.look, t.signaled = time.Time{}, false, nil, nil, nil
}

func (t *task) retryAt(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next = at
}

func (t *task) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.finished = true
	t.log.Info("source has nothing more to read")
}

// degrade says what is wrong with one partition of a running sink, or with nil that it is well.
func (t *task) degrade(partition string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		delete(t.degraded, partition)
		return
	}
	if t.degraded == nil {
		t.degraded = map[string]error{}
	}
	t.degraded[partition] = err
}

// running lets the status look into the attempt that runs.
func (t *task) running(look func(*TaskStatus)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.look = look
}

// listen lets signals reach the source of the attempt that runs.
func (t *task) listen(src Source) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.signaled, _ = src.(Signaled)
}

// listening is the source that takes signals, nil when none runs.
func (t *task) listening() Signaled {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.signaled
}

// status is a snapshot.
func (t *task) status() TaskStatus {
	t.mu.Lock()
	look := t.look
	s := TaskStatus{
		ID: t.id, State: t.state, Cause: t.cause, Finished: t.finished, Since: t.since, Next: t.next,
	}
	for _, err := range t.degraded {
		s.Degraded = err
	}
	t.mu.Unlock()

	s.LagRecords = -1
	if look != nil {
		look(&s)
	}
	if s.Health != nil && s.Degraded == nil {
		s.Degraded = s.Health.Warning
	}
	t.count.read(&s, s.LagRecords <= 0)
	return s
}
