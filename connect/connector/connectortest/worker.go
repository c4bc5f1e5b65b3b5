package connectortest

import (
	"context"
	"sync"
	"testing"

	"connectd/connect/connector"
)

// Worker is a worker.Worker, whose own tests are among those that begin here.
type Worker interface {
	Add(c *connector.Connector)
	Run(ctx context.Context) error
}

// Run runs w until the end of the test, or until stop is called.
func Run(t testing.TB, w Worker) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }() // ends with stop
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}
