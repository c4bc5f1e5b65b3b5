package kafka

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"connectd/record"
)

// removeMember makes the group forget g, as it does with a member that was silent for too long.
func removeMember(t *testing.T, g *Group) {
	t.Helper()
	id, _ := g.client.GroupMetadata()
	if g.options.Protocol == "consumer" {
		req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		req.Group, req.MemberID, req.MemberEpoch = g.options.ID, id, -1
		resp, err := req.RequestWith(t.Context(), g.client)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	removeClassic(t, g, id)
}

// abortTransaction leaves one aborted record and a marker in the topic.
func abortTransaction(t *testing.T, s Settings, topic string) {
	t.Helper()
	client, err := newClient(s, nil, kgo.TransactionalID(topic), kgo.DefaultProduceTopic(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(t.Context(), kgo.StringRecord("aborted")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := client.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	// The broker answers before the marker is in the log; what follows must come behind it.
	admin := testAdmin(t, s)
	for p := (record.Partition{Topic: topic}); ; {
		ends, err := admin.ListOffsets(t.Context(), true, topic)
		if err != nil {
			t.Fatal(err)
		}
		if ends[p].End == 2 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestBrokerFences is the ground that Commit stands on: the broker itself refuses an older
// generation and an unknown member.
func TestBrokerFences(t *testing.T) {
	eachProtocol(t, func(t *testing.T, s Settings) {
		topic, id := makeTopic(t, s, 2), unique(t)
		first := join(t, s, GroupOptions{ID: id, Topics: []string{topic}})
		first.owns(2)
		name, generation := first.client.GroupMetadata()
		second := join(t, s, GroupOptions{ID: id, Topics: []string{topic}})
		moved := second.owns(1)[0]
		first.owns(1)
		// The generation in which the second member got the partition is newer.
		if s.GroupProtocol == "consumer" && strings.Contains(t.Name(), "embedded") {
			return // the embedded broker takes commits of older epochs: there, only Commit's own check stops them
		}
		codes, err := first.commit(t.Context(), []Commit{{moved, 1, ""}}, name, generation)
		want := kerr.IllegalGeneration.Code
		if s.GroupProtocol == "consumer" {
			want = kerr.StaleMemberEpoch.Code
		}
		if err != nil || codes[moved] != want {
			t.Errorf("old generation: got %v, %v; want %v", kerr.ErrorForCode(codes[moved]), err, kerr.ErrorForCode(want))
		}
		_, generation = first.client.GroupMetadata()
		codes, err = first.commit(t.Context(), []Commit{{moved, 1, ""}}, "nobody", generation)
		if err != nil || codes[moved] != kerr.UnknownMemberID.Code {
			t.Errorf("unknown member: got %v, %v; want UNKNOWN_MEMBER_ID", kerr.ErrorForCode(codes[moved]), err)
		}
	})
}

// answerCommits makes the broker answer the next commits with the codes, and the rest normally.
func answerCommits(c *kfake.Cluster, codes ...int16) {
	c.ControlKey(int16(kmsg.OffsetCommit), func(r kmsg.Request) (kmsg.Response, error, bool) {
		if len(codes) == 0 {
			return nil, nil, false
		}
		c.KeepControl()
		code := codes[0]
		codes = codes[1:]
		req := r.(*kmsg.OffsetCommitRequest)
		resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
		for _, t := range req.Topics {
			answer := kmsg.NewOffsetCommitResponseTopic()
			answer.Topic, answer.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				ap := kmsg.NewOffsetCommitResponseTopicPartition()
				ap.Partition, ap.ErrorCode = p.Partition, code
				answer.Partitions = append(answer.Partitions, ap)
			}
			resp.Topics = append(resp.Topics, answer)
		}
		return resp, nil, true
	})
}

func TestCommitAnswers(t *testing.T) {
	cases := []struct {
		name  string
		codes []int16
		want  error  // errors.Is
		text  string // in the error
	}{
		{"rebalance", []int16{27, 27, 27}, nil, ""},
		{"new generation on its way", []int16{22, 22}, nil, ""},
		{"new epoch on its way", []int16{113}, nil, ""},
		{"unknown member", []int16{25}, ErrFenced, "t-0"},
		{"fenced epoch", []int16{110}, ErrFenced, "t-0"},
		{"fenced instance", []int16{82}, ErrFenced, "t-0"},
		{"new topic", []int16{100}, kerr.UnknownTopicID, "created anew"},
		{"no right", []int16{30}, kerr.GroupAuthorizationFailed, "grant it"},
		{"too much metadata", []int16{12}, kerr.OffsetMetadataTooLarge, "metadata of 2 bytes"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cluster, addr := fake(t, kfake.SeedTopics(1, "t"))
			m := join(t, settingsOf(addr), GroupOptions{Topics: []string{"t"}})
			p := m.owns(1)[0]
			answerCommits(cluster, c.codes...)
			err := m.Commit(t.Context(), []Commit{{p, 1, "md"}})
			if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want %v with %q", err, c.want, c.text)
			}
		})
	}
}

// TestCommitGivesUp: a generation that the member never hears of is taken for another's.
func TestCommitGivesUp(t *testing.T) {
	t.Parallel()
	cluster, addr := fake(t, kfake.SeedTopics(1, "t"))
	m := join(t, settingsOf(addr), GroupOptions{Topics: []string{"t"}})
	p := m.owns(1)[0]
	codes := make([]int16, 1000)
	for i := range codes {
		codes[i] = kerr.IllegalGeneration.Code
	}
	answerCommits(cluster, codes...)
	if err := m.Commit(t.Context(), []Commit{{p, 1, ""}}); !errors.Is(err, ErrFenced) {
		t.Errorf("got %v, want ErrFenced", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := m.Commit(ctx, []Commit{{p, 1, ""}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
}

// TestCommitMetadataTooLarge is for the real broker: the embedded one has no limit.
func TestCommitMetadataTooLarge(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		topic := makeTopic(t, s, 1)
		m := join(t, s, GroupOptions{Topics: []string{topic}})
		p := m.owns(1)[0]
		if err := m.Commit(t.Context(), []Commit{{p, 1, strings.Repeat("x", 4096)}}); err != nil {
			t.Errorf("4096 bytes: %v", err)
		}
		if strings.Contains(t.Name(), "embedded") {
			return
		}
		if err := m.Commit(t.Context(), []Commit{{p, 1, strings.Repeat("x", 4097)}}); !errors.Is(err, kerr.OffsetMetadataTooLarge) || !Permanent(err) {
			t.Errorf("4097 bytes: got %v, want a permanent OFFSET_METADATA_TOO_LARGE", err)
		}
	})
}

// TestGroupRejoinsUnderNewID is a member that the group forgot while it was about to rejoin: it
// comes back under a new id, with the same partition, and the client itself does not call that a
// loss. What was begun under the old id must not be committed under the new one.
func TestGroupRejoinsUnderNewID(t *testing.T) {
	cluster, addr := fake(t, kfake.SeedTopics(1, "t"))
	s := settingsOf(addr)
	produce(t, s, numbered("t", 0, 0, 100)...)
	m := join(t, s, GroupOptions{Topics: []string{"t"}})
	p := record.Partition{Topic: "t"}
	m.reads(p, 100)
	if err := m.Commit(t.Context(), []Commit{{p, 70, ""}}); err != nil {
		t.Fatal(err)
	}
	stay := m.stays([]Commit{{Partition: p}})[p]
	id, _ := m.client.GroupMetadata()

	m.pausePolling(func() { m.next, m.values = map[record.Partition]int64{}, map[record.Partition][]string{} })
	removed := make(chan struct{})
	cluster.ControlKey(int16(kmsg.Heartbeat), func(kmsg.Request) (kmsg.Response, error, bool) {
		resp := kmsg.NewPtrHeartbeatResponse()
		resp.ErrorCode = kerr.RebalanceInProgress.Code
		return resp, nil, true
	})
	cluster.ControlKey(int16(kmsg.JoinGroup), func(r kmsg.Request) (kmsg.Response, error, bool) {
		resp := r.ResponseKind().(*kmsg.JoinGroupResponse)
		resp.ErrorCode = kerr.UnknownMemberID.Code
		close(removed)
		return resp, nil, true
	})
	<-removed
	removeClassic(t, m.Group, id)
	if got := m.reads(p, 100); !reflect.DeepEqual(got, values(70, 30)) {
		t.Errorf("got %v, want 70 to 99 again", got)
	}
	if got, want := m.log(), []string{"assigned 0", "lost 0", "assigned 0"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if now, _ := m.client.GroupMetadata(); now == id {
		t.Fatal("the member kept its id: nothing is tested")
	} else if m.stayed(p, stay, now) {
		t.Error("the old stay of the partition counts under the new member id")
	}
	if err := m.Commit(t.Context(), []Commit{{p, 100, ""}}); err != nil {
		t.Errorf("under the new assignment: %v", err)
	}
}

func removeClassic(t *testing.T, g *Group, id string) {
	t.Helper()
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.MemberID = g.options.ID, id
	member := kmsg.NewLeaveGroupRequestMember()
	member.MemberID = id
	req.Members = append(req.Members, member)
	if _, err := req.RequestWith(t.Context(), g.client); err != nil {
		t.Fatal(err)
	}
}
