package sourcetask

import (
	"context"
	"fmt"

	"connectd/kafka"
	"connectd/record"
)

// creator makes a topic when it does not exist: kafka.Admin.
type creator interface {
	EnsureTopic(ctx context.Context, name string, spec kafka.TopicSpec) error
}

// topics prepares the topics that a source writes to: each is created before its first record,
// and its schemas are published before the first record that has them. It belongs to one
// goroutine.
type topics struct {
	admin   creator // nil when topics are not created
	spec    kafka.TopicSpec
	schemas publisher
	known   map[string]*topic
	last    *topic // most records go to the topic of the one before
}

// topic is what is known of one topic.
type topic struct {
	name       string
	key, value *record.Schema // published last
	published  map[*record.Schema]bool
}

// publisher makes the schema of a topic's keys or values known to the sinks: schemas.
type publisher interface {
	Publish(ctx context.Context, topic, part string, s *record.Schema) error
}

// prepare readies the topic of r.
func (t *topics) prepare(ctx context.Context, r *record.Record) error {
	to := t.last
	if to == nil || to.name != r.Topic {
		var err error
		if to, err = t.find(ctx, r.Topic); err != nil {
			return err
		}
		t.last = to
	}
	value := r.Value.Schema
	if r.Change != nil {
		value = r.Change.Table.Envelope
	}
	if r.Key.Schema == to.key && value == to.value {
		return nil
	}
	return t.Publish(ctx, to, r.Key.Schema, value)
}

// find is the topic called name, created if need be.
func (t *topics) find(ctx context.Context, name string) (*topic, error) {
	if to, ok := t.known[name]; ok {
		return to, nil
	}
	if t.admin != nil {
		if err := t.admin.EnsureTopic(ctx, name, t.spec); err != nil {
			return nil, fmt.Errorf("create topic %q: %w", name, err)
		}
	}
	to := &topic{name: name, published: map[*record.Schema]bool{}}
	t.known[name] = to
	return to, nil
}

// Publish makes key and value known as the schemas of the topic, unless they were before. Data
// without a schema, such as a tombstone, says nothing about the others.
func (t *topics) Publish(ctx context.Context, to *topic, key, value *record.Schema) error {
	for _, p := range []struct {
		part   string
		schema *record.Schema
		last   **record.Schema
	}{{"key", key, &to.key}, {"value", value, &to.value}} {
		if p.schema == nil || p.schema == *p.last {
			continue
		}
		if typed(p.schema) && !to.published[p.schema] {
			if err := t.schemas.Publish(ctx, to.name, p.part, p.schema); err != nil {
				return fmt.Errorf("publish the %s schema of topic %q: %w", p.part, to.name, err)
			}
			to.published[p.schema] = true
		}
		*p.last = p.schema // also where nothing was published, so that it is not asked again
	}
	return nil
}

// typed says whether s describes its values. One that leaves it to the values, such as the shape
// of a JSON text, tells a sink nothing.
func typed(s *record.Schema) bool {
	if s.Type == record.AnyType || s.Elem != nil && !typed(s.Elem) || s.Key != nil && !typed(s.Key) {
		return false
	}
	for i := range s.Fields {
		if !typed(s.Fields[i].Schema) {
			return false
		}
	}
	return true
}
