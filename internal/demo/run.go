package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	pace    = 200              // rows that the shop changes in a second
	settle  = 60 * time.Second // how long the targets may take to catch up at the end
	refresh = time.Second
)

// run shows the demo until ctx is done, or for the given time when it is not zero.
func run(ctx context.Context, limit time.Duration) error {
	start := time.Now()
	fmt.Println("starting PostgreSQL (the shop), PostgreSQL (a target), ClickHouse and S3 …")
	e, err := startEngines(ctx)
	if err != nil {
		return err
	}
	defer e.close()
	s, err := openShop(ctx, e.shop.DSN("shop"))
	if err != nil {
		return err
	}
	defer func() { _ = s.conn.Close(context.WithoutCancel(ctx)) }()
	f, err := startFeeds(e.dir)
	if err != nil {
		return err
	}
	defer f.close()
	d, err := startDaemon(e, f)
	if err != nil {
		return err
	}
	defer d.stop()
	fmt.Printf("ready after %.1f s; connectd runs connectors.yaml, its log is %s\n", time.Since(start).Seconds(), d.log)

	trading, end := context.WithCancel(ctx)
	if limit > 0 {
		trading, end = context.WithTimeout(ctx, limit)
	}
	defer end()
	g, running := errgroup.WithContext(trading)
	g.Go(func() error { return s.trade(running, pace) })
	g.Go(func() error { return f.run(running) })
	g.Go(func() error { return show(running, d) })
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}

	// Ctrl-C ends the traffic; a second one ends the comparison.
	fmt.Printf("\nthe shop has changed %d rows, the API has given %d rates, the folder has %d deliveries; waiting for the targets …\n",
		s.changes, len(f.rates), len(f.deliveries))
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle)
	defer cancel()
	return settled(after, e, s, f, os.Stdout)
}
