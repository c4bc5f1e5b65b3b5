package connect

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"connectd/convert"
	"connectd/kafka"
	"connectd/record"
)

// acks is a producer that acknowledges at once and writes nothing.
type acks struct{}

func (acks) Produce(_ []kafka.Message, done func(error)) { done(nil) }

// forgetful is an offsets topic that forgets.
type forgetful struct{}

func (forgetful) PutAll(context.Context, map[string][]byte) error { return nil }

// ignorant does not publish schemas.
type ignorant struct{}

func (ignorant) publish(context.Context, string, string, *record.Schema) error { return nil }

// eventSchema is the reference workload's table.
var eventSchema = &record.Schema{Type: record.StructType, Name: "events", Fields: []record.Field{
	{Name: "id", Schema: &record.Schema{Type: record.Int64Type}},
	{Name: "user_id", Schema: &record.Schema{Type: record.Int64Type, Optional: true}},
	{Name: "kind", Schema: &record.Schema{Type: record.StringType, Optional: true}},
	{Name: "amount", Schema: &record.Schema{Type: record.StringType, Optional: true}},
	{Name: "payload", Schema: &record.Schema{Type: record.StringType, Optional: true, Name: record.JSONName, Version: 1}},
	{Name: "created_at", Schema: &record.Schema{Type: record.StringType, Optional: true, Name: record.ZonedTimestampName, Version: 1}},
}}

// events is a source that fills every batch that it gets with rows of the reference workload.
type events struct {
	topic         string
	batches, size int
	lockstep      bool // each batch waits for the one before to be durable
}

func (e *events) Run(ctx context.Context, t *SourceTask) error {
	payload := []byte(`{"ip": "10.0.0.1", "path": "/products/4711", "agent": "Mozilla/5.0 (X11; Linux x86_64)", "score": 0.75, "tags": ["a", "b"]}`)
	kind, amount, at := []byte("checkout"), []byte("123.45"), []byte("2026-11-21T10:00:00.123456Z")
	for n := range e.batches {
		b, err := t.Batch(ctx)
		if err != nil {
			return err
		}
		for i := range e.size {
			r := b.Add()
			r.Topic, r.Timestamp = e.topic, 1_700_000_000_000
			cells := b.Cells(len(eventSchema.Fields))
			cells[0], cells[1] = record.OfInt(int64(n*e.size+i)), record.OfInt(int64(i))
			cells[2], cells[3] = record.OfString(kind), record.OfString(amount)
			cells[4], cells[5] = record.OfString(payload), record.OfString(at)
			r.Key = record.Datum{Schema: keySchema, Value: record.OfStruct(cells[:1:1])}
			r.Value = record.Datum{Schema: eventSchema, Value: record.OfStruct(cells)}
		}
		b.Offsets = append(b.Offsets, record.SourceOffset{Partition: []byte(counterPartition), Offset: b.Copy([]byte(`{"lsn":1}`))})
		b.Mark = uint64(n + 1)
		t.Send(b)
		for e.lockstep && t.Committed() < uint64(n+1) {
			<-t.Wake()
		}
	}
	for t.Committed() < uint64(e.batches) {
		<-t.Wake()
	}
	return nil
}

// newBenchPipeline is a source's pipeline with JSON converters in front of p.
func newBenchPipeline(b testing.TB, p producer) *pipeline {
	json := func() convert.Converter {
		j, err := convert.NewJSON(&convert.JSONConfig{})
		if err != nil {
			b.Fatal(err)
		}
		return j
	}
	return &pipeline{
		intake:   NewIntake("bench", maxInFlight, nil, slog.New(slog.DiscardHandler)),
		conv:     converters{key: json(), value: json(), header: json()},
		producer: p,
		topics:   &topics{schemas: ignorant{}, known: map[string]*topic{}},
		offsets:  newOffsetWriter("bench", forgetful{}),
		count:    &counters{},
	}
}

const benchBatch = 1000

// BenchmarkSourcePipeline is what a record costs from the filled batch to the acknowledged
// message, without Kafka.
func BenchmarkSourcePipeline(b *testing.B) {
	p := newBenchPipeline(b, acks{})
	b.ReportAllocs()
	batches := b.N/benchBatch + 1
	b.ResetTimer()
	if err := p.run(b.Context(), &events{topic: "events", batches: batches, size: benchBatch}, time.Second); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(p.count.tally.Bytes)/float64(p.count.tally.Written), "B/record")
}

// BenchmarkSourceToBroker is the same with a broker, at least once and in transactions.
func BenchmarkSourceToBroker(b *testing.B) {
	benchmarkDelivery(b, func(b *testing.B, topic string) Source {
		return &events{topic: topic, batches: b.N/benchBatch + 1, size: benchBatch}
	})
}

// BenchmarkSourceConfirms is the time from the first record of a quiet source until the source
// hears that it is durable, one record after the other.
func BenchmarkSourceConfirms(b *testing.B) {
	benchmarkDelivery(b, func(b *testing.B, topic string) Source {
		return &events{topic: topic, batches: b.N, size: 1, lockstep: true}
	})
}

func benchmarkDelivery(b *testing.B, source func(b *testing.B, topic string) Source) {
	b.Run("embedded", func(b *testing.B) { benchmarkBroker(b, testKafka(b), source) })
	b.Run("kafka", func(b *testing.B) { benchmarkBroker(b, sharedKafka(b), source) })
}

func benchmarkBroker(b *testing.B, k kafka.Settings, source func(b *testing.B, topic string) Source) {
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
		b.ReportMetric(float64(p.count.tally.Written)/b.Elapsed().Seconds(), "records/s")
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
		b.ReportMetric(float64(p.count.tally.Written)/float64(commits.n), "records/commit")
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

// TestSourcePipelineAllocations keeps the pipeline free of allocations per record.
func TestSourcePipelineAllocations(t *testing.T) {
	const batches = 200
	p := newBenchPipeline(t, acks{})
	perRun := testing.AllocsPerRun(1, func() {
		p.intake = NewIntake("bench", maxInFlight, nil, slog.New(slog.DiscardHandler))
		if err := p.run(t.Context(), &events{topic: "events", batches: batches, size: benchBatch}, time.Second); err != nil {
			t.Fatal(err)
		}
	})
	// The batches and shipments grow to their size once; what is left is a few for each batch.
	const once, perBatch = 2000, 10
	if perRun > once+perBatch*batches {
		t.Errorf("%.0f allocations for %d batches of %d records, want at most %d", perRun, batches, benchBatch, once+perBatch*batches)
	}
}

// discard is a sink that takes everything.
type discard struct{ rows int }

func (d *discard) Open(context.Context, record.Partition) (Writer, error) { return d, nil }
func (d *discard) Write(_ context.Context, b *record.Batch) error {
	d.rows += len(b.Records)
	return nil
}
func (d *discard) Flush(context.Context, record.Range) error { return nil }
func (d *discard) Close() error                              { return nil }

// Start makes it a writer that keeps its offset, for which nothing is committed.
func (d *discard) Start(context.Context) (int64, bool, error) { return 0, false, nil }

// benchPartition is a partition whose writer takes everything, without Kafka.
func benchPartition(b testing.TB, settings ...string) *partition {
	c := load(b, testPlugins(nil, newMemory()), "bench", sinkOf(settings...))
	t := &sinkTask{
		task: newTask(c, 0, slog.New(slog.DiscardHandler), nil), sink: &discard{}, budget: newBudget(1 << 40),
		schemas: newSchemas("", nil, nil), policy: newPolicy(c.common), wakePoll: func() {},
		parts: map[record.Partition]*partition{}, attention: map[*partition]bool{},
	}
	p, err := t.newPartition(kafka.Commit{Partition: record.Partition{Topic: "numbers"}, Offset: 0}, 0)
	if err != nil {
		b.Fatal(err)
	}
	if err := p.open(b.Context()); err != nil {
		b.Fatal(err)
	}
	return p
}

// BenchmarkSinkTake is what a record costs from the fetched message to the writer.
func BenchmarkSinkTake(b *testing.B) {
	p := benchPartition(b, "batch.max.rows", "1000000000", "batch.max.bytes", "1000GB")
	msgs := make([]kafka.Message, benchBatch)
	value := `{"id":4711,"user_id":12,"kind":"checkout","amount":"123.45","payload":"{\"ip\": \"10.0.0.1\", \"path\": \"/products/4711\", \"agent\": \"Mozilla/5.0 (X11; Linux x86_64)\"}","created_at":"2026-11-21T10:00:00.123456Z"}`
	for i := range msgs {
		msgs[i] = kafka.Message{Topic: "numbers", Key: fmt.Appendf(nil, `{"id":%d}`, i), Value: []byte(value), Timestamp: 1_700_000_000_000}
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(value)))
	offset := int64(0)
	for n := 0; n < b.N; n += benchBatch {
		for i := range msgs {
			msgs[i].Offset = offset
			offset++
		}
		if err := p.takeAll(b.Context(), msgs); err != nil {
			b.Fatal(err)
		}
	}
}
