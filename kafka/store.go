package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"connectd/record"
)

// Store is a compacted topic as a map: the newest record of a key is its value, and a record
// without a value deletes it. It reads what Kafka Connect writes (offsets, configs, status) and
// writes so that Kafka Connect can read it. All methods may be called from any goroutine.
type Store struct {
	topic    string
	settings Settings
	log      *slog.Logger
	producer *Producer

	mu      sync.Mutex
	entries map[string]entry
	next    map[int32]int64 // by partition: where OpenStore stopped reading

	watch   sync.Once
	stop    context.CancelFunc // of the watching goroutine; nil without one
	stopped chan struct{}
}

// entry is a key's newest record. A deleted key keeps its entry, with a nil value, so that an
// older record that arrives later does not bring it back.
type entry struct {
	value  []byte
	offset int64 // all records of a key are in one partition, so offsets tell which is newer
}

// OpenStore creates the topic when it is missing (compacted, one partition) and reads it to its
// end. A topic that Kafka would delete from is refused, because it would forget.
func OpenStore(ctx context.Context, s Settings, topic string, log *slog.Logger) (*Store, error) {
	admin, err := NewAdmin(s)
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	if err := admin.ensureCompacted(ctx, topic, log); err != nil {
		return nil, err
	}
	st := &Store{topic: topic, settings: s, log: log, entries: map[string]entry{}, next: map[int32]int64{}}
	if err := st.load(ctx, admin); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	// One key at a time is durable: there is nothing to wait for.
	s.Linger = 0
	if st.producer, err = NewProducer(s, log); err != nil {
		return nil, err
	}
	return st, nil
}

// ensureCompacted creates the topic, or checks that it is compacted and nothing else.
func (a *Admin) ensureCompacted(ctx context.Context, topic string, log *slog.Logger) error {
	err := a.EnsureTopic(ctx, topic, TopicSpec{Partitions: 1, Config: map[string]string{"cleanup.policy": "compact"}})
	if err != nil {
		return err
	}
	config, err := a.topicConfig(ctx, topic)
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		log.Warn("can not check that the topic is compacted: no right to describe its configuration", "topic", topic)
		return nil
	case err != nil:
		return err
	case config["cleanup.policy"] != "compact":
		return hopeless("topic %q has cleanup.policy=%s, so Kafka deletes what is stored there; run kafka-configs --alter --entity-type topics --entity-name %s --add-config cleanup.policy=compact", topic, config["cleanup.policy"], topic)
	}
	return nil
}

// load reads every partition from its start to the end that it has now.
func (st *Store) load(ctx context.Context, admin *Admin) error {
	var logs map[record.Partition]Offsets
	err := admin.retry(ctx, func() (err error) { // a new topic's leaders may not know of it yet
		// Not the committed end: it is where the oldest open transaction of anybody begins, and
		// what others have committed after that would be missing. Reading up to the log's own end
		// waits for such a transaction to be committed or aborted.
		logs, err = admin.ListOffsets(ctx, false, st.topic)
		return err
	})
	if err != nil {
		return err
	}
	reader := logReader{admin: admin, topic: st.topic}
	for p, o := range logs {
		next, err := reader.read(ctx, p.ID, o.Start, o.End, func(r *kgo.Record) { st.apply(r.Key, r.Value, r.Offset) })
		if err != nil {
			return err
		}
		st.next[p.ID] = next
	}
	return nil
}

// apply takes a record if it is newer than what is known of its key.
func (st *Store) apply(key, value []byte, offset int64) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if old, ok := st.entries[string(key)]; !ok || offset > old.offset {
		st.entries[string(key)] = entry{value, offset}
	}
}

// Get is the value of key. It must not be changed.
func (st *Store) Get(key string) (value []byte, ok bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	e := st.entries[key]
	return e.value, e.value != nil
}

// All is a copy of the map. The values must not be changed.
func (st *Store) All() map[string][]byte {
	st.mu.Lock()
	defer st.mu.Unlock()
	all := make(map[string][]byte, len(st.entries))
	for k, e := range st.entries {
		if e.value != nil {
			all[k] = e.value
		}
	}
	return all
}

// Put sets key to value, or deletes it when value is nil. When it returns nil the record is
// durable on all in-sync replicas, and Get sees it. After an error it may or may not be written,
// and the Store takes no more writes: open it again.
func (st *Store) Put(ctx context.Context, key string, value []byte) error {
	return st.PutAll(ctx, map[string][]byte{key: value})
}

// PutAll is Put for several keys, written together. When it fails, any of them may be written.
func (st *Store) PutAll(ctx context.Context, values map[string][]byte) error {
	if err := ctx.Err(); err != nil || len(values) == 0 {
		return err
	}
	done := make(chan error, 1)
	st.write(values, done)
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("write to store topic %q: %w", st.topic, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("write to store topic %q: %w", st.topic, context.Cause(ctx))
	}
}

// write produces one record for each value and sends the outcome on done. What is acknowledged
// is applied, also when nobody waits for it any more.
func (st *Store) write(values map[string][]byte, done chan<- error) {
	var left atomic.Int64
	left.Store(int64(len(values)))
	for key, value := range values {
		m := Message{Topic: st.topic, Partition: ByKey, Timestamp: record.NoTimestamp, Key: []byte(key), Value: bytes.Clone(value)}
		st.producer.produce([]Message{m}, func(offset int64, err error) {
			if err == nil {
				st.apply(m.Key, m.Value, offset)
			}
			if left.Add(-1) == 0 {
				done <- st.producer.Err()
			}
		})
	}
}

// Watch calls changed with every record that is written from OpenStore on, by others or by this
// Store, in the order of the log, from one goroutine; Get is up to date before. A nil value is a
// deletion. The first call starts it, further calls do nothing. Close ends it.
func (st *Store) Watch(changed func(key string, value []byte)) error {
	var err error
	st.watch.Do(func() { err = st.startWatch(changed) })
	return err
}

func (st *Store) startWatch(changed func(key string, value []byte)) error {
	from := map[int32]kgo.Offset{}
	for p, offset := range st.next {
		from[p] = kgo.NewOffset().At(offset)
	}
	client, err := newClient(st.settings, st.log,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{st.topic: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		// Compaction or a new topic took the position away: what is read again changes nothing.
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	st.stop, st.stopped = stop, make(chan struct{})
	go func() {
		defer close(st.stopped)
		defer client.Close()
		st.follow(ctx, client, changed)
	}()
	return nil
}

// follow runs until ctx is done.
func (st *Store) follow(ctx context.Context, client *kgo.Client, changed func(key string, value []byte)) {
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		fetches.EachError(func(_ string, partition int32, err error) {
			if ctx.Err() == nil {
				st.log.Warn("can not follow the store's topic; trying again", "topic", st.topic, "partition", partition, "err", err)
			}
		})
		fetches.EachRecord(func(r *kgo.Record) {
			st.apply(r.Key, r.Value, r.Offset)
			changed(string(r.Key), r.Value)
		})
	}
}

// Close ends Watch and gives up writes that still wait. No changed runs when it returns.
func (st *Store) Close() {
	st.watch.Do(func() {}) // no Watch starts from here on
	if st.stop != nil {
		st.stop()
		<-st.stopped
	}
	st.producer.Close()
}
