package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"connectd/config"
	"connectd/connect/worker"
	"connectd/kafka"
	"connectd/rest"

	"golang.org/x/sync/errgroup"
)

// run runs the connectors and the REST API until ctx is done. Its first line on out says where
// the API listens, also when that is a port that was free.
func (l *loaded) run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	server, err := rest.Listen(strings.Join(l.worker.Listeners, ","), log)
	if err != nil {
		return err
	}
	defer server.Close()
	fmt.Fprintln(out, "connectd listening on", server.URL())
	if len(l.kafka.Brokers) == 0 {
		broker, err := l.embedded(log)
		if err != nil {
			return err
		}
		defer broker.Close()
	}
	admin, err := kafka.NewAdmin(l.kafka)
	if err != nil {
		return err
	}
	defer admin.Close()
	worker := l.newWorker(log)
	server.Handle(l.api(server, worker, admin, log))

	siblings, ctx := errgroup.WithContext(ctx)
	// The API answers until the last task has drained: that is when one wants to see a status.
	serving, endServing := context.WithCancel(context.WithoutCancel(ctx))
	defer endServing()
	siblings.Go(func() error { return server.Serve(serving) })
	siblings.Go(func() error {
		defer endServing()
		return worker.Run(ctx)
	})
	siblings.Go(func() error {
		<-ctx.Done() // a signal, or the end of a sibling
		log.Info("stopping", "cause", context.Cause(ctx))
		return nil
	})
	log.Info("started", "connectors", l.runnable(), "failed", len(l.connectors)-l.runnable(), "rest", server.URL())
	err = siblings.Wait()
	log.Info("stopped")
	return err
}

// embedded starts the embedded broker and makes it the cluster of the Kafka clients.
func (l *loaded) embedded(log *slog.Logger) (*kafka.Embedded, error) {
	broker, err := kafka.StartEmbedded(l.worker.EmbeddedDir, l.worker.EmbeddedListener, log)
	if err != nil {
		return nil, err
	}
	l.kafka.Brokers = []string{broker.Addr}
	log.Warn("no bootstrap.servers: this is the embedded Kafka broker, for demos, tests and laptops",
		"addr", broker.Addr, "data", l.worker.EmbeddedDir)
	for _, c := range l.connectors {
		if c.ready != nil && c.ready.ExactlyOnce {
			log.Warn("exactly once does not survive a crash of the embedded broker, which may then have forgotten what a transaction was", "connector", c.ready.Name)
		}
	}
	return broker, nil
}

// newWorker is a worker with all connectors, those that were refused among them as FAILED.
func (l *loaded) newWorker(log *slog.Logger) *worker.Worker {
	worker := worker.New(&l.runtime, l.kafka, log)
	for _, c := range l.connectors {
		if c.ready == nil {
			worker.AddFailed(c.written, c.refused)
			continue
		}
		worker.Add(c.ready)
	}
	return worker
}

// api is the REST API of worker at server. admin is asked for the cluster's id.
func (l *loaded) api(server *rest.Server, worker *worker.Worker, admin *kafka.Admin, log *slog.Logger) http.Handler {
	b := readBuild()
	return rest.New(rest.Config{
		Worker:     worker,
		Connectors: l.written(),
		Plugins:    plugins,
		Metrics:    worker,
		Cluster:    admin,
		Version:    b.version,
		Commit:     b.commit,
		WorkerID:   server.WorkerID(),
		Log:        log,
	})
}

// written are the connectors as the files define them.
func (l *loaded) written() []*config.Connector {
	var all []*config.Connector
	for _, c := range l.connectors {
		all = append(all, c.written)
	}
	return all
}
