package connect

import (
	"context"
	"fmt"
	"log/slog"

	"connectd/kafka"
)

// sourceBatches is how many batches a source has at most: one that it fills, one that is encoded,
// and one that waits between. It has them back before they are acknowledged.
const sourceBatches = 3

// sourceRunner runs the tasks of a worker's sources.
type sourceRunner struct {
	settings *WorkerSettings
	kafka    kafka.Settings
	stores   *kafka.Stores
	schemas  *schemas
}

// newSourceRunner is for the sources of one worker.
func newSourceRunner(s *WorkerSettings, k kafka.Settings, stores *kafka.Stores, schemas *schemas) *sourceRunner {
	return &sourceRunner{settings: s, kafka: k, stores: stores, schemas: schemas}
}

// source is a task of a source, from attempt to attempt.
type source struct {
	*task
	*sourceRunner

	yielded map[string][]byte // the source offsets when another process was seen at work; nil when none was
	own     map[string]string // source partitions that this task had written then
}

// newTask is a task of c.
func (r *sourceRunner) newTask(c *Connector, id int, log *slog.Logger) *task {
	s := &source{sourceRunner: r}
	s.task = newTask(c, id, log, s.run)
	return s.task
}

// run runs the source once, from the committed position until ctx is done or something fails.
// Everything that it builds ends with it, so that nothing of a failed attempt reaches Kafka after the
// next has begun.
func (s *source) run(ctx context.Context) error {
	c := s.connector
	src, err := c.newSource(s.id, c.tasks(), s.log, s.readTopic)
	if err != nil {
		return err
	}
	if err = check(ctx, src); err != nil {
		return err
	}
	p := &pipeline{connector: c.Name, id: s.id, log: s.log, policy: c.newPolicy(), count: &s.count}
	var offsets map[string][]byte
	if c.ExactlyOnce() {
		offsets, err = s.transactional(ctx, p)
	} else {
		offsets, err = s.repeating(ctx, p)
	}
	if err != nil {
		return err
	}
	defer p.close()
	p.limit = c.source.MaxInFlight
	p.intake = NewIntake(c.Name, min(p.limit, sourceBatches), offsets, s.log)
	if p.chain, err = c.newChain(); err != nil {
		return err
	}
	if p.conv, err = c.newConverters(); err != nil {
		return err
	}
	admin, err := c.newAdmin(s.kafka)
	if err != nil {
		return err
	}
	defer admin.Close()
	if p.topics, err = s.newTopics(c, admin); err != nil {
		return err
	}
	if err := c.ensureDeadLetters(ctx, admin); err != nil {
		return err
	}
	s.running(p.look)
	s.listen(src)
	err = p.run(ctx, src, s.settings.Grace)
	if IsFenced(err) {
		s.yield(ctx, offsets, p.offsets.keys)
	}
	return err
}

// repeating readies p for delivery at least once, and reads where to start.
func (s *source) repeating(ctx context.Context, p *pipeline) (map[string][]byte, error) {
	c := s.connector
	topic := s.offsetsTopic(c)
	store, err := s.stores.Get(ctx, topic, nil)
	if err != nil {
		return nil, fmt.Errorf("open the offsets topic: %w", err)
	}
	offsets, err := offsetsOf(c.Name, store.All())
	if err != nil {
		return nil, Permanent(err)
	}
	producer, err := c.newProducer(s.kafka, s.log)
	if err != nil {
		return nil, err
	}
	p.offsets = newOffsetWriter(c.Name, &offsetsTopic{store, func() { s.stores.Discard(topic, store) }})
	p.producer, p.close = producer, producer.Close
	return offsets, nil
}

// offsetsTopic is where the connector's source offsets are kept.
func (r *sourceRunner) offsetsTopic(c *Connector) string { return c.OffsetsTopic(r.settings) }

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

// newTopics prepares the topics of a source by topic.creation.*.
func (r *sourceRunner) newTopics(c *Connector, admin *kafka.Admin) (*topics, error) {
	spec, err := c.source.topicSpec()
	if err != nil {
		return nil, err
	}
	t := &topics{spec: spec, schemas: r.schemas, known: map[string]*topic{}}
	if r.settings.TopicCreation && c.source.TopicCreation {
		t.admin = admin
	}
	return t, nil
}
