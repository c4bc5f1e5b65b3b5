package rest

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"

	"connectd/config"
	"connectd/connect"
	"connectd/connect/worker"

	"github.com/prometheus/client_golang/prometheus"
)

// Statuses tells how connectors are; *worker.Worker does. Both methods take snapshots and may be
// called from any goroutine.
type Statuses interface {
	Status() []worker.ConnectorStatus
	// Connector fails with worker.ErrUnknown only.
	Connector(name string) (worker.ConnectorStatus, error)
}

// Lifecycle steers connectors; *worker.Worker does. The methods ask and do not wait, may be
// called from any goroutine, and fail with worker.ErrUnknown for a name or task that is not
// there.
type Lifecycle interface {
	Pause(name string) error
	Resume(name string) error
	Stop(name string) error
	Restart(name string, onlyFailed bool) error
	RestartTask(name string, id int) error
}

// Worker is what the API stands in front of.
type Worker interface {
	Statuses
	Lifecycle
	Signals
}

// Config is what the API is built from.
type Config struct {
	Worker     Worker
	Connectors []*config.Connector // as written in the files, also those that Worker refused
	Plugins    connect.Plugins
	Metrics    prometheus.Collector

	Cluster Cluster

	Version  string // of connectd
	Commit   string // that it was built from
	WorkerID string // host:port, see Server.WorkerID
	Log      *slog.Logger
}

// api answers the requests.
type api struct {
	worker   Worker
	written  map[string]*config.Connector
	plugins  []plugin
	types    map[string]string // of connectors, by class and alias
	version  string
	workerID string
	log      *slog.Logger
}

// New is the API over a worker that has started.
func New(c Config) http.Handler {
	a := &api{
		worker:   c.Worker,
		written:  map[string]*config.Connector{},
		version:  cmp.Or(c.Version, unknown),
		workerID: c.WorkerID,
		log:      c.Log,
	}
	for _, w := range c.Connectors {
		a.written[w.Name] = w
	}
	a.plugins = pluginsOf(c.Plugins, a.version)
	a.types = typesOf(a.plugins)

	r := newRouter()
	r.handle("/{$}", methods{"GET": about(c)})
	r.handle("/connectors", methods{"GET": a.list, "POST": a.create})
	r.handle("/connectors/{name}", methods{"GET": a.info, "DELETE": a.remove})
	r.handle("/connectors/{name}/config", methods{"GET": a.config, "PUT": a.replace, "PATCH": a.patch})
	r.handle("/connectors/{name}/status", methods{"GET": a.status})
	r.handle("/connectors/{name}/tasks", methods{"GET": a.tasks})
	r.handle("/connectors/{name}/tasks/{task}/status", methods{"GET": a.taskStatus})
	r.handle("/connectors/{name}/tasks/{task}/restart", methods{"POST": a.restartTask})
	r.handle("/connectors/{name}/pause", methods{"PUT": a.steer(http.StatusAccepted, "pause", a.worker.Pause)})
	r.handle("/connectors/{name}/resume", methods{"PUT": a.steer(http.StatusAccepted, "resume", a.worker.Resume)})
	r.handle("/connectors/{name}/stop", methods{"PUT": a.steer(http.StatusNoContent, "stop", a.worker.Stop)})
	r.handle("/connectors/{name}/restart", methods{"POST": a.restart})
	r.handle("/connectors/{name}/signals", methods{"POST": a.signal})
	r.handle("/connectors/{name}/snapshot", methods{"GET": a.snapshot})
	r.handle("/connector-plugins", methods{"GET": a.pluginList})
	r.handle("/metrics", methods{"GET": metrics(c.Metrics, c.Log)})
	r.handle("/api/connectors", methods{"GET": a.live})
	r.probes(http.StatusOK, health{"healthy", "Worker has completed startup and is ready to handle requests."})
	return r
}

// connector is the status of the connector that the path names. When there is none, the error is
// a 404 with the message missing, in which %s is the name: Kafka Connect words it differently for
// each endpoint.
func (a *api) connector(r *http.Request, missing string) (worker.ConnectorStatus, error) {
	name := r.PathValue("name")
	s, err := a.worker.Connector(name)
	return s, missed(err, missing, name)
}

// missed turns worker.ErrUnknown into a 404 with that message, and leaves other errors.
func missed(err error, message string, args ...any) error {
	if errors.Is(err, worker.ErrUnknown) {
		return refuse(http.StatusNotFound, message, args...)
	}
	return err
}
