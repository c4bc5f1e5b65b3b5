package connect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Signal asks a source that runs for something beside its stream, such as a snapshot of some of
// its tables: Debezium's signals.
type Signal struct {
	ID   string          `json:"id"`
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

// Signaled is a Source that takes signals.
type Signaled interface {
	// Signal hands s to Run, waits until it is taken, and returns what is wrong with it; ErrNotNow
	// when it may go through later. It is called from any goroutine, also while Run does not run.
	Signal(ctx context.Context, s Signal) error
}

// Signal hands a signal to the source of a connector and returns what is wrong with it. The errors
// that it may be are ErrUnknown, ErrNotNow, and what the source says.
func (w *Worker) Signal(ctx context.Context, name string, signal Signal) error {
	s, err := w.find(name)
	if err != nil {
		return err
	}
	if s.kind == SinkKind {
		return fmt.Errorf("connector %q is a sink, and only sources take signals", name)
	}
	for _, t := range s.all() {
		if src := t.listening(); src != nil {
			return src.Signal(ctx, signal)
		}
	}
	state := s.status().State
	if state == Running && s.connector != nil {
		return fmt.Errorf("%w: no task of connector %q runs that takes signals", ErrNotNow, name)
	}
	return fmt.Errorf("%w: connector %q is %s", ErrNotNow, name, state)
}

// ErrNotNow says that a source can not take a signal at the moment.
var ErrNotNow = errors.New("not now")
