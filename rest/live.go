package rest

import (
	"net/http"
	"time"

	"connectd/connect"
	"connectd/connect/task"
	"connectd/connect/worker"
)

// liveConnector is a connector with its figures, for the live table. The counts are
// those since the start of the process.
type liveConnector struct {
	Name  string     `json:"name"`
	Class string     `json:"class"`
	Type  string     `json:"type"`
	State task.State `json:"state"` // FAILED or RESTARTING also when only a task is
	Phase string     `json:"phase"` // of a source, such as snapshot or streaming
	Cause string     `json:"cause"` // of what is wrong; "" when nothing is
	figures
	Tasks []liveTask `json:"tasks"`
}

type liveTask struct {
	ID       int           `json:"id"`
	State    task.State    `json:"state"`
	Phase    string        `json:"phase"`
	Detail   string        `json:"detail"`
	Cause    string        `json:"cause"`
	Since    time.Time     `json:"since"`
	NextTry  *time.Time    `json:"next_try,omitempty"` // of RESTARTING
	Restarts int64         `json:"restarts"`
	Snapshot *liveSnapshot `json:"snapshot,omitempty"` // while there is one
	figures
}

// liveSnapshot is how far a snapshot is.
type liveSnapshot struct {
	Rate   float64     `json:"rows_per_second"`
	Left   *float64    `json:"seconds_left,omitempty"` // about; when it can be told
	Tables []liveTable `json:"tables"`
}

type liveTable struct {
	Table     string `json:"table"`
	Rows      int64  `json:"rows"`
	Estimated int64  `json:"estimated_rows"`
	Done      bool   `json:"done"`
}

// figures are those of a task, or of all tasks of a connector together.
type figures struct {
	In           int64   `json:"records_in"`
	Out          int64   `json:"records_out"`
	Filtered     int64   `json:"records_filtered"`
	Failed       int64   `json:"records_failed"`
	DeadLettered int64   `json:"records_dead_lettered"`
	LagRecords   int64   `json:"lag_records"` // -1 when unknown
	LagSeconds   float64 `json:"lag_seconds"`
	P95          float64 `json:"latency_p95_seconds"` // from a record's time to its arrival, in about the last ten seconds; 0 when none arrived
}

// live answers all connectors with their figures.
func (a *api) live(w http.ResponseWriter, _ *http.Request) error {
	all := a.worker.Status()
	list := make([]liveConnector, 0, len(all))
	for _, s := range all {
		list = append(list, a.liveOf(s))
	}
	answer(w, http.StatusOK, list)
	return nil
}

func (a *api) liveOf(s worker.ConnectorStatus) liveConnector {
	c := liveConnector{Name: s.Name, Class: s.Class, Type: a.typeOf(s), State: reached(s), Cause: text(s.Cause)}
	c.Tasks = make([]liveTask, 0, len(s.Tasks))
	var latency task.Histogram
	for i, status := range s.Tasks {
		t := liveTaskOf(status)
		c.Tasks = append(c.Tasks, t)
		if c.Phase == "" {
			c.Phase = t.Phase
		}
		if worse(t.State, c.State) {
			c.State, c.Cause = t.State, t.Cause
		}
		if c.Cause == "" {
			c.Cause = t.Cause
		}
		c.add(t.figures, i == 0)
		if status.Recent != nil {
			latency.Merge(status.Recent)
		}
	}
	if len(s.Tasks) == 0 {
		c.LagRecords = -1
	}
	c.P95 = latency.Quantile(0.95).Seconds()
	return c
}

func liveTaskOf(s task.Status) liveTask {
	t := liveTask{ID: s.ID, State: s.State, Cause: text(s.Cause), Since: s.Since, Restarts: s.Restarts}
	if t.Cause == "" {
		t.Cause = text(s.Degraded)
	}
	if !s.Next.IsZero() {
		t.NextTry = &s.Next
	}
	if s.Progress != nil {
		t.Phase, t.Detail, t.Snapshot = s.Progress.Phase, s.Progress.Detail, liveSnapshotOf(s.Progress)
	}
	t.figures = figures{
		In: s.Read, Out: s.Written, Filtered: s.Filtered, Failed: s.Failed, DeadLettered: s.DeadLettered,
		LagRecords: s.LagRecords, LagSeconds: s.Lag.Seconds(),
	}
	if s.Recent != nil {
		t.P95 = s.Recent.Quantile(0.95).Seconds()
	}
	return t
}

func liveSnapshotOf(p *connect.Progress) *liveSnapshot {
	if p.Phase != connect.SnapshotPhase {
		return nil
	}
	s := &liveSnapshot{Rate: p.Rate, Tables: make([]liveTable, 0, len(p.Tables))}
	if left, ok := p.Left(); ok {
		seconds := left.Seconds()
		s.Left = &seconds
	}
	for _, t := range p.Tables {
		s.Tables = append(s.Tables, liveTable(t))
	}
	return s
}

// add adds a task's figures; the latency of several tasks is not a sum. A lag that one of them
// does not know is not known.
func (f *figures) add(t figures, first bool) {
	f.In += t.In
	f.Out += t.Out
	f.Filtered += t.Filtered
	f.Failed += t.Failed
	f.DeadLettered += t.DeadLettered
	f.LagSeconds = max(f.LagSeconds, t.LagSeconds)
	switch {
	case first:
		f.LagRecords = t.LagRecords
	case f.LagRecords < 0 || t.LagRecords < 0:
		f.LagRecords = -1
	default:
		f.LagRecords += t.LagRecords
	}
}

// worse says whether a task's state says more of a running connector than the connector's own.
func worse(is, connector task.State) bool {
	switch connector {
	case task.Running:
		return is == task.Failed || is == task.Restarting
	case task.Restarting:
		return is == task.Failed
	}
	return false
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
