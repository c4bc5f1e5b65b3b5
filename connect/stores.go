package connect

import (
	"context"
	"log/slog"
	"sync"

	"connectd/kafka"
)

// stores are the compacted topics that connectors share, each opened once, when it is first
// needed.
type stores struct {
	settings kafka.Settings
	log      *slog.Logger

	mu   sync.Mutex
	open map[string]*opening
}

// opening is a store, or the attempt to open it.
type opening struct {
	done  chan struct{} // closed when store and err are set
	store *kafka.Store
	err   error
}

// get is the store of topic. started is called once for each store, when it is open.
func (s *stores) get(ctx context.Context, topic string, started func(*kafka.Store) error) (*kafka.Store, error) {
	s.mu.Lock()
	o, ok := s.open[topic]
	if !ok {
		o = &opening{done: make(chan struct{})}
		s.open[topic] = o
	}
	s.mu.Unlock()
	if ok {
		select {
		case <-o.done:
			return o.store, o.err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	o.store, o.err = kafka.OpenStore(ctx, s.settings, topic, s.log)
	if o.err == nil && started != nil {
		o.err = started(o.store)
	}
	if o.err != nil {
		s.forget(topic, o) // the next one to ask tries again
	}
	close(o.done)
	return o.store, o.err
}

// discard closes st, which takes no more writes after an error, so that it is opened again.
func (s *stores) discard(topic string, st *kafka.Store) {
	s.mu.Lock()
	o := s.open[topic]
	mine := o != nil && o.isOpen() && o.store == st
	if mine {
		delete(s.open, topic)
	}
	s.mu.Unlock()
	if mine {
		st.Close()
	}
}

func (o *opening) isOpen() bool {
	select {
	case <-o.done:
		return true
	default:
		return false
	}
}

func (s *stores) forget(topic string, o *opening) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[topic] == o {
		delete(s.open, topic)
	}
}

// close closes all.
func (s *stores) close() {
	s.mu.Lock()
	all := s.open
	s.open = map[string]*opening{}
	s.mu.Unlock()
	for _, o := range all {
		if o.isOpen() && o.store != nil {
			o.store.Close()
		}
	}
}
