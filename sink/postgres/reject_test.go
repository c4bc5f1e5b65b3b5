package postgres

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"connectd/connect"
	"connectd/record"
)

// refusedOf writes records, and returns the offsets that the server has refused. The range is given
// again without them, as the runtime does.
func (p *part) refusedOf(records ...[2]string) (offsets []int64) {
	p.Helper()
	for range records {
		b := p.batch(records...)
		b.Records = slices.DeleteFunc(b.Records, func(r record.Record) bool { return slices.Contains(offsets, r.Offset) })
		if err := p.w.Write(p.Context(), b); err != nil {
			p.Fatal(err)
		}
		err := p.tryFlush()
		var refused *connect.RecordErrors
		switch {
		case err == nil:
			return offsets
		case !errors.As(err, &refused):
			p.Fatal(err)
		}
		for _, f := range refused.Failed {
			offsets = append(offsets, f.Offset)
		}
		p.reopen()
	}
	p.Fatalf("refused again and again: %v", offsets)
	return nil
}

// TestRowsThatExcludeEachOther: each of the two passes without the other, and the later one is
// refused.
func TestRowsThatExcludeEachOther(t *testing.T) {
	booking := func(id, from, to int) [2]string {
		return [2]string{key(id), fmt.Sprintf(`{"id":%d,"room":"[%d,%d)"}`, id, from, to)}
	}
	for _, settings := range []string{upsert, "table.name.format: ${table}", upsert + "batch.size: 3"} {
		for _, deferred := range []string{"", " DEFERRABLE INITIALLY DEFERRED"} {
			t.Run(settings+deferred, func(t *testing.T) {
				g := newTarget(t)
				g.exec("CREATE TABLE orders (id int PRIMARY KEY, room int4range, EXCLUDE USING gist (room WITH &&)" + deferred + ")")
				p := g.open(g.sink(settings))
				var records [][2]string
				for i := range 10 {
					records = append(records, booking(i, 10*i, 10*i+10))
				}
				records[7] = booking(7, 25, 26)
				if got := fmt.Sprint(p.refusedOf(records...)); got != "[7]" {
					t.Errorf("refused offsets: got %s, want [7]", got)
				}
				g.want("SELECT string_agg(id::text, ' ' ORDER BY id) AS ids FROM orders", `{"ids": "0 1 2 3 4 5 6 8 9"}`)
				g.want("SELECT next_offset FROM _connectd_offsets", `{"next_offset": 10}`)
			})
		}
	}
}

// TestTooLargeForAnIndex: a value that an index has no room for is the fault of its record.
func TestTooLargeForAnIndex(t *testing.T) {
	for _, settings := range []string{upsert, "table.name.format: ${table}"} {
		g := newTarget(t)
		g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text)", "CREATE INDEX ON orders (name)")
		p := g.open(g.sink(settings))
		var large strings.Builder // incompressible
		for i := range 200 {
			fmt.Fprintf(&large, "%x", sha256.Sum256([]byte{byte(i)}))
		}
		if got := fmt.Sprint(p.refusedOf(order(1, "a"), order(2, large.String()), order(3, "c"))); got != "[1]" {
			t.Errorf("%s: refused offsets: got %s, want [1]", settings, got)
		}
		g.want("SELECT count(*) FROM orders", `{"count": 2}`)
	}
}

// TestRowsThatNeedEachOther: a child that comes before its parent is not refused because of another
// row, neither where the parent is asked for at COMMIT nor where it is at the end of a statement.
func TestRowsThatNeedEachOther(t *testing.T) {
	node := func(id, parent int, name string) [2]string {
		return [2]string{key(id), fmt.Sprintf(`{"id":%d,"parent":%d,"name":%q}`, id, parent, name)}
	}
	records := [][2]string{node(1, 2, "grandchild"), node(2, 3, "child"), node(9, 99, "orphan"), node(4, 4, "bad"), node(3, 3, "parent"), node(5, 3, "child")}
	for _, settings := range []string{upsert, "table.name.format: ${table}"} {
		for _, deferred := range []string{"", " DEFERRABLE INITIALLY DEFERRED"} {
			t.Run(settings+deferred, func(t *testing.T) {
				g := newTarget(t)
				g.exec("CREATE TABLE orders (id int PRIMARY KEY, parent int REFERENCES orders" + deferred + ", name text CHECK (name <> 'bad'))")
				p := g.open(g.sink(settings))
				offsets := p.refusedOf(records...)
				slices.Sort(offsets)
				if got := fmt.Sprint(offsets); got != "[2 3]" {
					t.Errorf("refused offsets: got %s, want [2 3]", got)
				}
				g.want("SELECT string_agg(id::text, ' ' ORDER BY id) AS ids FROM orders", `{"ids": "1 2 3 5"}`)
			})
		}
	}
}

// TestTriggerThatCounts: where all rows of a table together are too many, the last ones are refused.
func TestTriggerThatCounts(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text)",
		`CREATE FUNCTION enough() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF (SELECT count(*) FROM orders) > 5 THEN RAISE 'five are enough'; END IF; RETURN NULL; END $$`,
		"CREATE TRIGGER enough AFTER INSERT ON orders EXECUTE FUNCTION enough()")
	p := g.open(g.sink(upsert))
	var records [][2]string
	for i := range 8 {
		records = append(records, order(i, "a"))
	}
	if got := fmt.Sprint(p.refusedOf(records...)); got != "[5 6 7]" {
		t.Errorf("refused offsets: got %s, want [5 6 7]", got)
	}
	g.want("SELECT count(*) FROM orders", `{"count": 5}`)
}

// TestRefusedAsOneStatement: no row is to blame, so all of them are written, each once.
func TestRefusedAsOneStatement(t *testing.T) {
	for _, settings := range []string{upsert, appendOnly} {
		g := newTarget(t)
		g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text, _topic text, _partition int, _offset bigint)",
			`CREATE FUNCTION few() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				IF (SELECT count(*) FROM rows) > 3 THEN RAISE 'too many rows at once'; END IF; RETURN NULL; END $$`,
			"CREATE TRIGGER few AFTER INSERT ON orders REFERENCING NEW TABLE AS rows EXECUTE FUNCTION few()")
		p := g.open(g.sink(settings))
		for i := range 10 {
			p.write(order(i, "a"))
		}
		p.flush()
		p.put(order(11, "b"))
		g.want("SELECT count(*), count(DISTINCT id) AS ids FROM orders", `{"ids": 11, "count": 11}`)
		g.want("SELECT next_offset FROM _connectd_offsets", `{"next_offset": 11}`)
	}
}

// TestLostConnectionAtTheCommitOfPieces: the position says whether the rows are there.
func TestLostConnectionAtTheCommitOfPieces(t *testing.T) {
	for _, answered := range []bool{false, true} {
		g := newTarget(t)
		g.exec("CREATE TABLE orders (id int, name text, _topic text, _partition int, _offset bigint)",
			`CREATE FUNCTION few() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				IF (SELECT count(*) FROM rows) > 3 THEN RAISE 'too many rows at once'; END IF; RETURN NULL; END $$`,
			"CREATE TRIGGER few AFTER INSERT ON orders REFERENCING NEW TABLE AS rows EXECUTE FUNCTION few()")
		c := startCutter(t, fmt.Sprintf("%s:%d", g.server.Host, g.server.Port))
		p := g.open(g.sink(appendOnly + "connection.url: " + strings.Replace(g.server.DSN(g.name), fmt.Sprintf(":%d/", g.server.Port), fmt.Sprintf(":%d/", c.port()), 1)))
		p.write(order(0, "a"), order(1, "b"), order(2, "c"), order(3, "d"))
		c.arm(theCommit, answered)
		if err := p.tryFlush(); err == nil || connect.IsPermanent(err) || !c.cut.Load() {
			t.Fatalf("answered=%t, cut %t: got %v, want an error that has the range given again", answered, c.cut.Load(), err)
		}
		p.reopen()
		if done := p.next == 4; done != answered {
			t.Errorf("answered=%t: the position is %d", answered, p.next)
		}
		for p.next < 4 {
			p.write(order(int(p.next), "again"))
		}
		p.flush()
		g.want("SELECT array_agg(_offset ORDER BY _offset) FROM orders", `{"array_agg": [0, 1, 2, 3]}`)
	}
}

// TestRefusedOnlyTogether: what passes one by one and never at COMMIT stops the task.
func TestRefusedOnlyTogether(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text)",
		`CREATE FUNCTION fickle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF current_query() = 'commit' THEN RAISE 'not at the end'; END IF;
			SET CONSTRAINTS ALL DEFERRED;
			IF TG_OP = 'INSERT' THEN UPDATE orders SET name = name WHERE id = NEW.id; END IF;
			RETURN NULL; END $$`,
		"CREATE CONSTRAINT TRIGGER fickle AFTER INSERT OR UPDATE ON orders DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fickle()")
	p := g.open(g.sink(upsert + "batch.size: 1"))
	p.write(order(1, "a"), order(2, "b"), order(3, "c"))
	err := p.tryFlush()
	if !connect.IsPermanent(err) || !strings.Contains(err.Error(), "offsets 0 to 3 of "+p.id.String()) || !strings.Contains(err.Error(), "not together") {
		t.Errorf("got %v, want a permanent error with the offsets", err)
	}
	g.want("SELECT count(*) FROM orders", `{"count": 0}`)
}

// TestRefusedDeleteOfARenewedKey: a delete that passes later than it came does not take the new row.
func TestRefusedDeleteOfARenewedKey(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text)", "INSERT INTO orders VALUES (1, 'old'), (2, 'old')",
		`CREATE FUNCTION last() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NOT EXISTS (SELECT FROM orders WHERE id = 3) THEN RAISE 'order 3 is missing'; END IF; RETURN OLD; END $$`,
		"CREATE TRIGGER last BEFORE DELETE ON orders FOR EACH ROW EXECUTE FUNCTION last()")
	p := g.open(g.sink(upsert))
	if got := fmt.Sprint(p.refusedOf(tombstone(1), order(1, "new"), tombstone(2), order(3, "x"))); got != "[0]" {
		t.Errorf("refused offsets: got %s, want [0]", got)
	}
	g.want("SELECT string_agg(id || name, ' ' ORDER BY id) AS rows FROM orders", `{"rows": "1new 3x"}`)
}
