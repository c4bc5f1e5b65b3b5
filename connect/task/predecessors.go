package task

import "context"

// Predecessors are the tasks that a connector had before it was started. With transactions and a
// source that is split they are fenced, all of them, before the first task reads where to start: a
// share may have gone to another task, and claiming that task's own transactional id would not end
// what the one before had begun under its. The tasks of one start share it.
type Predecessors struct {
	turn   chan struct{} // one slot; who has filled it may look at fenced
	fenced bool
}

// NewPredecessors are those of a start in which no task has run yet.
func NewPredecessors() *Predecessors { return &Predecessors{turn: make(chan struct{}, 1)} }

// End calls fence unless a task has done so before. The others wait.
func (p *Predecessors) End(ctx context.Context, fence func() error) error {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-p.turn }()
	if p.fenced {
		return nil
	}
	if err := fence(); err != nil {
		return err
	}
	p.fenced = true
	return nil
}
