package rest

import (
	"errors"
	"testing"
	"time"

	"connectd/connect"
	"connectd/connect/task"
	"connectd/connect/worker"
)

func TestLiveAddsUpTasks(t *testing.T) {
	latency := func(d time.Duration) *task.Histogram {
		h := new(task.Histogram)
		h.Observe(d)
		return h
	}
	running := task.Status{
		State: task.Running, Tally: task.Tally{Read: 10, Written: 7, Filtered: 1, Failed: 2, DeadLettered: 2}, LagRecords: 3,
		Lag: time.Second, Recent: latency(time.Millisecond), Progress: &connect.Progress{Phase: connect.SnapshotPhase, Rate: 50, Tables: []connect.TableProgress{
			{Table: "public.a", Rows: 100, Estimated: 100, Done: true}, {Table: "public.b", Rows: 100, Estimated: 200},
		}},
	}
	retrying := task.Status{
		ID: 1, State: task.Restarting, Cause: errors.New("broker is down"), Next: time.Unix(1, 0), Restarts: 4,
		Tally: task.Tally{Read: 1, Written: 1}, LagRecords: 4, Lag: 3 * time.Second, Recent: latency(time.Second),
	}
	a := &api{}
	got := a.liveOf(worker.ConnectorStatus{Kind: connect.SinkKind, State: task.Running, Tasks: []task.Status{running, retrying}})
	want := figures{In: 11, Out: 8, Filtered: 1, Failed: 2, DeadLettered: 2, LagRecords: 7, LagSeconds: 3, P95: got.P95}
	if got.figures != want {
		t.Errorf("figures are %+v, want %+v", got.figures, want)
	}
	if got.P95 < 0.8 || got.P95 > 1.2 {
		t.Errorf("p95 is %v s, want that of the slower of the two, about 1", got.P95)
	}
	if got.State != task.Restarting || got.Cause != "broker is down" || got.Phase != "snapshot" {
		t.Errorf("state %s, cause %q, phase %q; want those of the task that restarts and of the one that reports", got.State, got.Cause, got.Phase)
	}
	if second := got.Tasks[1]; second.NextTry == nil || second.Restarts != 4 || got.Tasks[0].NextTry != nil {
		t.Errorf("tasks are %+v, want a next try of the second only", got.Tasks)
	}

	if s := got.Tasks[0].Snapshot; s == nil || s.Rate != 50 || s.Left == nil || *s.Left != 2 || len(s.Tables) != 2 || !s.Tables[0].Done || s.Tables[1].Rows != 100 {
		t.Errorf("snapshot is %+v, want 2 s for the 100 rows that are left", s)
	}
	if s := got.Tasks[1].Snapshot; s != nil {
		t.Errorf("snapshot of a task that takes none: %+v", s)
	}

	retrying.LagRecords = -1
	degraded := running
	degraded.Degraded = errors.New("target is read-only")
	got = a.liveOf(worker.ConnectorStatus{State: task.Running, Tasks: []task.Status{degraded}})
	if got.State != task.Running || got.Cause != "target is read-only" {
		t.Errorf("a degraded connector is %s with cause %q, want RUNNING with its cause", got.State, got.Cause)
	}
	got = a.liveOf(worker.ConnectorStatus{State: task.Running, Tasks: []task.Status{running, retrying}})
	if got.LagRecords != -1 {
		t.Errorf("lag is %d, want -1 while one task does not know its own", got.LagRecords)
	}
}

// A client that has asked for a stop may drop a slot or change offsets as soon as it sees STOPPED.
func TestStoppedMeansThatNoTaskIsLeft(t *testing.T) {
	a := &api{}
	draining := worker.ConnectorStatus{State: task.Stopped, Tasks: []task.Status{{State: task.Running}}}
	if got := a.statusOf(draining); got.Connector.State != task.Running || len(got.Tasks) != 1 {
		t.Errorf("while it drains the status is %+v, want RUNNING with its task", got)
	}
	draining.Tasks = nil
	if got := a.statusOf(draining); got.Connector.State != task.Stopped {
		t.Errorf("without tasks the status is %+v, want STOPPED", got)
	}
}

func TestOnlyFailedHasATrace(t *testing.T) {
	a := &api{}
	cause := errors.New("wrong password")
	for state, want := range map[task.State]string{task.Failed: "wrong password", task.Restarting: "", task.Running: ""} {
		if got := a.taskStateOf(task.Status{State: state, Cause: cause}); got.Trace != want {
			t.Errorf("trace of a %s task is %q, want %q", state, got.Trace, want)
		}
	}
}
