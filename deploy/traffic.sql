-- One moment of the shop's traffic: compose runs it again and again.
INSERT INTO orders (customer_id, product_id, quantity, amount, status, note)
	SELECT 1 + random() * 499, 1 + random() * 199, 1 + random() * 4, round((random() * 900)::numeric, 2), 'new', '{"source": "app"}'
	FROM generate_series(1, 20);
UPDATE orders SET status = 'shipped', updated_at = now() WHERE id IN (SELECT id FROM orders WHERE status = 'new' LIMIT 10);
DELETE FROM orders WHERE id IN (SELECT id FROM orders WHERE status = 'shipped' LIMIT 3);
UPDATE products SET price = price + 0.05, in_stock = NOT in_stock WHERE id = (1 + random() * 199)::int;
