package worker

import (
	"errors"
	"sync/atomic"
	"testing"

	"connectd/connect"
	"connectd/connect/task"
	"connectd/convert"
	"connectd/record"
)

// gate is a JSON converter that is blocked for a while, as one whose registry is away.
type gate struct {
	*convert.JSON
	left *atomic.Int64 // how often it still is
	err  convert.Blocked
}

func (g *gate) blocked() error {
	if g.left.Add(-1) >= 0 {
		return &g.err
	}
	return nil
}

func (g *gate) Encode(dst []byte, topic string, d record.Datum) ([]byte, bool, error) {
	if err := g.blocked(); err != nil {
		return dst, false, err
	}
	return g.JSON.Encode(dst, topic, d)
}

func (g *gate) Decode(b *record.Batch, topic string, data []byte, hint *record.Schema) (record.Datum, error) {
	if err := g.blocked(); err != nil {
		return record.Datum{}, err
	}
	return g.JSON.Decode(b, topic, data, hint)
}

// gated are the tests' plugins with a converter that is blocked so many times.
func gated(store *memory, times int64, permanent bool) connect.Plugins {
	left := new(atomic.Int64)
	left.Store(times)
	plugins := testPlugins(nil, store)
	plugins.Converters = append(plugins.Converters, connect.ConverterPlugin("gate", func(c *convert.JSONConfig) (*gate, error) {
		c.Schemas = false
		j, err := convert.NewJSON(c)
		return &gate{j, left, convert.Blocked{Permanent: permanent, Err: errors.New("the registry is away")}}, err
	}))
	return plugins
}

// TestBlockedConverter has converters that can not work: no record is left out for it, whatever
// errors.tolerance says. What heals by itself is tried again.
func TestBlockedConverter(t *testing.T) {
	tolerant := []string{"value.converter", "gate", "errors.tolerance", "all", "errors.deadletterqueue.topic.name", "dead", "errors.retry.delay.max.ms", "20", "restart.backoff.ms", "1"}
	source := map[string]string{"connector.class": "counter-source", "topic": "numbers", "count": "50"}
	for i := 0; i < len(tolerant); i += 2 {
		source[tolerant[i]] = tolerant[i+1]
	}
	t.Run("sink", func(t *testing.T) {
		k := testKafka(t)
		fill(t, k, "numbers", 1, 0, 50)
		store := newMemory()
		w := testWorker(t, k)
		w.Add(load(t, gated(store, 2, false), "to-memory", sinkOf(tolerant...)))
		start(t, w)
		until(t, "the rows", func() bool { return store.count() == 50 })
		if s := taskState(w); s.Failed != 0 || s.DeadLettered != 0 || s.Retries != 2 {
			t.Errorf("failed %d, dead-lettered %d, retries %d; want 0, 0, 2", s.Failed, s.DeadLettered, s.Retries)
		}
	})
	t.Run("source", func(t *testing.T) {
		k := testKafka(t)
		w := testWorker(t, k)
		w.Add(load(t, gated(nil, 2, false), "numbers", source))
		start(t, w)
		until(t, "the records", func() bool { return taskState(w).Written == 50 })
		if s := taskState(w); s.Failed != 0 || s.DeadLettered != 0 || s.Restarts != 2 {
			t.Errorf("failed %d, dead-lettered %d, restarts %d; want 0, 0, 2", s.Failed, s.DeadLettered, s.Restarts)
		}
	})
	t.Run("sink stops", func(t *testing.T) {
		k := testKafka(t)
		fill(t, k, "numbers", 1, 0, 50)
		w := testWorker(t, k)
		w.Add(load(t, gated(newMemory(), 1, true), "to-memory", sinkOf(tolerant...)))
		start(t, w)
		until(t, "the failure", func() bool { return taskState(w).State == task.Failed })
		if got, want := taskState(w).Cause.Error(), "record numbers-0@0: decode value: the registry is away"; got != want {
			t.Errorf("cause %s, want %s", got, want)
		}
	})
	t.Run("source stops", func(t *testing.T) {
		k := testKafka(t)
		w := testWorker(t, k)
		w.Add(load(t, gated(nil, 1, true), "numbers", source))
		start(t, w)
		until(t, "the failure", func() bool { return taskState(w).State == task.Failed })
		if got, want := taskState(w).Cause.Error(), `topic "numbers": encode value: the registry is away`; got != want {
			t.Errorf("cause %s, want %s", got, want)
		}
	})
}
