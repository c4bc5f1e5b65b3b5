package avro

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/sr"

	"connectd/convert"
	"connectd/convert/registry"
	"connectd/record"
)

// headerSize is what stands before the octets of a value: a zero, and the id of the schema.
const headerSize = 5

// Converter reads and writes Avro whose schemas are in a registry.
type Converter struct {
	config  Config
	options Options
	client  *registry.Client
	shared  *shared
	plain   *convert.JSON // reads data without a schema

	// For reading.
	readers map[uint32]*Reader
	id      uint32 // of the record before
	reader  *Reader

	// For writing.
	targets map[key]*target
	recent  *target // of the record before
	block   []record.Value
	cell    record.Value // of an envelope
	op      [1]byte
}

// shared is what the converters of all partitions have in common: what one has learnt of the
// registry, the others need not ask.
type shared struct {
	mu      sync.Mutex
	client  *registry.Client
	readers map[uint32]*Reader
}

// New builds an Avro converter. It does not connect.
func New(c *Config) (*Converter, error) {
	json := new(convert.JSONConfig)
	json.Defaults()
	json.Schemas = false
	plain, err := convert.NewJSON(json)
	if err != nil {
		return nil, err
	}
	c.shared.mu.Lock()
	defer c.shared.mu.Unlock()
	if c.shared.client == nil {
		if c.shared.client, err = registry.New(c.Config); err != nil {
			return nil, err
		}
		c.shared.readers = map[uint32]*Reader{}
	}
	return &Converter{
		config: *c, options: c.options(), client: c.shared.client, shared: c.shared, plain: plain,
		readers: map[uint32]*Reader{}, targets: map[key]*target{},
	}, nil
}

// Check asks the registry whether it lets us in.
func (c *Converter) Check(context.Context) error { return c.client.Check() }

// Decode reads data by the schema whose id it names. The hint is of use only to data without a
// schema.
func (c *Converter) Decode(b *record.Batch, topic string, data []byte, hint *record.Schema) (record.Datum, error) {
	if data == nil {
		return record.Datum{}, nil
	}
	if len(data) < headerSize || data[0] != 0 {
		return record.Datum{}, fmt.Errorf("%.20q is not Avro of a schema registry, which begins with a zero and the id of a schema; use the converter that it was written with", data)
	}
	id := binary.BigEndian.Uint32(data[1:])
	r := c.reader
	if r == nil || id != c.id {
		var err error
		if r, err = c.readerOf(id); err != nil {
			return record.Datum{}, err
		}
		c.id, c.reader = id, r
	}
	v, err := r.Read(b, data[headerSize:])
	if err != nil {
		return record.Datum{}, fmt.Errorf("read Avro by the schema with id %d: %w", id, err)
	}
	s := r.Schema()
	if s == nil && v.Kind == record.JSON {
		return c.plain.Decode(b, topic, v.B, hint)
	}
	return record.Datum{Schema: s, Value: v}, nil
}

// readerOf is the reader of the schema with this id.
func (c *Converter) readerOf(id uint32) (*Reader, error) {
	if r, ok := c.readers[id]; ok {
		return r, nil
	}
	c.shared.mu.Lock()
	r, ok := c.shared.readers[id]
	c.shared.mu.Unlock()
	if !ok {
		s, err := c.client.ByID(int(id))
		if err != nil {
			return nil, err
		}
		if s.Type != sr.TypeAvro {
			return nil, fmt.Errorf("the schema with id %d is %s, not Avro; use the converter that it was written with", id, s.Type)
		}
		if r, err = NewReader(s.Text, s.References, c.options); err != nil {
			return nil, fmt.Errorf("the schema with id %d: %w", id, err)
		}
		r = c.shared.keep(id, r, c.config.CacheSize)
	}
	if len(c.readers) >= c.config.CacheSize {
		clear(c.readers)
	}
	c.readers[id] = r
	return r, nil
}

// keep remembers r, unless another goroutine was faster: a schema has one record.Schema for all.
func (s *shared) keep(id uint32, r *Reader, most int) *Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	if first, ok := s.readers[id]; ok {
		return first
	}
	if len(s.readers) >= most {
		clear(s.readers)
	}
	s.readers[id] = r
	return r
}
