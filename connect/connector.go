package connect

import (
	"context"
	"errors"
	"time"

	"connectd/kafka"
	"connectd/record"
)

// Source reads one external system.
type Source interface {
	// Run sends batches on t until ctx is done, drains, releases what the external system may
	// forget, and returns nil. Any other error restarts the task from the last committed
	// position; Permanent(err) stops it as FAILED. Called once for each Source, from a goroutine
	// of its own.
	Run(ctx context.Context, t *SourceTask) error
}

// Splitter is the settings of a source whose work several tasks can share, such as the endpoints of
// an API. Each task is built with Env.Task and Env.Tasks and reads its own share; with another
// number of tasks, or with other settings, a share may go to another task, which goes on where the
// offsets are: so their partitions name what is read, not the task.
type Splitter interface {
	// Split is how many tasks share the work when most of them may run: 1 to most.
	Split(most int) int
}

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

// Checker is a Source or Sink that can check its settings against the live system, before the
// first task starts and for `connectd validate --connect`; or a converter that can, for the latter.
type Checker interface {
	Check(ctx context.Context) error
}

// Transform changes a record in place; keep=false filters it out. b is the batch that r belongs
// to, whose memory the transform may use. Called from one goroutine.
type Transform interface {
	Apply(b *record.Batch, r *record.Record) (keep bool, err error)
}

// ErrFenced says that another owner has taken over what a connector was writing: a Writer returns
// it, wrapped, from Start or Flush. The runtime then drops what it holds and writes nothing more,
// instead of trying again, which would take the claim from the new owner.
var ErrFenced = errors.New("another owner has taken over")

// IsFenced says whether another owner has taken over, in the target or in Kafka.
func IsFenced(err error) bool { return errors.Is(err, ErrFenced) || errors.Is(err, kafka.ErrFenced) }

// Permanent marks an error that cannot heal by itself: the task becomes FAILED and is not
// restarted until somebody changes something.
func Permanent(err error) error { return permanent{err} }

// IsPermanent says whether err, or an error that it wraps, is marked by Permanent, or is one of
// Kafka's that do not heal.
func IsPermanent(err error) bool {
	var p permanent
	return errors.As(err, &p) || kafka.Permanent(err)
}

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }
