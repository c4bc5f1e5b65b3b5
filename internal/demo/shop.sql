-- The shop of the demo: three tables and their first rows.
CREATE TABLE customers (id bigserial PRIMARY KEY, name text NOT NULL, email text, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE products (id bigserial PRIMARY KEY, title text NOT NULL, price numeric(10,2) NOT NULL, in_stock boolean NOT NULL DEFAULT true);
CREATE TABLE orders (id bigserial PRIMARY KEY, customer_id bigint NOT NULL, product_id bigint NOT NULL, quantity integer NOT NULL,
	amount numeric(12,2) NOT NULL, status text NOT NULL, note jsonb, updated_at timestamptz NOT NULL DEFAULT now());
INSERT INTO customers (name, email) SELECT 'Customer ' || i, 'c' || i || '@shop.example' FROM generate_series(1, 500) i;
INSERT INTO products (title, price) SELECT 'Product ' || i, (i % 90 + 1) * 1.25 FROM generate_series(1, 200) i;
INSERT INTO orders (customer_id, product_id, quantity, amount, status, note)
	SELECT i % 500 + 1, i % 200 + 1, i % 5 + 1, (i % 900) * 1.10, 'new', jsonb_build_object('source', 'web', 'n', i) FROM generate_series(1, 5000) i;
-- The replicating role reads the tables and does not own them, as in production: whoever owns them publishes them.
CREATE PUBLICATION shop FOR TABLE customers, products, orders;
