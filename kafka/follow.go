package kafka

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kgo"

	"connectd/record"
)

// FollowFrom says which topic Follow reads, and from where.
type FollowFrom struct {
	Topic string
	Next  int64  // first offset; -1: where Group has committed, or at the end
	Group string // "" for none
}

// Follow reads partition 0 of a topic, without a group of its own: who follows keeps the position.
// It creates the topic when it is missing, calls began with the first offset and then each with
// every committed record, from the goroutine that calls it, until ctx is done, either returns an
// error, or the topic can not be read. What Kafka has deleted meanwhile is skipped.
func Follow(ctx context.Context, s Settings, from FollowFrom, log *slog.Logger, began func(next int64) error, each func(offset int64, key, value []byte) error) error {
	next, err := from.first(ctx, s)
	if err != nil {
		return err
	}
	if err := began(next); err != nil {
		return err
	}
	start := map[string]map[int32]kgo.Offset{from.Topic: {0: kgo.NewOffset().At(next)}}
	client, err := newClient(s, log,
		kgo.ConsumePartitions(start),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(s.FetchWait),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("read topic %q: %w", from.Topic, explain(err, s.brokers()))
		}
		var failed error
		fetches.EachRecord(func(r *kgo.Record) {
			if failed == nil {
				failed = each(r.Offset, r.Key, r.Value)
			}
		})
		if failed != nil {
			return failed
		}
	}
}

// first is the first offset to read.
func (f FollowFrom) first(ctx context.Context, s Settings) (int64, error) {
	admin, err := NewAdmin(s)
	if err != nil {
		return 0, err
	}
	defer admin.Close()
	if err := admin.EnsureTopic(ctx, f.Topic, TopicSpec{Partitions: 1}); err != nil {
		return 0, err
	}
	if f.Next >= 0 {
		return f.Next, nil
	}
	p := record.Partition{Topic: f.Topic}
	if f.Group != "" {
		committed, err := admin.GroupOffsets(ctx, f.Group)
		if err != nil {
			return 0, err
		}
		for _, c := range committed {
			if c.Partition == p {
				return c.Offset, nil
			}
		}
	}
	var logs map[record.Partition]Offsets
	err = admin.retry(ctx, func() (err error) { // a new topic's leader may not know of it yet
		logs, err = admin.ListOffsets(ctx, false, f.Topic)
		return err
	})
	return logs[p].End, err
}
