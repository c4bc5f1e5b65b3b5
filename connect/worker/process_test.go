package worker

import (
	"testing"

	"go.uber.org/goleak"

	"connectd/connect"
	"connectd/connect/connector/connectortest"
	"connectd/kafka"
)

// The crash tests run a connector in a process of its own and let it die by SIGKILL between two
// steps of the delivery protocol. The broker and the target's files outlive it.

func TestMain(m *testing.M) {
	plugins := testPlugins(&confirmations{}, nil)
	plugins.Sources = append(plugins.Sources, connect.SourcePlugin("told-source", newTold), connect.SourcePlugin("lanes-source", newLanes))
	plugins.Sinks = append(plugins.Sinks, connect.SinkPlugin("disk-sink", newDisk))
	connectortest.Main(plugins, New)
	goleak.VerifyTestMain(m)
}

// crash runs a process that dies at the step.
func crash(t *testing.T, k kafka.Settings, settings map[string]string, step string) {
	t.Helper()
	connectortest.Start(t, k, settings, step).Died()
}
