package sourcetask

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectd/connect"
	"connectd/kafka"
	"connectd/record"
)

// written is an offsets topic: what was written to it, and when.
type written struct {
	took time.Duration // of each write
	err  error

	mu      sync.Mutex
	at      []time.Time
	offsets []string
}

func (w *written) PutAll(_ context.Context, entries map[string][]byte) error {
	time.Sleep(w.took)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = append(w.at, time.Now())
	w.offsets = append(w.offsets, string(entries[`["c",`+eventPartition+`]`]))
	return w.err
}

func (w *written) last() (string, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.offsets) == 0 {
		return "", 0
	}
	return w.offsets[len(w.offsets)-1], len(w.offsets)
}

func number(t *testing.T, text string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Error(err)
	}
	return n
}

// trickle is a source that sends a batch of one record each millisecond, n in all, and drains
// when it is stopped.
type trickle struct{ n int }

func (s trickle) Run(ctx context.Context, t *connect.SourceTask) error {
	n := 0
	for ; n < s.n && ctx.Err() == nil; n++ {
		time.Sleep(time.Millisecond)
		b := <-t.Free()
		r := b.Add()
		r.Topic = "t"
		r.Value = record.Datum{Schema: eventKeySchema, Value: record.OfStruct(append(b.Cells(1)[:0], record.OfInt(int64(n))))}
		b.Offsets = append(b.Offsets, record.SourceOffset{Partition: []byte(eventPartition), Offset: b.Copy(fmt.Append(nil, n+1))})
		b.Mark = uint64(n + 1)
		t.Send(b)
	}
	<-ctx.Done()
	for t.Committed() < uint64(n) {
		select {
		case <-t.Wake():
		case <-t.Failed():
			return nil
		}
	}
	return nil
}

// TestPositionsOfTricklingRows wants a position now and then while rows come one by one, each
// durable before the source hears of it, and the last one at once when the source stops.
func TestPositionsOfTricklingRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &written{took: 2 * time.Millisecond}
		p := newBenchPipeline(t, acks{})
		p.offsets = newOffsetWriter("c", log)
		ctx, stop := context.WithCancel(t.Context())
		began := time.Now()
		done := make(chan error, 1)
		go func() { done <- p.run(ctx, trickle{1000}, time.Second) }()
		for range 1000 {
			time.Sleep(time.Millisecond)
			if told := p.intake.Task().Committed(); told > 0 {
				if last, _ := log.last(); told > number(t, last) {
					t.Errorf("the source was told %d, the position is %s", told, last)
				}
			}
		}
		synctest.Wait()
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if last, n := log.last(); last != "1000" || n < 35 || n > 45 {
			t.Errorf("%d positions in a second, the last %s; want about 40, and 1000", n, last)
		}
		if wait := log.at[0].Sub(began); wait > 5*time.Millisecond {
			t.Errorf("the first position came after %s, want it at once", wait)
		}
		if took := time.Since(began); took > 1010*time.Millisecond {
			t.Errorf("the stop took until %s, want it not to wait for the next position", took)
		}
	})
}

// TestPositionRefused wants the error of the offsets topic, and nothing told.
func TestPositionRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newBenchPipeline(t, acks{})
		p.offsets = newOffsetWriter("c", &written{err: errors.New("no leader")})
		if err := p.run(t.Context(), trickle{10}, time.Second); err == nil || err.Error() != "write source offsets: no leader" {
			t.Errorf("got %v", err)
		}
		if p.intake.Task().Committed() != 0 {
			t.Errorf("the source was told %d", p.intake.Task().Committed())
		}
	})
}

// TestPositionBeforeProduceError wants what was acknowledged before a failed batch to be written.
func TestPositionBeforeProduceError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &written{took: time.Millisecond}
		p := newBenchPipeline(t, &failing{after: 10})
		p.offsets = newOffsetWriter("c", log)
		if err := p.run(t.Context(), trickle{100}, time.Second); err == nil || err.Error() != "broker gone" {
			t.Errorf("got %v", err)
		}
		if last, _ := log.last(); last != "10" || p.intake.Task().Committed() != 10 {
			t.Errorf("position %s, told %d; want 10", last, p.intake.Task().Committed())
		}
	})
}

// failing acknowledges so many batches and then none.
type failing struct{ after int }

func (f *failing) Produce(_ []kafka.Message, done func(error)) {
	if f.after--; f.after < 0 {
		done(errors.New("broker gone"))
		return
	}
	done(nil)
}
