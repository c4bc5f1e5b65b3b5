package rest

import (
	"maps"
	"net/http"
	"slices"

	"connectd/connect/worker"
)

// info is a connector as it is configured.
type info struct {
	Name   string            `json:"name"`
	Config map[string]string `json:"config"`
	Tasks  []taskID          `json:"tasks"`
	Type   string            `json:"type"` // source, sink, or unknown
}

type taskID struct {
	Connector string `json:"connector"`
	Task      int    `json:"task"`
}

// taskInfo is one task and its settings.
type taskInfo struct {
	ID     taskID            `json:"id"`
	Config map[string]string `json:"config"`
}

// expanded is one connector of a list with ?expand=.
type expanded struct {
	Status *status `json:"status,omitempty"`
	Info   *info   `json:"info,omitempty"`
}

// list answers the names of the connectors, or with ?expand= a map of them. A value of expand
// that is neither status nor info adds nothing to the map's entries, as in Kafka Connect.
func (a *api) list(w http.ResponseWriter, r *http.Request) error {
	all := a.worker.Status()
	wanted := r.URL.Query()["expand"]
	if len(wanted) == 0 {
		names := make([]string, 0, len(all))
		for _, s := range all {
			names = append(names, s.Name)
		}
		answer(w, http.StatusOK, names)
		return nil
	}
	byName := make(map[string]expanded, len(all))
	for _, s := range all {
		var e expanded
		if slices.Contains(wanted, "status") {
			e.Status = a.statusOf(s)
		}
		if slices.Contains(wanted, "info") {
			e.Info = a.infoOf(s)
		}
		byName[s.Name] = e
	}
	answer(w, http.StatusOK, byName)
	return nil
}

func (a *api) info(w http.ResponseWriter, r *http.Request) error {
	s, err := a.connector(r, "Connector %s not found")
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, a.infoOf(s))
	return nil
}

func (a *api) config(w http.ResponseWriter, r *http.Request) error {
	s, err := a.connector(r, "Connector %s not found")
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, a.configOf(s.Name))
	return nil
}

func (a *api) tasks(w http.ResponseWriter, r *http.Request) error {
	s, err := a.connector(r, "Connector %s not found")
	if err != nil {
		return err
	}
	tasks := make([]taskInfo, 0, len(s.Tasks))
	for _, t := range s.Tasks {
		settings := maps.Clone(a.configOf(s.Name))
		settings["task.class"] = s.Class // Kafka Connect adds the class that runs the task
		tasks = append(tasks, taskInfo{taskID{s.Name, t.ID}, settings})
	}
	answer(w, http.StatusOK, tasks)
	return nil
}

func (a *api) infoOf(s worker.ConnectorStatus) *info {
	i := &info{Name: s.Name, Config: a.configOf(s.Name), Tasks: make([]taskID, 0, len(s.Tasks)), Type: a.typeOf(s)}
	for _, t := range s.Tasks {
		i.Tasks = append(i.Tasks, taskID{s.Name, t.ID})
	}
	return i
}

// configOf is the connector's settings as written, with references unresolved and with its name,
// and nothing else: clients compare the answer with what they have, key by key. Secrets that are
// written out are covered.
func (a *api) configOf(name string) map[string]string {
	c, ok := a.written[name]
	if !ok {
		return map[string]string{"name": name}
	}
	settings := c.Raw()
	for key, raw := range settings {
		settings[key] = covered(key, raw)
	}
	return settings
}
