package connect

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"connectd/record"
)

// SourceTask is what a running source sees of the runtime. A source takes empty batches, fills
// them and sends them; there are few, and each comes back when it is encoded.
type SourceTask struct {
	Connector string // the connector's name
	Log       *slog.Logger

	free      chan *record.Batch // recycled batches
	out       chan *record.Batch // filled batches; as many slots as there are batches
	committed atomic.Uint64
	wake      chan struct{}
	failed    <-chan struct{}
	offsets   map[string][]byte
	progress  atomic.Pointer[Progress]
	health    atomic.Pointer[Health]
}

// newSourceTask has n batches and starts at offsets, which it keeps.
func newSourceTask(connector string, n int, offsets map[string][]byte, log *slog.Logger) *SourceTask {
	t := &SourceTask{
		Connector: connector,
		Log:       log,
		free:      make(chan *record.Batch, n),
		out:       make(chan *record.Batch, n),
		wake:      make(chan struct{}, 1),
		offsets:   offsets,
	}
	for range n {
		t.free <- new(record.Batch)
	}
	return t
}

// Free hands out empty batches. It blocks while the sent ones wait to be encoded, as they do while
// max.in.flight are on their way: that is the back-pressure, so select on it together with whatever
// must not wait (keepalives).
func (t *SourceTask) Free() <-chan *record.Batch { return t.free }

// Batch waits for an empty batch.
func (t *SourceTask) Batch(ctx context.Context) (*record.Batch, error) {
	select {
	case b := <-t.free:
		return b, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Send hands b over. It never blocks. An empty batch with Offsets or a Mark moves the position
// without records.
func (t *SourceTask) Send(b *record.Batch) { t.out <- b }

// Committed is the Mark of the newest batch such that it and all before it are durable in Kafka
// and its Offsets are durable too: the source may tell its upstream to forget what came before.
// Zero until the first.
func (t *SourceTask) Committed() uint64 { return t.committed.Load() }

// Wake receives after Committed has moved.
func (t *SourceTask) Wake() <-chan struct{} { return t.wake }

// Failed is closed when nothing more of what was sent can become durable: a source that drains
// waits no longer for Committed.
func (t *SourceTask) Failed() <-chan struct{} { return t.failed }

// Offset is the committed offset (a JSON object) of the source partition (a JSON object, in the
// form that the source itself writes), or nil when there is none.
func (t *SourceTask) Offset(partition string) []byte { return t.offsets[partition] }

// Offsets are all committed offsets of this connector by source partition.
func (t *SourceTask) Offsets() map[string][]byte { return t.offsets }

// Report shows what the source is doing in the connector's status and metrics.
func (t *SourceTask) Report(p Progress) { t.progress.Store(&p) }

// Watch shows how the upstream is in the connector's status and metrics, whatever the source is
// doing meanwhile. It may be called from any goroutine.
func (t *SourceTask) Watch(h Health) { t.health.Store(&h) }

// Health is what a source has seen of its upstream.
type Health struct {
	Warning error              // what somebody should look at while all still works; nil for nothing
	Gauges  map[string]float64 // by metric name, such as connectd_slot_retained_bytes
}

// SnapshotPhase is the phase of a source that reads what is there before it reads what changes.
const SnapshotPhase = "snapshot"

// Progress is a source's own account of where it is.
type Progress struct {
	Phase  string             // such as SnapshotPhase or "streaming"
	Detail string             // one sentence for people
	Tables []TableProgress    // of a snapshot
	Rate   float64            // rows of Tables a second
	Gauges map[string]float64 // further figures by metric name, such as connectd_slot_unconfirmed_bytes
}

// TableProgress says how far the snapshot of one table is.
type TableProgress struct {
	Table           string
	Rows, Estimated int64
	Done            bool
}

// Left is about how long the rest of Tables takes; false when nothing is left, or not known yet.
func (p *Progress) Left() (left time.Duration, ok bool) {
	var rows int64
	for _, t := range p.Tables {
		rows += t.Estimated - t.Rows
	}
	if rows <= 0 || p.Rate < 1 {
		return 0, false
	}
	return time.Duration(float64(rows) / p.Rate * float64(time.Second)), true
}
