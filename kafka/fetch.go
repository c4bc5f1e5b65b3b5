package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// logReader reads partitions of one topic from their start to a known end. A consumer only shows
// records, so that it can not tell "the end is reached" from "nothing came yet" where the last
// offsets of a log hold no record: markers of transactions, aborted records, and what compaction
// has removed. logReader goes by the positions of the batches instead.
type logReader struct {
	admin *Admin
	topic string
	bytes int32 // of one fetch; 0 for fetchBytes
}

// fetchBytes is the most that one fetch of a logReader gets.
const fetchBytes = 16 << 20

// errMoved is a partition whose leader has to be looked up again.
var errMoved = errors.New("the partition's leader has changed")

// read calls take with every committed record of partition from offset next on, and returns the
// position reached, which is end or later.
func (l *logReader) read(ctx context.Context, partition int32, next, end int64, take func(*kgo.Record)) (int64, error) {
	for tries := 0; next < end; {
		position, err := l.fetch(ctx, partition, next, take)
		switch {
		case err == nil && position > next:
			next, tries = position, 0
			continue
		case err == nil: // the broker had nothing yet: it is behind the one that told the end
		case errors.Is(err, errMoved) && tries < 50:
			tries++
		default:
			return next, fmt.Errorf("read topic %q partition %d at offset %d: %w", l.topic, partition, next, err)
		}
		select {
		case <-time.After(metadataMin):
		case <-ctx.Done():
			return next, ctx.Err()
		}
	}
	return next, nil
}

// fetch asks the leader once and returns the position after what it got.
func (l *logReader) fetch(ctx context.Context, partition int32, offset int64, take func(*kgo.Record)) (int64, error) {
	t, err := l.admin.topic(ctx, l.topic)
	if err != nil {
		return offset, err
	}
	leader, ok := t.leaders[partition]
	if t.err != nil || !ok || leader < 0 {
		return offset, errMoved
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis = 500
	req.MinBytes = 1
	req.MaxBytes = cmp.Or(l.bytes, fetchBytes)
	req.IsolationLevel = 1 // committed records only: transactions of Kafka Connect may be aborted
	ft := kmsg.NewFetchRequestTopic()
	ft.Topic, ft.TopicID = l.topic, t.id
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes = partition, offset, req.MaxBytes
	part.CurrentLeaderEpoch = -1
	ft.Partitions = append(ft.Partitions, part)
	req.Topics = append(req.Topics, ft)

	answer, err := l.admin.client.Broker(int(leader)).RetriableRequest(ctx, req)
	if err != nil {
		return offset, explain(err, l.admin.brokers)
	}
	resp := answer.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return offset, moved(err)
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return offset, errMoved
	}
	rp := &resp.Topics[0].Partitions[0]
	got, position := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset:         offset,
		IsolationLevel: kgo.ReadCommitted(),
		Topic:          l.topic,
		Partition:      partition,
	}, rp, kgo.DefaultDecompressor(), nil)
	if got.Err != nil {
		return offset, moved(got.Err)
	}
	for _, r := range got.Records {
		take(r)
	}
	return position, nil
}

// moved is errMoved for what another try at another broker heals.
func moved(err error) error {
	if kerr.IsRetriable(err) {
		return fmt.Errorf("%w: %w", errMoved, err)
	}
	return err
}
