package rest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"connectd/connect"
	"connectd/connect/task"
	"connectd/connect/worker"
)

// Signals hands signals to sources; *worker.Worker does. It may be called from any goroutine.
type Signals interface {
	// Signal waits until the source has taken the signal. It fails with worker.ErrUnknown,
	// connect.ErrNotNow, or what is wrong with the signal.
	Signal(ctx context.Context, name string, s connect.Signal) error
}

// signalTimeout bounds how long a source may take to look at a signal.
const signalTimeout = 10 * time.Second

// signalLimit bounds one signal.
const signalLimit = 1 << 20

// signal hands the signal in the body, such as {"type":"execute-snapshot","data":{…}}, to the
// connector's source: 202 with its id when it is followed, 400 with what is wrong with it, 409
// when the source can not take one now.
func (a *api) signal(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, signalLimit))
	if err != nil {
		return refuse(http.StatusBadRequest, "read the body: %v", err)
	}
	var s connect.Signal
	if err := json.Unmarshal(data, &s); err != nil {
		return refuse(http.StatusBadRequest, `the body is not a signal, such as {"type":"execute-snapshot","data":{"data-collections":["public.orders"]}}: %v`, err)
	}
	if s.ID == "" {
		s.ID = rand.Text()
	}
	ctx, cancel := context.WithTimeout(r.Context(), signalTimeout)
	defer cancel()
	switch err := a.worker.Signal(ctx, name, s); {
	case errors.Is(err, worker.ErrUnknown):
		return refuse(http.StatusNotFound, "Connector %s not found", name)
	case errors.Is(err, connect.ErrNotNow):
		return refuse(http.StatusConflict, "%v", err)
	case err != nil:
		return refuse(http.StatusBadRequest, "%v", err)
	}
	a.log.Info("asked over REST", "what", s.Type, "connector", name, "id", s.ID)
	answer(w, http.StatusAccepted, map[string]string{"id": s.ID})
	return nil
}

// snapshotState says how far a connector's snapshots are.
type snapshotState struct {
	Connector string          `json:"connector"`
	State     task.State      `json:"state"`
	Phase     string          `json:"phase"`
	Detail    string          `json:"detail"`
	Tables    []snapshotTable `json:"tables"`
}

type snapshotTable struct {
	Table     string `json:"table"`
	Rows      int64  `json:"rows"`
	Estimated int64  `json:"estimated"`
	Done      bool   `json:"done"`
}

func (a *api) snapshot(w http.ResponseWriter, r *http.Request) error {
	s, err := a.connector(r, "Connector %s not found")
	if err != nil {
		return err
	}
	state := snapshotState{Connector: s.Name, State: reached(s), Tables: []snapshotTable{}}
	for _, t := range s.Tasks {
		if t.Progress == nil {
			continue
		}
		state.Phase, state.Detail = t.Progress.Phase, t.Progress.Detail
		for _, p := range t.Progress.Tables {
			state.Tables = append(state.Tables, snapshotTable{p.Table, p.Rows, p.Estimated, p.Done})
		}
	}
	answer(w, http.StatusOK, state)
	return nil
}
