// Bench measures connectd as a process of its own against real servers on this machine, prints
// a table and writes bench/results.json. It judges nothing: figures of a shared machine are read
// as ratios within one run, which is why each comes with what the servers do without connectd.
//
//	make bench                                  everything
//	go run ./bench -only snapshot,drain         some of it
//	go run ./bench -rows 100000                 quicker
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	var o options
	only := flag.String("only", "", "comma list of measurements: start, snapshot, drain, transaction, restart, latency, csv, jsonl, api, clickhouse, postgres-append, postgres-upsert, s3, s3-parquet")
	flag.IntVar(&o.rows, "rows", 500_000, "rows and events of one measurement")
	flag.IntVar(&o.seconds, "seconds", 20, "length of the latency measurement")
	flag.StringVar(&o.out, "out", "bench/results.json", "file for the results")
	flag.StringVar(&o.binary, "binary", "bin/connectd", "connectd to measure")
	flag.Parse()
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
	}
}
