package rest

import (
	"cmp"
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// Cluster knows the Kafka cluster; *kafka.Admin does. It may be called from any goroutine.
type Cluster interface {
	ClusterID(ctx context.Context) (string, error)
}

// clusterTimeout bounds how long GET / waits for a broker: UIs ask it before anything else.
const clusterTimeout = 2 * time.Second

// root is the answer to GET /. Clients take none of its values empty.
type root struct {
	Version   string `json:"version"`
	Commit    string `json:"commit"`
	ClusterID string `json:"kafka_cluster_id"`
}

const unknown = "unknown"

// about is the endpoint of GET /. It asks for the cluster's id until it knows it: the worker also
// starts while no broker answers.
func about(c Config) endpoint {
	var known atomic.Pointer[string]
	return func(w http.ResponseWriter, r *http.Request) error {
		answered := root{cmp.Or(c.Version, unknown), cmp.Or(c.Commit, unknown), unknown}
		if id := known.Load(); id != nil {
			answered.ClusterID = *id
		} else {
			ctx, cancel := context.WithTimeout(r.Context(), clusterTimeout)
			defer cancel()
			if id, err := c.Cluster.ClusterID(ctx); err == nil && id != "" {
				known.Store(&id)
				answered.ClusterID = id
			}
		}
		answer(w, http.StatusOK, answered)
		return nil
	}
}
