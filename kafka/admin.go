package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"connectd/record"
)

// Admin asks and changes what is not a record: topics, offsets of logs and of groups.
type Admin struct {
	client   *kgo.Client
	admin    *kadm.Client
	brokers  string
	patience time.Duration // how long retry goes on
}

// NewAdmin builds an Admin. It connects with the first call.
func NewAdmin(s Settings) (*Admin, error) {
	client, err := newClient(s, nil, kgo.MetadataMinAge(adminMetadataMin)) // no log: every error is returned
	if err != nil {
		return nil, err
	}
	return newAdmin(client, s), nil
}

func newAdmin(client *kgo.Client, s Settings) *Admin {
	return &Admin{client: client, admin: kadm.NewClient(client), brokers: s.brokers(), patience: s.Request}
}

// retry calls f again while its error is one that Kafka calls retriable, such as a coordinator or
// a leader that is just being found, until request.timeout.ms is over.
func (a *Admin) retry(ctx context.Context, f func() error) error {
	for late := time.Now().Add(a.patience); ; {
		err := f()
		if err == nil || !kerr.IsRetriable(err) || time.Now().After(late) {
			return err
		}
		select {
		case <-time.After(metadataMin):
		case <-ctx.Done():
			return fmt.Errorf("%w (the last answer was: %w)", context.Cause(ctx), err)
		}
	}
}

// Close ends the connections.
func (a *Admin) Close() { a.client.Close() }

// ClusterID is the cluster's own name for itself.
func (a *Admin) ClusterID(ctx context.Context) (string, error) {
	m, err := a.admin.BrokerMetadata(ctx)
	if err != nil {
		return "", explain(err, a.brokers)
	}
	return m.Cluster, nil
}

// Offsets is what the log of a partition has: [Start, End).
type Offsets struct{ Start, End int64 }

// ListOffsets is where the logs of all partitions of the topics start and end. committed takes
// for the end what a reader of committed transactions can reach.
func (a *Admin) ListOffsets(ctx context.Context, committed bool, topics ...string) (map[record.Partition]Offsets, error) {
	all := map[record.Partition]Offsets{}
	if len(topics) == 0 {
		return all, nil
	}
	end := a.admin.ListEndOffsets
	if committed {
		end = a.admin.ListCommittedOffsets
	}
	// The end first: a log that grows meanwhile still has Start <= End.
	ends, err := end(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("list end offsets: %w", explain(err, a.brokers))
	}
	starts, err := a.admin.ListStartOffsets(ctx, topics...)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("list start offsets: %w", explain(err, a.brokers))
	}
	ends.Each(func(o kadm.ListedOffset) {
		start, _ := starts.Lookup(o.Topic, o.Partition)
		all[record.Partition{Topic: o.Topic, ID: o.Partition}] = Offsets{Start: min(start.Offset, o.Offset), End: o.Offset}
	})
	return all, nil
}

// GroupOffsets are the committed offsets of a group, empty when it has none or is unknown.
func (a *Admin) GroupOffsets(ctx context.Context, group string) ([]Commit, error) {
	var rs kadm.OffsetResponses
	err := a.retry(ctx, func() (err error) {
		if rs, err = a.admin.FetchOffsets(kadm.RequireStable(ctx), group); err == nil {
			err = rs.Error()
		}
		return err
	})
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read offsets of group %q: %w", group, explain(err, a.brokers))
	}
	var commits []Commit
	for _, o := range rs.Sorted() {
		if o.At >= 0 {
			commits = append(commits, Commit{Partition: record.Partition{Topic: o.Topic, ID: o.Partition}, Offset: o.At, Metadata: o.Metadata})
		}
	}
	return commits, nil
}

// SetGroupOffsets commits offsets for a group that has no running member; with one it is refused.
func (a *Admin) SetGroupOffsets(ctx context.Context, group string, commits []Commit) error {
	offsets := kadm.Offsets{}
	for _, c := range commits {
		offsets.Add(kadm.Offset{Topic: c.Partition.Topic, Partition: c.Partition.ID, At: c.Offset, LeaderEpoch: -1, Metadata: c.Metadata})
	}
	err := a.retry(ctx, func() error { return a.admin.CommitAllOffsets(ctx, group, offsets) })
	if err != nil {
		return fmt.Errorf("set offsets of group %q: %w; stop its connector first", group, explain(err, a.brokers))
	}
	return nil
}

// DeleteGroup deletes a group that has no running member, with its offsets.
func (a *Admin) DeleteGroup(ctx context.Context, group string) error {
	r, err := a.admin.DeleteGroup(ctx, group)
	if err == nil {
		err = r.Err
	}
	if err != nil {
		return fmt.Errorf("delete group %q: %w", group, explain(err, a.brokers))
	}
	return nil
}

// MaxMessageBytes is the largest batch that the topic takes.
func (a *Admin) MaxMessageBytes(ctx context.Context, topic string) (int, error) {
	config, err := a.topicConfig(ctx, topic)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(config["max.message.bytes"])
	if err != nil {
		return 0, fmt.Errorf("max.message.bytes of topic %q: %w", topic, err)
	}
	return n, nil
}

// topicConfig is the topic's configuration, defaults of the broker among it.
func (a *Admin) topicConfig(ctx context.Context, topic string) (map[string]string, error) {
	rs, err := a.admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("describe topic %q: %w", topic, explain(err, a.brokers))
	}
	config := map[string]string{}
	for _, r := range rs {
		if r.Err != nil {
			return nil, fmt.Errorf("describe topic %q: %w", topic, explain(r.Err, a.brokers))
		}
		for _, c := range r.Configs {
			config[c.Key] = c.MaybeValue()
		}
	}
	return config, nil
}

// TransactionalIDs are the transactional ids of the cluster that begin with prefix and that the user
// may see. Brokers before Kafka 3.0 can not list them.
func (a *Admin) TransactionalIDs(ctx context.Context, prefix string) ([]string, error) {
	var all kadm.ListedTransactions
	err := a.retry(ctx, func() (err error) {
		all, err = a.admin.ListTransactions(ctx, nil, nil)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list transactional ids: %w", explain(err, a.brokers))
	}
	var ids []string
	for _, id := range all.TransactionalIDs() {
		if strings.HasPrefix(id, prefix) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}
