package sourcetask

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"

	"connectd/connect/connector"
	"connectd/kafka"
	"connectd/record"
)

// Source offsets are kept as Kafka Connect keeps them, so that a deployment can be taken over:
// key ["<connector>",{source partition}], value {offset}; a null value forgets the partition.

// offsetLog makes source offsets durable: a kafka.Store.
type offsetLog interface {
	// PutAll keeps no memory of the values.
	PutAll(ctx context.Context, entries map[string][]byte) error
}

// offsetWriter is where the offsets of one connector go, and under which keys.
type offsetWriter struct {
	log    offsetLog         // nil with transactions, which write the offsets themselves
	prefix string            // of the keys: ["<connector>",
	keys   map[string]string // source partition → key
}

func newOffsetWriter(connector string, log offsetLog) *offsetWriter {
	return &offsetWriter{log: log, prefix: offsetPrefix(connector), keys: map[string]string{}}
}

func (w *offsetWriter) key(o record.SourceOffset) string {
	if key, ok := w.keys[string(o.Partition)]; ok {
		return key
	}
	key := w.prefix + string(o.Partition) + "]"
	w.keys[string(o.Partition)] = key
	return key
}

// offsetPrefix begins the keys of a connector: ["shop",
func offsetPrefix(connector string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // as Jackson writes it
	_ = e.Encode(connector)
	return "[" + string(bytes.TrimRight(b.Bytes(), "\n")) + ","
}

// offsetsOf are a connector's offsets, by source partition, among all of an offsets topic.
func offsetsOf(owner string, all map[string][]byte) (map[string][]byte, error) {
	mine := map[string][]byte{}
	for key, offset := range all {
		var parts []json.RawMessage
		if err := json.Unmarshal([]byte(key), &parts); err != nil || len(parts) != 2 {
			continue // another program's record; ours are checked when they are written
		}
		var name string
		if json.Unmarshal(parts[0], &name) != nil || name != owner || offset == nil {
			continue
		}
		if !json.Valid(offset) {
			return nil, fmt.Errorf("source offset of %s is not JSON: %s; delete the record with the key %s from the offsets topic to start anew", parts[1], connector.Quoted(offset), key)
		}
		mine[string(parts[1])] = offset
	}
	return mine, nil
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
