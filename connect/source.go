package connect

import "context"

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
