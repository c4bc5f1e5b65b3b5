package main

import (
	"context"
	"crypto/md5"
	"fmt"
	"strconv"
	"sync"
	"time"

	"connectd/kafka"
)

// sink is one target to measure: its configuration for a topic, and how many rows it holds.
type sink struct {
	name    string
	prepare func(ctx context.Context, e *engines, table string) (configuration string, count func() (int, error), err error)
}

const (
	partitions = 4
	jsonLines  = `
    key.converter: org.apache.kafka.connect.json.JsonConverter
    key.converter.schemas.enable: false
    value.converter: org.apache.kafka.connect.json.JsonConverter
    value.converter.schemas.enable: false
`
)

// measureSink fills a topic of four partitions with flat objects of 250 bytes and times from the
// process's start until the target holds them all.
func measureSink(s sink) func(ctx context.Context, e *engines, o options) ([]result, error) {
	return func(ctx context.Context, e *engines, o options) ([]result, error) {
		topic := e.name("flat")
		if err := e.fill(ctx, topic, o.rows); err != nil {
			return nil, err
		}
		configuration, count, err := s.prepare(ctx, e, topic)
		if err != nil {
			return nil, err
		}
		run, err := e.start(configuration)
		if err != nil {
			return nil, err
		}
		defer run.stop()
		var first time.Duration // until rows were there
		var there int           // rows, then
		for {
			n, err := count()
			if err == nil && n > 0 && first == 0 {
				first, there = time.Since(run.started), n
			}
			if err == nil && n >= o.rows {
				break
			}
			if err := sleep(ctx, 20*time.Millisecond); err != nil {
				return nil, run.failed(fmt.Errorf("%d of %d rows: %w", n, o.rows, err))
			}
		}
		took := time.Since(run.started)
		return []result{{Name: s.name, PerSecond: float64(o.rows) / took.Seconds(), CPU: perEvent(run.cpu(), o.rows), PeakMB: run.peak(),
			Note: fmt.Sprintf("; first rows after %.2f s, then %.0f/s", first.Seconds(), float64(o.rows-there)/(took-first).Seconds())}}, nil
	}
}

// fill produces n records, as many into each partition: ten fields, three int64, two int32, one
// float64 and four texts.
func (e *engines) fill(ctx context.Context, topic string, n int) error {
	if err := e.admin.EnsureTopic(ctx, topic, kafka.TopicSpec{Partitions: partitions, Replication: 1}); err != nil {
		return err
	}
	p, err := kafka.NewProducer(e.settings, quiet)
	if err != nil {
		return err
	}
	defer p.Close()
	const batch = 5000
	var mu sync.Mutex
	var first error
	for from := 0; from < n; from += batch {
		msgs := make([]kafka.Message, 0, batch)
		for i := from; i < min(n, from+batch); i++ {
			msgs = append(msgs, kafka.Message{Topic: topic, Partition: int32(i % partitions), Timestamp: time.Now().UnixMilli(),
				Key: fmt.Appendf(nil, `{"id":%d}`, i), Value: flat(i)})
		}
		p.Produce(msgs, func(err error) {
			mu.Lock()
			defer mu.Unlock()
			if first == nil {
				first = err
			}
		})
	}
	if err := p.Flush(ctx); err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	return first
}

func flat(i int) []byte {
	hash := fmt.Sprintf("%x", md5.Sum([]byte(strconv.Itoa(i))))
	return fmt.Appendf(nil, `{"id":%d,"user_id":%d,"session_id":%d,"quantity":%d,"status":%d,"price":%.2f,"kind":"%s","city":"Amsterdam","agent":"Mozilla/5.0 (X11; Linux) %s","url":"/products/%s"}`,
		i, i*7919%100000, i*31, i%10, i%5, float64(i%10000)/100+0.01, []string{"view", "click", "buy"}[i%3], hash[:16], hash)
}
