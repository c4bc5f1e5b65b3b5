package connect

import (
	"log/slog"

	"connectd/record"
)

// Intake is the runtime's end of a source task. The tests and the benchmarks of sources have one,
// too, without Kafka behind it: they take what a source sends, and decide when it is durable.
type Intake struct {
	task   *SourceTask
	failed chan struct{}
}

// NewIntake is the intake of a task with so many batches that starts at offsets.
func NewIntake(connector string, batches int, offsets map[string][]byte, log *slog.Logger) *Intake {
	i := &Intake{newSourceTask(connector, batches, offsets, log), make(chan struct{})}
	i.task.failed = i.failed
	return i
}

// Task is the source's end.
func (i *Intake) Task() *SourceTask { return i.task }

// Sent receives the batches in the order in which the source sent them. It has as many slots as
// there are batches.
func (i *Intake) Sent() <-chan *record.Batch { return i.task.out }

// Recycle gives b, which is read and not durable yet, back to the source.
func (i *Intake) Recycle(b *record.Batch) {
	b.Reset()
	i.task.free <- b
}

// Commit says that the batch with that mark and all before it are durable with their offsets.
func (i *Intake) Commit(mark uint64) {
	i.task.committed.Store(mark)
	select {
	case i.task.wake <- struct{}{}:
	default: // a wake-up that the source has not seen yet says the same
	}
}

// Retire says that b and all batches before it are durable, and gives b back to the source.
func (i *Intake) Retire(b *record.Batch) {
	i.Commit(b.Mark)
	i.Recycle(b)
}

// Fail says that nothing more of what was sent becomes durable, as after a crash. It is called once.
func (i *Intake) Fail() { close(i.failed) }

// Progress is what the source has reported last; nil when it has not.
func (i *Intake) Progress() *Progress { return i.task.progress.Load() }

// Health is what the source has seen of its upstream last; nil when it has not looked.
func (i *Intake) Health() *Health { return i.task.health.Load() }
