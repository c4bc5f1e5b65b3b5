package connect

import (
	"context"
	"fmt"
	"log/slog"

	"connectd/kafka"
)

// runSource runs a source task once, from the committed position until ctx is done or something
// fails. Everything that it builds ends with it, so that nothing of a failed attempt reaches
// Kafka after the next has begun.
func (w *Worker) runSource(ctx context.Context, t *task) error {
	c := t.connector
	src, err := c.newSource(t.id, t.log)
	if err != nil {
		return err
	}
	if err := check(ctx, src); err != nil {
		return err
	}
	topic := c.source.OffsetsTopic
	if topic == "" {
		topic = w.settings.OffsetsTopic
	}
	store, err := w.stores.get(ctx, topic, nil)
	if err != nil {
		return fmt.Errorf("open the offsets topic: %w", err)
	}
	offsets, err := offsetsOf(c.Name, store.All())
	if err != nil {
		return Permanent(err)
	}

	p := &pipeline{
		task:    newSourceTask(c.Name, t.id, c.source.MaxInFlight, offsets, t.log),
		policy:  newPolicy(c.common),
		offsets: newOffsetWriter(c.Name, &offsetsTopic{store, func() { w.stores.discard(topic, store) }}),
		count:   &t.count,
	}
	if p.chain, err = c.newChain(); err != nil {
		return err
	}
	if p.conv, err = c.newConverters(); err != nil {
		return err
	}
	producer, err := w.newProducer(c, t.log)
	if err != nil {
		return err
	}
	defer producer.Close()
	p.producer = producer
	admin, err := w.newAdmin(c)
	if err != nil {
		return err
	}
	defer admin.Close()
	if p.topics, err = w.newTopics(c, admin); err != nil {
		return err
	}
	if c.DeadLetters != "" {
		if err := ensureDeadLetters(ctx, admin, c.common); err != nil {
			return err
		}
	}
	t.running(p.task, nil)
	return p.run(ctx, src, w.settings.Grace)
}

// offsetsTopic is the store of source offsets. A store takes no more writes after an error: the
// next attempt opens it again.
type offsetsTopic struct {
	*kafka.Store
	discard func()
}

// PutAll writes entries, all or an error.
func (o *offsetsTopic) PutAll(ctx context.Context, entries map[string][]byte) error {
	err := o.Store.PutAll(ctx, entries)
	if err != nil && ctx.Err() == nil {
		o.discard()
	}
	return err
}

func (w *Worker) newProducer(c *Connector, log *slog.Logger) (*kafka.Producer, error) {
	k, err := w.kafka.With(c.Producer)
	if err != nil {
		return nil, Permanent(fmt.Errorf("producer.override.*: %w", err))
	}
	return kafka.NewProducer(k, log)
}

func (w *Worker) newAdmin(c *Connector) (*kafka.Admin, error) {
	k, err := w.kafka.With(c.Admin)
	if err != nil {
		return nil, Permanent(fmt.Errorf("admin.override.*: %w", err))
	}
	return kafka.NewAdmin(k)
}

// newTopics prepares the topics of a source by topic.creation.*.
func (w *Worker) newTopics(c *Connector, admin *kafka.Admin) (*topics, error) {
	spec, wrong := topicSpec(c.source.TopicDefaults)
	if wrong != nil {
		return nil, Permanent(fmt.Errorf("%s: %s", wrong.key, wrong.text))
	}
	t := &topics{spec: spec, schemas: w.schemas, known: map[string]*topic{}}
	if w.settings.TopicCreation && c.source.TopicCreation {
		t.admin = admin
	}
	return t, nil
}

// ensureDeadLetters creates the dead letter topic when it is missing.
func ensureDeadLetters(ctx context.Context, admin creator, c *common) error {
	err := admin.EnsureTopic(ctx, c.DeadLetters, kafka.TopicSpec{Partitions: 1, Replication: c.Replication})
	if err != nil {
		return fmt.Errorf("create the dead letter topic: %w", err)
	}
	return nil
}
