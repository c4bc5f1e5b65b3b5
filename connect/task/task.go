package task

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"connectd/connect"
	"connectd/connect/connector"
)

// healthy is how long a task must have run for its next failure to count as the first.
const healthy = 5 * time.Minute

// Task is one task of a connector. It outlives its attempts to run: a failed attempt is followed
// by another after a pause, unless its error is permanent.
//
// Its supervisor, from one goroutine, calls Start, Halt, Wait and Enter; an attempt says how it is
// with Show, Listen and Degrade, and counts; anybody may ask for the Status.
type Task struct {
	Connector *connector.Connector
	ID        int // from 0
	Log       *slog.Logger
	Count     Counters
	Before    *Predecessors // of the start that the task was part of

	attempt func(ctx context.Context) error // runs the source or the sink once
	backoff Backoff
	cancel  context.CancelFunc // of the running goroutine; owned by the supervisor

	mu       sync.Mutex
	done     chan struct{} // closed when the goroutine has ended; nil without one
	state    State
	cause    error
	degraded map[string]error // by partition
	finished bool
	since    time.Time
	next     time.Time
	show     func(*Status)    // adds what only the running attempt knows
	signaled connect.Signaled // its source, when that takes signals
}

// New is a task that runs by attempt, which is not started yet.
func New(c *connector.Connector, id int, log *slog.Logger, attempt func(context.Context) error) *Task {
	return &Task{
		Connector: c,
		ID:        id,
		Log:       log.With("connector", c.Name, "task", id),
		attempt:   attempt,
		backoff:   Backoff{First: c.RestartDelay, Most: c.RestartDelayMax},
		state:     Unassigned,
		since:     time.Now(),
	}
}

// Start runs the task in a goroutine of its own until Halt, a permanent error, or its end.
func (t *Task) Start(ctx context.Context) {
	ctx, t.cancel = context.WithCancel(ctx)
	done := make(chan struct{})
	t.backoff.Reset()
	t.Enter(Running, nil)
	t.setDone(done)
	go func() {
		defer close(done)
		t.supervise(ctx)
	}()
}

// Halt tells the task to drain and end.
func (t *Task) Halt() {
	if t.Started() != nil {
		t.cancel()
	}
}

// Wait waits until the task has ended.
func (t *Task) Wait() {
	if done := t.Started(); done != nil {
		<-done
		t.cancel()
		t.setDone(nil)
	}
}

// Started is closed when the task has ended; nil when it was not started.
func (t *Task) Started() chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.done
}

func (t *Task) setDone(done chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done = done
}

// supervise runs attempt after attempt.
func (t *Task) supervise(ctx context.Context) {
	for {
		began := time.Now()
		err := Guarded(func() error { return t.attempt(ctx) })
		switch {
		case ctx.Err() != nil:
			if err != nil {
				t.Log.Warn("task stopped with an error", "err", err)
			}
			return
		case err == nil:
			t.finish()
			return
		case connect.IsPermanent(err):
			t.Log.Error("task failed; it stays so until the connector is changed or restarted", "err", err)
			t.Enter(Failed, err)
			return
		}
		if time.Since(began) >= healthy {
			t.backoff.Reset()
		}
		pause := t.backoff.Next()
		if connect.IsFenced(err) {
			pause = t.backoff.Most // leave the other one alone
		}
		t.Log.Warn("task restarts", "in", pause.Round(time.Millisecond), "err", err)
		t.Enter(Restarting, err)
		t.retryAt(time.Now().Add(pause))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		t.Count.restarted()
		t.Enter(Running, nil)
	}
}

// Enter sets the task's state.
func (t *Task) Enter(s State, cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state, t.cause, t.since = s, cause, time.Now()
	t.next, t.finished, t.degraded, t.show, t.signaled = time.Time{}, false, nil, nil, nil
}

func (t *Task) retryAt(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next = at
}

func (t *Task) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.finished = true
	t.Log.Info("source has nothing more to read")
}

// Degrade says what is wrong with one partition of a running sink, or with nil that it is well.
func (t *Task) Degrade(partition string, err error) {
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

// Show makes show add to the status what only the attempt that runs knows.
func (t *Task) Show(show func(*Status)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.show = show
}

// Listen lets signals reach the source of the attempt that runs.
func (t *Task) Listen(src connect.Source) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.signaled, _ = src.(connect.Signaled)
}

// Listening is the source that takes signals, nil when none runs.
func (t *Task) Listening() connect.Signaled {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.signaled
}

// Status is a snapshot.
func (t *Task) Status() Status {
	t.mu.Lock()
	show := t.show
	s := Status{
		ID: t.ID, State: t.state, Cause: t.cause, Finished: t.finished, Since: t.since, Next: t.next,
	}
	for _, err := range t.degraded {
		s.Degraded = err
	}
	t.mu.Unlock()

	s.LagRecords = -1
	if show != nil {
		show(&s)
	}
	if s.Health != nil && s.Degraded == nil {
		s.Degraded = s.Health.Warning
	}
	t.Count.Read(&s, s.LagRecords <= 0)
	return s
}
