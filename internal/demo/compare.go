package main

import (
	"context"
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

// settled waits until every target holds the rows of the sources, prints how many, and returns an error
// when one does not when ctx is done.
func settled(ctx context.Context, e *engines, s *shop, f *feeds, out io.Writer) error {
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
	fmt.Fprintln(w, "TARGET\tTABLE\tROWS IN THE SOURCE\tARRIVED\tEQUAL")
	sources, err := expected(context.WithoutCancel(ctx), s, f)
	if err != nil {
		return err
	}
	differ := 0
	for _, t := range targets {
		for _, source := range sources {
			table, want := source.table, source.rows
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
		return fmt.Errorf("%d of %d tables differ from their source", differ, len(targets)*len(sources))
	}
	return nil
}

// source is what the targets have to hold of one table.
type source struct {
	table *compare.Table
	rows  compare.Rows
}

// expected reads the shop, and takes what the feeds have given out.
func expected(ctx context.Context, s *shop, f *feeds) ([]source, error) {
	var all []source
	for _, table := range tables {
		rows, err := table.Postgres(ctx, s.conn, table.Name)
		if err != nil {
			return nil, fmt.Errorf("read the shop's %s: %w", table.Name, err)
		}
		all = append(all, source{table, rows})
	}
	var rates, deliveries [][]string
	for _, r := range f.rates {
		rates = append(rates, []string{fmt.Sprint(r.ID), r.Currency, fmt.Sprint(r.Rate), r.At})
	}
	for _, d := range f.deliveries {
		deliveries = append(deliveries, []string{fmt.Sprint(d.ID), fmt.Sprint(d.OrderID), d.Weight, d.At})
	}
	for _, feed := range []struct {
		table *compare.Table
		cells [][]string
	}{{ratesTable, rates}, {deliveriesTable, deliveries}} {
		rows, err := feed.table.Of(feed.cells)
		if err != nil {
			return nil, err
		}
		all = append(all, source{feed.table, rows})
	}
	return all, nil
}

// await reads a target's table until it equals want or ctx is done, and returns the last read.
func await(ctx context.Context, t target, table *compare.Table, want compare.Rows) (compare.Rows, error) {
	every := time.NewTicker(200 * time.Millisecond)
	defer every.Stop()
	var got compare.Rows
	var last error
	for {
		// Every target is read at least once, also when another one has used up the time.
		reading, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle)
		r, err := t.rows(reading, table)
		cancel()
		if last = err; err == nil {
			if got = r; got.Equal(want) {
				return got, nil
			}
		}
		select {
		case <-ctx.Done():
			return got, last
		case <-every.C:
		}
	}
}
