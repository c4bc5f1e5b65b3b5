package rest

import "net/http"

// health is the answer of Kafka Connect's health endpoint (KIP-1017). It speaks of the worker: a
// connector that fails is told by its status and does not make the worker unhealthy, so that a
// probe does not end the other connectors.
type health struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// probes adds the health endpoints: /health and /readyz answer with status and h, /livez that the
// process answers at all.
func (r *router) probes(status int, h health) {
	tell := methods{http.MethodGet: func(w http.ResponseWriter, _ *http.Request) error {
		answer(w, status, h)
		return nil
	}}
	r.handle("/health", tell)
	r.handle("/readyz", tell)
	r.handle("/livez", methods{http.MethodGet: func(w http.ResponseWriter, _ *http.Request) error {
		answer(w, http.StatusOK, health{"alive", "Worker answers requests."})
		return nil
	}})
}

// starting is the API of a worker that is not ready yet: 503 to all but /livez.
func starting() http.Handler {
	r := &router{mux: http.NewServeMux()}
	wait := health{"starting", "Worker is still starting up."}
	r.probes(http.StatusServiceUnavailable, wait)
	r.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		answerProblem(w, refuse(http.StatusServiceUnavailable, "%s", wait.Message))
	})
	return r
}
