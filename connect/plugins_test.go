package connect

import (
	"context"
	"testing"

	"connectd/config"
	"connectd/convert"
	"connectd/record"
)

// tablePlugins is a table of plugins whose settings are read, and that can be built and not run.
func tablePlugins() Plugins {
	return Plugins{
		Sources:    []Plugin{SourcePlugin("counter-source", func(*tableSource, Env) (Source, error) { return nil, nil }, "org.example.CounterSourceConnector")},
		Sinks:      []Plugin{SinkPlugin("memory-sink", func(*tableSink, Env) (Sink, error) { return unopened{}, nil })},
		Transforms: []Plugin{TransformPlugin("picky", func(*tableTransform) (Transform, error) { return nil, nil })},
		Converters: []Plugin{
			ConverterPlugin("json", convert.NewJSON, "org.apache.kafka.connect.json.JsonConverter"),
			ConverterPlugin("simple", convert.NewSimple, "org.apache.kafka.connect.storage.SimpleHeaderConverter"),
			ConverterPlugin("string", convert.NewString, "org.apache.kafka.connect.storage.StringConverter"),
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

func (s *tableSink) Batching() Batching { return Batching{Rows: s.Rows} }

type tableTransform struct {
	Drop int64 `yaml:"drop" doc:"multiples of this are filtered out; 0 for none"`
}

func (*tableTransform) Defaults() {}

// unopened is a sink that is closed before anything is written.
type unopened struct{}

func (unopened) Open(context.Context, record.Partition) (Writer, error) { panic("not opened") }
func (unopened) Close() error                                           { return nil }

// loadTable is the connector with settings, which are keys and values in turn.
func loadTable(t *testing.T, plugins Plugins, settings ...string) *Connector {
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
