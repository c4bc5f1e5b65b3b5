package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"connectd/internal/compare"
)

// target is one place that the shop's rows go to.
type target struct {
	name string
	rows func(ctx context.Context, t *compare.Table) (compare.Rows, error)
}

// settled waits until every target holds the shop's rows, prints how many, and returns an error
// when one does not when ctx is done.
func settled(ctx context.Context, e *engines, s *shop, out io.Writer) error {
	warehouse, err := pgx.Connect(ctx, e.target.DSN("warehouse"))
	if err != nil {
		return fmt.Errorf("open the target: %w", err)
	}
	defer func() { _ = warehouse.Close(context.WithoutCancel(ctx)) }()
	targets := []target{
		{"clickhouse", func(ctx context.Context, t *compare.Table) (compare.Rows, error) {
			return t.ClickHouse(ctx, e.clickhouse.Query, "(SELECT * FROM "+t.Name+" FINAL WHERE _is_deleted = 0)")
		}},
		{"postgres", func(ctx context.Context, t *compare.Table) (compare.Rows, error) {
			return t.Postgres(ctx, warehouse, t.Name)
		}},
		{"s3", func(ctx context.Context, t *compare.Table) (compare.Rows, error) {
			lines, err := compare.Lines(ctx, e.s3.Client(), bucket, "topics/shop."+t.Name+"/")
			if err != nil {
				return nil, err
			}
			return t.Replay(lines)
		}},
	}
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "TARGET\tTABLE\tROWS IN THE SHOP\tARRIVED\tEQUAL")
	differ := 0
	for _, t := range targets {
		for _, table := range tables {
			want, err := table.Postgres(context.WithoutCancel(ctx), s.conn, table.Name)
			if err != nil {
				return fmt.Errorf("read the shop's %s: %w", table.Name, err)
			}
			got, err := await(ctx, t, table, want)
			verdict := "yes"
			switch {
			case err != nil:
				verdict = err.Error()
				differ++
			case !got.Equal(want):
				verdict = "NO"
				differ++
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\n", t.name, table.Name, len(want), len(got), verdict)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if differ > 0 {
		return fmt.Errorf("%d of %d tables differ from the shop", differ, len(targets)*len(tables))
	}
	return nil
}

// await reads a target's table until it equals want or ctx is done, and returns the last read.
func await(ctx context.Context, t target, table *compare.Table, want compare.Rows) (compare.Rows, error) {
	every := time.NewTicker(200 * time.Millisecond)
	defer every.Stop()
	var got compare.Rows
	var last error
	for {
		r, err := t.rows(ctx, table)
		if err == nil {
			if got = r; got.Equal(want) {
				return got, nil
			}
			last = nil
		} else if !errors.Is(err, context.DeadlineExceeded) {
			last = err
		}
		select {
		case <-ctx.Done():
			return got, last
		case <-every.C:
		}
	}
}
