package api

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"connectd/connect"
	"connectd/connect/connector/connectortest"
	"connectd/kafka"
	"connectd/record"
)

// plugins are what a connector of these tests is made of.
var plugins = connect.Plugins{
	Sources:    []connect.Plugin{connect.SourcePlugin("api-source", New)},
	Converters: connectortest.Converters,
}

// TestCrash adds orders while the process that reads them is killed again and again. Each order must
// come at least once, and once with transactions.
func TestCrash(t *testing.T) {
	for _, c := range []struct{ direction, support string }{{"IMPLICIT", "requested"}, {"ASC", "required"}, {"DESC", "requested"}} {
		direction := c.direction
		t.Run(direction+" "+c.support, func(t *testing.T) {
			t.Parallel()
			k := connectortest.Broker(t)
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
				p := connectortest.Start(t, k, all, "")
				awaitRequests(t, u, 1+rand.IntN(20))
				p.Kill()
			}
			p := connectortest.Start(t, k, all, "")
			got := consume(t, k, want)
			p.Stop()
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
			t.Fatal("the process does not ask")
		case <-time.After(time.Millisecond):
		}
	}
}

// consume reads the topic until everything that is wanted is there, and then what else there is, and
// counts it.
func consume(t *testing.T, k kafka.Settings, want map[string]bool) map[string]int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	g, err := kafka.NewGroup(k, kafka.GroupOptions{
		ID: "reader", Topics: []string{"orders"}, Protocol: "classic", Reset: "earliest", ReadCommitted: true,
		Assigned: func(context.Context, []record.Partition) {}, Revoked: func(context.Context, []record.Partition) {}, Lost: func(context.Context, []record.Partition) {},
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close(context.Background())
	admin := connectortest.Admin(t, k)
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
