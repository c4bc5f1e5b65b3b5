package task

import (
	"time"

	"connectd/connect"
)

// State is where a connector or a task stands, in Kafka Connect's words.
type State string

// The states. Only connectors are STOPPED; a task that waits for its next try is RESTARTING.
const (
	Unassigned State = "UNASSIGNED"
	Running    State = "RUNNING"
	Paused     State = "PAUSED"
	Stopped    State = "STOPPED"
	Failed     State = "FAILED"
	Restarting State = "RESTARTING"
)

// Status is a snapshot of one task. The figures go on over its restarts.
type Status struct {
	ID       int
	State    State
	Cause    error     // of FAILED and RESTARTING: what ended it last
	Degraded error     // of RUNNING: what a sink's target refuses at the moment, tried again in place, or what a source warns of
	Finished bool      // of RUNNING: a source that has nothing more to read
	Since    time.Time // when it came into this state
	Next     time.Time // of RESTARTING: when it is tried again
	Restarts int64

	Tally
	Batches  int64 // produced, or flushed
	InFlight int   // batches of a source on their way to Kafka
	Retries  int64 // of a sink's target, in place

	LastRecord time.Time         // when the newest record arrived; zero before the first
	LagRecords int64             // of a sink: offsets that are not flushed yet; -1 when unknown
	Lag        time.Duration     // of the newest record that arrived: from its origin until it did, and until now while there is more to do
	Latency    *Histogram        // from a record's time to its arrival; live, see Histogram.Merge
	Recent     *Histogram        // the same of about the last ten seconds
	Progress   *connect.Progress // what the source reports; nil before the first report
	Health     *connect.Health   // what the source has seen of its upstream; nil when it does not look
}
