package sourcetask

import (
	"context"
	"fmt"
	"log/slog"

	"connectd/connect"
	"connectd/connect/connector"
	"connectd/connect/schemas"
	"connectd/connect/task"
	"connectd/kafka"
)

// sourceBatches is how many batches a source has at most. It has them back before they are
// acknowledged, so three would do: one that it fills, one that is encoded, and one that waits
// between. But a process that has to wait for its turn on a core has more to do then, and so has the
// stage behind it: many small batches cost no more memory and cache than few large ones.
const sourceBatches = 6

// Runner runs the tasks of a worker's sources.
type Runner struct {
	settings *connector.WorkerSettings
	kafka    kafka.Settings
	stores   *kafka.Stores
	schemas  *schemas.Store
}

// NewRunner is for the sources of one worker.
func NewRunner(s *connector.WorkerSettings, k kafka.Settings, stores *kafka.Stores, schemas *schemas.Store) *Runner {
	return &Runner{settings: s, kafka: k, stores: stores, schemas: schemas}
}

// source is a task of a source, from attempt to attempt.
type source struct {
	*task.Task
	*Runner

	yielded map[string][]byte // the source offsets when another process was seen at work; nil when none was
	own     map[string]string // source partitions that this task had written then
}

// NewTask is a task of c.
func (r *Runner) NewTask(c *connector.Connector, id int, log *slog.Logger) *task.Task {
	s := &source{Runner: r}
	s.Task = task.New(c, id, log, s.run)
	return s.Task
}

// run runs the source once, from the committed position until ctx is done or something fails.
// Everything that it builds ends with it, so that nothing of a failed attempt reaches Kafka after the
// next has begun.
func (s *source) run(ctx context.Context) error {
	c := s.Connector
	src, err := c.NewSource(s.ID, c.Tasks(), s.Log, s.readTopic)
	if err != nil {
		return err
	}
	if err = connector.CheckPart(ctx, src); err != nil {
		return err
	}
	p := &pipeline{connector: c.Name, id: s.ID, log: s.Log, policy: c.Policy(), count: &s.Count}
	var offsets map[string][]byte
	if c.ExactlyOnce {
		offsets, err = s.transactional(ctx, p)
	} else {
		offsets, err = s.repeating(ctx, p)
	}
	if err != nil {
		return err
	}
	defer p.close()
	p.limit = c.Source.MaxInFlight
	p.intake = connect.NewIntake(c.Name, min(p.limit, sourceBatches), offsets, s.Log)
	if p.chain, err = c.NewChain(); err != nil {
		return err
	}
	if p.conv, err = c.NewConverters(); err != nil {
		return err
	}
	admin, err := c.NewAdmin(s.kafka)
	if err != nil {
		return err
	}
	defer admin.Close()
	if p.topics, err = s.newTopics(c, admin); err != nil {
		return err
	}
	if err := c.EnsureDeadLetters(ctx, admin); err != nil {
		return err
	}
	s.Show(p.show)
	s.Listen(src)
	err = p.run(ctx, src, s.settings.Grace)
	if connect.IsFenced(err) {
		s.yield(ctx, offsets, p.offsets.keys)
	}
	return err
}

// repeating readies p for delivery at least once, and reads where to start.
func (s *source) repeating(ctx context.Context, p *pipeline) (map[string][]byte, error) {
	c := s.Connector
	topic := c.OffsetsTopic(s.settings)
	store, err := s.stores.Get(ctx, topic, nil)
	if err != nil {
		return nil, fmt.Errorf("open the offsets topic: %w", err)
	}
	offsets, err := offsetsOf(c.Name, store.All())
	if err != nil {
		return nil, connect.Permanent(err)
	}
	producer, err := c.NewProducer(s.kafka, s.Log)
	if err != nil {
		return nil, err
	}
	p.offsets = newOffsetWriter(c.Name, &offsetsTopic{store, func() { s.stores.Discard(topic, store) }})
	p.producer, p.close = producer, producer.Close
	return offsets, nil
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

// newTopics prepares the topics of a source by topic.creation.*.
func (r *Runner) newTopics(c *connector.Connector, admin *kafka.Admin) (*topics, error) {
	spec, err := c.Source.TopicSpec()
	if err != nil {
		return nil, err
	}
	t := &topics{spec: spec, schemas: r.schemas, known: map[string]*topic{}}
	if r.settings.TopicCreation && c.Source.TopicCreation {
		t.admin = admin
	}
	return t, nil
}
