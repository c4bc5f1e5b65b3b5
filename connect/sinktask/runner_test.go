package sinktask

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"
	"time"

	"connectd/connect/connector"
	"connectd/connect/connector/connectortest"
	"connectd/connect/schemas"
	"connectd/kafka"
)

// asked is a sink whose target is not there.
type asked struct {
	discard
	checked chan struct{} // closed by Check
}

var errNoTarget = errors.New("no target")

func (a *asked) Check(context.Context) error {
	close(a.checked)
	return errNoTarget
}

// TestTargetIsAskedWhileSchemasOpen makes sure that a task does not wait for the schemas before it asks
// the sink's target: brokers here accept connections and say nothing.
func TestTargetIsAskedWhileSchemasOpen(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	k := connectortest.Kafka(silent.Addr().String())
	log := slog.New(slog.DiscardHandler)
	stores := kafka.NewStores(k, log)
	defer stores.Close()
	sink := &asked{checked: make(chan struct{})}
	task := NewRunner(&connector.WorkerSettings{}, k, schemas.New("schemas", stores, log)).
		NewTask(connectorTo(t, "to-nowhere", sink), 0, log)
	ctx, cancel := context.WithCancel(t.Context())
	task.Start(ctx)
	select {
	case <-sink.checked:
	case <-time.After(5 * time.Second):
		t.Error("the target is not asked before the schemas are open")
	}
	cancel() // ends the opening, which the task waits for
	task.Wait()
}
