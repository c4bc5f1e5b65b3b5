package worker

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"connectd/connect"
	"connectd/connect/connector"
	"connectd/connect/task"
)

// ConnectorStatus is a snapshot of one connector.
type ConnectorStatus struct {
	Name  string
	Class string
	Kind  connect.Kind
	State task.State
	Cause error // of FAILED: what validation found
	Since time.Time
	Tasks []task.Status // none while the connector is stopped or failed
}

// supervised is a connector and its tasks. One goroutine (loop) starts and stops the tasks; the
// others say what they want and wake it.
type supervised struct {
	name, class string
	kind        connect.Kind
	connector   *connector.Connector // nil when validation failed
	log         *slog.Logger
	newTask     func(c *connector.Connector, id int, log *slog.Logger) *task.Task
	changed     chan struct{} // one slot

	mu      sync.Mutex
	target  task.State // RUNNING, PAUSED or STOPPED; FAILED when validation failed
	cause   error
	since   time.Time
	restart map[int]bool // tasks to start anew
	tasks   []*task.Task // none while stopped
}

// want asks for another state.
func (s *supervised) want(target task.State) {
	s.mu.Lock()
	if s.target != task.Failed && s.target != target {
		s.target, s.since = target, time.Now()
	}
	s.mu.Unlock()
	s.wake()
}

// wantRestart asks for the tasks that choose picks to be started anew.
func (s *supervised) wantRestart(choose func(task.Status) bool) (known bool) {
	s.mu.Lock()
	for _, t := range s.tasks {
		if choose(t.Status()) {
			s.restart[t.ID] = true
			known = true
		}
	}
	s.mu.Unlock()
	s.wake()
	return known
}

func (s *supervised) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// loop brings the tasks to what is wanted until ctx is done, and then to their end.
func (s *supervised) loop(ctx context.Context) {
	for {
		s.reconcile(ctx)
		select {
		case <-s.changed:
		case <-ctx.Done():
			s.end(s.all())
			return
		}
	}
}

func (s *supervised) reconcile(ctx context.Context) {
	s.mu.Lock()
	target, restart := s.target, s.restart
	s.restart = map[int]bool{}
	s.mu.Unlock()
	switch target {
	case task.Running:
		s.run(ctx, restart)
	case task.Paused:
		s.end(s.all())
		for _, t := range s.all() {
			t.Enter(task.Paused, nil)
		}
	case task.Stopped:
		s.end(s.all())
		s.mu.Lock()
		s.tasks = nil
		s.mu.Unlock()
	}
}

// run starts the tasks that do not run, and starts those in restart anew.
func (s *supervised) run(ctx context.Context, restart map[int]bool) {
	if len(s.all()) == 0 {
		var tasks []*task.Task
		for id := range s.connector.Tasks() {
			tasks = append(tasks, s.newTask(s.connector, id, s.log))
		}
		s.mu.Lock()
		s.tasks = tasks
		s.mu.Unlock()
	}
	var again []*task.Task
	for _, t := range s.all() {
		if restart[t.ID] && t.Started() != nil {
			t.Enter(task.Restarting, nil)
			again = append(again, t)
		}
	}
	s.end(again)
	var idle []*task.Task
	for _, t := range s.all() {
		if t.Started() == nil {
			idle = append(idle, t)
		}
	}
	if len(idle) == len(s.all()) {
		before := task.NewPredecessors()
		for _, t := range idle {
			t.Before = before
		}
	}
	for _, t := range idle {
		t.Start(ctx)
	}
}

// end stops tasks together and waits for them.
func (s *supervised) end(tasks []*task.Task) {
	for _, t := range tasks {
		t.Halt()
	}
	for _, t := range tasks {
		t.Wait()
	}
}

func (s *supervised) all() []*task.Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tasks
}

// status is a snapshot.
func (s *supervised) status() ConnectorStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := ConnectorStatus{Name: s.name, Class: s.class, Kind: s.kind, State: s.target, Cause: s.cause, Since: s.since}
	for _, t := range s.tasks {
		st.Tasks = append(st.Tasks, t.Status())
	}
	return st
}
