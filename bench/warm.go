package main

import (
	"context"
	"time"

	"connectd/kafka"
)

// warmth is how many records the broker handles before anything is measured. A Java process that has
// just started takes up to five times the processor time for a record, and more than a core to
// compile its code, until it has seen about this many; and it makes the topic of its groups when the
// first one asks. A cluster does both once in its life, and on two cores they would be most of what
// is measured.
const warmth = 10_000_000

// warm writes and reads so many records, in requests of several sizes.
func (e *engines) warm(ctx context.Context) error {
	topic := e.name("warm")
	if err := e.admin.EnsureTopic(ctx, topic, kafka.TopicSpec{Partitions: partitions, Replication: 1}); err != nil {
		return err
	}
	if err := e.warmWrites(ctx, topic); err != nil {
		return err
	}
	if err := e.warmReads(ctx, topic); err != nil {
		return err
	}
	return e.admin.DeleteTopic(ctx, topic)
}

func (e *engines) warmWrites(ctx context.Context, topic string) error {
	p, err := kafka.NewProducer(e.settings, quiet)
	if err != nil {
		return err
	}
	defer p.Close()
	msgs := make([]kafka.Message, 5000)
	for i := range msgs {
		msgs[i] = kafka.Message{Topic: topic, Partition: -1, Timestamp: time.Now().UnixMilli(), Value: flat(i)}
	}
	for left, size := warmth, 250; left > 0; left, size = left-size, size%len(msgs)+250 {
		p.Produce(msgs[:min(left, size)], func(error) {}) // an error is Flush's too
	}
	return p.Flush(ctx)
}

func (e *engines) warmReads(ctx context.Context, topic string) error {
	g, err := kafka.NewGroup(e.settings, kafka.GroupOptions{ID: topic, Topics: []string{topic}, Reset: "earliest"}, quiet)
	if err != nil {
		return err
	}
	defer func() { _ = g.Close(ctx) }()
	for left := warmth; left > 0; {
		fetches, err := g.Poll(ctx)
		if err != nil {
			return err
		}
		for _, f := range fetches {
			left -= len(f.Messages)
		}
	}
	return nil
}
