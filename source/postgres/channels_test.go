package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"connectd/connect"
	"connectd/internal/testenv"
	"connectd/kafka"
)

// count is how many rows of a snapshot came.
func (r *reading) rows() int { return len(snapshotMarks(r.records)) }

func TestSignalFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "signals")
	write := func(flags int, text string) {
		t.Helper()
		f, err := os.OpenFile(file, flags|os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	const execute = `{"id":"%s","type":"execute-snapshot","data":{"data-collections":["public.a"]}}`
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1)").publish(t, "a")
	c := d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "signal.enabled.channels", "file", "signal.file", file, "signal.poll.interval.ms", "10")
	write(0, "not JSON\n\n"+fmt.Sprintf(execute, "1")+"\n{\"id\":\"half a line")
	r := start(t, c, nil)
	r.until("the first signal", func() bool { return r.rows() == 1 && len(r.demand().Tables) == 0 })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	write(os.O_APPEND, " that is done\"}\n"+fmt.Sprintf(execute, "2")+"\n")
	r = start(t, c, r.offset)
	r.until("the second signal, and not the first", func() bool { return r.rows() == 1 && len(r.demand().Tables) == 0 })
	write(os.O_TRUNC, fmt.Sprintf(execute, "3")+"\n")
	r.until("the signal of another file", func() bool { return r.rows() == 2 && len(r.demand().Tables) == 0 })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = start(t, c, r.offset).streaming()
	write(os.O_APPEND, fmt.Sprintf(execute, "4")+"\n")
	r.until("the newest signal only", func() bool { return r.rows() == 1 && len(r.demand().Tables) == 0 })
}

// signalTopic is a topic that sources read signals from in this test, and a function that writes to it.
func signalTopic(t *testing.T) (topic string, send func(key, value string)) {
	t.Helper()
	topic = testenv.Topic(t, 1)
	log := slog.New(slog.DiscardHandler)
	var k kafka.Settings
	k.Defaults()
	k.Brokers = strings.Split(testenv.SharedKafka(t).Brokers, ",")
	readTopic = func(ctx context.Context, from connect.TopicRead, began func(int64) error, each func(int64, []byte, []byte) error) error {
		return kafka.Follow(ctx, k, kafka.FollowFrom{Topic: from.Topic, Next: from.Next, Group: from.Group}, log, began, each)
	}
	t.Cleanup(func() { readTopic = nil })
	producer, err := kafka.NewProducer(k, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(producer.Close)
	return topic, func(key, value string) {
		t.Helper()
		done := make(chan error, 1)
		producer.Produce([]kafka.Message{{Topic: topic, Partition: kafka.ByKey, Timestamp: -1, Key: []byte(key), Value: []byte(value)}}, func(err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// TestSignalTopic kills the connector between signals: each is followed once.
func TestSignalTopic(t *testing.T) {
	topic, send := signalTopic(t)
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1)").publish(t, "a")
	execute := func(id string) {
		send("production", `{"id":"`+id+`","type":"execute-snapshot","data":{"data-collections":["public.a"],"type":"INCREMENTAL"}}`)
	}
	c := d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "signal.enabled.channels", "source,kafka", "signal.kafka.topic", topic)
	execute("before the connector")
	r := start(t, c, nil)
	r.until("the position in the topic", func() bool { k := r.demand().Kafka; return k != nil && k.Next == 1 })
	r.abandon()
	execute("1")
	send("another", `{"type":"log","data":{"message":"not for us"}}`)
	send("production", `nonsense`)
	send("production", "")
	r = start(t, c, r.offset)
	r.until("the signal", func() bool { return r.rows() == 1 && len(r.demand().Tables) == 0 && r.demand().Kafka.Next == 4 })
	r.abandon()
	r = start(t, c, r.offset).streaming()
	execute("2")
	r.until("the next signal", func() bool { return len(r.demand().Tables) == 0 && r.demand().Kafka.Next >= 6 })
	if r.rows() != 1 {
		t.Errorf("%d rows, want one: %s", r.rows(), strings.Join(ops(r.records), "; "))
	}
}
