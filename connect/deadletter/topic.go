package deadletter

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"connectd/kafka"
	"connectd/record"
)

// Each calls f with all letters that topic has now, partition after partition, until it returns an
// error.
func Each(ctx context.Context, admin *kafka.Admin, topic string, f func(l *Letter) error) error {
	logs, err := admin.ListOffsets(ctx, true, topic)
	if err != nil {
		return err
	}
	for _, p := range inOrder(logs) {
		err := admin.Read(ctx, p, logs[p].Start, logs[p].End, func(m *kafka.Message) error {
			l := Parse(m)
			return f(&l)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func inOrder(logs map[record.Partition]kafka.Offsets) []record.Partition {
	return slices.SortedFunc(maps.Keys(logs), func(a, b record.Partition) int { return cmp.Compare(a.ID, b.ID) })
}

// ReadDone is what was sent back of a connector's letters, by partition of the dead-letter topics.
func ReadDone(ctx context.Context, admin *kafka.Admin, connector string) (map[record.Partition]Done, error) {
	commits, err := admin.GroupOffsets(ctx, GroupOf(connector))
	if err != nil {
		return nil, err
	}
	all := map[record.Partition]Done{}
	for _, c := range commits {
		if all[c.Partition], err = ParseDone(c); err != nil {
			return nil, err
		}
	}
	return all, nil
}
