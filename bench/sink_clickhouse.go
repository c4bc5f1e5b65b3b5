package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

const clickhouseColumns = "id Int64, user_id Int64, session_id Int64, quantity Int32, status Int32, price Float64, kind String, city String, agent String, url String"

var clickhouseSink = sink{"topic to ClickHouse", func(ctx context.Context, e *engines, table string) (string, func() (int, error), error) {
	count := func() (int, error) {
		text, err := e.clickhouse.Query(ctx, "SELECT count() FROM "+table)
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(strings.TrimSpace(text))
	}
	_, err := e.clickhouse.Query(ctx, createClickHouse(table))
	return fmt.Sprintf(`
  %[1]s:
    connector.class: clickhouse-sink
    topics: %[1]s
    hostname: %[2]s
    port: %[3]d
    username: %[4]s
    password: %[5]s
    linger.ms: 200
`, table, e.clickhouse.Host, e.clickhouse.Port, e.clickhouse.User, e.clickhouse.Password) + jsonLines, count, err
}}

func createClickHouse(table string) string {
	return "CREATE TABLE " + table + " (" + clickhouseColumns + ") ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 10000"
}

// measureClickHouse compares the sink with clickhouse-go, which inserts the same rows from columns
// that are ready in memory.
func measureClickHouse(ctx context.Context, e *engines, o options) ([]result, error) {
	results, err := measureSink(clickhouseSink)(ctx, e, o)
	if err != nil {
		return nil, err
	}
	results[0].Bare, err = bareClickHouse(ctx, e, o.rows)
	results[0].BareBy = "clickhouse-go, ready columns, 100,000 a batch"
	return results, err
}

// bareClickHouse is the rows a second of clickhouse-go in batches of 100,000.
func bareClickHouse(ctx context.Context, e *engines, rows int) (float64, error) {
	table := e.name("bare")
	if _, err := e.clickhouse.Query(ctx, createClickHouse(table)); err != nil {
		return 0, err
	}
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{fmt.Sprintf("%s:%d", e.clickhouse.Host, e.clickhouse.Port)}, Protocol: clickhouse.HTTP,
		Auth:        clickhouse.Auth{Username: e.clickhouse.User, Password: e.clickhouse.Password},
		Compression: &clickhouse.Compression{Method: clickhouse.CompressionLZ4},
	})
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	const size = 100_000
	var took time.Duration
	for from := 0; from < rows; from += size {
		columns, err := readyColumns(from, min(size, rows-from))
		if err != nil {
			return 0, err
		}
		began := time.Now()
		batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+table)
		if err != nil {
			return 0, err
		}
		for i, c := range columns {
			if err := batch.Column(i).Append(c); err != nil {
				return 0, err
			}
		}
		if err := batch.Send(); err != nil {
			return 0, err
		}
		took += time.Since(began)
	}
	return float64(rows) / took.Seconds(), nil
}

// readyColumns are n of the rows that fill makes, in the slices that the driver takes.
func readyColumns(from, n int) ([]any, error) {
	var (
		ids, users, sessions         = make([]int64, n), make([]int64, n), make([]int64, n)
		quantities, statuses         = make([]int32, n), make([]int32, n)
		prices                       = make([]float64, n)
		kinds, cities, agents, paths = make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	)
	for i := range n {
		var row struct {
			ID      int64   `json:"id"`
			User    int64   `json:"user_id"`
			Session int64   `json:"session_id"`
			Count   int32   `json:"quantity"`
			Status  int32   `json:"status"`
			Price   float64 `json:"price"`
			Kind    string  `json:"kind"`
			City    string  `json:"city"`
			Agent   string  `json:"agent"`
			URL     string  `json:"url"`
		}
		if err := json.Unmarshal(flat(from+i), &row); err != nil {
			return nil, err
		}
		ids[i], users[i], sessions[i], quantities[i], statuses[i], prices[i] = row.ID, row.User, row.Session, row.Count, row.Status, row.Price
		kinds[i], cities[i], agents[i], paths[i] = row.Kind, row.City, row.Agent, row.URL
	}
	return []any{ids, users, sessions, quantities, statuses, prices, kinds, cities, agents, paths}, nil
}
