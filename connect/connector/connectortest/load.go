// Package connectortest is what tests of connectors, and of what runs them, begin with: a connector
// out of a few settings, a broker, and a worker in this process or in one that can be killed.
package connectortest

import (
	"testing"

	"connectd/config"
	"connectd/connect"
	"connectd/connect/connector"
	"connectd/convert"
)

// Converters are those that need nothing else.
var Converters = []connect.Plugin{
	connect.ConverterPlugin("json", convert.NewJSON, "org.apache.kafka.connect.json.JsonConverter"),
	connect.ConverterPlugin("simple", convert.NewSimple, "org.apache.kafka.connect.storage.SimpleHeaderConverter"),
	connect.ConverterPlugin("string", convert.NewString, "org.apache.kafka.connect.storage.StringConverter"),
}

// Load is the connector called name with these settings, of a worker that has none of its own.
func Load(t testing.TB, plugins connect.Plugins, name string, settings map[string]string) *connector.Connector {
	t.Helper()
	c, err := load(plugins, name, settings)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func load(plugins connect.Plugins, name string, settings map[string]string) (*connector.Connector, error) {
	written, _ := config.NewConnector(name, settings)
	var w connector.WorkerSettings
	w.Defaults()
	c, problems := connector.Load(written, &w, plugins)
	return c, problems.Err()
}
