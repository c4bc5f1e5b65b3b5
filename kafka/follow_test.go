package kafka

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"connectd/record"
)

// TestFollow reads a topic that is missing, from its end, from a group's offset, and on from a
// position.
func TestFollow(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		from := FollowFrom{Topic: unique(t), Group: unique(t), Next: -1}
		dropTopic(t, s, from.Topic)
		p := makeProducer(t, s)
		send := func(text string) {
			t.Helper()
			if err := wait(t, p, Message{Topic: from.Topic, Partition: ByKey, Timestamp: record.NoTimestamp, Key: []byte("k"), Value: []byte(text)}); err != nil {
				t.Fatal(err)
			}
		}
		enough := errors.New("enough")
		// read follows until it has n records; meanwhile runs once the first offset is known.
		read := func(n int, meanwhile func()) (first int64, got []string) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			began := func(next int64) error { first = next; meanwhile(); return nil }
			err := Follow(ctx, s, from, log(), began, func(_ int64, _, value []byte) error {
				if got = append(got, string(value)); len(got) == n {
					return enough
				}
				return nil
			})
			if !errors.Is(err, enough) {
				t.Fatalf("got %v after %q", err, got)
			}
			return first, got
		}
		first, got := read(2, func() { send("1"); send("2") })
		if first != 0 || !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("a new topic: %q from %d", got, first)
		}
		if first, got = read(1, func() { send("3") }); first != 2 || got[0] != "3" {
			t.Errorf("from the end: %q from %d", got, first)
		}
		commit := Commit{Partition: record.Partition{Topic: from.Topic}, Offset: 1}
		if err := testAdmin(t, s).SetGroupOffsets(t.Context(), from.Group, []Commit{commit}); err != nil {
			t.Fatal(err)
		}
		if first, got = read(2, func() {}); first != 1 || !slices.Equal(got, []string{"2", "3"}) {
			t.Errorf("from the group's offset: %q from %d", got, first)
		}
		from.Next = 2
		if first, got = read(1, func() {}); first != 2 || got[0] != "3" {
			t.Errorf("from a position: %q from %d", got, first)
		}
	})
}
