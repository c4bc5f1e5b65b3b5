package conform

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"connectd/connect"
	"connectd/convert"
	"connectd/record"
)

// patience is how long the suite waits for anything.
const patience = 30 * time.Second

// Sources describes a source to the suite.
type Sources struct {
	// New builds a source; all of them read the same upstream, which is empty at first.
	New func(t *testing.T) connect.Source
	// Fill adds n records to the upstream, behind those that are there.
	Fill func(t *testing.T, n int)
	// Records is how many records of the source one record of the upstream makes; 0 means 1.
	Records int
	// Volatile are sources whose records say when they were read, so that two readings of one
	// record differ: only keys and topics are compared then.
	Volatile bool
}

// Source runs the suite on a source.
func Source(t *testing.T, s Sources) {
	if s.Records == 0 {
		s.Records = 1
	}
	const records = 50
	want := records * s.Records
	s.Fill(t, records)
	var first *reading
	t.Run("order", func(t *testing.T) {
		leaks(t)
		first = s.read(t, nil, 1000)
		first.until(t, want)
		first.stop(t)
		first.offsetsFollow(t)
	})
	if first == nil || t.Failed() {
		return
	}
	t.Run("restart from every offset", func(t *testing.T) {
		leaks(t)
		for i, b := range first.batches {
			if len(b.offsets) == 0 {
				continue
			}
			rest := first.after(i)
			again := s.read(t, first.offsets(i), 1000)
			again.until(t, len(rest))
			again.stop(t)
			compare(t, fmt.Sprintf("after batch %d of %d", i+1, len(first.batches)), again.records(), rest)
		}
	})
	t.Run("back-pressure", func(t *testing.T) {
		leaks(t)
		r := s.read(t, nil, 1)
		b := r.take(t)
		n := len(b.Records)
		select {
		case <-r.intake.Sent():
			t.Error("a batch was sent while the only one was on its way")
		case <-time.After(100 * time.Millisecond):
		}
		r.keep(b)
		r.intake.Retire(b)
		for n < want {
			b := r.take(t)
			n += len(b.Records)
			r.keep(b)
			r.intake.Retire(b)
		}
		r.stop(t)
		compare(t, "one batch at a time", r.records(), first.records())
	})
	t.Run("stop while full", func(t *testing.T) {
		leaks(t)
		s.Fill(t, records)
		r := s.read(t, first.offsets(len(first.batches)-1), 1)
		r.take(t) // and never give it back
		r.halt(t)
	})
}

// reading is one run of a source.
type reading struct {
	intake  *connect.Intake
	cancel  context.CancelFunc
	ended   chan error
	json    *convert.JSON
	plain   bool
	batches []taken
}

// taken is what the suite keeps of a batch.
type taken struct {
	records []string
	offsets []record.SourceOffset
	mark    uint64
}

func (s *Sources) read(t *testing.T, offsets map[string][]byte, batches int) *reading {
	t.Helper()
	json, err := convert.NewJSON(&convert.JSONConfig{})
	if err != nil {
		t.Fatal(err)
	}
	r := &reading{
		intake: connect.NewIntake("conform", batches, offsets, slog.New(slog.DiscardHandler)),
		ended:  make(chan error, 1), json: json, plain: s.Volatile,
	}
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(context.Background())
	source := s.New(t)
	go func() { r.ended <- source.Run(ctx, r.intake.Task()) }()
	return r
}

// take waits for a batch.
func (r *reading) take(t *testing.T) *record.Batch {
	t.Helper()
	select {
	case b := <-r.intake.Sent():
		return b
	case err := <-r.ended:
		t.Fatalf("source ended with %v before it had sent everything", err)
	case <-time.After(patience):
		t.Fatalf("no batch for %s, %d records came", patience, len(r.records()))
	}
	return nil
}

// keep copies what the suite compares.
func (r *reading) keep(b *record.Batch) {
	k := taken{mark: b.Mark}
	for i := range b.Records {
		k.records = append(k.records, r.text(&b.Records[i]))
	}
	for _, o := range b.Offsets {
		k.offsets = append(k.offsets, record.SourceOffset{Partition: append([]byte{}, o.Partition...), Offset: append([]byte{}, o.Offset...)})
	}
	r.batches = append(r.batches, k)
}

// text is a record as the suite compares it.
func (r *reading) text(rec *record.Record) string {
	key, _, err := r.json.Encode(nil, rec.Topic, rec.Key)
	if err != nil {
		return err.Error()
	}
	if r.plain {
		return fmt.Sprintf("%s %s", rec.Topic, key)
	}
	var value []byte
	if rec.Change != nil {
		c := *rec.Change
		c.Time = 0
		value, err = r.json.EncodeChange(nil, rec.Topic, &c)
	} else {
		value, _, err = r.json.Encode(nil, rec.Topic, rec.Value)
	}
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s %s %s", rec.Topic, key, value)
}

// until takes batches until n records have come. It gives none back: nothing is durable yet, and
// the upstream must not forget anything.
func (r *reading) until(t *testing.T, n int) {
	t.Helper()
	for len(r.records()) < n {
		r.keep(r.take(t))
	}
}

// stop ends the source, which has to return without an error, or to say that what it had sent
// was not durable.
func (r *reading) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	for {
		select {
		case b := <-r.intake.Sent():
			r.keep(b)
			r.intake.Retire(b)
		case err := <-r.ended:
			if err != nil {
				t.Errorf("source stopped with %v", err)
			}
			return
		case <-time.After(patience):
			t.Fatalf("source has not stopped within %s", patience)
		}
	}
}

// halt ends a source whose batches are never given back: it may complain, but it must return.
func (r *reading) halt(t *testing.T) {
	t.Helper()
	r.cancel()
	select {
	case <-r.ended:
	case <-time.After(patience):
		t.Fatalf("source has not stopped within %s", patience)
	}
}

// records are all that came.
func (r *reading) records() []string {
	var all []string
	for _, b := range r.batches {
		all = append(all, b.records...)
	}
	return all
}

// after are the records behind batch i.
func (r *reading) after(i int) []string {
	var all []string
	for _, b := range r.batches[i+1:] {
		all = append(all, b.records...)
	}
	return all
}

// offsets are what is stored once batch i is durable.
func (r *reading) offsets(i int) map[string][]byte {
	all := map[string][]byte{}
	for _, b := range r.batches[:i+1] {
		for _, o := range b.offsets {
			all[string(o.Partition)] = o.Offset
		}
	}
	return all
}

// offsetsFollow checks that marks do not fall, and that the position is known at the end.
func (r *reading) offsetsFollow(t *testing.T) {
	t.Helper()
	var last uint64
	for i, b := range r.batches {
		if b.mark < last {
			t.Errorf("batch %d has the mark %d after %d", i, b.mark, last)
		}
		last = b.mark
	}
	if len(r.offsets(len(r.batches)-1)) == 0 {
		t.Error("no batch has an offset: the source would begin anew at every start")
	}
}

func compare(t *testing.T, what string, got, want []string) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Errorf("%s: record %d is\n%s\nwant\n%s", what, i, got[i], want[i])
			return
		}
	}
	if len(got) < len(want) {
		t.Errorf("%s: %d records, want %d", what, len(got), len(want))
	}
}

// leaks checks at the test's end that no goroutine of it is left.
func leaks(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		if !t.Failed() {
			goleak.VerifyNone(t, before)
		}
	})
}
