package kafka

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"connectd/record"
)

func TestEnsureTopic(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		a, topic := testAdmin(t, s), unique(t)
		dropTopic(t, s, topic)
		spec := TopicSpec{Partitions: 3, Replication: 1, Config: map[string]string{"retention.ms": "3600000", "cleanup.policy": "compact"}}
		for range 2 { // the second time it exists
			if err := a.EnsureTopic(t.Context(), topic, spec); err != nil {
				t.Fatal(err)
			}
			spec.Partitions = 5 // and is left alone
		}
		if n, err := a.Partitions(t.Context(), topic); n != 3 || err != nil {
			t.Errorf("got %d partitions, %v; want 3", n, err)
		}
		config, err := a.topicConfig(t.Context(), topic)
		if err != nil || config["retention.ms"] != "3600000" || config["cleanup.policy"] != "compact" {
			t.Errorf("got %v, %v", config, err)
		}
		first, err := a.TopicID(t.Context(), topic)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.DeleteTopic(t.Context(), topic); err != nil {
			t.Fatal(err)
		}
		if err := a.DeleteTopic(t.Context(), topic); err != nil {
			t.Errorf("a missing topic: %v", err)
		}
		if err := a.EnsureTopic(t.Context(), topic, TopicSpec{}); err != nil {
			t.Fatal(err)
		}
		if second, err := a.TopicID(t.Context(), topic); err != nil || second == first {
			t.Errorf("created anew: got id %s, %v; want another than before", second, err)
		}
	})
}

func TestEnsureTopicRefused(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		a := testAdmin(t, s)
		cases := []struct {
			name string
			spec TopicSpec
			want string
		}{
			{unique(t), TopicSpec{Partitions: 1, Replication: 99}, "topic.creation.default.replication.factor"},
			{unique(t), TopicSpec{Partitions: 1, Config: map[string]string{"no.such": "1"}}, "topic.creation.default.*"},
			{"no spaces allowed", TopicSpec{}, `topic "no spaces allowed"`},
		}
		if strings.Contains(t.Name(), "embedded") {
			cases = cases[:1] // the embedded broker takes any name and any configuration
		}
		for _, c := range cases {
			err := a.EnsureTopic(t.Context(), c.name, c.spec)
			if err == nil || !strings.Contains(err.Error(), c.want) || !Permanent(err) {
				t.Errorf("%s %+v: got %v, want a permanent error with %q", c.name, c.spec, err, c.want)
			}
		}
	})
}

func TestListOffsets(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		a, topic := testAdmin(t, s), makeTopic(t, s, 2)
		produce(t, s, numbered(topic, 1, 0, 10)...)
		deleteRecords(t, s, record.Partition{Topic: topic, ID: 1}, 4)
		got, err := a.ListOffsets(t.Context(), false, topic)
		want := map[record.Partition]Offsets{{Topic: topic, ID: 0}: {}, {Topic: topic, ID: 1}: {4, 10}}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
		if got, err := a.ListOffsets(t.Context(), false); err != nil || len(got) != 0 {
			t.Errorf("no topics: got %v, %v", got, err)
		}
		if _, err := a.ListOffsets(t.Context(), false, "missing"); err == nil {
			t.Error("a missing topic: got no error")
		}
	})
}

func TestGroupOffsets(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		a, topic, group := testAdmin(t, s), makeTopic(t, s, 2), unique(t)
		if got, err := a.GroupOffsets(t.Context(), group); err != nil || len(got) != 0 {
			t.Errorf("an unknown group: got %v, %v", got, err)
		}
		want := []Commit{{record.Partition{Topic: topic, ID: 0}, 3, "meta"}, {record.Partition{Topic: topic, ID: 1}, 4, ""}}
		if err := a.SetGroupOffsets(t.Context(), group, want); err != nil {
			t.Fatal(err)
		}
		if got, err := a.GroupOffsets(t.Context(), group); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
		m := join(t, s, GroupOptions{ID: group, Topics: []string{topic}})
		m.owns(2)
		if err := a.SetGroupOffsets(t.Context(), group, want); err == nil || !strings.Contains(err.Error(), "stop its connector first") {
			t.Errorf("a running group: got %v, want to be told to stop it", err)
		}
		m.leave()
		if err := a.DeleteGroup(t.Context(), group); err != nil {
			t.Error(err)
		}
	})
}

func TestTopics(t *testing.T) {
	_, addr := fake(t)
	s := settingsOf(addr)
	topic := makeTopic(t, s, 1)
	if got, err := testAdmin(t, s).Topics(context.Background()); err != nil || !reflect.DeepEqual(got, []string{topic}) {
		t.Errorf("got %v, %v; want %s", got, err, topic)
	}
}
