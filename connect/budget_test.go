package connect

import (
	"runtime"
	"sync"
	"testing"
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

// TestFailingSinkHoldsNoMemory has one target that is away and one that is not: what the first is
// not rid of must not take the memory that the other reads with.
func TestFailingSinkHoldsNoMemory(t *testing.T) {
	k := testKafka(t)
	fill(t, k, "numbers", 4, 0, 400)
	down, up := newMemory(), newMemory()
	down.refusing = 1 << 30
	w := testWorker(t, k)
	w.budget = newBudget(100)
	w.Add(load(t, testPlugins(nil, down), "to-down", sinkOf("errors.retry.delay.max.ms", "3600000")))
	w.Add(load(t, testPlugins(nil, up), "to-up", sinkOf()))
	start(t, w)
	until(t, "the rows of the target that is there", func() bool { return up.count() == 400 })
	free := 0 // how often in a row: between two tries everything is free for a moment anyhow
	until(t, "all memory to be free while the other target is away", func() bool {
		w.budget.mu.Lock()
		defer w.budget.mu.Unlock()
		if free++; w.budget.used > 0 {
			free = 0
		}
		return free == 20
	})
}
