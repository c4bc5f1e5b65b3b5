package postgres

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"connectd/connect"
)

// TestWidenedByOthers: what a column did not hold when the sink began is written as soon as it does,
// with every policy of out.of.range.
func TestWidenedByOthers(t *testing.T) {
	tests := []struct{ was, value, is, stored string }{
		{"smallint", "40000", "integer", "40000"}, {"int", "3000000000", "bigint", "3000000000"},
		{"numeric(5,2)", "12345.125", "numeric(9,3)", "12345.125"}, {"real", "1e300", "double precision", "1e+300"},
		{"varchar(2)", `"abc"`, "text", "abc"}, {"int", `"abc"`, "text", "abc"}, {"int[]", "[3000000000]", "bigint[]", "{3000000000}"},
	}
	for _, more := range []string{"", ", place inet"} { // copied as octets, and as text
		g := newTarget(t)
		for _, test := range tests {
			for _, policy := range []string{"dlq", "clamp", "null"} {
				g.exec("DROP TABLE IF EXISTS orders", "CREATE TABLE orders (id int PRIMARY KEY, c "+test.was+more+")")
				p := g.open(g.sink(upsert + "offsets.storage: kafka\nout.of.range: " + policy))
				p.put([2]string{key(1), `{"c":null}`})
				g.exec("ALTER TABLE orders ALTER c TYPE " + test.is)
				p.put([2]string{key(2), `{"c":` + test.value + `}`}, [2]string{key(3), `{"c":` + test.value + `}`})
				g.want("SELECT c::text, count(*) FROM orders WHERE id > 1 GROUP BY 1", `{"c": "`+test.stored+`", "count": 2}`)
			}
		}
	}
}

// TestWidenedByOthersWithRowsThatWait: they have the old form, so the range is given again.
func TestWidenedByOthersWithRowsThatWait(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int PRIMARY KEY, c int)")
	p := g.open(g.sink(upsert))
	p.write([2]string{key(1), `{"c":1}`})
	g.exec("ALTER TABLE orders ALTER c TYPE bigint")
	wide := [2]string{key(2), `{"c":3000000000}`}
	if err := p.w.Write(t.Context(), p.batch(wide)); !errors.Is(err, errTypesChanged) || connect.IsPermanent(err) {
		t.Fatalf("got %v, want %v", err, errTypesChanged)
	}
	p.reopen()
	p.put([2]string{key(1), `{"c":1}`}, wide)
	g.want("SELECT string_agg(c::text, ' ' ORDER BY id) AS c FROM orders", `{"c": "1 3000000000"}`)
}

// TestWidenedByOthersBeyondTheEncoder: only the server reads this type, and the staging table has
// the columns as they were.
func TestWidenedByOthersBeyondTheEncoder(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int PRIMARY KEY, c bit varying(2))")
	p := g.open(g.sink(upsert))
	p.put([2]string{key(1), `{"c":"10"}`})
	g.exec("ALTER TABLE orders ALTER c TYPE bit varying(8)")
	wide := [2]string{key(2), `{"c":"10101"}`}
	p.write(wide)
	if err := p.tryFlush(); !errors.Is(err, errTypesChanged) {
		t.Fatalf("got %v, want %v", err, errTypesChanged)
	}
	p.reopen()
	p.put(wide)
	g.want("SELECT string_agg(c::text, ' ' ORDER BY id) AS c FROM orders", `{"c": "10 10101"}`)
}

// reads counts how often the columns of a table are read.
type reads struct{ n int }

func (r *reads) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	if strings.Contains(q.SQL, "to_regclass") && strings.Contains(q.SQL, "pg_class") {
		r.n++
	}
	return ctx
}

func (r *reads) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TestRefusedRecordsReadTheColumnsOnce: once in a range, however many records are refused.
func TestRefusedRecordsReadTheColumnsOnce(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TABLE orders (id int PRIMARY KEY, c int)")
	s := g.sink(upsert)
	count := &reads{}
	s.pool.server.Tracer = count
	p := g.open(s)
	p.put([2]string{key(1), `{"c":1}`})
	version := s.catalog.version.Load()
	for range 2 {
		count.n = 0
		for range 3 {
			if failed := p.write([2]string{key(2), `{"c":3000000000}`}, [2]string{key(3), `{"c":2}`}, [2]string{key(4), `{"c":"x"}`}); len(failed) != 2 {
				t.Fatalf("got %v, want two refusals", failed)
			}
		}
		p.flush()
		if count.n != 1 {
			t.Errorf("the columns were read %d times in a range, want once", count.n)
		}
	}
	if v := s.catalog.version.Load(); v != version {
		t.Error("a table that is as it was had its plans made anew")
	}
	g.want("SELECT string_agg(c::text, ' ' ORDER BY id) AS c FROM orders", `{"c": "1 2"}`)
}
