package connect

import (
	"context"
	"encoding/json"
	"errors"
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

// ErrNotNow says that a source can not take a signal at the moment.
var ErrNotNow = errors.New("not now")
