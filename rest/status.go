package rest

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"

	"connectd/connect/task"
	"connectd/connect/worker"
)

// status is how a connector is. Clients decode Connector as a map of strings and refuse states
// that they do not know: figures of our own are in /api/connectors.
type status struct {
	Name      string         `json:"name"`
	Connector connectorState `json:"connector"`
	Tasks     []taskState    `json:"tasks"`
	Type      string         `json:"type"`
}

type connectorState struct {
	State    task.State `json:"state"`
	WorkerID string     `json:"worker_id"`
	Version  string     `json:"version"`
	Trace    string     `json:"trace,omitempty"` // only of FAILED
}

type taskState struct {
	ID int `json:"id"`
	connectorState
}

func (a *api) status(w http.ResponseWriter, r *http.Request) error {
	s, err := a.connector(r, "No status found for connector %s")
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, a.statusOf(s))
	return nil
}

func (a *api) taskStatus(w http.ResponseWriter, r *http.Request) error {
	id, err := taskOf(r)
	if err != nil {
		return err
	}
	name := r.PathValue("name")
	s, err := a.worker.Connector(name)
	if err != nil {
		return missed(err, "No status found for task %s-%d", name, id)
	}
	i := slices.IndexFunc(s.Tasks, func(t task.Status) bool { return t.ID == id })
	if i < 0 {
		return refuse(http.StatusNotFound, "No status found for task %s-%d", name, id)
	}
	answer(w, http.StatusOK, a.taskStateOf(s.Tasks[i]))
	return nil
}

// taskOf is the number of the task that the path names.
func taskOf(r *http.Request) (int, error) {
	id, err := strconv.Atoi(r.PathValue("task"))
	if err != nil {
		return 0, unrouted(http.StatusNotFound)
	}
	return id, nil
}

func (a *api) statusOf(s worker.ConnectorStatus) *status {
	st := &status{
		Name:      s.Name,
		Connector: a.stateOf(reached(s), s.Cause),
		Tasks:     make([]taskState, 0, len(s.Tasks)),
		Type:      a.typeOf(s),
	}
	for _, t := range s.Tasks {
		st.Tasks = append(st.Tasks, a.taskStateOf(t))
	}
	return st
}

// reached is the state of s that clients see. A connector that is told to stop is RUNNING until
// its last task has drained: one that is STOPPED has no tasks.
func reached(s worker.ConnectorStatus) task.State {
	if s.State == task.Stopped && len(s.Tasks) > 0 {
		return task.Running
	}
	return s.State
}

func (a *api) taskStateOf(t task.Status) taskState {
	return taskState{t.ID, a.stateOf(t.State, t.Cause)}
}

func (a *api) stateOf(s task.State, cause error) connectorState {
	st := connectorState{State: s, WorkerID: a.workerID, Version: a.version}
	if s == task.Failed && cause != nil {
		st.Trace = cause.Error()
	}
	return st
}

// typeOf is source or sink; of a connector that was refused, what its class says, and unknown for
// a class that is none of ours.
func (a *api) typeOf(s worker.ConnectorStatus) string {
	return cmp.Or(string(s.Kind), a.types[s.Class], unknown)
}
