package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"connectd/config"
	"connectd/connect"
	"connectd/connect/connector"
	"connectd/connect/worker"
	"connectd/convert"
	"connectd/kafka"
	"connectd/record"
)

// The crash test runs a connector in a child process, which is this test binary started again, and
// kills it with SIGKILL at random moments. The broker and the API outlive it.

const (
	childSettings = "API_TEST_CHILD" // JSON of the connector's settings
	childBroker   = "API_TEST_BROKER"
)

// child runs the connector until SIGTERM when this process is a child.
func child() bool {
	text := os.Getenv(childSettings)
	if text == "" {
		return false
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	var all map[string]string
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		log.Error("settings", "err", err)
		os.Exit(1)
	}
	c, err := loadChild(all)
	if err != nil {
		log.Error("load", "err", err)
		os.Exit(1)
	}
	var s connector.WorkerSettings
	s.Defaults()
	w := worker.New(&s, kafkaAt(os.Getenv(childBroker)), log)
	w.Add(c)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := w.Run(ctx); err != nil {
		log.Error("run", "err", err)
		os.Exit(1)
	}
	return true
}

func kafkaAt(broker string) kafka.Settings {
	var k kafka.Settings
	k.Defaults()
	k.Brokers = []string{broker}
	k.FetchWait = 50 * time.Millisecond
	return k
}

var childPlugins = connect.Plugins{
	Sources: []connect.Plugin{connect.SourcePlugin("api-source", New)},
	Converters: []connect.Plugin{
		connect.ConverterPlugin("json", convert.NewJSON),
		connect.ConverterPlugin("simple", convert.NewSimple, "org.apache.kafka.connect.storage.SimpleHeaderConverter"),
	},
}

func startChild(t *testing.T, broker string, all map[string]string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	cmd, output := exec.Command(os.Args[0]), new(bytes.Buffer)
	cmd.Stderr, cmd.Stdout = output, output
	cmd.Env = append(os.Environ(), childSettings+"="+string(text), childBroker+"="+broker)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, output
}

// TestCrash adds orders while the process that reads them is killed again and again. Each order must
// come at least once, and once with transactions.
func TestCrash(t *testing.T) {
	for _, c := range []struct{ direction, support string }{{"IMPLICIT", "requested"}, {"ASC", "required"}, {"DESC", "requested"}} {
		direction := c.direction
		t.Run(direction+" "+c.support, func(t *testing.T) {
			t.Parallel()
			broker := startBroker(t)
			l := &list{descending: direction == "DESC"}
			u := serve(t, l.ServeHTTP)
			all := incremental(u.url, "http.response.list.order.direction", direction, "name", "orders", "connector.class", "api-source",
				"key.converter", "json", "key.converter.schemas.enable", "false", "value.converter", "json", "value.converter.schemas.enable", "false",
				"restart.backoff.ms", "10", "exactly.once.support", c.support)
			want := map[string]bool{}
			put := func(o order) {
				l.put(o)
				want[o.text()] = true
			}
			begin := time.Now().Add(-time.Hour)
			id := 0
			for range 8 {
				for range 15 {
					id++
					put(order{ID: id, At: begin.Add(time.Duration(id/4) * time.Second).UTC().Format(time.RFC3339)})
				}
				cmd, _ := startChild(t, broker, all)
				awaitRequests(t, u, 1+rand.IntN(20))
				_ = cmd.Process.Kill()
				_ = cmd.Wait() // it was killed
			}
			cmd, output := startChild(t, broker, all)
			got := consume(t, broker, want)
			_ = cmd.Process.Signal(syscall.SIGTERM)
			if err := cmd.Wait(); err != nil {
				t.Errorf("child ended with %v\n%s", err, output)
			}
			for text := range want {
				if got[text] == 0 || c.support == "required" && got[text] > 1 {
					t.Errorf("%s came %d times", text, got[text])
				}
			}
		})
	}
}

// awaitRequests waits until u was asked n more times.
func awaitRequests(t *testing.T, u *upstream, n int) {
	t.Helper()
	n += len(u.requests())
	deadline := time.After(patience)
	for len(u.requests()) < n {
		select {
		case <-deadline:
			t.Fatal("the child does not ask")
		case <-time.After(time.Millisecond):
		}
	}
}

// consume reads the topic until everything that is wanted is there, and then what else there is, and
// counts it.
func consume(t *testing.T, broker string, want map[string]bool) map[string]int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	k := kafkaAt(broker)
	g, err := kafka.NewGroup(k, kafka.GroupOptions{
		ID: "reader", Topics: []string{"orders"}, Protocol: "classic", Reset: "earliest", ReadCommitted: true,
		Assigned: func(context.Context, []record.Partition) {}, Revoked: func(context.Context, []record.Partition) {}, Lost: func(context.Context, []record.Partition) {},
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close(context.Background())
	admin, err := kafka.NewAdmin(k)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	got, next := map[string]int{}, int64(0)
	for missing := len(want); missing > 0 || !atEnd(t, admin, next); {
		fetches, err := g.Poll(ctx)
		if err != nil {
			t.Errorf("%d of %d are missing: %v", missing, len(want), err)
			return got
		}
		for _, f := range fetches {
			for _, m := range f.Messages {
				next = m.Offset + 1
				text := strings.TrimSpace(fmt.Sprintf("%s %s", m.Key, m.Value))
				if got[text]++; got[text] == 1 && want[text] {
					missing--
				}
			}
		}
	}
	return got
}

// atEnd says whether no committed record of the topic's one partition follows from next on.
func atEnd(t *testing.T, admin *kafka.Admin, next int64) bool {
	t.Helper()
	p := record.Partition{Topic: "orders"}
	logs, err := admin.ListOffsets(t.Context(), true, p.Topic)
	if err != nil {
		t.Fatal(err)
	}
	empty, err := admin.Empty(t.Context(), p, next, logs[p].End)
	if err != nil {
		t.Fatal(err)
	}
	return empty
}

func loadChild(all map[string]string) (*connector.Connector, error) {
	written, _ := config.NewConnector(all["name"], all)
	var w connector.WorkerSettings
	w.Defaults()
	c, problems := connector.Load(written, &w, childPlugins)
	return c, problems.Err()
}
