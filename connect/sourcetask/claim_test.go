package sourcetask

import (
	"testing"
	"time"

	"connectd/connect"
	"connectd/connect/connector"
	"connectd/connect/connector/connectortest"
)

func TestTransactionSettings(t *testing.T) {
	const key = "producer.override.transaction.timeout.ms"
	for _, c := range []struct {
		boundary, timeout string
		want              time.Duration
		err               string
	}{
		{"poll", "", time.Minute, ""},
		{"poll", "5000", 5 * time.Second, ""},
		{"interval", "", 70 * time.Second, ""},
		{"interval", "30000", 30 * time.Second, ""},
		{"interval", "10000", 0, "producer.override.transaction.timeout.ms (10s) is not longer than transaction.boundary.interval.ms (10s): the broker would abort every transaction; raise it, or remove it"},
	} {
		settings := map[string]string{"connector.class": "events-source", "transaction.boundary": c.boundary, "transaction.boundary.interval.ms": "10000"}
		if c.timeout != "" {
			settings[key] = c.timeout
		}
		var r Runner
		r.kafka.Defaults()
		k, err := r.transactionSettings(eventsConnector(t, settings))
		switch {
		case c.err != "":
			if err == nil || err.Error() != c.err || !connect.IsPermanent(err) {
				t.Errorf("%s, %s: got %v, want %s", c.boundary, c.timeout, err, c.err)
			}
		case err != nil || k.Transaction != c.want:
			t.Errorf("%s, %s: got %s, %v; want %s", c.boundary, c.timeout, k.Transaction, err, c.want)
		}
	}
}

// eventsConnector is the connector of an events source.
func eventsConnector(t *testing.T, settings map[string]string) *connector.Connector {
	t.Helper()
	return connectortest.Load(t, connect.Plugins{
		Sources:    []connect.Plugin{connect.SourcePlugin("events-source", func(*noEventSettings, connect.Env) (connect.Source, error) { return &events{}, nil })},
		Converters: connectortest.Converters,
	}, "c", settings)
}

// noEventSettings are its own.
type noEventSettings struct{}

func (*noEventSettings) Defaults() {}
