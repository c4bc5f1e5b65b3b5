package connector

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"reflect"

	"connectd/config"
	"connectd/connect"
	"connectd/kafka"
)

// NewChain builds the connector's transforms, for one goroutine.
func (c *Connector) NewChain() (Chain, error) {
	var built Chain
	for _, p := range c.transforms {
		t, err := p.plugin.Transform(copyOf(p.settings))
		if err != nil {
			return nil, connect.Permanent(fmt.Errorf("transform %q: %w", p.name, err))
		}
		built = append(built, step{name: p.name, class: p.plugin.Class, Transform: t})
	}
	return built, nil
}

// NewConverters builds the connector's converters, for one goroutine.
func (c *Connector) NewConverters() (Converters, error) {
	built := Converters{KeyClass: c.key.plugin.Class, ValueClass: c.value.plugin.Class, HeaderClass: c.header.plugin.Class}
	var err error
	if built.Key, err = c.key.plugin.Converter(copyOf(c.key.settings)); err != nil {
		return built, connect.Permanent(fmt.Errorf("key converter: %w", err))
	}
	if built.Value, err = c.value.plugin.Converter(copyOf(c.value.settings)); err != nil {
		return built, connect.Permanent(fmt.Errorf("value converter: %w", err))
	}
	if built.Header, err = c.header.plugin.Converter(copyOf(c.header.settings)); err != nil {
		return built, connect.Permanent(fmt.Errorf("header converter: %w", err))
	}
	return built, nil
}

// NewSource builds the source of one of so many tasks.
func (c *Connector) NewSource(task, tasks int, log *slog.Logger, read connect.ReadTopic) (connect.Source, error) {
	return c.plugin.Source(copyOf(c.settings), connect.Env{
		Connector: c.Name, Class: c.common.Class, Task: task, Tasks: tasks, Transforms: len(c.transforms), Log: log, ReadTopic: read,
	})
}

// NewSink builds the sink of one task.
func (c *Connector) NewSink(task int, log *slog.Logger, topicID func(ctx context.Context, topic string) (string, error)) (connect.Sink, error) {
	return c.plugin.Sink(copyOf(c.settings), connect.Env{Connector: c.Name, Task: task, Tasks: c.TasksMax, Log: log, TopicID: topicID})
}

// NewProducer is the connector's producer in the cluster of k.
func (c *Connector) NewProducer(k kafka.Settings, log *slog.Logger) (*kafka.Producer, error) {
	k, err := k.With(c.Producer)
	if err != nil {
		return nil, connect.Permanent(fmt.Errorf("producer.override.*: %w", err))
	}
	return kafka.NewProducer(k, log)
}

// NewAdmin is the connector's admin client in the cluster of k.
func (c *Connector) NewAdmin(k kafka.Settings) (*kafka.Admin, error) {
	k, err := k.With(c.Admin)
	if err != nil {
		return nil, connect.Permanent(fmt.Errorf("admin.override.*: %w", err))
	}
	return kafka.NewAdmin(k)
}

// EnsureDeadLetters creates the dead letter topic when there is to be one and it is missing.
func (c *Connector) EnsureDeadLetters(ctx context.Context, admin *kafka.Admin) error {
	if c.DeadLetters == "" {
		return nil
	}
	err := admin.EnsureTopic(ctx, c.DeadLetters, kafka.TopicSpec{Partitions: 1, Replication: c.Replication})
	if err != nil {
		return fmt.Errorf("create the dead letter topic: %w", err)
	}
	return nil
}

// copyOf is a copy of settings, so that a constructor may complete its own without a race with
// the other tasks.
func copyOf(s config.Settings) config.Settings {
	c := reflect.New(reflect.TypeOf(s).Elem())
	c.Elem().Set(reflect.ValueOf(s).Elem())
	return c.Interface().(config.Settings)
}

// OffsetsTopic is where the source offsets of c are kept.
func (c *Connector) OffsetsTopic(w *WorkerSettings) string {
	if c.Source.OffsetsTopic != "" {
		return c.Source.OffsetsTopic
	}
	return w.OffsetsTopic
}

// Tasks is how many tasks the connector has.
func (c *Connector) Tasks() int {
	if c.Kind == connect.SinkKind {
		return c.TasksMax
	}
	if s, ok := c.settings.(connect.Splitter); ok {
		return min(max(s.Split(c.TasksMax), 1), c.TasksMax)
	}
	return 1 // one stream in order
}

// Splits says whether several tasks may share the work of a source.
func (c *Connector) Splits() bool {
	_, ok := c.settings.(connect.Splitter)
	return ok
}

// hashOf is 8 hex digits that change when a setting of the connector changes.
func hashOf(c *config.Connector) string {
	h := fnv.New32a()
	for _, e := range c.Entries {
		fmt.Fprintf(h, "%q=%q\n", e.Key, e.Raw)
	}
	return fmt.Sprintf("%08x", h.Sum32())
}
