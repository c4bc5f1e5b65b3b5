package testenv

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestKafka(t *testing.T) {
	t.Parallel()
	k := OwnKafka(t, KafkaOptions{Properties: map[string]string{"message.max.bytes": "2000000"}})
	cl := kafkaClient(t, k)
	adm := kadm.NewClient(cl)
	if _, err := adm.CreateTopic(t.Context(), 2, 1, nil, "orders"); err != nil {
		t.Fatal(err)
	}
	// Kafka acknowledges what is in the page cache, which outlives the process.
	if err := cl.ProduceSync(t.Context(), kgo.StringRecord("x")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := k.Restart(); err != nil {
		t.Fatal(err)
	}
	if got := endOffsets(t, adm, "orders"); got != 1 {
		t.Errorf("records after restart: got %d, want 1", got)
	}
	configs, err := adm.DescribeBrokerConfigs(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range configs[0].Configs {
		if c.Key == "message.max.bytes" && c.MaybeValue() != "2000000" {
			t.Errorf("message.max.bytes: got %s, want 2000000", c.MaybeValue())
		}
	}
	if err := k.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := dial(t.Context(), k.Brokers); err == nil {
		t.Error("a killed broker answers")
	}
	if err := k.Restart(); err != nil {
		t.Fatal(err)
	}
	if got := endOffsets(t, adm, "orders"); got != 1 {
		t.Errorf("records after kill and restart: got %d, want 1", got)
	}
	proc := k.process
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	gone(t, proc)
}

func TestTopic(t *testing.T) {
	adm := kadm.NewClient(kafkaClient(t, SharedKafka(t)))
	var topic string
	t.Run("create", func(t *testing.T) {
		topic = Topic(t, 3)
		// The broker learns of it a little after the controller has answered.
		eventually(t, func() bool {
			details, err := adm.ListTopics(t.Context(), topic)
			return err == nil && len(details[topic].Partitions) == 3
		}, "the topic has three partitions")
	})
	eventually(t, func() bool {
		details, err := adm.ListTopics(t.Context())
		return err == nil && !details.Has(topic)
	}, "the topic is deleted")
}

// TestTransactions shows that the broker's internal topics fit one broker.
func TestTransactions(t *testing.T) {
	topic := Topic(t, 1)
	k := SharedKafka(t)
	cl := kafkaClient(t, k, kgo.TransactionalID(topic), kgo.DefaultProduceTopic(topic))
	for _, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(t.Context(), kgo.StringRecord("x")).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := cl.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	// And a group: its coordinator needs the offsets topic.
	adm := kadm.NewClient(kafkaClient(t, k))
	offsets := kadm.Offsets{}
	offsets.AddOffset(topic, 0, 1, -1)
	if err := adm.CommitAllOffsets(t.Context(), topic, offsets); err != nil {
		t.Fatal(err)
	}
	if _, err := adm.DeleteGroup(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
}

func kafkaClient(t *testing.T, k *Kafka, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(k.Brokers), kgo.DefaultProduceTopic("orders")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func endOffsets(t *testing.T, adm *kadm.Client, topic string) (sum int64) {
	t.Helper()
	ends, err := adm.ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	if err := ends.Error(); err != nil {
		t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) { sum += o.Offset })
	return sum
}
