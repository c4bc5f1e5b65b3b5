package sinktask

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"

	"connectd/connect"
	"connectd/connect/connector"
	"connectd/connect/connector/connectortest"
	"connectd/connect/schemas"
	"connectd/kafka"
	"connectd/record"
)

// tenant is a holder of a budget.
type tenant struct {
	waits        bool
	early, rooms int
}

func (h *tenant) room()       { h.waits = false; h.rooms++ }
func (h *tenant) flushEarly() { h.early++ }
func (h *tenant) full() {
	runtime.Gosched() // others give back meanwhile, where they can
	h.waits = true
}

func TestBudget(t *testing.T) {
	b := newBudget(100)
	small, large := &tenant{}, &tenant{}
	if b.take(small, 30) || b.take(large, 60) {
		t.Fatal("full below the limit")
	}
	if !b.take(small, 20) || !small.waits || large.early != 1 || small.early != 0 {
		t.Fatalf("above the limit the one that holds most is to flush: small %+v, large %+v", small, large)
	}
	idle := &tenant{}
	if !b.wait(idle) || !idle.waits {
		t.Fatal("one that holds nothing is not told to wait while the budget is full")
	}
	b.give(large, 5)
	if small.rooms != 0 || large.early != 2 {
		t.Fatalf("room was told with no quarter free: small %+v, large %+v", small, large)
	}
	b.give(large, 50)
	if small.rooms != 1 || small.waits || idle.waits || large.rooms != 0 {
		t.Fatalf("room is for those that wait: small %+v, idle %+v, large %+v", small, idle, large)
	}
	if b.wait(idle) || idle.waits {
		t.Fatal("told to wait though there is room")
	}
}

// TestBudgetForgetsNobody has partitions that take while others give back: none may end up waiting
// for room that was told before it began to wait.
func TestBudgetForgetsNobody(t *testing.T) {
	for range 1000 {
		b := newBudget(100)
		tenants := []*tenant{{}, {}, {}, {}}
		var wg sync.WaitGroup
		for _, h := range tenants {
			wg.Go(func() {
				for range 50 {
					if b.take(h, 60) {
						b.wait(h)
					}
					b.give(h, 60)
				}
			})
		}
		wg.Wait()
		for i, h := range tenants {
			if h.waits {
				t.Fatalf("partition %d of %d waits for room, and nobody holds anything", i, len(tenants))
			}
		}
	}
}

// away is a sink whose target can not be reached.
type away struct{ discard }

func (a *away) Open(context.Context, record.Partition) (connect.Writer, error) { return a, nil }
func (a *away) Flush(context.Context, record.Range) error                      { return errors.New("target is away") }

// TestFailingSinkHoldsNoMemory has one target that is away and one that is not: what the first is
// not rid of must not take the memory that the other reads with.
func TestFailingSinkHoldsNoMemory(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	k := connectortest.Broker(t)
	connectortest.Topic(t, k, "numbers", 4)
	var msgs []kafka.Message
	for i := range 400 {
		msgs = append(msgs, kafka.Message{Topic: "numbers", Partition: kafka.ByKey, Timestamp: record.NoTimestamp, Key: fmt.Append(nil, i), Value: fmt.Append(nil, i)})
	}
	connectortest.Produce(t, k, msgs...)
	var s connector.WorkerSettings
	s.Defaults()
	s.Memory = 100 // less than a record takes
	stores := kafka.NewStores(k, log)
	t.Cleanup(stores.Close)
	r := NewRunner(&s, k, schemas.New(s.SchemasTopic, stores, log))
	up := &discard{}
	for _, c := range []*connector.Connector{
		connectorTo(t, "to-down", &away{}, "errors.retry.delay.max.ms", "3600000"), connectorTo(t, "to-up", up),
	} {
		running := r.NewTask(c, 0, log)
		running.Start(t.Context())
		t.Cleanup(func() { running.Halt(); running.Wait() })
	}
	free := 0 // how often in a row: between two tries everything is free for a moment anyhow
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); free < 20; <-tick.C {
		r.budget.mu.Lock()
		if free++; r.budget.used > 0 || up.rows.Load() < 400 {
			free = 0
		}
		r.budget.mu.Unlock()
		if time.Now().After(deadline) {
			t.Fatalf("%d rows of 400 are where they can go, and the memory is not free while the other target is away", up.rows.Load())
		}
	}
}
