package worker

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"connectd/connect/connector/connectortest"
	"connectd/internal/testenv"
	"connectd/kafka"
	"connectd/record"
)

// eachKafka runs test against a broker of its own in this process, and against the real one, which
// it shares: prefix begins the names of its topics and connectors.
func eachKafka(t *testing.T, test func(t *testing.T, k kafka.Settings, prefix string)) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, testKafka(t), "")
	})
	t.Run("kafka", func(t *testing.T) {
		t.Parallel()
		test(t, sharedKafka(t), fmt.Sprintf("connect-%08x-", rand.Uint32()))
	})
}

// sharedKafka is the real broker.
func sharedKafka(t testing.TB) kafka.Settings {
	t.Helper()
	return connectortest.Kafka(testenv.SharedKafka(t).Brokers)
}

// readTopic reads all messages of a topic.
func readTopic(t testing.TB, k kafka.Settings, topic string) []kafka.Message {
	t.Helper()
	admin := connectortest.Admin(t, k)
	logs, err := admin.ListOffsets(t.Context(), true, topic)
	if err != nil {
		t.Fatal(err)
	}
	left := 0
	for _, l := range logs {
		left += int(l.End - l.Start)
	}
	g, err := kafka.NewGroup(k, kafka.GroupOptions{ID: fmt.Sprintf("read-%d", time.Now().UnixNano()), Topics: []string{topic}, Reset: "earliest"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close(context.Background())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var all []kafka.Message
	for len(all) < left {
		fetches, err := g.Poll(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range fetches {
			all = append(all, f.Messages...)
		}
	}
	return all
}

// fill writes records n = from … to-1 into topic, which it creates with partitions.
func fill(t testing.TB, k kafka.Settings, topic string, partitions, from, to int) {
	t.Helper()
	connectortest.Topic(t, k, topic, partitions)
	var msgs []kafka.Message
	for n := from; n < to; n++ {
		msgs = append(msgs, kafka.Message{
			Topic: topic, Partition: kafka.ByKey, Timestamp: record.NoTimestamp,
			Key: fmt.Appendf(nil, `{"n":%d}`, n), Value: fmt.Appendf(nil, `{"n":%d,"text":"%d"}`, n, n),
		})
	}
	connectortest.Produce(t, k, msgs...)
}

// committed are the offsets of a sink's group, as partition=offset or partition=offset+intent.
func committed(t testing.TB, k kafka.Settings, connector string) []string {
	t.Helper()
	var all []string
	for _, c := range commits(t, k, connector) {
		s := fmt.Sprintf("%s=%d", c.Partition, c.Offset)
		if c.Metadata != "" {
			s += "+intent"
		}
		all = append(all, s)
	}
	return all
}

// setOffset commits for a group that does not run.
func setOffset(t testing.TB, k kafka.Settings, connector string, c kafka.Commit) {
	t.Helper()
	admin := connectortest.Admin(t, k)
	if err := admin.SetGroupOffsets(t.Context(), "connect-"+connector, []kafka.Commit{c}); err != nil {
		t.Fatal(err)
	}
}

func deleteBefore(t testing.TB, k kafka.Settings, topic string, offset int64) {
	t.Helper()
	admin := connectortest.Admin(t, k)
	if err := admin.DeleteRecords(context.Background(), record.Partition{Topic: topic}, offset); err != nil {
		t.Fatal(err)
	}
}

func logs(t *testing.T, k kafka.Settings, topic string) map[record.Partition]kafka.Offsets {
	t.Helper()
	ends, err := connectortest.Admin(t, k).ListOffsets(t.Context(), false, topic)
	if err != nil {
		t.Fatal(err)
	}
	return ends
}

// commits are those of a sink's group.
func commits(t testing.TB, k kafka.Settings, connector string) []kafka.Commit {
	t.Helper()
	admin, err := kafka.NewAdmin(k)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	all, err := admin.GroupOffsets(t.Context(), "connect-"+connector)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// committedRecords is how many records the offsets of a sink's group have passed.
func committedRecords(t *testing.T, k kafka.Settings, connector string) (n int64) {
	t.Helper()
	for _, c := range commits(t, k, connector) {
		n += c.Offset
	}
	return n
}

// letterOffsets counts dead letters by the record that each is of.
func letterOffsets(letters []kafka.Message) map[string]int {
	of := map[string]int{}
	for _, l := range letters {
		h := map[string]string{}
		for _, header := range l.Headers {
			h[header.Name] = string(header.Value)
		}
		if h["__connect.errors.stage"] != "TASK_PUT" {
			continue
		}
		of[h["__connect.errors.topic"]+"-"+h["__connect.errors.partition"]+"@"+h["__connect.errors.offset"]]++
	}
	return of
}
