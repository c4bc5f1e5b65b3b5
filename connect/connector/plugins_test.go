package connector

import (
	"context"
	"testing"

	"connectd/config"
	"connectd/connect"
	"connectd/convert"
	"connectd/record"
)

// tablePlugins is a table of plugins whose settings are read, and that can be built and not run.
func tablePlugins() connect.Plugins {
	return connect.Plugins{
		Sources:    []connect.Plugin{connect.SourcePlugin("counter-source", func(*tableSource, connect.Env) (connect.Source, error) { return nil, nil }, "org.example.CounterSourceConnector")},
		Sinks:      []connect.Plugin{connect.SinkPlugin("memory-sink", func(*tableSink, connect.Env) (connect.Sink, error) { return unopened{}, nil })},
		Transforms: []connect.Plugin{connect.TransformPlugin("picky", func(*tableTransform) (connect.Transform, error) { return nil, nil })},
		Converters: []connect.Plugin{
			connect.ConverterPlugin("json", convert.NewJSON, "org.apache.kafka.connect.json.JsonConverter"),
			connect.ConverterPlugin("simple", convert.NewSimple, "org.apache.kafka.connect.storage.SimpleHeaderConverter"),
			connect.ConverterPlugin("string", convert.NewString, "org.apache.kafka.connect.storage.StringConverter"),
		},
	}
}

type tableSource struct {
	Topic string `yaml:"topic" required:"true" doc:"topic to write to"`
}

func (*tableSource) Defaults() {}

type tableSink struct {
	Rows int `yaml:"flush.rows" doc:"rows of a flush; 0 for the runtime's default"`
}

func (*tableSink) Defaults() {}

func (s *tableSink) Batching() connect.Batching { return connect.Batching{Rows: s.Rows} }

type tableTransform struct {
	Drop int64 `yaml:"drop" doc:"multiples of this are filtered out; 0 for none"`
}

func (*tableTransform) Defaults() {}

// unopened is a sink that is closed before anything is written.
type unopened struct{}

func (unopened) Open(context.Context, record.Partition) (connect.Writer, error) { panic("not opened") }
func (unopened) Close() error                                                   { return nil }

// loadTable is the connector with settings, which are keys and values in turn.
func loadTable(t *testing.T, plugins connect.Plugins, settings ...string) *Connector {
	t.Helper()
	all := map[string]string{}
	for i := 0; i < len(settings); i += 2 {
		all[settings[i]] = settings[i+1]
	}
	written, _ := config.NewConnector("c", all)
	var w WorkerSettings
	w.Defaults()
	c, problems := Load(written, &w, plugins)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return c
}
