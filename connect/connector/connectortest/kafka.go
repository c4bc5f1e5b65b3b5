package connectortest

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"connectd/kafka"
)

// Broker starts the embedded broker for one test.
func Broker(t testing.TB) kafka.Settings {
	t.Helper()
	broker, err := kafka.StartEmbedded(t.TempDir(), "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	return Kafka(broker.Addr)
}

// Kafka is the cluster of brokers, which is host:port,host:port. Its fetches come soon.
func Kafka(brokers string) kafka.Settings {
	var k kafka.Settings
	k.Defaults()
	k.Brokers = strings.Split(brokers, ",")
	k.FetchWait = 50 * time.Millisecond
	return k
}

// Admin is a client until the end of the test.
func Admin(t testing.TB, k kafka.Settings) *kafka.Admin {
	t.Helper()
	admin, err := kafka.NewAdmin(k)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	return admin
}

// Topic creates a topic, unless it is there.
func Topic(t testing.TB, k kafka.Settings, name string, partitions int) {
	t.Helper()
	admin, err := kafka.NewAdmin(k)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close() // a test that fills a topic again and again would have many
	if err := admin.EnsureTopic(t.Context(), name, kafka.TopicSpec{Partitions: partitions, Replication: 1}); err != nil {
		t.Fatal(err)
	}
}

// Produce writes msgs.
func Produce(t testing.TB, k kafka.Settings, msgs ...kafka.Message) {
	t.Helper()
	p, err := kafka.NewProducer(k, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Write(t.Context(), msgs); err != nil {
		t.Fatal(err)
	}
}
