package avro

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/sr"

	"connectd/convert"
	"connectd/convert/registry"
	"connectd/record"
)

// key is what a subject and the schema under it depend on.
type key struct {
	topic  string
	schema *record.Schema
}

// target is a schema that is in the registry, and how values are written by it.
type target struct {
	key
	header  [headerSize]byte
	mapping *Mapping
	parts   []part // of an envelope, in the order of its fields; made with the first change
}

// Encode appends d behind the id of its schema. A null is Kafka's null.
func (c *Converter) Encode(dst []byte, topic string, d record.Datum) (out []byte, null bool, err error) {
	if d.Value.IsNull() && (d.Schema == nil || d.Schema.Optional) {
		return dst, true, nil
	}
	t, err := c.target(topic, d.Schema)
	if err != nil {
		return dst, false, err
	}
	out, err = t.mapping.Append(append(dst, t.header[:]...), &d.Value)
	return out, false, err
}

// target is where values of s go.
func (c *Converter) target(topic string, s *record.Schema) (*target, error) {
	if t := c.recent; t != nil && t.schema == s && t.topic == topic {
		return t, nil
	}
	k := key{topic, s}
	t, ok := c.targets[k]
	if !ok {
		var err error
		if t, err = c.newTarget(k); err != nil {
			return nil, err
		}
		if len(c.targets) >= c.config.CacheSize {
			clear(c.targets) // a table that changes leaves its old schemas behind
		}
		c.targets[k] = t
	}
	c.recent = t
	return t, nil
}

func (c *Converter) newTarget(k key) (*target, error) {
	m, err := Map(k.schema, c.options)
	if err != nil {
		return nil, &convert.Blocked{Permanent: true, Err: fmt.Errorf("make an Avro schema: %w", err)}
	}
	subject, err := c.subject(k.topic, m)
	if err != nil {
		return nil, err
	}
	t := &target{key: k, mapping: m}
	var id int
	switch {
	case c.config.Register:
		id, err = c.client.Register(subject, m.Schema(), sr.TypeAvro, c.config.Normalize)
	case c.config.Latest:
		id, err = c.latest(subject, t)
	case c.config.SchemaID >= 0:
		id, err = c.fixed(t)
	default:
		id, err = c.client.Find(subject, m.Schema(), sr.TypeAvro, c.config.Normalize)
	}
	if errors.Is(err, registry.ErrMissing) {
		err = &convert.Blocked{Permanent: true, Err: fmt.Errorf("%w; register this schema, or set auto.register.schemas: true: %s", err, m.Schema())}
	}
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint32(t.header[1:], uint32(id))
	return t, nil
}

// subject is the name under which the schema of m is registered.
func (c *Converter) subject(topic string, m *Mapping) (string, error) {
	s := c.config.strategy()
	if s.record && m.Name() == "" {
		return "", &convert.Blocked{Permanent: true, Err: fmt.Errorf("the subject of topic %q is to be the name of a record, and the schema %s is none; use TopicNameStrategy", topic, m.Schema())}
	}
	switch {
	case s.topic && s.record:
		return topic + "-" + m.Name(), nil
	case s.record:
		return m.Name(), nil
	case c.config.keys:
		return topic + "-key", nil
	}
	return topic + "-value", nil
}
