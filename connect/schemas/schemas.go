// Package schemas keeps what sources know of the data in their topics, so that sinks can decode JSON
// without schemas: in this process and in others, and after a restart. In go the schemas of a topic's
// keys and values; out come hints for a converter.
package schemas

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"connectd/convert"
	"connectd/kafka"
	"connectd/record"
)

// Store are the schemas that sources have published for the topics they write to, in a
// compacted topic: key "<topic>/key" or "<topic>/value", value the schema as Kafka Connect's JSON
// converter writes it. All methods may be called from any goroutine.
type Store struct {
	topic  string
	stores *kafka.Stores
	log    *slog.Logger

	mu    sync.RWMutex
	known map[string]*record.Schema // by the store's key; nil for what can not be read
}

// New is the store in the compacted topic of that name. It opens nothing yet.
func New(topic string, stores *kafka.Stores, log *slog.Logger) *Store {
	return &Store{topic: topic, stores: stores, log: log, known: map[string]*record.Schema{}}
}

// Open reads what is published and follows it from then on.
func (s *Store) Open(ctx context.Context) error {
	_, err := s.store(ctx)
	return err
}

func (s *Store) store(ctx context.Context) (*kafka.Store, error) {
	st, err := s.stores.Get(ctx, s.topic, func(st *kafka.Store) error {
		for key, text := range st.All() {
			s.learn(key, text)
		}
		return st.Watch(s.learn)
	})
	if err != nil {
		return nil, fmt.Errorf("open the schemas topic: %w", err)
	}
	return st, nil
}

// Publish makes the schema of a topic's keys or values durable, unless it is the one that is
// known already.
func (s *Store) Publish(ctx context.Context, topic, part string, schema *record.Schema) error {
	st, err := s.store(ctx)
	if err != nil {
		return err
	}
	text := convert.AppendSchema(nil, schema)
	key := topic + "/" + part // no topic's name has a slash
	if old, ok := st.Get(key); ok && bytes.Equal(old, text) {
		return nil
	}
	if err := st.Put(ctx, key, text); err != nil {
		s.stores.Discard(s.topic, st)
		return err
	}
	return nil
}

// learn takes a schema over from the store.
func (s *Store) learn(key string, text []byte) {
	var schema *record.Schema
	if text != nil {
		var err error
		if schema, err = convert.ParseSchema(text); err != nil {
			topic, part, _ := strings.Cut(key, "/")
			s.log.Warn("published schema can not be read; its data is decoded without it", "topic", topic, "part", part, "err", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[key] = schema
}

// Hints are the schemas of a topic's keys and values, nil where none is known. A changed schema
// has another address.
func (s *Store) Hints(topic string) (key, value *record.Schema) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.known[topic+"/key"], s.known[topic+"/value"]
}
