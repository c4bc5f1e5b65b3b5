package rest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectd/connect/worker"
	"connectd/kafka"
)

func TestListen(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	taken, err := Listen("http://127.0.0.1:0", log)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct{ listeners, want string }{
		{"https://127.0.0.1:8443", `listeners: "https://127.0.0.1:8443": https is not supported yet; write http:// and let a proxy in front speak TLS`},
		{"http://127.0.0.1:0, https://127.0.0.1:0", "https is not supported yet"},
		{"", `listeners: "" is not an address; write http://HOST:PORT, such as http://127.0.0.1:8083`},
		{"127.0.0.1:8083", "is not an address"},
		{"http://127.0.0.1", "is not an address"},
		{"http://127.0.0.1:8083/connect", "is not an address"},
		{"http://127.0.0.1:0,", `listeners: "" is not an address`},
		{taken.URL(), "address already in use; stop what uses the port, or write another one"},
	} {
		s, err := Listen(c.listeners, log)
		if err == nil {
			s.Close()
			t.Errorf("Listen(%q) works, want %q", c.listeners, c.want)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("Listen(%q) = %q, want %q", c.listeners, err, c.want)
		}
	}
}

func TestAddresses(t *testing.T) {
	s, err := Listen("http://0.0.0.0:0,http://127.0.0.1:0", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if len(s.urls) != 2 || !strings.HasPrefix(s.URL(), "http://0.0.0.0:") || strings.HasSuffix(s.URL(), ":0") {
		t.Errorf("URLs are %q, want 2 with the ports that were taken", s.urls)
	}
	if id := s.WorkerID(); strings.HasPrefix(id, "0.0.0.0") || !strings.Contains(id, ":") {
		t.Errorf("worker id is %q, want the machine's name and a port", id)
	}
}

func TestServerIsStartingUntilItHasTheAPI(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	s, err := Listen("http://127.0.0.1:0,http://127.0.0.1:0", log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- s.Serve(ctx) }()

	for path, want := range map[string]int{"/health": 503, "/readyz": 503, "/livez": 200, "/connectors": 503, "/api/connectors": 503} {
		if got := send(t, "GET", s.urls[1]+path, "", ""); got.status != want || got.body == nil {
			t.Errorf("while starting GET %s is %d %s, want %d with JSON", path, got.status, got.text, want)
		}
	}
	api, _ := still(t, "testdata/empty.yaml", log)
	s.Handle(api)
	for _, path := range []string{"/health", "/readyz", "/livez", "/connectors"} {
		if got := send(t, "GET", s.URL()+path, "", ""); got.status != 200 {
			t.Errorf("GET %s is %d %s, want 200", path, got.status, got.text)
		}
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
}

func TestShutdownFinishesWhatHasBegun(t *testing.T) {
	s, err := Listen("http://127.0.0.1:0", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.Handle(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		cancel() // the server is told to stop while it answers
		_, _ = io.WriteString(w, "done")
	}))
	served := make(chan error)
	go func() { served <- s.Serve(ctx) }()
	if got := send(t, "GET", s.URL(), "", ""); got.text != "done" {
		t.Errorf("answer is %q, want it in full", got.text)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
}

func TestRootWithoutABroker(t *testing.T) {
	api, down := still(t, "testdata/empty.yaml", slog.New(slog.DiscardHandler))
	want := `"kafka_cluster_id":"unknown"`
	if got := ask(api, "GET", "/", ""); !strings.Contains(got, want) {
		t.Errorf("without a broker GET / is %s, want %s", got, want)
	}
	*down = false
	want = `"kafka_cluster_id":"c1"`
	if got := ask(api, "GET", "/", ""); !strings.Contains(got, want) {
		t.Errorf("with a broker GET / is %s, want %s", got, want)
	}
	*down = true
	if got := ask(api, "GET", "/", ""); !strings.Contains(got, want) {
		t.Errorf("a known id is forgotten: %s", got)
	}
}

// clusterFunc is a Cluster.
type clusterFunc func() (string, error)

func (f clusterFunc) ClusterID(context.Context) (string, error) { return f() }

// still is the API over a worker that never runs, on a cluster that can be taken down.
func still(t *testing.T, path string, log *slog.Logger) (h http.Handler, down *bool) {
	t.Helper()
	worker, written := fleet(t, path, kafka.Settings{}, log)
	down = new(bool)
	*down = true
	return New(Config{
		Worker: worker, Connectors: written, Plugins: plugins, Metrics: worker, WorkerID: "w:1", Log: log,
		Cluster: clusterFunc(func() (string, error) {
			if *down {
				return "", errors.New("no broker")
			}
			return "c1", nil
		}),
	}), down
}

// ask is the body of the answer to one request.
func ask(h http.Handler, method, path, body string) string {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	h.ServeHTTP(w, r)
	return w.Body.String()
}

var _ Worker = (*worker.Worker)(nil)
var _ Cluster = (*kafka.Admin)(nil)
