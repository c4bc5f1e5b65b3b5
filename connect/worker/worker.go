package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"connectd/config"
	"connectd/connect"
	"connectd/connect/connector"
	"connectd/connect/schemas"
	"connectd/connect/sinktask"
	"connectd/connect/sourcetask"
	"connectd/connect/task"
	"connectd/kafka"
)

// ErrUnknown is a connector or a task that the worker does not have.
var ErrUnknown = errors.New("no such connector or task")

// Worker runs connectors. A task that fails restarts by itself and disturbs no other; an error
// that can not heal leaves it FAILED with the cause in its status.
type Worker struct {
	grace   time.Duration
	log     *slog.Logger
	stores  *kafka.Stores
	sources *sourcetask.Runner
	sinks   *sinktask.Runner
	added   chan struct{} // one slot

	mu         sync.Mutex
	connectors []*supervised // in the order of Add
	started    int           // how many of them Run has started
}

// New makes a worker for connectors that live on the cluster of k.
func New(s *connector.WorkerSettings, k kafka.Settings, log *slog.Logger) *Worker {
	stores := kafka.NewStores(k, log)
	schemas := schemas.New(s.SchemasTopic, stores, log)
	return &Worker{
		grace: s.Grace, log: log, stores: stores, added: make(chan struct{}, 1),
		sources: sourcetask.NewRunner(s, k, stores, schemas), sinks: sinktask.NewRunner(s, k, schemas),
	}
}

// Add takes a connector that Load has accepted. Run starts it, also when it runs already.
func (w *Worker) Add(c *connector.Connector) {
	s := &supervised{name: c.Name, class: c.Class, kind: c.Kind, connector: c, target: task.Running}
	switch c.State {
	case config.Paused:
		s.target = task.Paused
	case config.Stopped:
		s.target = task.Stopped
	}
	s.newTask = w.sources.NewTask
	if c.Kind == connect.SinkKind {
		s.newTask = w.sinks.NewTask
	}
	w.add(s)
}

// AddFailed takes a connector that Load has refused: its status is FAILED with the problems for
// its cause, and it does not disturb the others.
func (w *Worker) AddFailed(c *config.Connector, cause error) {
	class, _ := c.Get("connector.class")
	w.add(&supervised{name: c.Name, class: class.Raw, target: task.Failed, cause: cause})
}

func (w *Worker) add(s *supervised) {
	s.log, s.since = w.log, time.Now()
	s.changed, s.restart = make(chan struct{}, 1), map[int]bool{}
	w.mu.Lock()
	w.connectors = append(w.connectors, s)
	w.mu.Unlock()
	select {
	case w.added <- struct{}{}:
	default:
	}
}

// stuck is how long Run waits, after the time to drain, for tasks that do not end.
const stuck = 2 * time.Second

// Run runs the connectors until ctx is done and then lets each task finish what it has begun,
// within task.shutdown.graceful.timeout.ms. It returns when all have ended; an error names those
// that have not.
func (w *Worker) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	running := true
	for running {
		w.mu.Lock()
		fresh := w.connectors[w.started:]
		w.started = len(w.connectors)
		w.mu.Unlock()
		for _, s := range fresh {
			if s.connector != nil {
				wg.Go(func() { s.loop(ctx) })
			}
		}
		select {
		case <-w.added:
		case <-ctx.Done():
			running = false
		}
	}
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }() // ends with the last task
	select {
	case <-ended:
		w.stores.Close()
		return nil
	case <-time.After(w.grace + stuck):
		return fmt.Errorf("tasks that did not stop in time: %s", strings.Join(w.unfinished(), ", "))
	}
}

// unfinished names the tasks that still run.
func (w *Worker) unfinished() []string {
	var names []string
	for _, s := range w.all() {
		for _, t := range s.all() {
			done := t.Started()
			if done == nil {
				continue
			}
			select {
			case <-done:
			default:
				names = append(names, fmt.Sprintf("%s-%d", s.name, t.ID))
			}
		}
	}
	return names
}

// Pause stops the work of a connector and keeps its tasks.
func (w *Worker) Pause(name string) error { return w.want(name, task.Paused) }

// Resume undoes Pause and Stop.
func (w *Worker) Resume(name string) error { return w.want(name, task.Running) }

// Stop ends a connector's tasks until Resume.
func (w *Worker) Stop(name string) error { return w.want(name, task.Stopped) }

func (w *Worker) want(name string, target task.State) error {
	s, err := w.find(name)
	if err != nil {
		return err
	}
	s.want(target)
	return nil
}

// Restart starts a connector's tasks anew: all, or only those that are FAILED.
func (w *Worker) Restart(name string, onlyFailed bool) error {
	s, err := w.find(name)
	if err != nil {
		return err
	}
	s.wantRestart(func(t task.Status) bool { return !onlyFailed || t.State == task.Failed })
	return nil
}

// RestartTask starts one task anew.
func (w *Worker) RestartTask(name string, id int) error {
	s, err := w.find(name)
	if err != nil {
		return err
	}
	if !s.wantRestart(func(t task.Status) bool { return t.ID == id }) {
		return fmt.Errorf("task %d of connector %q: %w", id, name, ErrUnknown)
	}
	return nil
}

// Status is a snapshot of all connectors, in the order in which they were added.
func (w *Worker) Status() []ConnectorStatus {
	var all []ConnectorStatus
	for _, s := range w.all() {
		all = append(all, s.status())
	}
	return all
}

// Connector is a snapshot of one connector.
func (w *Worker) Connector(name string) (ConnectorStatus, error) {
	s, err := w.find(name)
	if err != nil {
		return ConnectorStatus{}, err
	}
	return s.status(), nil
}

func (w *Worker) find(name string) (*supervised, error) {
	all := w.all()
	i := slices.IndexFunc(all, func(s *supervised) bool { return s.name == name })
	if i < 0 {
		return nil, fmt.Errorf("connector %q: %w", name, ErrUnknown)
	}
	return all[i], nil
}

func (w *Worker) all() []*supervised {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.connectors)
}
