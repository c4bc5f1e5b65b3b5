package connect

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"connectd/kafka"
)

// predecessors are the tasks that a connector had before it was started. With transactions and a
// source that is split they are fenced, all of them, before the first task reads where to start: a
// share may have gone to another task, and claiming that task's own transactional id would not end
// what the one before had begun under its. The tasks of one start share it.
type predecessors struct {
	turn   chan struct{} // one slot; who has filled it may look at fenced
	fenced bool
}

func newPredecessors() *predecessors { return &predecessors{turn: make(chan struct{}, 1)} }

// end calls fence unless a task has done so before. The others wait.
func (p *predecessors) end(ctx context.Context, fence func() error) error {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-p.turn }()
	if p.fenced {
		return nil
	}
	if err := fence(); err != nil {
		return err
	}
	p.fenced = true
	return nil
}

// transactionalID is of a task, in Kafka Connect's form, so that it and connectd fence each other,
// too.
func (w *Worker) transactionalID(c *Connector, task string) string {
	return fmt.Sprintf("%s-%s-%s", w.settings.GroupID, c.Name, task)
}

// fencePredecessors ends the transactions of all tasks that the connector has had.
func (w *Worker) fencePredecessors(ctx context.Context, t *task, k kafka.Settings) error {
	c := t.connector
	if _, ok := c.settings.(Splitter); !ok {
		return nil // its one task always had the same id
	}
	admin, err := kafka.NewAdmin(k)
	if err != nil {
		return err
	}
	defer admin.Close()
	prefix := w.transactionalID(c, "")
	ids, err := admin.TransactionalIDs(ctx, prefix)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := strconv.ParseUint(strings.TrimPrefix(id, prefix), 10, 31); err != nil {
			continue // of a connector whose name begins with this one's
		}
		producer, err := kafka.NewTxProducer(ctx, k, id, t.log)
		if err != nil {
			return fmt.Errorf("end the transactions of the tasks before: %w", err)
		}
		producer.Close()
	}
	return nil
}
