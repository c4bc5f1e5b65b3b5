package connect

import (
	"context"
	"log/slog"
	"slices"

	"connectd/config"
	"connectd/convert"
)

// Env is what a connector is told of where it runs.
type Env struct {
	Connector  string // the connector's name
	Class      string // as the connector's file names it: an alias may mean other defaults
	Task       int    // its number, from 0
	Tasks      int    // how many there are
	Transforms int    // how many transforms a source's records pass
	Log        *slog.Logger
	ReadTopic  ReadTopic // for a source that listens to a topic; nil where there is no Kafka

	// TopicID is for a sink that keeps its offsets in its target: another id for the same name is
	// another topic, whose offsets begin anew. nil where there is no Kafka.
	TopicID func(ctx context.Context, topic string) (string, error)
}

// Kind is what a connector does.
type Kind string

// The kinds, as Kafka Connect's REST API writes them.
const (
	SourceKind Kind = "source"
	SinkKind   Kind = "sink"
)

// Plugin is one line of the table of plugins: a class that a connector file may name, its
// aliases (the Java classes that it stands in for), its settings, and how it is built.
type Plugin struct {
	Class    string
	Aliases  []string
	Settings func() config.Settings

	// How it is built: one of the four, by the part of Plugins that it is in.
	Source    func(config.Settings, Env) (Source, error)
	Sink      func(config.Settings, Env) (Sink, error)
	Transform func(config.Settings) (Transform, error)
	Converter func(config.Settings) (convert.Converter, error)
}

// Plugins is the table of all that this binary can run.
type Plugins struct {
	Sources, Sinks, Transforms, Converters []Plugin
}

// settingsOf is a pointer to C that is a config.Settings.
type settingsOf[C any] interface {
	*C
	config.Settings
}

// SourcePlugin is the line of a source.
func SourcePlugin[C any, P settingsOf[C]](class string, build func(*C, Env) (Source, error), aliases ...string) Plugin {
	return Plugin{Class: class, Aliases: aliases, Settings: blank[C, P],
		Source: func(s config.Settings, e Env) (Source, error) { return build((*C)(s.(P)), e) }}
}

// SinkPlugin is the line of a sink.
func SinkPlugin[C any, P settingsOf[C]](class string, build func(*C, Env) (Sink, error), aliases ...string) Plugin {
	return Plugin{Class: class, Aliases: aliases, Settings: blank[C, P],
		Sink: func(s config.Settings, e Env) (Sink, error) { return build((*C)(s.(P)), e) }}
}

// TransformPlugin is the line of a transform.
func TransformPlugin[C any, P settingsOf[C], T Transform](class string, build func(*C) (T, error), aliases ...string) Plugin {
	return Plugin{Class: class, Aliases: aliases, Settings: blank[C, P],
		Transform: func(s config.Settings) (Transform, error) { return build((*C)(s.(P))) }}
}

// ConverterPlugin is the line of a converter.
func ConverterPlugin[C any, P settingsOf[C], T convert.Converter](class string, build func(*C) (T, error), aliases ...string) Plugin {
	return Plugin{Class: class, Aliases: aliases, Settings: blank[C, P],
		Converter: func(s config.Settings) (convert.Converter, error) { return build((*C)(s.(P))) }}
}

func blank[C any, P settingsOf[C]]() config.Settings { return P(new(C)) }

// Find is the plugin of the table that goes by class, which may be an alias or an alias's last
// part (PostgresConnector); ok is false when there is none.
func Find(table []Plugin, class string) (p Plugin, ok bool) {
	for _, p := range table {
		if slices.Contains(p.Names(), class) {
			return p, true
		}
	}
	return Plugin{}, false
}

// Names are all that a connector file may call the plugin.
func (p *Plugin) Names() []string {
	names := []string{p.Class}
	for _, a := range p.Aliases {
		names = append(names, a, simpleName(a))
	}
	return names
}

// simpleName is the last part of a Java class name.
func simpleName(class string) string {
	for i := len(class) - 1; i >= 0; i-- {
		if class[i] == '.' {
			return class[i+1:]
		}
	}
	return class
}
