package sourcetask

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"connectd/connect"
	"connectd/connect/connector/connectortest"
	"connectd/internal/testenv"
	"connectd/kafka"
)

// BenchmarkSourceToBroker is the same with a broker, at least once and in transactions.
func BenchmarkSourceToBroker(b *testing.B) {
	benchmarkDelivery(b, func(b *testing.B, topic string) connect.Source {
		return &events{topic: topic, batches: b.N/benchBatch + 1, size: benchBatch}
	})
}

// BenchmarkSourceConfirms is the time from the first record of a quiet source until the source
// hears that it is durable, one record after the other.
func BenchmarkSourceConfirms(b *testing.B) {
	benchmarkDelivery(b, func(b *testing.B, topic string) connect.Source {
		return &events{topic: topic, batches: b.N, size: 1, lockstep: true}
	})
}

func benchmarkDelivery(b *testing.B, source func(b *testing.B, topic string) connect.Source) {
	b.Run("embedded", func(b *testing.B) { benchmarkBroker(b, connectortest.Broker(b), source) })
	b.Run("kafka", func(b *testing.B) {
		benchmarkBroker(b, connectortest.Kafka(testenv.SharedKafka(b).Brokers), source)
	})
}

func benchmarkBroker(b *testing.B, k kafka.Settings, source func(b *testing.B, topic string) connect.Source) {
	log := slog.New(slog.DiscardHandler)
	id := fmt.Sprintf("bench-%08x", rand.Uint32())
	benchTopic(b, k, id, nil)
	benchTopic(b, k, id+"-offsets", map[string]string{"cleanup.policy": "compact"})
	run := func(b *testing.B, p *pipeline) {
		b.ReportAllocs()
		b.ResetTimer()
		if err := p.run(b.Context(), source(b, id), 10*time.Second); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(counted(p).Written)/b.Elapsed().Seconds(), "records/s")
	}
	b.Run("at-least-once", func(b *testing.B) {
		producer, err := kafka.NewProducer(k, log)
		if err != nil {
			b.Fatal(err)
		}
		defer producer.Close()
		store, err := kafka.OpenStore(b.Context(), k, id+"-offsets", log)
		if err != nil {
			b.Fatal(err)
		}
		defer store.Close()
		p := newBenchPipeline(b, producer)
		p.offsets = newOffsetWriter("bench", store)
		run(b, p)
	})
	b.Run("transactions", func(b *testing.B) {
		producer, err := kafka.NewTxProducer(b.Context(), k, id, log)
		if err != nil {
			b.Fatal(err)
		}
		defer producer.Close()
		p := newBenchPipeline(b, nil)
		commits := &commitCount{TxProducer: producer}
		p.tx = &transactions{kafka: commits, topic: id + "-offsets", offsets: map[string][]byte{}}
		run(b, p)
		b.ReportMetric(float64(counted(p).Written)/float64(commits.n), "records/commit")
	})
}

// commitCount counts commits.
type commitCount struct {
	*kafka.TxProducer
	n int
}

func (c *commitCount) Commit(ctx context.Context) error {
	c.n++
	return c.TxProducer.Commit(ctx)
}

// benchTopic makes a topic for one benchmark.
func benchTopic(b *testing.B, k kafka.Settings, topic string, config map[string]string) {
	b.Helper()
	admin, err := kafka.NewAdmin(k)
	if err != nil {
		b.Fatal(err)
	}
	if err := admin.EnsureTopic(b.Context(), topic, kafka.TopicSpec{Partitions: 1, Replication: 1, Config: config}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = admin.DeleteTopic(context.Background(), topic)
		admin.Close()
	})
}
