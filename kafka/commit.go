package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"connectd/record"
)

const (
	commitPause = 50 * time.Millisecond // between two tries of a commit during a rebalance
	// commitPatience bounds them. A generation that the member does not learn of within it is
	// taken for one that it is not part of.
	commitPatience = 5 * time.Second
)

// Commit is a committed offset of a partition: the next offset to read, and up to 4,096 bytes of
// text that are stored with it.
type Commit struct {
	Partition record.Partition
	Offset    int64 // -1 from Committed: none
	Metadata  string
}

// Fenced lists the partitions whose commits were refused; errors.Is(err, ErrFenced) holds. All
// other commits of the call are done.
type Fenced struct{ Partitions []record.Partition }

func (e *Fenced) Error() string {
	names := make([]string, len(e.Partitions))
	for i, p := range e.Partitions {
		names[i] = p.String()
	}
	return fmt.Sprintf("%s (%s)", ErrFenced, strings.Join(names, ", "))
}

func (e *Fenced) Is(target error) bool { return target == ErrFenced }

// Commit stores offsets, durably and all in one request. It may be called from Revoked, for the
// partitions that go; two calls at a time for one partition have no order.
//
// A commit carries the member id and generation of this member, and is only sent for a partition
// whose assignment, the one that was there when Commit was called, has not ended. The broker
// refuses older generations, but does not check who owns what within the current one: that is
// why a partition's writer must end inside Revoked or Lost. ErrFenced (as *Fenced) says that the
// partition is lost. A rebalance that leaves the partition here is waited for. After any other
// error the commits may or may not be stored, and may be tried again.
func (g *Group) Commit(ctx context.Context, commits []Commit) error {
	if len(commits) == 0 {
		return nil
	}
	var (
		stays  = g.stays(commits)
		fenced Fenced
		late   = time.Now().Add(commitPatience)
	)
	for left := commits; ; {
		// The identity first, then the check: an identity that is newer than the check would let
		// a lost partition be committed under a generation that it does not belong to.
		member, generation := g.client.GroupMetadata()
		left = slices.DeleteFunc(slices.Clone(left), func(c Commit) bool {
			if g.stayed(c.Partition, stays[c.Partition], member) {
				return false
			}
			fenced.Partitions = append(fenced.Partitions, c.Partition)
			return true
		})
		if len(left) == 0 {
			break
		}
		resp, err := g.commit(ctx, left, member, generation)
		if err != nil {
			return err
		}
		left, err = resp.settle(left, &fenced)
		if err != nil {
			return err
		}
		if len(left) == 0 {
			break
		}
		if time.Now().After(late) {
			for _, c := range left {
				fenced.Partitions = append(fenced.Partitions, c.Partition)
			}
			break
		}
		select {
		case <-time.After(commitPause):
		case <-ctx.Done():
			return fmt.Errorf("commit offsets of group %q: %w", g.options.ID, context.Cause(ctx))
		}
	}
	if len(fenced.Partitions) > 0 {
		return &fenced
	}
	return nil
}

// stays are the assignments of the partitions at this moment.
func (g *Group) stays(commits []Commit) map[record.Partition]*assignment {
	g.mu.Lock()
	defer g.mu.Unlock()
	stays := make(map[record.Partition]*assignment, len(commits))
	for _, c := range commits {
		stays[c.Partition] = g.owned[c.Partition]
	}
	return stays
}

// stayed says whether p is still in the stay a, and member is who it was assigned to.
func (g *Group) stayed(p record.Partition, a *assignment, member string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return a != nil && g.owned[p] == a && a.member == member
}

// answers are the error codes of a commit.
type answers map[record.Partition]int16

// commit sends one request.
func (g *Group) commit(ctx context.Context, commits []Commit, member string, generation int32) (answers, error) {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.MemberID, req.Generation = g.options.ID, member, generation
	if g.settings.InstanceID != "" {
		req.InstanceID = &g.settings.InstanceID
	}
	at := map[string]int{}
	names := map[kadm.TopicID]string{}
	for _, c := range commits {
		i, ok := at[c.Partition.Topic]
		if !ok {
			id, err := g.topicID(ctx, c.Partition.Topic)
			if err != nil {
				return nil, err
			}
			i = len(req.Topics)
			at[c.Partition.Topic], names[id] = i, c.Partition.Topic
			t := kmsg.NewOffsetCommitRequestTopic()
			t.Topic, t.TopicID = c.Partition.Topic, id
			req.Topics = append(req.Topics, t)
		}
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.Metadata = c.Partition.ID, c.Offset, &c.Metadata
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, p)
	}
	resp, err := req.RequestWith(ctx, g.client)
	if err != nil {
		return nil, fmt.Errorf("commit offsets of group %q: %w", g.options.ID, explain(err, g.admin.brokers))
	}
	codes := answers{}
	for _, t := range resp.Topics {
		name := t.Topic
		if name == "" {
			name = names[t.TopicID]
		}
		for _, p := range t.Partitions {
			codes[record.Partition{Topic: name, ID: p.Partition}] = p.ErrorCode
		}
	}
	return codes, nil
}

// settle sorts commits by their answers: refused ones go to fenced, those to try again are
// returned.
func (codes answers) settle(commits []Commit, fenced *Fenced) (again []Commit, err error) {
	for _, c := range commits {
		code, ok := codes[c.Partition]
		if !ok {
			return nil, fmt.Errorf("commit offset of partition %s: the broker did not answer for it", c.Partition)
		}
		switch e := kerr.ErrorForCode(code); e {
		case nil:
		case kerr.RebalanceInProgress, // the new generation waits for its assignments
			kerr.IllegalGeneration, // this member is in the new generation, and is about to be told
			kerr.StaleMemberEpoch:  // the same with group.protocol consumer
			again = append(again, c)
		case kerr.UnknownMemberID, kerr.FencedMemberEpoch, kerr.FencedInstanceID:
			fenced.Partitions = append(fenced.Partitions, c.Partition)
		case kerr.OffsetMetadataTooLarge:
			return nil, hopeless("commit offset of partition %s: metadata of %d bytes: %w; raise the broker's offset.metadata.max.bytes", c.Partition, len(c.Metadata), e)
		case kerr.UnknownTopicID, kerr.UnknownTopicOrPartition:
			return nil, fmt.Errorf("commit offset of partition %s: the topic was deleted or created anew: %w", c.Partition, e)
		default:
			return nil, fmt.Errorf("commit offset of partition %s: %w", c.Partition, explain(e, ""))
		}
	}
	return again, nil
}

// topicID is what the topic of an assigned partition is called since Kafka 4.1. It is kept for
// the stay of its partitions, so that nothing is committed for a topic that was created anew.
func (g *Group) topicID(ctx context.Context, topic string) (kadm.TopicID, error) {
	g.mu.Lock()
	id, ok := g.ids[topic]
	g.mu.Unlock()
	if ok {
		return id, nil
	}
	t, err := g.admin.existing(ctx, topic)
	if err != nil {
		return id, fmt.Errorf("commit offsets of group %q: %w", g.options.ID, err)
	}
	g.mu.Lock()
	g.ids[topic] = t.id
	g.mu.Unlock()
	return t.id, nil
}

// Committed reads what is committed for ps, in their order, with Offset -1 where nothing is. It
// waits, up to request.timeout.ms, for transactions that are about to commit offsets.
func (g *Group) Committed(ctx context.Context, ps []record.Partition) ([]Commit, error) {
	var topics []string
	for _, p := range ps {
		if !slices.Contains(topics, p.Topic) {
			topics = append(topics, p.Topic)
		}
	}
	if len(topics) == 0 {
		return nil, nil
	}
	var stored kadm.OffsetResponses
	err := g.admin.retry(ctx, func() (err error) {
		stored, err = g.admin.admin.FetchOffsetsForTopics(kadm.RequireStable(ctx), g.options.ID, topics...)
		if err == nil {
			err = stored.Error()
		}
		return err
	})
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return nil, fmt.Errorf("read committed offsets of group %q: %w", g.options.ID, explain(err, g.admin.brokers))
	}
	return pick(ps, stored), nil
}

func pick(ps []record.Partition, stored kadm.OffsetResponses) []Commit {
	commits := make([]Commit, len(ps))
	for i, p := range ps {
		commits[i] = Commit{Partition: p, Offset: -1}
		if o, ok := stored.Lookup(p.Topic, p.ID); ok && o.At >= 0 {
			commits[i].Offset, commits[i].Metadata = o.At, o.Metadata
		}
	}
	return commits
}
