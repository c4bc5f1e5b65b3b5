package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const flatColumns = "user_id bigint, session_id bigint, quantity int, status int, price float8, kind text, city text, agent text, url text"

// measurePostgres is a topic into a table, beside what pgx does with rows that are ready in memory.
// It is measured twice: looking how far it is by count(*) costs the server more than a row's COPY,
// and takes from the two cores what connectd and the server could use; reading the positions that
// are written with the rows costs next to nothing.
func measurePostgres(upsert bool) func(ctx context.Context, e *engines, o options) ([]result, error) {
	name, mode, key, by := "topic to PostgreSQL, append", "insert.mode: insert\n    pk.mode: none", "", "pgx CopyFrom"
	if upsert {
		name, mode, key, by = "topic to PostgreSQL, upsert", "insert.mode: upsert\n    pk.mode: record_key", " PRIMARY KEY", "pgx CopyFrom to a temporary table, INSERT … ON CONFLICT"
	}
	counted := measureSink(sink{name, postgres(mode, key, "SELECT count(*) FROM %s")})
	watched := measureSink(sink{name + ", watched by its positions", postgres(mode, key, "SELECT coalesce(sum(next_offset), 0)::bigint FROM _connectd_offsets WHERE topic = '%s'")})
	return func(ctx context.Context, e *engines, o options) ([]result, error) {
		results, err := counted(ctx, e, o)
		if err != nil {
			return nil, err
		}
		more, err := watched(ctx, e, o)
		if err != nil {
			return results, err
		}
		results = append(results, more...)
		bare, err := barePostgres(ctx, e, o.rows, upsert)
		for i := range results {
			results[i].Bare, results[i].BareBy = bare, by
		}
		return results, err
	}
}

// postgres prepares a table that is looked into by the query progress, which has a place for its name.
func postgres(mode, key, progress string) func(ctx context.Context, e *engines, table string) (string, func() (int, error), error) {
	return func(ctx context.Context, e *engines, table string) (string, func() (int, error), error) {
		conn, err := flatTable(ctx, e, table, key)
		if err != nil {
			return "", nil, err
		}
		count := func() (n int, err error) {
			return n, conn.QueryRow(ctx, fmt.Sprintf(progress, table)).Scan(&n)
		}
		return fmt.Sprintf(`
  %[1]s:
    connector.class: postgres-sink
    topics: %[1]s
    connection.url: %[2]s
    %[3]s
`, table, e.postgres.DSN(table), mode) + jsonLines, count, nil
	}
}

// flatTable makes a database with one table of the same name.
func flatTable(ctx context.Context, e *engines, table, key string) (*pgx.Conn, error) {
	if err := e.postgres.CreateDatabase(ctx, table); err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, e.postgres.DSN(table))
	if err != nil {
		return nil, err
	}
	_, err = conn.Exec(ctx, "CREATE TABLE "+table+" (id bigint"+key+", "+flatColumns+")")
	return conn, err
}

// barePostgres is the rows a second of pgx on one connection, with as many rows in a
// transaction as connectd's default.
func barePostgres(ctx context.Context, e *engines, n int, upsert bool) (perSecond float64, err error) {
	table, key := e.name("bare"), ""
	if upsert {
		key = " PRIMARY KEY"
	}
	if _, err := flatTable(ctx, e, table, key); err != nil {
		return 0, err
	}
	rows, err := flatRows(n)
	if err != nil {
		return 0, err
	}
	conn, err := pgx.Connect(ctx, e.postgres.DSN(table))
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	started := time.Now()
	err = bareCopy(ctx, conn, table, rows, upsert)
	return float64(n) / time.Since(started).Seconds(), err
}

var flatNames = []string{"id", "user_id", "session_id", "quantity", "status", "price", "kind", "city", "agent", "url"}

func bareCopy(ctx context.Context, conn *pgx.Conn, table string, rows [][]any, upsert bool) error {
	to := table
	if upsert {
		to = "staged"
		if _, err := conn.Exec(ctx, "CREATE TEMP TABLE staged ON COMMIT DELETE ROWS AS SELECT * FROM "+table+" WITH NO DATA"); err != nil {
			return err
		}
	}
	for len(rows) > 0 {
		batch := rows[:min(len(rows), 50_000)]
		rows = rows[len(batch):]
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.CopyFrom(ctx, pgx.Identifier{to}, flatNames, pgx.CopyFromRows(batch)); err != nil || !upsert {
				return err
			}
			_, err := tx.Exec(ctx, "INSERT INTO "+table+" SELECT * FROM staged ON CONFLICT (id) DO UPDATE SET user_id = EXCLUDED.user_id, session_id = EXCLUDED.session_id,"+
				" quantity = EXCLUDED.quantity, status = EXCLUDED.status, price = EXCLUDED.price, kind = EXCLUDED.kind, city = EXCLUDED.city, agent = EXCLUDED.agent, url = EXCLUDED.url")
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// flatRows are the rows of n records, ready for pgx.
func flatRows(n int) ([][]any, error) {
	rows := make([][]any, n)
	for i := range rows {
		var f struct {
			ID      int64   `json:"id"`
			User    int64   `json:"user_id"`
			Session int64   `json:"session_id"`
			Amount  int32   `json:"quantity"`
			Status  int32   `json:"status"`
			Price   float64 `json:"price"`
			Kind    string  `json:"kind"`
			City    string  `json:"city"`
			Agent   string  `json:"agent"`
			URL     string  `json:"url"`
		}
		if err := json.Unmarshal(flat(i), &f); err != nil {
			return nil, err
		}
		rows[i] = []any{f.ID, f.User, f.Session, f.Amount, f.Status, f.Price, f.Kind, f.City, f.Agent, f.URL}
	}
	return rows, nil
}
