package connect

import (
	"time"

	"connectd/config"
)

// Batching says when a partition of a sink is flushed.
type Batching struct {
	Rows   int
	Bytes  config.Size
	Linger time.Duration

	// Whole says that each flush costs the target much, a part for example: while Kafka has the
	// records that make a batch full, it may wait several times Linger.
	Whole bool

	// Spooled says that the writer keeps what it has taken out of memory until the flush, so that
	// only what is not taken yet counts for memory.max.bytes.
	Spooled bool
}

// Batcher is the settings of a sink that has keys of its own for this, such as flush.size or
// bufferFlushTime. What is not zero replaces the runtime's default, and gives way to batch.max.rows,
// batch.max.bytes and linger.ms where they are written.
type Batcher interface {
	Batching() Batching
}
