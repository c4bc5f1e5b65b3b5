package connect

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// ConnectorStatus is a snapshot of one connector.
type ConnectorStatus struct {
	Name  string
	Class string
	Kind  Kind
	State State
	Cause error // of FAILED: what validation found
	Since time.Time
	Tasks []TaskStatus // none while the connector is stopped or failed
}

// supervised is a connector and its tasks. One goroutine (loop) starts and stops the tasks; the
// others say what they want and wake it.
type supervised struct {
	name, class string
	kind        Kind
	connector   *Connector // nil when validation failed
	log         *slog.Logger
	newTask     func(c *Connector, id int, log *slog.Logger) *task
	changed     chan struct{} // one slot

	mu      sync.Mutex
	target  State // RUNNING, PAUSED or STOPPED; FAILED when validation failed
	cause   error
	since   time.Time
	restart map[int]bool // tasks to start anew
	tasks   []*task      // none while stopped
}

// want asks for another state.
func (s *supervised) want(target State) {
	s.mu.Lock()
	if s.target != Failed && s.target != target {
		s.target, s.since = target, time.Now()
	}
	s.mu.Unlock()
	s.wake()
}

// wantRestart asks for the tasks that choose picks to be started anew.
func (s *supervised) wantRestart(choose func(TaskStatus) bool) (known bool) {
	s.mu.Lock()
	for _, t := range s.tasks {
		if choose(t.status()) {
			s.restart[t.id] = true
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
	case Running:
		s.run(ctx, restart)
	case Paused:
		s.end(s.all())
		for _, t := range s.all() {
			t.enter(Paused, nil)
		}
	case Stopped:
		s.end(s.all())
		s.mu.Lock()
		s.tasks = nil
		s.mu.Unlock()
	}
}

// run starts the tasks that do not run, and starts those in restart anew.
func (s *supervised) run(ctx context.Context, restart map[int]bool) {
	if len(s.all()) == 0 {
		var tasks []*task
		for id := range s.connector.tasks() {
			tasks = append(tasks, s.newTask(s.connector, id, s.log))
		}
		s.mu.Lock()
		s.tasks = tasks
		s.mu.Unlock()
	}
	var again []*task
	for _, t := range s.all() {
		if restart[t.id] && t.started() != nil {
			t.enter(Restarting, nil)
			again = append(again, t)
		}
	}
	s.end(again)
	var idle []*task
	for _, t := range s.all() {
		if t.started() == nil {
			idle = append(idle, t)
		}
	}
	if len(idle) == len(s.all()) {
		before := newPredecessors()
		for _, t := range idle {
			t.before = before
		}
	}
	for _, t := range idle {
		t.start(ctx)
	}
}

// end stops tasks together and waits for them.
func (s *supervised) end(tasks []*task) {
	for _, t := range tasks {
		t.halt()
	}
	for _, t := range tasks {
		t.wait()
	}
}

func (s *supervised) all() []*task {
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
		st.Tasks = append(st.Tasks, t.status())
	}
	return st
}
