package conform

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"
	"testing"
	"time"

	"connectd/connect"
	"connectd/record"
)

// Sinks describes a sink to the suite.
type Sinks struct {
	// New builds a sink; all of them write to the same target.
	New func(t *testing.T) connect.Sink
	// Record fills r, whose topic, partition and offset are set, with something that the target
	// can store.
	Record func(b *record.Batch, r *record.Record)
	// Bad fills r with something that the target can not store; nil when there is no such thing.
	Bad func(b *record.Batch, r *record.Record)
	// Offsets are the offsets of the records that the target holds of p, in any order, each as
	// often as it is there.
	Offsets func(t *testing.T, p record.Partition) []int64
	// Topic is where the records come from.
	Topic string
}

// Sink runs the suite on a sink.
func Sink(t *testing.T, s Sinks) {
	partition := int32(0)
	run := func(name string, f func(t *testing.T, w *writing)) {
		p := record.Partition{Topic: s.Topic, ID: partition}
		partition++
		t.Run(name, func(t *testing.T) {
			leaks(t)
			w := &writing{s: &s, p: p, sink: s.New(t)}
			w.open(t)
			f(t, w)
			w.close(t)
			if err := w.sink.Close(); err != nil {
				t.Errorf("close sink: %v", err)
			}
		})
	}
	run("everything once", func(t *testing.T, w *writing) {
		w.write(t, 0, 10)
		w.write(t, 10, 25)
		w.flush(t, 0, 25, newID())
		w.write(t, 25, 30)
		w.flush(t, 25, 30, newID())
		w.holds(t, 0, 30)
	})
	run("offsets with gaps", func(t *testing.T, w *writing) {
		w.write(t, 3, 5)
		w.write(t, 8, 9)
		w.flush(t, 0, 12, newID())
		w.holds(t, 3, 5, 8, 9)
	})
	run("nothing without flush", func(t *testing.T, w *writing) {
		w.write(t, 0, 10)
		w.close(t)
		w.holds(t)
		w.open(t)
		w.write(t, 0, 5)
		w.flush(t, 0, 5, newID())
		w.holds(t, 0, 5)
	})
	run("flush of a range without records", func(t *testing.T, w *writing) {
		w.flush(t, 0, 5, newID())
		w.holds(t)
		w.write(t, 5, 7)
		w.flush(t, 5, 7, newID())
		w.holds(t, 5, 7)
	})
	run("the same flush again", func(t *testing.T, w *writing) {
		id := newID()
		w.write(t, 0, 10)
		w.flush(t, 0, 10, id)
		w.close(t)
		w.open(t)
		if w.starter(t, 10) {
			return
		}
		w.write(t, 0, 10)
		w.flush(t, 0, 10, id)
		w.holds(t, 0, 10)
	})
	run("an earlier owner is fenced", func(t *testing.T, w *writing) {
		w.write(t, 0, 10)
		earlier := w.writer
		w.open(t)
		if _, ok := w.writer.(connect.Starter); ok {
			if err := earlier.Flush(t.Context(), w.rangeOf(0, 10, newID())); err == nil {
				t.Error("the writer of an earlier owner could still flush")
			}
			w.holds(t)
		}
		if err := earlier.Close(); err != nil {
			t.Errorf("close the earlier writer: %v", err)
		}
		w.write(t, 0, 4)
		w.flush(t, 0, 4, newID())
		w.holds(t, 0, 4)
	})
	run("an ended context", func(t *testing.T, w *writing) {
		w.write(t, 0, 10)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		id := newID()
		began := time.Now()
		err := w.writer.Flush(ended, w.rangeOf(0, 10, id))
		if took := time.Since(began); took > patience {
			t.Errorf("flush took %s after its context had ended", took)
		}
		if err == nil {
			w.holds(t, 0, 10)
			return
		}
		w.close(t)
		w.open(t)
		if s, ok := w.writer.(connect.Starter); ok {
			if next, found, err := s.Start(t.Context()); err != nil {
				t.Fatal(err)
			} else if found && next == 10 {
				w.holds(t, 0, 10)
				return
			}
		}
		w.write(t, 0, 10)
		w.flush(t, 0, 10, id)
		w.holds(t, 0, 10)
	})
	if s.Bad != nil {
		run("failed record", func(t *testing.T, w *writing) { w.bad(t) })
	}
}

// writing is the suite's use of one sink and one partition of it.
type writing struct {
	s      *Sinks
	p      record.Partition
	sink   connect.Sink
	writer connect.Writer
	batch  record.Batch
}

// open opens a writer, and starts one that keeps its own offset.
func (w *writing) open(t *testing.T) {
	t.Helper()
	var err error
	if w.writer, err = w.sink.Open(t.Context(), w.p); err != nil {
		t.Fatalf("open: %v", err)
	}
	if s, ok := w.writer.(connect.Starter); ok {
		if _, _, err := s.Start(t.Context()); err != nil {
			t.Fatalf("start: %v", err)
		}
	}
}

func (w *writing) close(t *testing.T) {
	t.Helper()
	if w.writer == nil {
		return
	}
	if err := w.writer.Close(); err != nil {
		t.Errorf("close writer: %v", err)
	}
	w.writer = nil
}

// starter says whether the writer keeps its own offset, and checks it.
func (w *writing) starter(t *testing.T, want int64) bool {
	t.Helper()
	s, ok := w.writer.(connect.Starter)
	if !ok {
		return false
	}
	next, found, err := s.Start(t.Context())
	if err != nil || !found || next != want {
		t.Errorf("start says %d, %v, %v; want %d", next, found, err, want)
	}
	return true
}

// write writes records with the offsets [from, to).
func (w *writing) write(t *testing.T, from, to int64) {
	t.Helper()
	w.fill(from, to, -1)
	if err := w.writer.Write(t.Context(), &w.batch); err != nil {
		t.Fatalf("write: %v", err)
	}
	if failed := w.batch.Failed(); len(failed) > 0 {
		t.Fatalf("record %d failed: %v", failed[0].Index, failed[0].Err)
	}
	w.spoil()
}

// fill fills the batch; the record at bad is one that the target can not store.
func (w *writing) fill(from, to, bad int64) {
	w.batch.Reset()
	for offset := from; offset < to; offset++ {
		r := w.batch.Add()
		r.Topic, r.Partition, r.Offset, r.Timestamp = w.p.Topic, w.p.ID, offset, 1_700_000_000_000+offset
		if offset == bad {
			w.s.Bad(&w.batch, r)
		} else {
			w.s.Record(&w.batch, r)
		}
	}
}

// spoil overwrites the batch's memory, which a sink must not look at after Write.
func (w *writing) spoil() {
	for i := range w.batch.Records {
		r := &w.batch.Records[i]
		spoilValue(&r.Key.Value)
		spoilValue(&r.Value.Value)
	}
	w.batch.Reset()
}

func spoilValue(v *record.Value) {
	for i := range v.B {
		v.B[i] = '!'
	}
	for i := range v.Items {
		spoilValue(&v.Items[i])
		v.Items[i] = record.OfText("read after Write")
	}
}

func (w *writing) rangeOf(from, to int64, id string) record.Range {
	return record.Range{Partition: w.p, Start: from, End: to, ID: id, Time: time.Now().UnixMilli()}
}

func (w *writing) flush(t *testing.T, from, to int64, id string) {
	t.Helper()
	if err := w.writer.Flush(t.Context(), w.rangeOf(from, to, id)); err != nil {
		t.Fatalf("flush [%d,%d): %v", from, to, err)
	}
}

// bad writes ten records of which one can not be stored: it is reported at Write, or at Flush as
// RecordErrors and then left out.
func (w *writing) bad(t *testing.T) {
	const bad = 6
	id := newID()
	w.fill(0, 10, bad)
	if err := w.writer.Write(t.Context(), &w.batch); err != nil {
		t.Fatalf("write: %v", err)
	}
	failed := w.batch.Failed()
	if len(failed) > 1 || len(failed) == 1 && failed[0].Index != bad {
		t.Fatalf("failed %v, want record %d alone", failed, bad)
	}
	err := w.writer.Flush(t.Context(), w.rangeOf(0, 10, id))
	if len(failed) == 0 {
		var refused *connect.RecordErrors
		if !errors.As(err, &refused) || len(refused.Failed) != 1 || refused.Failed[0].Offset != bad {
			t.Fatalf("flush: %v, want offset %d refused", err, bad)
		}
		w.holds(t)
		w.close(t)
		w.open(t)
		w.write(t, 0, bad)
		w.write(t, bad+1, 10)
		err = w.writer.Flush(t.Context(), w.rangeOf(0, 10, id))
	}
	if err != nil {
		t.Fatalf("flush: %v", err)
	}
	w.holds(t, 0, bad, bad+1, 10)
}

// holds checks that the target holds the offsets of the ranges [from, to) that bounds gives in
// pairs, each once.
func (w *writing) holds(t *testing.T, bounds ...int64) {
	t.Helper()
	var want []int64
	for i := 0; i < len(bounds); i += 2 {
		for offset := bounds[i]; offset < bounds[i+1]; offset++ {
			want = append(want, offset)
		}
	}
	got := slices.Clone(w.s.Offsets(t, w.p))
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s holds the offsets %v, want %v", w.p, got, want)
	}
}

func newID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}
