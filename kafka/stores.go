package kafka

import (
	"context"
	"log/slog"
	"sync"
)

// Stores are the stores that several share, each opened once, when it is first needed. All methods
// may be called from any goroutine.
type Stores struct {
	settings Settings
	log      *slog.Logger

	mu   sync.Mutex
	open map[string]*opening
}

// opening is a store, or the attempt to open it.
type opening struct {
	done  chan struct{} // closed when store and err are set
	store *Store
	err   error
}

// NewStores opens nothing yet.
func NewStores(s Settings, log *slog.Logger) *Stores {
	return &Stores{settings: s, log: log, open: map[string]*opening{}}
}

// Get is the store of topic. started is called once for each store, when it is open.
func (s *Stores) Get(ctx context.Context, topic string, started func(*Store) error) (*Store, error) {
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
	o.store, o.err = OpenStore(ctx, s.settings, topic, s.log)
	if o.err == nil && started != nil {
		o.err = started(o.store)
	}
	if o.err != nil {
		s.forget(topic, o) // the next one to ask tries again
	}
	close(o.done)
	return o.store, o.err
}

// Discard closes st, which takes no more writes after an error, so that it is opened again.
func (s *Stores) Discard(topic string, st *Store) {
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

func (s *Stores) forget(topic string, o *opening) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[topic] == o {
		delete(s.open, topic)
	}
}

// Close closes all.
func (s *Stores) Close() {
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
