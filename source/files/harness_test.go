package files

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"connectd/config"
	"connectd/connect"
	"connectd/convert"
	"connectd/record"
)

// patience is how long a test waits for what has to come.
const patience = 20 * time.Second

// settings decodes a connector's settings as its file would give them.
func settings(t testing.TB, pairs ...string) *Config {
	t.Helper()
	c, problems := decode(t, pairs...)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

func decode(t testing.TB, pairs ...string) (*Config, config.Problems) {
	t.Helper()
	text := "connectors:\n  files:\n"
	for i := 0; i < len(pairs); i += 2 {
		if slices.Contains(evens(pairs[i+2:]), pairs[i]) {
			continue // given again further on
		}
		text += fmt.Sprintf("    %s: %s\n", pairs[i], yamlText(pairs[i+1]))
	}
	path := filepath.Join(t.TempDir(), "connectors.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	file, problems := config.Load([]string{path})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	var c Config
	return &c, config.Decode(&file.Connectors[0].Section, &c)
}

func evens(pairs []string) (keys []string) {
	for i := 0; i < len(pairs); i += 2 {
		keys = append(keys, pairs[i])
	}
	return keys
}

func yamlText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// fast are the settings of tests: nothing waits longer than it has to.
func fast(dir string, more ...string) []string {
	return append([]string{"input.path", dir, "topic", "rows", "poll.interval.ms", "10", "file.stable.ms", "0"}, more...)
}

// got is what a test looks at of a record.
type got struct {
	value, key string
	headers    map[string]string
	time       int64
	err        error // of one that was refused
}

// idle are the goroutines of an S3 client's idle connections, which end by themselves.
var idle = []goleak.Option{goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop")}

// reading is a source that runs.
type reading struct {
	t       *testing.T
	intake  *connect.Intake
	cancel  context.CancelFunc
	ended   chan error
	json    *convert.JSON
	all     []got
	offsets map[string][]byte // durable
	sent    []*record.Batch   // not retired
	manual  bool              // batches are retired by the test
}

// running is how many sources have been started and are not cleaned up.
var running atomic.Int32

// start runs a source from offsets.
func start(t *testing.T, c *Config, offsets map[string][]byte) *reading {
	return startAs(t, c, offsets, connect.Env{Connector: "files", Class: "files-source", Log: slog.New(slog.DiscardHandler)})
}

func startAs(t *testing.T, c *Config, offsets map[string][]byte, env connect.Env) *reading {
	t.Helper()
	// The stack of a request to S3 is deeper than goleak can read: nobody else may be in one, neither
	// now nor at the end.
	var before goleak.Option
	if running.Load() == 0 {
		before = goleak.IgnoreCurrent()
	}
	json, err := convert.NewJSON(&convert.JSONConfig{Decimals: "NUMERIC"})
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string][]byte{}
	for p, o := range offsets {
		kept[p] = o
	}
	own := *c // New completes it
	source, err := New(&own, env)
	if err != nil {
		t.Fatal(err)
	}
	r := &reading{t: t, intake: connect.NewIntake("files", 8, offsets, slog.New(slog.DiscardHandler)), ended: make(chan error, 1), json: json, offsets: kept}
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(context.Background())
	running.Add(1)
	go func() { r.ended <- source.Run(ctx, r.intake.Task()) }()
	t.Cleanup(func() {
		r.stop()
		if running.Add(-1) == 0 && before != nil && !t.Failed() {
			goleak.VerifyNone(t, append(idle, before)...)
		}
	})
	return r
}

// stop ends the source.
func (r *reading) stop() {
	r.t.Helper()
	if r.cancel == nil {
		return
	}
	r.cancel()
	r.cancel = nil
	select {
	case err := <-r.ended:
		if err != nil {
			r.t.Errorf("source ended with %v", err)
		}
	case <-time.After(patience):
		r.t.Fatal("source does not stop")
	}
	for len(r.intake.Sent()) > 0 {
		r.take(<-r.intake.Sent())
	}
}

// fails waits for the source to end with an error.
func (r *reading) fails() error {
	r.t.Helper()
	for {
		select {
		case b := <-r.intake.Sent():
			r.take(b)
		case err := <-r.ended:
			r.cancel()
			r.cancel = nil
			if err == nil {
				r.t.Fatal("source ended without an error")
			}
			return err
		case <-time.After(patience):
			r.t.Fatal("source does not fail")
		}
	}
}

func (r *reading) take(b *record.Batch) {
	failed := map[int]error{}
	for _, f := range b.Failed() {
		failed[f.Index] = f.Err
	}
	for i := range b.Records {
		rec := &b.Records[i]
		g := got{headers: map[string]string{}, err: failed[i], time: rec.Timestamp}
		g.value, g.key = r.text(rec.Value), r.text(rec.Key)
		for _, h := range rec.Headers {
			g.headers[h.Name] = r.text(h.Value)
		}
		r.all = append(r.all, g)
	}
	if r.manual {
		r.sent = append(r.sent, b)
		return
	}
	r.retire(b)
}

func (r *reading) retire(b *record.Batch) {
	for _, o := range b.Offsets {
		if o.Offset == nil {
			delete(r.offsets, string(o.Partition))
		} else {
			r.offsets[string(o.Partition)] = append([]byte{}, o.Offset...)
		}
	}
	r.intake.Retire(b)
}

func (r *reading) text(d record.Datum) string {
	if d.IsNull() {
		return ""
	}
	if d.Value.Kind == record.String {
		return string(d.Value.B)
	}
	out, _, err := r.json.Encode(nil, "rows", d)
	if err != nil {
		r.t.Errorf("encode: %v", err)
	}
	return string(out)
}

// until takes batches until ok.
func (r *reading) until(what string, ok func() bool) {
	r.t.Helper()
	limit := time.After(patience)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case b := <-r.intake.Sent():
			r.take(b)
		case <-look.C:
		case err := <-r.ended:
			r.ended <- err
			r.t.Fatalf("source ended with %v before %s; there are %q", err, what, r.values())
		case <-limit:
			r.t.Fatalf("not within %s: %s; there are %q", patience, what, r.values())
		}
	}
}

// values are the values of the records that were not refused.
func (r *reading) values() []string {
	var all []string
	for _, g := range r.all {
		if g.err == nil {
			all = append(all, g.value)
		}
	}
	return all
}

// want waits for these values, in this order, and no others.
func (r *reading) want(values ...string) {
	r.t.Helper()
	r.until(fmt.Sprintf("%d records", len(values)), func() bool { return len(r.values()) >= len(values) })
	r.rest()
	if got := r.values(); !slices.Equal(got, values) {
		r.t.Errorf("got %q, want %q", got, values)
	}
}

// wantAny waits for these values in any order.
func (r *reading) wantAny(values ...string) {
	r.t.Helper()
	r.until(fmt.Sprintf("%d records", len(values)), func() bool { return len(r.values()) >= len(values) })
	r.rest()
	got := r.values()
	slices.Sort(got)
	slices.Sort(values)
	if !slices.Equal(got, values) {
		r.t.Errorf("got %q, want %q", got, values)
	}
}

// rest takes what comes within several listings: what ought not to come would come now.
func (r *reading) rest() {
	quiet := time.After(80 * time.Millisecond)
	for {
		select {
		case b := <-r.intake.Sent():
			r.take(b)
		case <-quiet:
			return
		}
	}
}

// write writes a file, whole at once.
func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// extend appends to a file.
func extend(t testing.TB, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func move(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// noTime is for files whose time nobody looks at.
var noTime time.Time
