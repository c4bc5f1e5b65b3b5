package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TopicSpec is what topic.creation.* says about topics to create.
type TopicSpec struct {
	Partitions  int               // 0 or -1: the broker's default
	Replication int               // 0 or -1: the broker's default
	Config      map[string]string // any topic configuration: cleanup.policy, retention.ms, …
}

// EnsureTopic creates the topic when it is missing. An existing one is left as it is.
func (a *Admin) EnsureTopic(ctx context.Context, name string, spec TopicSpec) error {
	t, err := a.topic(ctx, name)
	if err != nil {
		return err
	}
	if t.err == nil {
		return nil
	}
	if !errors.Is(t.err, kerr.UnknownTopicOrPartition) {
		return fmt.Errorf("look up topic %q: %w", name, explain(t.err, a.brokers))
	}
	config := make(map[string]*string, len(spec.Config))
	for k, v := range spec.Config {
		config[k] = &v
	}
	r, err := a.admin.CreateTopic(ctx, orDefault[int32](spec.Partitions), orDefault[int16](spec.Replication), config, name)
	if err == nil {
		err = r.Err
	}
	switch {
	case err == nil, errors.Is(err, kerr.TopicAlreadyExists): // another worker was faster
		return a.await(ctx, name, nil)
	case errors.Is(err, kerr.InvalidReplicationFactor):
		return hopeless("create topic %q with replication factor %d: %w; set topic.creation.default.replication.factor to the number of brokers at most", name, spec.Replication, err)
	case errors.Is(err, kerr.InvalidConfig), errors.Is(err, kerr.InvalidPartitions), errors.Is(err, kerr.InvalidTopicException), errors.Is(err, kerr.PolicyViolation):
		return hopeless("create topic %q: %w (%s); check topic.creation.default.*", name, err, r.ErrMessage)
	}
	return fmt.Errorf("create topic %q: %w", name, explain(err, a.brokers))
}

// await waits until what a broker says of the topic is want: a change is not known everywhere at
// once.
func (a *Admin) await(ctx context.Context, name string, want error) error {
	for {
		t, err := a.topic(ctx, name)
		if err != nil || errors.Is(t.err, want) {
			return err
		}
		select {
		case <-time.After(adminMetadataMin):
		case <-ctx.Done():
			return fmt.Errorf("topic %q is changed, but not every broker knows it yet: %w", name, context.Cause(ctx))
		}
	}
}

func orDefault[N int16 | int32](n int) N {
	if n <= 0 {
		return -1
	}
	return N(n)
}

// TopicID is the id of the topic as the broker prints it. A topic that is created anew has
// another one. Brokers before 3.0 have none: then it is the zero id.
func (a *Admin) TopicID(ctx context.Context, topic string) (string, error) {
	t, err := a.existing(ctx, topic)
	return t.id.String(), err
}

// Recreated says whether there is a topic of this name with another id.
func (a *Admin) Recreated(ctx context.Context, name, id string) (bool, error) {
	t, err := a.topic(ctx, name)
	switch {
	case err != nil:
		return false, err
	case errors.Is(t.err, kerr.UnknownTopicOrPartition):
		return false, nil
	case t.err != nil:
		return false, fmt.Errorf("look up topic %q: %w", name, explain(t.err, a.brokers))
	}
	return t.id.String() != id, nil
}

// Partitions is how many partitions the topic has.
func (a *Admin) Partitions(ctx context.Context, topic string) (int, error) {
	t, err := a.existing(ctx, topic)
	return len(t.leaders), err
}

// Topics are the names of all topics but the broker's own.
func (a *Admin) Topics(ctx context.Context) ([]string, error) {
	all, err := a.admin.ListTopics(ctx)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", explain(err, a.brokers))
	}
	return all.Names(), nil
}

// DeleteTopic deletes the topic; a missing one is fine.
func (a *Admin) DeleteTopic(ctx context.Context, topic string) error {
	r, err := a.admin.DeleteTopic(ctx, topic)
	if err == nil {
		err = r.Err
	}
	if err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
		return fmt.Errorf("delete topic %q: %w", topic, explain(err, a.brokers))
	}
	return a.await(ctx, topic, kerr.UnknownTopicOrPartition)
}

// topic is what a broker says of one topic.
type topic struct {
	id      kadm.TopicID
	leaders map[int32]int32 // by partition; below 0 while there is none
	err     error           // what is wrong with this topic alone, such as that there is none
}

// topic looks the topic up. It asks a broker each time: the client's cache may be from before a
// topic was created or deleted.
func (a *Admin) topic(ctx context.Context, name string) (topic, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.AllowAutoTopicCreation = false
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &name
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return topic{}, fmt.Errorf("look up topic %q: %w", name, explain(err, a.brokers))
	}
	if len(resp.Topics) != 1 {
		return topic{err: kerr.UnknownTopicOrPartition}, nil
	}
	found := topic{id: resp.Topics[0].TopicID, err: kerr.ErrorForCode(resp.Topics[0].ErrorCode), leaders: map[int32]int32{}}
	for _, p := range resp.Topics[0].Partitions {
		found.leaders[p.Partition] = p.Leader
	}
	return found, nil
}

// existing is topic for one that must be there.
func (a *Admin) existing(ctx context.Context, name string) (topic, error) {
	t, err := a.topic(ctx, name)
	if err == nil && t.err != nil {
		err = fmt.Errorf("look up topic %q: %w", name, explain(t.err, a.brokers))
	}
	return t, err
}
