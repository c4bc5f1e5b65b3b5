package connect

import (
	"context"
	"time"

	"connectd/record"
)

// Sink writes to one external system. The runtime calls Open for each partition assigned and
// Close once, after every Writer is closed.
type Sink interface {
	Open(ctx context.Context, p record.Partition) (Writer, error)
	Close() error
}

// Writer writes one partition; all its calls come from one goroutine.
type Writer interface {
	// Write takes records in offset order. nil means taken, not durable. A record that the
	// target can not store is reported with b.Fail(i, err) and does not fail the batch. The
	// batch's memory is valid until Write returns: keep copies.
	Write(ctx context.Context, b *record.Batch) error
	// Flush makes everything taken durable. It may be called again with the same range, by this
	// process or another one after a crash, and must then change nothing. After an error the
	// runtime closes the writer, opens a new one and gives it the same range again.
	Flush(ctx context.Context, r record.Range) error
	// Close drops what was taken and not flushed.
	Close() error
}

// Starter is a Writer that keeps its offsets together with its data, in one transaction of the
// target. Its offset wins over the consumer group's, which is then only a copy for lag tools.
type Starter interface {
	// Start claims the partition, fences earlier owners and returns the next offset to read;
	// ok is false when the target knows none yet.
	Start(ctx context.Context) (next int64, ok bool, err error)
}

// Rotator is a Writer with rules of its own about where a range ends, beside the runtime's. It is
// not asked while a flush of an earlier life is finished: that range is fixed.
type Rotator interface {
	// Ends says whether the range ends before r. It is asked once for each record that comes to
	// Write next, in order; first says that r begins a range, which then does not end.
	Ends(r *record.Record, first bool) bool
	// Due is when the range ends though nothing follows: a time that is over for at once, and the
	// zero time for when the runtime's own rules say so. It is asked after each Write, as long as
	// something of the range is written.
	Due() time.Time
}
