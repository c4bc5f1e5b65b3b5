package api

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectd/config"
	"connectd/connect"
	"connectd/connect/connector"
)

// example builds the source of a file in examples, as it is but for the times of its passes.
func example(t *testing.T, file string) *Source {
	t.Helper()
	loaded, problems := config.Load([]string{"../../examples/" + file})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	written := loaded.Connectors[0]
	var w connector.WorkerSettings
	w.Defaults()
	if _, problems := connector.Load(written, &w, plugins); problems.Err() != nil {
		t.Fatal(problems.Err())
	}
	c := new(Config)
	own := &config.Section{Path: written.Path}
	known := map[string]bool{}
	for _, o := range config.Describe(connector.RuntimeSettings(connect.SourceKind)) {
		known[o.Key] = true
	}
	for _, e := range written.Entries {
		if !known[e.Key] && len(e.Key) > 5 && e.Key[:5] == "http." || e.Key == "kafka.topic" {
			own.Entries = append(own.Entries, e)
		}
	}
	if err := config.Decode(own, c).Err(); err != nil {
		t.Fatal(err)
	}
	for i := range c.each {
		c.each[i].settings.Cron, c.each[i].settings.Interval, c.each[i].settings.CatchUp = "", 5*time.Millisecond, 5*time.Millisecond
	}
	c.Rate = 0
	return newSource(t, c)
}

func TestExampleOrders(t *testing.T) {
	l := &list{orders: numbered(0, 7)}
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth/token" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"access_token":"t","token_type":"Bearer"}`)
			return
		}
		if r.URL.Path != "/v1/orders" || r.Header.Get("Authorization") != "Bearer t" || r.URL.Query().Get("limit") != "500" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		var data []map[string]any
		for _, o := range l.since(r.URL.Query().Get("updated_since")) {
			data = append(data, map[string]any{"id": o.ID, "updated_at": o.At})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": data, "links": map[string]any{"next": nil}})
	})
	t.Setenv("SHOP_API", u.url)
	r := start(t, example(t, "api-orders.yaml"), nil)
	r.next(7)
	r.requests(u, 3)
	l.add(numbered(7, 2)...)
	r.next(2)
	r.requests(u, 3)
	if len(r.records) != 9 {
		t.Errorf("%d records, want 9: %q", len(r.records), r.records)
	}
}

func TestExampleCatalog(t *testing.T) {
	l := &list{orders: numbered(0, 3)}
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		products := []map[string]any{}
		prices := map[string]any{"prices": []map[string]any{}}
		if r.URL.Query().Get("page") == "1" {
			for _, o := range l.since("") {
				products = append(products, map[string]any{"sku": fmt.Sprint(o.ID)})
			}
			prices["prices"] = []map[string]any{{"sku": "1", "amount": 2.50, "currency": "EUR", "internal": true}}
		}
		if r.URL.Path == "/prices" {
			_ = json.NewEncoder(w).Encode(prices)
			return
		}
		_ = json.NewEncoder(w).Encode(products)
	})
	t.Setenv("CATALOG_API", u.url)
	r := start(t, example(t, "api-catalog.yaml"), nil)
	r.next(4)
	same(t, r.records, `{"sku":"0"} {"sku":"0"}`, `{"sku":"1"} {"sku":"1"}`, `{"sku":"2"} {"sku":"2"}`, `{"sku":"1","currency":"EUR"} {"amount":2.5,"currency":"EUR","sku":"1"}`)
	l.remove(1)
	same(t, r.next(1), `{"sku":"1"} null`)
}

func TestExampleFeed(t *testing.T) {
	tokens := &rotating{n: 1}
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth/token" {
			r.URL.Path = "/token"
			tokens.ServeHTTP(w, r)
			return
		}
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer a") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		kind, entry := strings.TrimSuffix(r.URL.Path, ".xml"), `<entry id="%s%d"><updated>2026-11-21T00:00:0%dZ</updated></entry>`
		switch {
		case r.URL.Query().Has("page"):
			fmt.Fprintf(w, `<feed>`+entry+`</feed>`, kind, 2, 2)
		case r.URL.Query().Has("changed_since"):
			_, _ = io.WriteString(w, `<feed/>`)
		default:
			fmt.Fprintf(w, `<feed><next href="?page=2"/>`+entry+`</feed>`, kind, 1, 1)
		}
	})
	t.Setenv("FEED_API", u.url)
	t.Setenv("FEED_CLIENT", "me")
	t.Setenv("FEED_REFRESH_TOKEN", "secret-r1")
	t.Setenv("FEED_TOKEN_FILE", filepath.Join(t.TempDir(), "token"))
	r := start(t, example(t, "api-feed.yaml"), nil)
	r.next(4)
	r.requests(u, 4)
	var want []string
	for _, key := range []string{"/contacts1", "/contacts2", "/companies1", "/companies2"} {
		want = append(want, fmt.Sprintf(`{"@id":"%s"} {"@id":"%[1]s","updated":"2026-11-21T00:00:0%[2]sZ"}`, key, key[len(key)-1:]))
	}
	same(t, r.records, want...)
}
