package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"

	"connectd/record"
)

// DeleteRecords deletes the records of p below offset, as retention would.
func (a *Admin) DeleteRecords(ctx context.Context, p record.Partition, offset int64) error {
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: p.Topic, Partition: p.ID, At: offset, LeaderEpoch: -1})
	rs, err := a.admin.DeleteRecords(ctx, offsets)
	if err == nil {
		err = rs.Error()
	}
	if err != nil {
		return fmt.Errorf("delete records of partition %s below %d: %w", p, offset, explain(err, a.brokers))
	}
	return nil
}
