package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// feeds are the demo's other sources: an HTTP API of exchange rates, and a folder that CSV files
// of deliveries are dropped into. What they have given out is kept, to be compared.
type feeds struct {
	url  string // of the API
	dir  string // of the files
	http *http.Server

	mu         sync.Mutex
	rates      []rate
	deliveries []delivery
}

type rate struct {
	ID       int     `json:"id"`
	Currency string  `json:"currency"`
	Rate     float64 `json:"rate"`
	At       string  `json:"at"`
}

type delivery struct {
	ID, OrderID int
	Weight, At  string
}

// startFeeds serves the API and makes the folder below dir.
func startFeeds(dir string) (*feeds, error) {
	f := &feeds{dir: filepath.Join(dir, "deliveries")}
	if err := os.Mkdir(f.dir, 0o755); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /rates", f.serve)
	f.url = "http://" + l.Addr().String()
	f.http = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = f.http.Serve(l) }() // ends with close
	return f, nil
}

func (f *feeds) close() { _ = f.http.Close() }

// serve answers with the rates after ?since=, at most a page of them.
func (f *feeds) serve(w http.ResponseWriter, r *http.Request) {
	const page = 100
	since, _ := strconv.Atoi(r.URL.Query().Get("since")) // absent at first
	f.mu.Lock()
	defer f.mu.Unlock()
	from := min(max(since-1, 0), len(f.rates)) // ids count from 1; the one asked for comes again
	data := f.rates[from:min(from+page, len(f.rates))]
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"data": data})
}

// run adds a few rates a second, and a file of deliveries every two, until ctx is done.
func (f *feeds) run(ctx context.Context) error {
	every := time.NewTicker(200 * time.Millisecond)
	defer every.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
		f.mu.Lock()
		f.rates = append(f.rates, rate{len(f.rates) + 1, []string{"USD", "GBP", "JPY"}[n%3], float64(rand.IntN(20000)) / 10000, time.Now().UTC().Format(time.RFC3339Nano)})
		f.mu.Unlock()
		if n%10 == 0 {
			if err := f.drop(n/10, 20); err != nil {
				return fmt.Errorf("write deliveries: %w", err)
			}
		}
	}
}

// drop writes a file of n deliveries, under a temporary name until it is whole.
func (f *feeds) drop(file, n int) error {
	var b strings.Builder
	b.WriteString("id,order_id,weight,delivered_at\n")
	f.mu.Lock()
	for range n {
		d := delivery{len(f.deliveries) + 1, rand.IntN(5000) + 1, fmt.Sprintf("%d.%03d", rand.IntN(30), rand.IntN(1000)), time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")}
		f.deliveries = append(f.deliveries, d)
		fmt.Fprintf(&b, "%d,%d,%s,%s\n", d.ID, d.OrderID, d.Weight, d.At)
	}
	f.mu.Unlock()
	path := filepath.Join(f.dir, fmt.Sprintf("deliveries-%04d.csv", file))
	if err := os.WriteFile(path+".tmp", []byte(b.String()), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}
