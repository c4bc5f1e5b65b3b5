package worker

import (
	"context"
	"fmt"

	"connectd/connect"
	"connectd/connect/task"
)

// Signal hands a signal to the source of a connector and returns what is wrong with it. The errors
// that it may be are ErrUnknown, ErrNotNow, and what the source says.
func (w *Worker) Signal(ctx context.Context, name string, signal connect.Signal) error {
	s, err := w.find(name)
	if err != nil {
		return err
	}
	if s.kind == connect.SinkKind {
		return fmt.Errorf("connector %q is a sink, and only sources take signals", name)
	}
	for _, t := range s.all() {
		if src := t.Listening(); src != nil {
			return src.Signal(ctx, signal)
		}
	}
	state := s.status().State
	if state == task.Running && s.connector != nil {
		return fmt.Errorf("%w: no task of connector %q runs that takes signals", connect.ErrNotNow, name)
	}
	return fmt.Errorf("%w: connector %q is %s", connect.ErrNotNow, name, state)
}
