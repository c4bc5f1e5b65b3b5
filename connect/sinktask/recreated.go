package sinktask

import (
	"context"
	"errors"
	"fmt"

	"connectd/connect"
	"connectd/kafka"
)

// errRecreated ends an attempt whose topic is another one now.
var errRecreated = errors.New("the topic was deleted and created again")

// gone is called when the topic of the partition was deleted. As long as there is no other one of
// its name, the partition waits and says so.
func (p *partition) gone(ctx context.Context, gone *kafka.TopicGone) error {
	recreated, err := p.task.admin.Recreated(ctx, p.id.Topic, gone.ID)
	switch {
	case err != nil:
		p.log.Warn("topic can not be looked up", "err", err)
	case !recreated:
		p.log.Warn("topic was deleted; create it again, or take it out of topics", "err", gone)
		p.task.Degrade(p.id.String(), gone)
	case p.config.Recreated == "fail":
		return connect.Permanent(fmt.Errorf("topic %q was deleted and created again while it was read, and partition %d was at offset %d of the earlier one; "+
			"restart the connector to read the new one from where auto.offset.reset says, or write on.topic.recreated: reset", p.id.Topic, p.id.ID, p.start))
	default:
		return fmt.Errorf("partition %s: %w", p.id, errRecreated)
	}
	return nil
}
