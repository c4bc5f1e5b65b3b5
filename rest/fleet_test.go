package rest

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"connectd/config"
	"connectd/connect"
	"connectd/connect/connector"
	"connectd/connect/connector/connectortest"
	"connectd/connect/worker"
	"connectd/kafka"
	"connectd/record"
	"connectd/transform"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plugins are Kafka's example connectors: a source of the lines of a file, and a sink into one.
var plugins = connect.Plugins{
	Sources: []connect.Plugin{
		connect.SourcePlugin("lines-source", newLines, "org.apache.kafka.connect.file.FileStreamSourceConnector"),
	},
	Sinks: []connect.Plugin{
		connect.SinkPlugin("lines-sink", newLinesSink, "org.apache.kafka.connect.file.FileStreamSinkConnector"),
	},
	Transforms: []connect.Plugin{
		connect.TransformPlugin("regex-router", transform.NewRegexRouter, "org.apache.kafka.connect.transforms.RegexRouter"),
	},
	Converters: connectortest.Converters,
}

type linesConfig struct {
	File  string            `yaml:"file" required:"true" doc:"file to read"`
	Topic string            `yaml:"topic" required:"true" doc:"topic of its lines"`
	Batch int               `yaml:"batch.size" doc:"lines a batch"`
	More  map[string]string `yaml:"x.*" doc:"ignored"`
}

func (*linesConfig) Defaults() {}

// lines is a source whose file never grows.
type lines struct{}

func newLines(*linesConfig, connect.Env) (connect.Source, error) { return lines{}, nil }

func (lines) Run(ctx context.Context, t *connect.SourceTask) error {
	t.Report(connect.Progress{Phase: "streaming", Detail: "waits for lines"})
	<-ctx.Done()
	return nil
}

type linesSinkConfig struct {
	File string `yaml:"file" required:"true" doc:"file to write"`
}

func (*linesSinkConfig) Defaults() {}

// linesSink is a sink that gets no lines.
type linesSink struct{}

// newLinesSink refuses a file in a directory that is not there.
func newLinesSink(c *linesSinkConfig, _ connect.Env) (connect.Sink, error) {
	if _, err := os.Stat(filepath.Dir(c.File)); err != nil {
		return nil, connect.Permanent(err)
	}
	return linesSink{}, nil
}

func (linesSink) Open(context.Context, record.Partition) (connect.Writer, error) {
	return linesSink{}, nil
}
func (linesSink) Write(context.Context, *record.Batch) error { return nil }
func (linesSink) Flush(context.Context, record.Range) error  { return nil }
func (linesSink) Close() error                               { return nil }

// run runs the connectors of a file on a broker of their own with the API before them, and returns
// the API's URL.
func run(t *testing.T, path string) string {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	cluster := connectortest.Broker(t)
	admin := connectortest.Admin(t, cluster)

	worker, written := fleet(t, path, cluster, log)
	server, err := Listen("http://127.0.0.1:0", log)
	if err != nil {
		t.Fatal(err)
	}
	server.Handle(New(Config{
		Worker: worker, Connectors: written, Plugins: plugins, Metrics: worker, Cluster: admin,
		Version: "1.0", Commit: "abc", WorkerID: server.WorkerID(), Log: log,
	}))
	ctx, cancel := context.WithCancel(t.Context())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return worker.Run(ctx) })
	g.Go(func() error { return server.Serve(ctx) })
	t.Cleanup(func() {
		cancel()
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	})
	return server.URL()
}

// fleet is a worker with the connectors of a file, which may be refused.
func fleet(t *testing.T, path string, cluster kafka.Settings, log *slog.Logger) (*worker.Worker, []*config.Connector) {
	t.Helper()
	file, problems := config.Load([]string{path})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	var settings connector.WorkerSettings
	settings.Defaults()
	worker := worker.New(&settings, cluster, log)
	for _, c := range file.Connectors {
		loaded, problems := connector.Load(c, &settings, plugins)
		if loaded == nil {
			worker.AddFailed(c, errors.New(problems.Error()))
			continue
		}
		worker.Add(loaded)
	}
	return worker, file.Connectors
}
