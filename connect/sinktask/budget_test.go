package sinktask

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
	b.give(large, 5)
	if small.rooms != 0 || large.early != 2 {
		t.Fatalf("room was told with no quarter free: small %+v, large %+v", small, large)
	}
	b.give(large, 50)
	if small.rooms != 1 || small.waits || large.rooms != 0 {
		t.Fatalf("room is for those that wait: small %+v, large %+v", small, large)
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
					b.take(h, 60)
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
