package postgres

import (
	"fmt"
	"slices"
	"testing"
)

// TestSumAtCommit: entries of one transfer must sum up to zero when the transaction commits. Those of
// good transfers are written, however the search for the bad ones cuts them.
func TestSumAtCommit(t *testing.T) {
	for _, settings := range []string{upsert, "table.name.format: ${table}", upsert + "batch.size: 4"} {
		t.Run(settings, func(t *testing.T) {
			g := newTarget(t)
			g.exec("CREATE TABLE orders (id int PRIMARY KEY, transfer int, amount int)",
				`CREATE FUNCTION balanced() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
					IF (SELECT sum(amount) FROM orders WHERE transfer = NEW.transfer) <> 0 THEN RAISE 'transfer % is not balanced', NEW.transfer; END IF;
					RETURN NULL; END $$`,
				"CREATE CONSTRAINT TRIGGER balanced AFTER INSERT OR UPDATE ON orders DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION balanced()")
			var records [][2]string
			entry := func(transfer, amount int) int64 {
				id := len(records)
				records = append(records, [2]string{key(id), fmt.Sprintf(`{"id":%d,"transfer":%d,"amount":%d}`, id, transfer, amount)})
				return int64(id)
			}
			var bad []int64
			for transfer := range 40 {
				switch transfer {
				case 7:
					bad = append(bad, entry(transfer, 1), entry(transfer, 2))
				case 23:
					bad = append(bad, entry(transfer, 100))
				}
				if transfer == 7 {
					continue
				}
				sum := 0
				for n := range 1 + transfer%7 {
					entry(transfer, n+1000)
					sum += n + 1000
				}
				entry(transfer, -sum)
			}
			p := g.open(g.sink(settings))
			got := p.refusedOf(records...)
			slices.Sort(got)
			if fmt.Sprint(got) != fmt.Sprint(bad) {
				t.Errorf("refused offsets: got %v, want %v", got, bad)
			}
			g.want("SELECT count(*) FROM orders", fmt.Sprintf(`{"count": %d}`, len(records)-len(bad)))
			g.want("SELECT next_offset FROM _connectd_offsets", fmt.Sprintf(`{"next_offset": %d}`, len(records)))
		})
	}
}

// TestCircleAtCommit: two rows that are each other's parent are written, although one is left out
// between them.
func TestCircleAtCommit(t *testing.T) {
	node := func(id, parent int) [2]string {
		return [2]string{key(id), fmt.Sprintf(`{"id":%d,"parent":%d}`, id, parent)}
	}
	for _, settings := range []string{upsert, "table.name.format: ${table}"} {
		g := newTarget(t)
		g.exec("CREATE TABLE orders (id int PRIMARY KEY, parent int REFERENCES orders DEFERRABLE INITIALLY DEFERRED)")
		p := g.open(g.sink(settings))
		if got := fmt.Sprint(p.refusedOf(node(1, 2), node(9, 99), node(3, 3), node(2, 1), node(4, 1))); got != "[1]" {
			t.Errorf("%s: refused offsets: got %s, want [1]", settings, got)
		}
		g.want("SELECT string_agg(id::text, ' ' ORDER BY id) AS ids FROM orders", `{"ids": "1 2 3 4"}`)
	}
}

// TestSwapAtCommit: two rows that change places are written, and one that takes the place of a row
// that stays is not.
func TestSwapAtCommit(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text UNIQUE DEFERRABLE INITIALLY DEFERRED)", "INSERT INTO orders VALUES (1, 'a'), (2, 'b'), (3, 'c')")
	p := g.open(g.sink(upsert))
	if got := fmt.Sprint(p.refusedOf(order(1, "b"), order(4, "c"), order(2, "a"), order(5, "e"))); got != "[1]" {
		t.Errorf("refused offsets: got %s, want [1]", got)
	}
	g.want("SELECT string_agg(id || name, ' ' ORDER BY id) AS rows FROM orders", `{"rows": "1b 2a 3c 5e"}`)
}

// TestRenewedKeyAtCommit: the delete of a row that others refer to passes with the new row of its key.
func TestRenewedKeyAtCommit(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text UNIQUE DEFERRABLE INITIALLY DEFERRED)", "INSERT INTO orders VALUES (1, 'old'), (2, 'x'), (3, 'y')",
		"CREATE TABLE lines (order_id int REFERENCES orders DEFERRABLE INITIALLY DEFERRED)", "INSERT INTO lines VALUES (1), (3)")
	p := g.open(g.sink(upsert))
	if got := fmt.Sprint(p.refusedOf(tombstone(1), order(5, "e"), order(1, "new"), order(4, "x"), tombstone(3))); got != "[3 4]" {
		t.Errorf("refused offsets: got %s, want [3 4]", got)
	}
	g.want("SELECT string_agg(id || name, ' ' ORDER BY id) AS rows FROM orders", `{"rows": "1new 2x 3y 5e"}`)
}

// TestManyAtCommit: rows of many pages, of which some lack their parent and some have it far behind
// them.
func TestManyAtCommit(t *testing.T) {
	const rows = 3000
	for _, settings := range []string{upsert, "table.name.format: ${table}"} {
		g := newTarget(t)
		g.exec("CREATE TABLE orders (id int PRIMARY KEY, parent int REFERENCES orders DEFERRABLE INITIALLY DEFERRED)")
		p := g.open(g.sink(settings))
		var records [][2]string
		var bad []int64
		for id := range rows {
			parent := max(id, id%(rows/2)+rows/2)
			if id%400 == 99 {
				parent = -1
				bad = append(bad, int64(id))
				if id >= rows/2 {
					bad = append(bad, int64(id-rows/2)) // who needs it
				}
			}
			records = append(records, [2]string{key(id), fmt.Sprintf(`{"id":%d,"parent":%d}`, id, parent)})
		}
		slices.Sort(bad)
		got := p.refusedOf(records...)
		slices.Sort(got)
		if fmt.Sprint(got) != fmt.Sprint(bad) {
			t.Errorf("%s: refused offsets: got %v, want %v", settings, got, bad)
		}
		g.want("SELECT count(*) FROM orders", fmt.Sprintf(`{"count": %d}`, rows-len(bad)))
	}
}

// TestDeletesAtCommit: deletes come in another order than their keys did, and beside rows of a table that
// has only its key.
func TestDeletesAtCommit(t *testing.T) {
	row := func(id int) [2]string { return [2]string{key(id), key(id)} }
	const insert = "table.name.format: ${table}\npk.mode: record_key\ndelete.enabled: true"
	for _, test := range []struct {
		settings string
		records  [][2]string
		want     string
		rows     string
	}{
		{upsert, [][2]string{row(0), row(1), row(2), row(3), row(4), row(5), tombstone(0), tombstone(5), tombstone(2), tombstone(1), tombstone(3), tombstone(4)}, "[7]", "5"},
		{upsert, [][2]string{tombstone(5), tombstone(4), row(7)}, "[0]", "0 1 2 3 5 7"},
		{insert, [][2]string{tombstone(5), tombstone(4), row(7)}, "[0]", "0 1 2 3 5 7"},
	} {
		g := newTarget(t)
		g.exec("CREATE TABLE orders (id int PRIMARY KEY)", "INSERT INTO orders SELECT generate_series(0, 5)",
			"CREATE TABLE lines (order_id int REFERENCES orders DEFERRABLE INITIALLY DEFERRED)", "INSERT INTO lines VALUES (5)")
		p := g.open(g.sink(test.settings))
		if got := fmt.Sprint(p.refusedOf(test.records...)); got != test.want {
			t.Errorf("%s%v: refused offsets: got %s, want %s", test.settings, test.records, got, test.want)
		}
		g.want("SELECT string_agg(id::text, ' ' ORDER BY id) AS ids FROM orders", fmt.Sprintf(`{"ids": %q}`, test.rows))
	}
}
