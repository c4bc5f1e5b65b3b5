package api

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectd/connect"
	"connectd/connect/connector"
	"connectd/connect/connector/connectortest"
	"connectd/connect/task"
	"connectd/connect/worker"
)

// shop is an API with several lists, at /a, /b and /c.
type shop struct {
	lists map[string]*list
	gone  atomic.Pointer[string] // the path that answers 404
}

func newShop() *shop { return &shop{lists: map[string]*list{"/a": {}, "/b": {}, "/c": {}}} }

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if gone := s.gone.Load(); gone != nil && *gone == r.URL.Path {
		http.NotFound(w, r)
		return
	}
	s.lists[r.URL.Path].ServeHTTP(w, r)
}

// split are the settings of a connector that reads the shop with so many tasks.
func split(u *upstream, tasks int, more ...string) map[string]string {
	return incremental(u.url+"/${endpoint}", append([]string{"name", "orders", "connector.class", "api-source", "tasks.max", strconv.Itoa(tasks),
		"http.endpoint.names", "a,b,c", "http.request.headers", "X-Endpoint=${endpoint}", "restart.backoff.ms", "10",
		"key.converter", "json", "key.converter.schemas.enable", "false", "value.converter", "json", "value.converter.schemas.enable", "false"}, more...)...)
}

// TestSplit has each endpoint in a task of its own, and breaks one of them.
func TestSplit(t *testing.T) {
	s, want := newShop(), map[string]bool{}
	id := 0
	for _, path := range []string{"/a", "/c"} {
		for range 5 {
			id++
			o := order{ID: id, At: "2026-11-21T00:00:00Z"}
			s.lists[path].add(o)
			want[o.text()] = true
		}
	}
	gone := "/b"
	s.gone.Store(&gone)
	u, k := serve(t, s.ServeHTTP), connectortest.Broker(t)
	var settings connector.WorkerSettings
	settings.Defaults()
	w := worker.New(&settings, k, slog.New(slog.DiscardHandler))
	w.Add(connectortest.Load(t, plugins, "orders", split(u, 9)))
	connectortest.Run(t, w)
	for text, times := range consume(t, k, want) {
		if times != 1 {
			t.Errorf("%s came %d times", text, times)
		}
	}
	deadline := time.After(patience)
	for {
		tasks := w.Status()[0].Tasks
		if len(tasks) == 3 && tasks[0].State == task.Running && tasks[1].State == task.Failed && tasks[2].State == task.Running &&
			shows(tasks[0], "a: ") && shows(tasks[2], "c: ") {
			if !strings.Contains(tasks[1].Cause.Error(), "404") {
				t.Errorf("task 1 failed with %v", tasks[1].Cause)
			}
			return
		}
		select {
		case <-deadline:
			t.Fatalf("the status is %+v", tasks)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func shows(s task.Status, detail string) bool {
	return s.Progress != nil && strings.HasPrefix(s.Progress.Detail, detail)
}

// TestSplitOtherwise kills the process at random moments and gives the endpoints to another number
// of tasks each time, while orders are added and changed: none is lost, and with transactions none
// comes twice.
func TestSplitOtherwise(t *testing.T) {
	for _, support := range []string{"requested", "required"} {
		t.Run(support, func(t *testing.T) {
			t.Parallel()
			s, want := newShop(), map[string]bool{}
			u, k := serve(t, s.ServeHTTP), connectortest.Broker(t)
			id, begin := 0, time.Now().Add(-time.Hour)
			for _, tasks := range []int{3, 1, 2, 3, 2, 1} {
				for _, path := range []string{"/a", "/b", "/c"} {
					for range 7 {
						id++
						o := order{ID: id, At: begin.Add(time.Duration(id/4) * time.Second).UTC().Format(time.RFC3339)}
						s.lists[path].put(o)
						want[o.text()] = true
					}
				}
				p := connectortest.Start(t, k, split(u, tasks, "exactly.once.support", support), "")
				awaitRequests(t, u, 1+rand.IntN(30))
				p.Kill()
			}
			p := connectortest.Start(t, k, split(u, 2, "exactly.once.support", support), "")
			got := consume(t, k, want)
			p.Stop()
			for text := range want {
				if got[text] == 0 || support == "required" && got[text] > 1 {
					t.Errorf("%s came %d times", text, got[text])
				}
			}
		})
	}
}

// TestSharedRate has tasks share the limit of requests.
func TestSharedRate(t *testing.T) {
	c := decode(t, settings("http://localhost", "http.rate.limit", "6", "http.rate.burst", "3", "http.endpoint.names", "a,b,c"))
	for tasks, want := range map[int]string{0: "6 3 3", 1: "6 3 3", 2: "3 1 2", 3: "2 1 1"} {
		s, err := New(c, connect.Env{Connector: "test", Tasks: tasks})
		if err != nil {
			t.Fatal(err)
		}
		l := s.(*Source).client.limiter
		if got := fmt.Sprint(l.Limit(), l.Burst(), len(s.(*Source).pollers)); got != want {
			t.Errorf("%d tasks: limit, burst and endpoints of the first are %s, want %s", tasks, got, want)
		}
	}
}

// TestEndpointNames reads lists that differ in their name only, in one task.
func TestEndpointNames(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, `["`+r.URL.Path+`"]`) })
	all := settings(u.url+"/v1/${entityName}", "entity.names", "a, b", "kafka.topic", "shop.${endpoint}", "http.timer.interval.millis", "3600000")
	delete(all, "http.response.record.key.pointer")
	r := read(t, all, nil)
	r.next(2)
	same(t, r.records, `"/v1/a"`, `"/v1/b"`)
	r.Until("both endpoints in the status", func() bool {
		p := r.Intake.Progress()
		return p.Phase == "waiting" && p.Detail == "a: 1 records on 1 pages; b: 1 records on 1 pages"
	})
}
