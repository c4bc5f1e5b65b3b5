package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"

	"connectd/connect"
	"connectd/record"
)

// Sink writes to one database. Its writers may run in goroutines of their own; what they share is
// the pool of connections and the catalog.
type Sink struct {
	cfg       *Config
	connector string
	log       *slog.Logger
	pool      *pool
	catalog   *catalog
	topicID   func(ctx context.Context, topic string) (string, error) // nil where there is no Kafka

	warn sync.Once // of a missing right to create the offsets table
}

// New builds the sink; nothing is connected yet.
func New(c *Config, e connect.Env) (connect.Sink, error) {
	server, err := parseURL(c)
	if err != nil {
		return nil, connect.Permanent(fmt.Errorf("connection.url %w", err))
	}
	s := &Sink{cfg: c, connector: e.Connector, log: e.Log, pool: newPool(server, c), topicID: e.TopicID}
	s.catalog = newCatalog()
	return s, nil
}

// Check connects, and looks whether the role may keep its offsets in the database.
func (s *Sink) Check(ctx context.Context) error {
	c, err := s.pool.acquire(ctx)
	if err != nil {
		return err
	}
	defer s.pool.release(c)
	if s.cfg.Offsets == "kafka" {
		return nil
	}
	_, err = s.offsetsReady(ctx, c)
	return err
}

// Open starts the writer of one partition. Only a writer that keeps its offsets in the database
// is a connect.Starter.
func (s *Sink) Open(ctx context.Context, p record.Partition) (connect.Writer, error) {
	w, err := newWriter(s, p)
	if err != nil {
		return nil, err
	}
	if s.cfg.Offsets == "kafka" {
		return s.eachChange(w), nil
	}
	c, err := s.pool.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer s.pool.release(c)
	if w.exact, err = s.offsetsReady(ctx, c); err != nil {
		return nil, err
	}
	return s.eachChange(w), nil
}

// offsetsReady creates the offsets table unless it is there. false means that the role may not
// create it: the sink then runs without one.
func (s *Sink) offsetsReady(ctx context.Context, c *conn) (bool, error) {
	err := createOffsets(ctx, c, s.offsetsTable())
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != insufficientPrivilege {
		return err == nil, s.explain("create the offsets table", err)
	}
	if s.cfg.ExactlyOnce {
		return false, connect.Permanent(fmt.Errorf("create the offsets table %s: %w; exactlyOnce needs it: run GRANT CREATE ON SCHEMA … TO %s, or name another schema in offsets.schema",
			s.offsetsTable(), &serverError{refused}, quote(c.Config().User)))
	}
	s.warn.Do(func() {
		s.log.Warn("the role may not create the offsets table, so the position is kept in the consumer group only: "+s.risk(),
			"table", s.offsetsTable().String(), "role", c.Config().User,
			"fix", "GRANT CREATE ON SCHEMA … TO the role, name another schema in offsets.schema, or silence this with offsets.storage: kafka")
	})
	return false, nil
}

// risk says what a crash between COMMIT and the group's offset does without an offsets table.
func (s *Sink) risk() string {
	if s.cfg.InsertMode == "insert" && s.cfg.KeyMode == "none" {
		return "rows may be written twice after a crash; insert.mode upsert with a key would make that harmless"
	}
	return "rows may be written again after a crash, which their keys make harmless"
}

func (s *Sink) offsetsTable() name { return name{s.cfg.OffsetsSchema, offsetsTable} }

// Close ends the connections. Every writer is closed by then.
func (s *Sink) Close() error {
	s.pool.close()
	return nil
}

// noTopicID is what brokers that give topics no ids answer.
const noTopicID = "AAAAAAAAAAAAAAAAAAAAAA"

// idOf is the id of a topic, or "" where there is none.
func (s *Sink) idOf(ctx context.Context, topic string) (string, error) {
	if s.topicID == nil {
		return "", nil
	}
	id, err := s.topicID(ctx, topic)
	if err != nil {
		return "", fmt.Errorf("ask for the id of topic %q: %w", topic, err)
	}
	if strings.TrimRight(id, "=") == noTopicID {
		id = ""
	}
	return id, nil
}
