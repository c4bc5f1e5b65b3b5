package sinktask

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"connectd/connect"
	"connectd/connect/connector"
	"connectd/connect/connector/connectortest"
	"connectd/connect/schemas"
	"connectd/connect/task"
	"connectd/kafka"
	"connectd/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// discard is a sink that takes everything.
type discard struct{ rows atomic.Int64 }

func (d *discard) Open(context.Context, record.Partition) (connect.Writer, error) { return d, nil }
func (d *discard) Write(_ context.Context, b *record.Batch) error {
	d.rows.Add(int64(len(b.Records)))
	return nil
}
func (d *discard) Flush(context.Context, record.Range) error { return nil }
func (d *discard) Close() error                              { return nil }

// Start makes it a writer that keeps its offset, for which nothing is committed.
func (d *discard) Start(context.Context) (int64, bool, error) { return 0, false, nil }

// connectorOf is the connector of a discard, which reads numbers.
func connectorOf(t testing.TB, settings ...string) *connector.Connector {
	t.Helper()
	return connectorTo(t, "to-nowhere", &discard{}, settings...)
}

// connectorTo is the connector of a sink that reads numbers.
func connectorTo(t testing.TB, name string, sink connect.Sink, settings ...string) *connector.Connector {
	t.Helper()
	all := map[string]string{"connector.class": "test-sink", "topics": "numbers", "linger.ms": "20"}
	for i := 0; i < len(settings); i += 2 {
		all[settings[i]] = settings[i+1]
	}
	return connectortest.Load(t, connect.Plugins{
		Sinks:      []connect.Plugin{connect.SinkPlugin("test-sink", func(*noSettings, connect.Env) (connect.Sink, error) { return sink, nil })},
		Converters: connectortest.Converters,
	}, name, all)
}

type noSettings struct{}

func (*noSettings) Defaults() {}

// benchPartition is a partition whose writer takes everything, without Kafka.
func benchPartition(b testing.TB, settings ...string) *partition {
	c := connectorOf(b, settings...)
	t := &sinkTask{
		Task: task.New(c, 0, slog.New(slog.DiscardHandler), nil), sink: &discard{}, budget: newBudget(1 << 40),
		schemas: schemas.New("", nil, nil), policy: c.Policy(), wakePoll: func() {},
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
