package clickhouse

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"connectd/connect"
	"connectd/convert"
	"connectd/record"
)

// Sink writes to the tables of one database.
type Sink struct {
	client      *client
	log         *slog.Logger
	spare       *columnPool
	unavailable placeholder
}

// New builds the client; nothing is sent yet.
func New(c *Config, e connect.Env) (connect.Sink, error) {
	cl, err := newClient(c)
	if err != nil {
		return nil, connect.Permanent(err)
	}
	unavailable, err := convert.NewPlaceholder(c.Placeholder)
	if err != nil {
		return nil, connect.Permanent(fmt.Errorf("unavailable.value.placeholder: %w", err))
	}
	return &Sink{client: cl, log: e.Log, spare: &columnPool{policy: policyOf(c.Range)}, unavailable: placeholder{unavailable, c.Unavailable}}, nil
}

// Check connects, and looks at the tables that the settings name.
func (s *Sink) Check(ctx context.Context) error {
	cl, err := s.client.connect(ctx)
	if err != nil {
		return err
	}
	for _, topic := range slices.Sorted(maps.Keys(s.client.cfg.TopicTables)) {
		if isExpression(topic) {
			continue
		}
		t, err := cl.inspect(ctx, s.client.cfg.place(topic))
		if _, missing := err.(errNoTable); missing && s.client.cfg.Create {
			continue
		}
		if err == nil {
			err = cl.checkDelivery(ctx, t, s.log)
		}
		if err != nil {
			return fmt.Errorf("topic %s: %w", topic, err)
		}
	}
	return nil
}

// Open starts the writer of one partition.
func (s *Sink) Open(ctx context.Context, p record.Partition) (connect.Writer, error) {
	cl, err := s.client.connect(ctx)
	if err != nil {
		return nil, err
	}
	var u *unwrapper
	if s.client.cfg.Envelopes {
		if u, err = newUnwrapper(); err != nil {
			return nil, connect.Permanent(err)
		}
	}
	var f *flattener
	if s.client.cfg.Nested == nestedFlatten {
		f = &flattener{known: make(map[*record.Schema]*flat)}
	}
	return &Writer{
		client:      cl,
		log:         s.log.With("topic", p.Topic, "partition", p.ID),
		spare:       s.spare,
		unavailable: s.unavailable,
		unwrapper:   u,
		flattener:   f,
		tables:      make(map[string]*table),
		absent:      make(map[string]bool),
	}, nil
}

// Close ends the connections.
func (s *Sink) Close() error {
	s.client.idle.close()
	return s.client.conn.Close()
}

// sorted are the tables with rows, by name.
func (w *Writer) sorted() []*table {
	var tables []*table
	for _, topic := range slices.Sorted(maps.Keys(w.tables)) {
		if t := w.tables[topic]; len(t.blocks) > 0 || len(t.waiting) > 0 {
			tables = append(tables, t)
		}
	}
	return tables
}
