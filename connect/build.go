package connect

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"reflect"

	"connectd/config"
)

// newChain builds the connector's transforms, for one goroutine.
func (c *Connector) newChain() (chain, error) {
	var built chain
	for _, p := range c.transforms {
		t, err := p.plugin.transform(copyOf(p.settings))
		if err != nil {
			return nil, Permanent(fmt.Errorf("transform %q: %w", p.name, err))
		}
		built = append(built, step{name: p.name, class: p.plugin.Class, Transform: t})
	}
	return built, nil
}

// newConverters builds the connector's converters, for one goroutine.
func (c *Connector) newConverters() (converters, error) {
	built := converters{keyClass: c.key.plugin.Class, valueClass: c.value.plugin.Class, headerClass: c.header.plugin.Class}
	var err error
	if built.key, err = c.key.plugin.converter(copyOf(c.key.settings)); err != nil {
		return built, Permanent(fmt.Errorf("key converter: %w", err))
	}
	if built.value, err = c.value.plugin.converter(copyOf(c.value.settings)); err != nil {
		return built, Permanent(fmt.Errorf("value converter: %w", err))
	}
	if built.header, err = c.header.plugin.converter(copyOf(c.header.settings)); err != nil {
		return built, Permanent(fmt.Errorf("header converter: %w", err))
	}
	return built, nil
}

// newSource builds the source of one of so many tasks.
func (c *Connector) newSource(task, tasks int, log *slog.Logger, read ReadTopic) (Source, error) {
	return c.plugin.source(copyOf(c.settings), Env{
		Connector: c.Name, Class: c.common.Class, Task: task, Tasks: tasks, Transforms: len(c.transforms), Log: log, ReadTopic: read,
	})
}

func (c *Connector) newSink(task int, log *slog.Logger, topicID func(ctx context.Context, topic string) (string, error)) (Sink, error) {
	return c.plugin.sink(copyOf(c.settings), Env{Connector: c.Name, Task: task, Tasks: c.TasksMax, Log: log, TopicID: topicID})
}

// copyOf is a copy of settings, so that a constructor may complete its own without a race with
// the other tasks.
func copyOf(s config.Settings) config.Settings {
	c := reflect.New(reflect.TypeOf(s).Elem())
	c.Elem().Set(reflect.ValueOf(s).Elem())
	return c.Interface().(config.Settings)
}

// Check lets the connector and its converters check their settings against the live systems, if
// they can: what `connectd validate --connect` does.
func (c *Connector) Check(ctx context.Context, log *slog.Logger) error {
	conv, err := c.newConverters()
	if err != nil {
		return err
	}
	if c.source != nil {
		src, err := c.newSource(0, 1, log, nil) // the one task that would have all of the work
		if err != nil {
			return err
		}
		return errors.Join(check(ctx, src), conv.check(ctx))
	}
	sink, err := c.newSink(0, log, nil)
	if err != nil {
		return err
	}
	return errors.Join(check(ctx, sink), sink.Close(), conv.check(ctx))
}

// check is the first thing that a converter finds: two of one registry would find the same.
func (c *converters) check(ctx context.Context) error {
	if err := check(ctx, c.key); err != nil {
		return fmt.Errorf("key converter: %w", err)
	}
	if err := check(ctx, c.value); err != nil {
		return fmt.Errorf("value converter: %w", err)
	}
	return nil
}

// check asks a Source, a Sink or a converter that is a Checker.
func check(ctx context.Context, part any) error {
	if k, ok := part.(Checker); ok {
		return k.Check(ctx)
	}
	return nil
}

// ExactlyOnce says whether the connector is a source that writes in transactions.
func (c *Connector) ExactlyOnce() bool { return c.exactlyOnce }

// tasks is how many tasks the connector has.
func (c *Connector) tasks() int {
	if c.Kind == SinkKind {
		return c.TasksMax
	}
	if s, ok := c.settings.(Splitter); ok {
		return min(max(s.Split(c.TasksMax), 1), c.TasksMax)
	}
	return 1 // one stream in order
}

// hashOf is 8 hex digits that change when a setting of the connector changes.
func hashOf(c *config.Connector) string {
	h := fnv.New32a()
	for _, e := range c.Entries {
		fmt.Fprintf(h, "%q=%q\n", e.Key, e.Raw)
	}
	return fmt.Sprintf("%08x", h.Sum32())
}
