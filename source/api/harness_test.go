package api

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"connectd/config"
	"connectd/connect"
	"connectd/connect/conform"
	"connectd/connect/connector/connectortest"
	"connectd/connect/worker"
	"connectd/convert"
	"connectd/record"
)

func TestMain(m *testing.M) {
	connectortest.Main(plugins, worker.New)
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for something that should come at once.
const patience = 20 * time.Second

// upstream is an HTTP server whose requests are noted.
type upstream struct {
	url string
	mu  sync.Mutex
	log []string // path?query of each request, then its body
}

// serve starts a server on a real socket.
func serve(t testing.TB, answer http.HandlerFunc) *upstream {
	t.Helper()
	u := new(upstream)
	s := httptest.NewServer(u.noted(answer))
	t.Cleanup(s.Close)
	u.url = s.URL
	return u
}

func (u *upstream) noted(answer http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		u.log = append(u.log, r.URL.RequestURI())
		u.mu.Unlock()
		answer(w, r)
	})
}

// requests are those that came so far.
func (u *upstream) requests() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.log)
}

// pipes is a listener whose connections stay in memory, so that a test of waiting can run in a
// synctest bubble.
type pipes struct {
	connections chan net.Conn
	closed      chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.connections:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.connections <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// settings with the least that a connector needs, and the changes, such as "http.cursor.pointer",
// "/at".
func settings(url string, changes ...string) map[string]string {
	all := map[string]string{
		"kafka.topic": "orders", "http.request.url": url, "http.response.record.key.pointer": "/id",
		"http.timer.interval.millis": "5", "http.retry.backoff.ms": "1", "http.retry.backoff.max.ms": "2",
	}
	for pair := range slices.Chunk(changes, 2) {
		all[pair[0]] = pair[1]
	}
	return all
}

func decode(t testing.TB, all map[string]string) *Config {
	t.Helper()
	c := new(Config)
	if err := config.Decode(section(all), c).Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

func section(all map[string]string) *config.Section {
	s := &config.Section{Path: "connectors.test"}
	for _, k := range slices.Sorted(maps.Keys(all)) {
		s.Entries = append(s.Entries, config.Entry{Key: k, Raw: all[k], Value: all[k]})
	}
	return s
}

func newSource(t testing.TB, c *Config) *Source {
	t.Helper()
	s, err := New(c, connect.Env{Connector: "test", Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*Source)
}

// reading is a source that runs. What it sends is durable as soon as the test has received it.
type reading struct {
	*conform.Run
	t       testing.TB
	json    *convert.JSON
	records []string
	first   int // records of the first batch
	failed  []error
	offsets map[string][]byte
	history []map[string][]byte // the offsets after each batch
}

// start runs a source from offsets, which may be nil.
func start(t testing.TB, s *Source, offsets map[string][]byte) *reading {
	t.Helper()
	all := maps.Clone(offsets)
	if all == nil {
		all = map[string][]byte{}
	}
	json, err := convert.NewJSON(&convert.JSONConfig{})
	if err != nil {
		t.Fatal(err)
	}
	r := &reading{t: t, json: json, offsets: all}
	r.Run = conform.Start(t, s, batches, maps.Clone(all), s.log, r.take)
	return r
}

// batches may be on their way at once.
const batches = 4

// read starts a source with these settings.
func read(t testing.TB, all map[string]string, offsets map[string][]byte) *reading {
	t.Helper()
	return start(t, newSource(t, decode(t, all)), offsets)
}

func (r *reading) take(b *record.Batch) {
	r.t.Helper()
	bad := map[int]bool{}
	for _, f := range b.Failed() {
		bad[f.Index] = true
		r.failed = append(r.failed, f.Err)
	}
	for i := range b.Records {
		if !bad[i] {
			r.records = append(r.records, r.text(&b.Records[i]))
		}
	}
	for _, o := range b.Offsets {
		r.offsets[string(o.Partition)] = slices.Clone(o.Offset)
	}
	if r.history = append(r.history, maps.Clone(r.offsets)); len(r.history) == 1 {
		r.first = len(r.records)
	}
	r.Intake.Retire(b)
}

// text is a record as "key value".
func (r *reading) text(rec *record.Record) string {
	r.t.Helper()
	key, _, err := r.json.Encode(nil, rec.Topic, rec.Key)
	if err != nil {
		r.t.Fatal(err)
	}
	value, null, err := r.json.Encode(nil, rec.Topic, rec.Value)
	if err != nil {
		r.t.Fatal(err)
	}
	if null {
		value = []byte("null")
	}
	return strings.TrimSpace(string(key) + " " + string(value))
}

// next waits for n more records and returns them.
func (r *reading) next(n int) []string {
	r.t.Helper()
	from := len(r.records)
	r.Until(fmt.Sprintf("%d records", n), func() bool { return len(r.records) >= from+n })
	return r.records[from:]
}

// requests waits for n more requests.
func (r *reading) requests(u *upstream, n int) {
	r.t.Helper()
	want := len(u.requests()) + n
	r.Until(fmt.Sprintf("%d requests", n), func() bool { return len(u.requests()) >= want })
}

// same checks records, in any order.
func same(t testing.TB, got []string, want ...string) {
	t.Helper()
	a, b := slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(a, b) {
		t.Errorf("got  %s\nwant %s", strings.Join(a, " | "), strings.Join(b, " | "))
	}
}
