package sourcetask

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"connectd/connect"
	"connectd/connect/connector"
	"connectd/connect/task"
	"connectd/convert"
	"connectd/kafka"
	"connectd/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// acks is a producer that acknowledges at once and writes nothing.
type acks struct{}

func (acks) Produce(_ []kafka.Message, done func(error)) { done(nil) }

// forgetful is an offsets topic that forgets.
type forgetful struct{}

func (forgetful) PutAll(context.Context, map[string][]byte) error { return nil }

// ignorant does not publish schemas.
type ignorant struct{}

func (ignorant) Publish(context.Context, string, string, *record.Schema) error { return nil }

// eventSchema is the reference workload's table.
var eventSchema = &record.Schema{Type: record.StructType, Name: "events", Fields: []record.Field{
	{Name: "id", Schema: &record.Schema{Type: record.Int64Type}},
	{Name: "user_id", Schema: &record.Schema{Type: record.Int64Type, Optional: true}},
	{Name: "kind", Schema: &record.Schema{Type: record.StringType, Optional: true}},
	{Name: "amount", Schema: &record.Schema{Type: record.StringType, Optional: true}},
	{Name: "payload", Schema: &record.Schema{Type: record.StringType, Optional: true, Name: record.JSONName, Version: 1}},
	{Name: "created_at", Schema: &record.Schema{Type: record.StringType, Optional: true, Name: record.ZonedTimestampName, Version: 1}},
}}

// eventKeySchema is that of its key.
var eventKeySchema = &record.Schema{Type: record.StructType, Name: "Key", Fields: eventSchema.Fields[:1]}

const eventPartition = `{"table":"events"}`

// events is a source that fills every batch that it gets with rows of the reference workload.
type events struct {
	topic         string
	batches, size int
	lockstep      bool // each batch waits for the one before to be durable
}

func (e *events) Run(ctx context.Context, t *connect.SourceTask) error {
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
			r.Key = record.Datum{Schema: eventKeySchema, Value: record.OfStruct(cells[:1:1])}
			r.Value = record.Datum{Schema: eventSchema, Value: record.OfStruct(cells)}
		}
		b.Offsets = append(b.Offsets, record.SourceOffset{Partition: []byte(eventPartition), Offset: b.Copy([]byte(`{"lsn":1}`))})
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
		intake:   connect.NewIntake("bench", sourceBatches, nil, slog.New(slog.DiscardHandler)),
		conv:     connector.Converters{Key: json(), Value: json(), Header: json()},
		producer: p,
		topics:   &topics{schemas: ignorant{}, known: map[string]*topic{}},
		offsets:  newOffsetWriter("bench", forgetful{}),
		count:    &task.Counters{},
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
	s := counted(p)
	b.ReportMetric(float64(s.Bytes)/float64(s.Written), "B/record")
}

// counted is what has become of the pipeline's records.
func counted(p *pipeline) (s task.Status) {
	p.count.Read(&s, true)
	return s
}

// TestSourcePipelineAllocations keeps the pipeline free of allocations per record.
func TestSourcePipelineAllocations(t *testing.T) {
	const batches = 200
	p := newBenchPipeline(t, acks{})
	perRun := testing.AllocsPerRun(1, func() {
		p.intake = connect.NewIntake("bench", sourceBatches, nil, slog.New(slog.DiscardHandler))
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
