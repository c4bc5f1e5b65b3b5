// Demo runs the shipped connectors.yaml with engines of its own: a PostgreSQL with a small shop
// that keeps changing, the embedded broker, and a ClickHouse engine, a PostgreSQL database and
// an S3 endpoint as targets. It shows rows arriving, and at the end compares the targets with
// the shop, value by value. DEMO_SECONDS ends it by itself; it exits with 1 when a target differs.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if s := os.Getenv("DEMO_SECONDS"); s != "" {
		n, err := strconv.ParseFloat(s, 64)
		if err != nil {
			fmt.Fprintf(os.Stderr, "demo: DEMO_SECONDS: %q is not a number of seconds\n", s)
			os.Exit(2)
		}
		// The time counts from when rows flow, so it starts in run.
		if err := run(ctx, time.Duration(n*float64(time.Second))); err != nil {
			fail(err)
		}
		return
	}
	if err := run(ctx, 0); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintf(os.Stderr, "demo: %v\n", err)
	os.Exit(1)
}
