package main

import (
	"context"
	_ "embed"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"connectd/internal/compare"
)

// schema is the shop's database: three tables and their first rows.
//
//go:embed shop.sql
var schema string

// tables are the shop's, which the targets are compared with.
var tables = []*compare.Table{
	{Name: "customers", Key: []string{"id"}, Columns: []compare.Column{{Name: "id"}, {Name: "name"}, {Name: "email"}, {Name: "created_at", Kind: compare.Moment}}},
	{Name: "products", Key: []string{"id"}, Columns: []compare.Column{{Name: "id"}, {Name: "title"}, {Name: "price", Kind: compare.Decimal}, {Name: "in_stock"}}},
	{Name: "orders", Key: []string{"id"}, Columns: []compare.Column{{Name: "id"}, {Name: "customer_id"}, {Name: "product_id"}, {Name: "quantity"},
		{Name: "amount", Kind: compare.Decimal}, {Name: "status"}, {Name: "note", Kind: compare.Document}, {Name: "updated_at", Kind: compare.Moment}}},
}

// ratesTable and deliveriesTable are those of the feeds. Nothing says that a JSON text is a moment:
// it stays text, while the files' columns have declared types.
var (
	ratesTable = &compare.Table{Name: "rates", Key: []string{"id"}, Columns: []compare.Column{{Name: "id"}, {Name: "currency"},
		{Name: "rate", Kind: compare.Decimal}, {Name: "at"}}}
	deliveriesTable = &compare.Table{Name: "deliveries", Key: []string{"id"}, Columns: []compare.Column{{Name: "id"}, {Name: "order_id"},
		{Name: "weight", Kind: compare.Decimal}, {Name: "delivered_at", Kind: compare.Moment}}}
)

// shop is the database that the demo's traffic goes to.
type shop struct {
	conn    *pgx.Conn
	changes int // rows changed so far
}

func openShop(ctx context.Context, dsn string) (*shop, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("open the shop: %w", err)
	}
	if _, err := conn.Exec(ctx, schema); err != nil {
		return nil, fmt.Errorf("fill the shop: %w", err)
	}
	return &shop{conn: conn}, nil
}

// trade keeps the shop changing at about rate rows a second until ctx is done.
func (s *shop) trade(ctx context.Context, rate int) error {
	const tick = 50 * time.Millisecond
	every := time.NewTicker(tick)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
		// A transaction that has begun is finished: the last rows count too.
		n, err := s.batch(context.WithoutCancel(ctx), max(1, rate*int(tick)/int(time.Second)))
		s.changes += n
		if err != nil {
			return fmt.Errorf("change the shop: %w", err)
		}
	}
}

// batch changes about n rows in one transaction and says how many it did.
func (s *shop) batch(ctx context.Context, n int) (changed int, err error) {
	tx, err := s.conn.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback(ctx) }() // after a commit it does nothing
	b := &pgx.Batch{}
	for range n {
		switch p := rand.IntN(100); {
		case p < 55:
			b.Queue(`INSERT INTO orders (customer_id, product_id, quantity, amount, status, note) VALUES ($1, $2, $3, $4, 'new', $5)`,
				rand.IntN(500)+1, rand.IntN(200)+1, rand.IntN(5)+1, float64(rand.IntN(90000))/100, map[string]any{"source": "app", "gift": p%2 == 0})
		case p < 85:
			b.Queue(`UPDATE orders SET status = 'shipped', updated_at = now() WHERE id = (SELECT id FROM orders WHERE status = 'new' LIMIT 1)`)
		case p < 92:
			b.Queue(`DELETE FROM orders WHERE id = (SELECT id FROM orders WHERE status = 'shipped' LIMIT 1)`)
		case p < 96:
			b.Queue(`INSERT INTO customers (name, email) VALUES ($1, NULL)`, fmt.Sprintf("Visitor %d", rand.IntN(1e6)))
		default:
			b.Queue(`UPDATE products SET price = price + 0.05, in_stock = NOT in_stock WHERE id = $1`, rand.IntN(200)+1)
		}
	}
	res := tx.SendBatch(ctx, b)
	for range n {
		tag, err := res.Exec()
		if err != nil {
			_ = res.Close()
			return 0, err
		}
		changed += int(tag.RowsAffected())
	}
	if err := res.Close(); err != nil {
		return 0, err
	}
	return changed, tx.Commit(ctx)
}
