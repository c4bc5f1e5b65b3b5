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
	src, err := c.newSource(t.id, c.tasks(), t.log, w.readTopic)
	if err != nil {
		return err
	}
	if err = check(ctx, src); err != nil {
		return err
	}
	p := &pipeline{connector: c.Name, id: t.id, log: t.log, policy: newPolicy(c.common), count: &t.count}
	var offsets map[string][]byte
	if c.exactlyOnce {
		offsets, err = w.transactional(ctx, t, p)
	} else {
		offsets, err = w.repeating(ctx, t, p)
	}
	if err != nil {
		return err
	}
	defer p.close()
	p.limit = c.source.MaxInFlight
	p.intake = NewIntake(c.Name, min(p.limit, sourceBatches), offsets, t.log)
	if p.chain, err = c.newChain(); err != nil {
		return err
	}
	if p.conv, err = c.newConverters(); err != nil {
		return err
	}
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
	t.running(p.look)
	t.listen(src)
	err = p.run(ctx, src, w.settings.Grace)
	if isFenced(err) {
		t.yield(ctx, w, offsets, p.offsets.keys)
	}
	return err
}

// repeating readies p for delivery at least once, and reads where to start.
func (w *Worker) repeating(ctx context.Context, t *task, p *pipeline) (map[string][]byte, error) {
	c := t.connector
	topic := w.offsetsTopic(c)
	store, err := w.stores.Get(ctx, topic, nil)
	if err != nil {
		return nil, fmt.Errorf("open the offsets topic: %w", err)
	}
	offsets, err := offsetsOf(c.Name, store.All())
	if err != nil {
		return nil, Permanent(err)
	}
	producer, err := w.newProducer(c, t.log)
	if err != nil {
		return nil, err
	}
	p.offsets = newOffsetWriter(c.Name, &offsetsTopic{store, func() { w.stores.Discard(topic, store) }})
	p.producer, p.close = producer, producer.Close
	return offsets, nil
}

// offsetsTopic is where the connector's source offsets are kept.
func (w *Worker) offsetsTopic(c *Connector) string { return c.OffsetsTopic(w.settings) }

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
