package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"connectd/connect"
)

// The pair of benchmarks reads the same pages of 1,000 records from the same server: with a plain
// client that follows the pages, takes the records apart and forgets them, and with the source up
// to the runtime's door. Compare the MB/s:
//
//	go test ./source/api -run xxx -bench Pages -cpu 1,2

const benchRecords = 1000

// benchServer answers so many pages, each with records of about 300 bytes, the last one empty.
func benchServer(b *testing.B) (url string, pageSize int) {
	const second = "DDTHH:MM:SS" // in each record: becomes the page's own, so that no record comes twice
	page := func(n int) []byte {
		var all []map[string]any
		for i := range benchRecords {
			id := n*benchRecords + i
			all = append(all, map[string]any{
				"id": id, "updated_at": fmt.Sprintf("2026-01-%s.%03dZ", second, i), "customer": fmt.Sprintf("customer-%d", id%977),
				"status": "shipped", "total": 1234.5, "note": "left at the \"door\" of the neighbour, as agreed by phone",
				"lines": []map[string]any{{"sku": "A-1", "quantity": 2}, {"sku": "B-2", "quantity": 1}}, "address": map[string]any{"city": "Köln", "zip": "50667"},
			})
		}
		text, err := json.Marshal(map[string]any{"data": all, "total": 1})
		if err != nil {
			b.Fatal(err)
		}
		return text
	}
	const distinct = 16
	var pages [distinct][]byte
	for i := range pages {
		pages[i] = page(i)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("page")) // our own number
		w.Header().Set("Content-Type", "application/json")
		if n > b.N {
			_, _ = io.WriteString(w, `{"data":[]}`)
			return
		}
		now := time.Unix(int64(n), 0).UTC().Format("02T15:04:05")
		_, _ = w.Write(bytes.ReplaceAll(pages[n%distinct], []byte(second), []byte(now)))
	}))
	b.Cleanup(s.Close)
	return s.URL, len(pages[0])
}

func BenchmarkPagesPlainClient(b *testing.B) {
	url, size := benchServer(b)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	var body bytes.Buffer
	for page := 1; ; page++ {
		response, err := http.Get(fmt.Sprintf("%s?page=%d", url, page))
		if err != nil {
			b.Fatal(err)
		}
		body.Reset()
		_, err = body.ReadFrom(response.Body)
		response.Body.Close()
		if err != nil {
			b.Fatal(err)
		}
		var answer struct {
			Data []json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(body.Bytes(), &answer); err != nil {
			b.Fatal(err)
		}
		if len(answer.Data) == 0 {
			break
		}
	}
	b.ReportMetric(float64(benchRecords*b.N)/b.Elapsed().Seconds(), "records/s")
	http.DefaultClient.CloseIdleConnections()
}

func benchmarkSource(b *testing.B, changes ...string) {
	url, size := benchServer(b)
	all := settings(url, append([]string{"http.response.list.pointer", "/data", "http.pagination.type", "page", "http.request.params", "page=${page}",
		"http.timer.interval.millis", "3600000"}, changes...)...)
	c := decode(b, all)
	src, err := New(c, connect.Env{Connector: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	intake := connect.NewIntake("bench", 8, nil, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	go func() { ended <- src.Run(ctx, intake.Task()) }() // ends with cancel
	for n := 0; n < benchRecords*b.N; {
		select {
		case batch := <-intake.Sent():
			if failed := batch.Failed(); len(failed) > 0 {
				b.Fatal(failed[0].Err)
			}
			n += len(batch.Records)
			intake.Retire(batch)
		case err := <-ended:
			b.Fatalf("ended with %v after %d records", err, n)
		}
	}
	b.ReportMetric(float64(benchRecords*b.N)/b.Elapsed().Seconds(), "records/s")
	b.StopTimer()
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}

// Whole lists, each record with its key.
func BenchmarkPagesSource(b *testing.B) {
	benchmarkSource(b, "http.response.record.key.pointer", "/id")
}

// What is new: a cursor and a key in each record, and a set of what was sent.
func BenchmarkPagesSourceCursor(b *testing.B) {
	benchmarkSource(b, "http.cursor.pointer", "/updated_at", "http.response.list.order.direction", "ASC", "http.cursor.initial", "2020-01-01T00:00:00Z")
}

// Records taken apart.
func BenchmarkPagesSourceFields(b *testing.B) {
	benchmarkSource(b, "http.response.record.value", "fields")
}
