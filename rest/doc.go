// Package rest is the worker's HTTP API: what Kafka Connect's clients and UIs ask, in Kafka
// Connect's shapes, beside health, metrics and a live table of our own. Requests flow in; what
// flows out is the worker's status, the connectors' settings as written, and the wish to pause,
// resume, stop or restart.
//
//	GET    /                                       version, commit, kafka_cluster_id
//	GET    /connectors?expand=status&expand=info   names, or a map by name
//	GET    /connectors/{name}                      with /config, /status, /tasks, /tasks/{n}/status
//	PUT    /connectors/{name}/pause                and /resume: 202; /stop: 204
//	POST   /connectors/{name}/restart              ?includeTasks= &onlyFailed=; /tasks/{n}/restart
//	POST   /connectors/{name}/signals              {"type":"execute-snapshot","data":{…}}: 202
//	GET    /connectors/{name}/snapshot             how far its snapshots are, by table
//	GET    /connector-plugins?connectorsOnly=      classes and the Java classes they stand in for
//	GET    /health, /readyz, /livez                the worker's health
//	GET    /metrics                                Prometheus
//	GET    /api/connectors                         the live table of the demo
//
// Files are the truth for the connectors that they define: requests that would create, change or
// delete one are answered 403 and name the file.
//
// A setting is shown as it is written, as Kafka Connect does and as clients that compare it with
// what they have need it: a reference such as ${file:/run/secrets/pg:password} stays a reference,
// and a password that is written out in the file is shown as ****. No request, answer or setting is
// logged.
//
// # Use
//
// Listen first, so that the address is known and probes are answered while the worker starts:
//
//	server, err := rest.Listen(worker.Listeners, log)
//	fmt.Println("listening on", server.URL())
//	group.Go(func() error { return server.Serve(ctx) }) // until ctx is done; 503 until Handle
//	server.Handle(rest.New(rest.Config{…, WorkerID: server.WorkerID()}))
package rest
