package rest

import (
	"net/http"
	"net/url"
	"strings"

	"connectd/connect/task"
	"connectd/connect/worker"
)

// steer is the endpoint that asks for what the last part of the path says, and answers that
// status without a body. The body of the request is not read: clients send null or nothing.
func (a *api) steer(status int, what string, ask func(name string) error) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		name := r.PathValue("name")
		if err := ask(name); err != nil {
			return missed(err, "Unknown connector %s", name)
		}
		a.log.Info("asked over REST", "what", what, "connector", name)
		w.WriteHeader(status)
		return nil
	}
}

// restart starts the tasks of a connector anew; with onlyFailed those that are FAILED. In Kafka
// Connect a restart without includeTasks leaves the tasks alone and restarts an object that
// connectd has no need of: here a connector is its tasks, and they restart in both cases.
func (a *api) restart(w http.ResponseWriter, r *http.Request) error {
	s, err := a.connector(r, "Unknown connector: %s")
	if err != nil {
		return err
	}
	query := r.URL.Query()
	includeTasks, onlyFailed := flag(query, "includeTasks", false), flag(query, "onlyFailed", false)
	if err := a.worker.Restart(s.Name, onlyFailed); err != nil {
		return missed(err, "Unknown connector: %s", s.Name)
	}
	a.log.Info("asked over REST", "what", "restart", "connector", s.Name, "only_failed", onlyFailed)
	if !includeTasks && !onlyFailed {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	answer(w, http.StatusAccepted, a.statusOf(restarting(s, onlyFailed)))
	return nil
}

// restarting is s as it is once the restart begins, which the worker does in its own time.
func restarting(s worker.ConnectorStatus, onlyFailed bool) worker.ConnectorStatus {
	if s.State != task.Running {
		return s // nothing runs that could be started anew
	}
	if !onlyFailed {
		s.State = task.Restarting
	}
	for i, t := range s.Tasks {
		if !onlyFailed || t.State == task.Failed {
			s.Tasks[i].State = task.Restarting
		}
	}
	return s
}

func (a *api) restartTask(w http.ResponseWriter, r *http.Request) error {
	id, err := taskOf(r)
	if err != nil {
		return err
	}
	s, err := a.connector(r, "Unknown connector: %s")
	if err != nil {
		return err
	}
	if err := a.worker.RestartTask(s.Name, id); err != nil {
		return missed(err, "Unknown task: %s-%d", s.Name, id)
	}
	a.log.Info("asked over REST", "what", "restart", "connector", s.Name, "task", id)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// flag is a boolean of the query. As in Kafka Connect, a value that is not "true" in any case is
// false and never an error.
func flag(query url.Values, key string, absent bool) bool {
	if !query.Has(key) {
		return absent
	}
	return strings.EqualFold(query.Get(key), "true")
}
