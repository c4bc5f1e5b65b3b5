package sourcetask

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"connectd/connect/connector"
	"connectd/kafka"
)

// transactionalID is of a task, in Kafka Connect's form, so that it and connectd fence each other,
// too.
func (r *Runner) transactionalID(c *connector.Connector, task string) string {
	return fmt.Sprintf("%s-%s-%s", r.settings.GroupID, c.Name, task)
}

// fencePredecessors ends the transactions of all tasks that the connector has had.
func (s *source) fencePredecessors(ctx context.Context, k kafka.Settings) error {
	c := s.Connector
	if !c.Splits() {
		return nil // its one task always had the same id
	}
	admin, err := kafka.NewAdmin(k)
	if err != nil {
		return err
	}
	defer admin.Close()
	prefix := s.transactionalID(c, "")
	ids, err := admin.TransactionalIDs(ctx, prefix)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := strconv.ParseUint(strings.TrimPrefix(id, prefix), 10, 31); err != nil {
			continue // of a connector whose name begins with this one's
		}
		producer, err := kafka.NewTxProducer(ctx, k, id, s.Log)
		if err != nil {
			return fmt.Errorf("end the transactions of the tasks before: %w", err)
		}
		producer.Close()
	}
	return nil
}
