package connect

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"connectd/kafka"
)

// Mover is a Source that can go on where the program that it stands in for has stopped, and the
// other way round, for `connectd migrate`. Nothing is changed by its methods. An error is a
// sentence that says why it can not be done.
type Mover interface {
	// Partition is the source partition of the offset, the same in both programs.
	Partition() []byte
	// TakeOver makes ours of the other program's offset; nil when it has none.
	TakeOver(ctx context.Context, offset []byte) (Move, error)
	// GiveBack makes the other program's of our offset; nil when there is none.
	GiveBack(ctx context.Context, offset []byte) (Move, error)
}

// Move is what a change from one program to the other does.
type Move struct {
	Offset []byte   // to be stored for the other one
	Notes  []string // what is to be known, a sentence each
	Busy   string   // who reads the upstream at the moment, and has to be stopped first; "" for nobody
}

// Note adds a sentence.
func (m *Move) Note(format string, args ...any) {
	m.Notes = append(m.Notes, fmt.Sprintf(format, args...))
}

// Mover is the connector as a Mover; ok is false when it is none.
func (c *Connector) Mover(log *slog.Logger) (m Mover, ok bool, err error) {
	if c.source == nil {
		return nil, false, nil
	}
	src, err := c.newSource(0, 1, log, nil)
	if err != nil {
		return nil, false, err
	}
	m, ok = src.(Mover)
	return m, ok, nil
}

// OffsetsTopic is where the source offsets of c are kept.
func (c *Connector) OffsetsTopic(w *WorkerSettings) string {
	if c.source.OffsetsTopic != "" {
		return c.source.OffsetsTopic
	}
	return w.OffsetsTopic
}

// ReadOffset is the offset that an offsets topic has for a connector's source partition; nil when
// it has none, or when there is no such topic.
func ReadOffset(ctx context.Context, k kafka.Settings, topic, connector string, partition []byte, log *slog.Logger) ([]byte, error) {
	admin, err := kafka.NewAdmin(k)
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	topics, err := admin.Topics(ctx)
	if err != nil || !slices.Contains(topics, topic) {
		return nil, err
	}
	store, err := kafka.OpenStore(ctx, k, topic, log)
	if err != nil {
		return nil, fmt.Errorf("read the offsets topic: %w", err)
	}
	defer store.Close()
	all, err := offsetsOf(connector, store.All())
	return all[string(partition)], err
}

// WriteOffset stores an offset as the newest one, in a form that Kafka Connect reads, too.
func WriteOffset(ctx context.Context, k kafka.Settings, topic, connector string, partition, offset []byte, log *slog.Logger) error {
	store, err := kafka.OpenStore(ctx, k, topic, log)
	if err != nil {
		return fmt.Errorf("write to the offsets topic: %w", err)
	}
	defer store.Close()
	return store.Put(ctx, offsetPrefix(connector)+string(partition)+"]", offset)
}
