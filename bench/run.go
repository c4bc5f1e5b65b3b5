package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"
)

type options struct {
	only    []string
	rows    int
	seconds int
	out     string
	binary  string
}

// result is one line of the table.
type result struct {
	Name      string  `json:"name"`
	PerSecond float64 `json:"per_second,omitempty"`       // rows or events
	CPU       float64 `json:"cpu_us_per_event,omitempty"` // of connectd, user and system
	PeakMB    float64 `json:"peak_mb,omitempty"`          // resident memory of connectd
	P50       float64 `json:"p50_ms,omitempty"`
	P95       float64 `json:"p95_ms,omitempty"`
	P99       float64 `json:"p99_ms,omitempty"`
	Bare      float64 `json:"bare_per_second,omitempty"` // the same work by the server's own tool or driver, in this run
	BareBy    string  `json:"bare_by,omitempty"`
	Note      string  `json:"note,omitempty"`
}

// measurement is one thing that can be measured.
type measurement struct {
	name string
	run  func(ctx context.Context, e *engines, o options) ([]result, error)
}

var measurements = []measurement{
	{"start", measureStart},
	{"snapshot", measureSnapshot},
	{"drain", measureDrain},
	{"transaction", measureTransaction},
	{"restart", measureRestart},
	{"latency", measureLatency},
	{"csv", measureFile("csv", csvRow, parseCSV)},
	{"jsonl", measureFile("jsonl", jsonRow, parseJSON)},
	{"api", measureAPI},
	{"clickhouse", measureClickHouse},
	{"postgres-append", measurePostgres(false)},
	{"postgres-upsert", measurePostgres(true)},
	{"s3", measureS3},
	{"s3-parquet", measureParquet},
}

// run measures one after the other. One that fails is a line of the table too.
func run(ctx context.Context, o options) error {
	fmt.Println("starting PostgreSQL, Kafka, ClickHouse and S3 …")
	e, err := startEngines(ctx)
	if err != nil {
		return err
	}
	defer e.close()
	e.binary = o.binary
	var results []result
	for _, m := range measurements {
		if len(o.only) > 0 && !slices.Contains(o.only, m.name) {
			continue
		}
		fmt.Printf("measuring %s …\n", m.name)
		limited, cancel := context.WithTimeout(ctx, 5*time.Minute)
		r, err := m.run(limited, e, o)
		cancel()
		if err != nil {
			r = append(r, result{Name: m.name, Note: "failed: " + err.Error()})
		}
		results = append(results, r...)
		if ctx.Err() != nil {
			break
		}
	}
	print(results)
	return write(results, o.out)
}

func print(results []result) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nMEASURED\tPER SECOND\tCPU µs\tPEAK MB\tP50 ms\tP95 ms\tP99 ms\tBARE/s\tRATIO\t")
	for _, r := range results {
		ratio := ""
		if r.Bare > 0 && r.PerSecond > 0 {
			ratio = fmt.Sprintf("%.2f", r.PerSecond/r.Bare)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, figure(r.PerSecond, 0), figure(r.CPU, 2), figure(r.PeakMB, 0),
			figure(r.P50, 2), figure(r.P95, 2), figure(r.P99, 2), figure(r.Bare, 0), ratio, r.BareBy+r.Note)
	}
	_ = w.Flush() // to the terminal
}

func figure(f float64, digits int) string {
	if f == 0 {
		return ""
	}
	return fmt.Sprintf("%.*f", digits, f)
}

func write(results []result, path string) error {
	b, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
