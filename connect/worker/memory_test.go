package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"connectd/connect"
	"connectd/record"
)

// memory is a target that outlives its sinks: rows by partition and offset, and the flushes by
// their ids, which it takes once.
type memory struct {
	mu       sync.Mutex
	rows     map[record.Partition]map[int64]row
	copies   map[record.Partition]map[int64]int // how often an offset was made durable
	flushes  []record.Range
	next     map[record.Partition]int64 // of starters
	open     int
	opened   int           // writers, ever
	refusing int           // so many flushes fail
	grows    bool          // it has, once a flush has failed
	grown    atomic.Bool   // it has room for what it had none for
	fencing  int           // so many flushes find another owner
	blocked  chan struct{} // flushes wait until it is closed; nil for none
}

// row is a record in the target.
type row struct {
	key, value string
	schema     string // of the value
}

func newMemory() *memory {
	return &memory{rows: map[record.Partition]map[int64]row{}, copies: map[record.Partition]map[int64]int{}, next: map[record.Partition]int64{}}
}

type memoryConfig struct {
	Starts bool          `yaml:"starts" doc:"keep the offset with the rows"`
	Reject int64         `yaml:"reject" doc:"offset that the target can not store; -1 for none"`
	Lose   int64         `yaml:"lose" doc:"offset that the sink forgets to account for; -1 for none"`
	Refuse int64         `yaml:"refuse" doc:"offset that the target refuses when it is flushed; -1 for none"`
	Rows   int           `yaml:"flush.rows" doc:"rows of a flush; 0 for the runtime's default"`
	Linger time.Duration `yaml:"flush.linger.ms" doc:"how long a flush waits for more; 0 for the runtime's default"`
	Every  int64         `yaml:"rotate.every" doc:"end a range before each multiple of this offset, and shortly after its last record; 0 for no rules of its own"`

	store *memory
}

func (c *memoryConfig) Defaults() { c.Reject, c.Lose, c.Refuse = -1, -1, -1 }
func (c *memoryConfig) Batching() connect.Batching {
	return connect.Batching{Rows: c.Rows, Linger: c.Linger, Spooled: c.Every > 0}
}

func (m *memory) sink(c *memoryConfig) connect.Sink {
	c.store = m
	return &memorySink{c}
}

type memorySink struct{ c *memoryConfig }

func (s *memorySink) Open(_ context.Context, p record.Partition) (connect.Writer, error) {
	s.c.store.mu.Lock()
	defer s.c.store.mu.Unlock()
	s.c.store.open++
	s.c.store.opened++
	w := &memoryWriter{c: s.c, p: p}
	if s.c.Starts {
		return &memoryStarter{w}, nil
	}
	if s.c.Every > 0 {
		return &memoryRotator{w}, nil
	}
	return w, nil
}

// memoryRotator ends ranges by the records' offsets.
type memoryRotator struct{ *memoryWriter }

func (w *memoryRotator) Ends(r *record.Record, first bool) bool {
	return r.Offset%w.c.Every == 0 // also when first, which must not matter
}

func (w *memoryRotator) Due() time.Time { return time.Now().Add(100 * time.Millisecond) }

func (s *memorySink) Close() error {
	s.c.store.mu.Lock()
	defer s.c.store.mu.Unlock()
	if s.c.store.open > 0 {
		return fmt.Errorf("sink closed with %d open writers", s.c.store.open)
	}
	return nil
}

type memoryWriter struct {
	c       *memoryConfig
	p       record.Partition
	offsets []int64
	rows    []row
}

func (w *memoryWriter) Write(_ context.Context, b *record.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		switch {
		case r.Offset == w.c.Reject && !w.c.store.grown.Load():
			b.Fail(i, errors.New("no room for this one"))
			continue
		case r.Offset == w.c.Lose:
			b.Records = append(b.Records[:i], b.Records[i+1:]...)
			return nil
		case r.Value.IsNull():
			b.Skip()
			continue
		}
		if n := len(w.offsets); n > 0 && w.offsets[n-1] >= r.Offset {
			return connect.Permanent(fmt.Errorf("offset %d after %d", r.Offset, w.offsets[n-1]))
		}
		w.offsets = append(w.offsets, r.Offset)
		schema := ""
		if r.Value.Schema != nil {
			schema = r.Value.Schema.Name
		}
		w.rows = append(w.rows, row{key: string(r.RawKey), value: string(r.RawValue), schema: schema})
	}
	return nil
}

func (w *memoryWriter) Flush(ctx context.Context, r record.Range) error {
	m := w.c.store
	m.mu.Lock()
	blocked := m.blocked
	m.mu.Unlock()
	if blocked != nil {
		select {
		case <-blocked:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refusing > 0 {
		m.refusing--
		m.grown.Store(m.grows)
		return errors.New("target is away")
	}
	if m.fencing > 0 {
		m.fencing--
		return fmt.Errorf("move the position: %w", connect.ErrFenced)
	}
	if slices.Contains(w.offsets, w.c.Refuse) {
		return fmt.Errorf("insert: %w", &connect.RecordErrors{Partition: w.p.String(), Failed: []connect.RecordError{{Offset: w.c.Refuse, Err: errors.New("check violated")}}})
	}
	if w.c.Starts {
		if at, ok := m.next[w.p]; ok && at != r.Start {
			return connect.Permanent(fmt.Errorf("flush from %d, but the target is at %d", r.Start, at))
		}
		m.next[w.p] = r.End
	}
	again := slices.ContainsFunc(m.flushes, func(f record.Range) bool { return f.ID == r.ID })
	m.flushes = append(m.flushes, r)
	if again {
		w.offsets, w.rows = w.offsets[:0], w.rows[:0]
		return nil
	}
	if m.rows[w.p] == nil {
		m.rows[w.p], m.copies[w.p] = map[int64]row{}, map[int64]int{}
	}
	for i, offset := range w.offsets {
		if offset < r.Start || offset >= r.End {
			return connect.Permanent(fmt.Errorf("offset %d in the range [%d,%d)", offset, r.Start, r.End))
		}
		m.rows[w.p][offset] = w.rows[i]
		m.copies[w.p][offset]++
	}
	w.offsets, w.rows = w.offsets[:0], w.rows[:0]
	return nil
}

func (w *memoryWriter) Close() error {
	w.c.store.mu.Lock()
	defer w.c.store.mu.Unlock()
	w.c.store.open--
	return nil
}

// memoryStarter is a writer that keeps its offset with the rows.
type memoryStarter struct{ *memoryWriter }

func (w *memoryStarter) Start(context.Context) (int64, bool, error) {
	w.c.store.mu.Lock()
	defer w.c.store.mu.Unlock()
	next, ok := w.c.store.next[w.p]
	return next, ok, nil
}

// count is how many rows there are.
func (m *memory) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, rows := range m.rows {
		n += len(rows)
	}
	return n
}

// values are all values, sorted.
func (m *memory) values() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for _, rows := range m.rows {
		for _, r := range rows {
			all = append(all, r.value)
		}
	}
	slices.Sort(all)
	return all
}

// doubled are the offsets that were made durable more than once.
func (m *memory) doubled() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var twice []string
	for p, copies := range m.copies {
		for _, offset := range slices.Sorted(maps.Keys(copies)) {
			if copies[offset] > 1 {
				twice = append(twice, fmt.Sprintf("%s@%d", p, offset))
			}
		}
	}
	return twice
}
