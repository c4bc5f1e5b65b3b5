package postgres

import (
	"cmp"
	"context"
	"math/bits"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// What COMMIT refuses may be refused for what else is there: a sum over several rows, two rows that
// are each other's parent. So it is looked for as COMMIT looks at it, with the constraints checked
// behind several rows and not behind each statement.
const (
	// mostBeside is how many of those left out before a place, and how many behind it, are tried together.
	mostBeside = 16
	// mostJoins is how often that is done, about a millisecond each time.
	mostJoins = 5000
	// mostSubsets is of how many that are left out in the end every combination is tried.
	mostSubsets = 8
)

// change is a row or a delete of a range, which is in the staging table of its step.
type change struct {
	refused
	ctid    string
	n       int     // its place among its step's
	renewed *change // of a delete: the new row of its key
	written bool
}

// place is where c comes among the others: a delete is in front of the new row of its key.
func (c *change) place() int64 {
	if c.renewed != nil {
		return c.renewed.offset()
	}
	return c.offset()
}

// atCommit writes the changes of the tables, all but the fewest that COMMIT would refuse.
func (x *search) atCommit(ctx context.Context, w *Writer, tables []*buffer) error {
	all, err := x.load(ctx, w, tables)
	if err != nil {
		return err
	}
	left, err := x.most(ctx, all)
	// What is left out is few, and what was lacking may be there by now, such as a parent.
	x.joins = mostJoins
	for before := -1; err == nil && x.written != before; {
		before = x.written
		left, err = x.most(ctx, left)
	}
	if err == nil {
		left, err = x.subsets(ctx, left)
	}
	for _, c := range left {
		x.refused = append(x.refused, c.refused)
	}
	return err
}

// load puts all changes into their staging tables, where each attempt picks some: to empty and to fill
// them each time would leave so many rows in pg_class that a thousandth attempt took fifty times as long.
// The changes come in the order of their records, in which those of a transaction of the source follow
// each other.
func (x *search) load(ctx context.Context, w *Writer, tables []*buffer) ([]*change, error) {
	var all []*change
	by := map[int64]*change{} // offset
	for _, b := range tables {
		for _, s := range w.steps(b) {
			x.steps = append(x.steps, &s)
			if !s.stage {
				s.stage, s.sql = true, []string{insertSQL(s.rows.set, nil)}
			}
			ctids, err := x.fill(ctx, &s)
			if err != nil {
				return nil, err
			}
			n := 0
			for i := range s.rows.rows.n {
				if r := s.rows.rows.at(i); !r.empty() {
					c := &change{refused: refused{buffer: b, step: &s, row: i}, ctid: ctids[n], n: n}
					n++
					by[r.offset] = c
					all = append(all, c)
				}
			}
		}
		for i := 0; b.keys != nil && i < len(b.keys.entries); i++ {
			if e := &b.keys.entries[i]; e.deleted && e.group != nil {
				by[e.offset].renewed = by[e.group.rows.at(e.row).offset]
			}
		}
	}
	slices.SortFunc(all, func(a, b *change) int {
		return cmp.Or(cmp.Compare(a.place(), b.place()), cmp.Compare(a.offset(), b.offset()))
	})
	return all, nil
}

// fill copies the rows of s into its staging table, and returns where they are.
func (x *search) fill(ctx context.Context, s *step) ([]string, error) {
	stage := x.conn.stages[s.rows.set]
	if _, filled := x.dead[stage]; !filled { // by the deletes of a table that has only its key
		x.dead[stage] = 0
		if _, err := x.conn.Exec(ctx, "TRUNCATE "+stage); err != nil {
			return nil, err
		}
	}
	if err := x.conn.copy(ctx, stage, s.rows.set, newLines(s.rows, 0, s.rows.rows.n)); err != nil {
		return nil, err
	}
	rows, err := x.conn.Query(ctx, "SELECT s.ctid::text FROM "+stage+" AS s ORDER BY s.ctid")
	if err != nil {
		return nil, err
	}
	ctids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	return ctids[len(ctids)-s.rows.live:], nil
}

// most writes as many of the changes as it can, and returns those that it leaves out.
func (x *search) most(ctx context.Context, changes []*change) ([]*change, error) {
	if len(changes) == 0 {
		return nil, nil
	}
	if passed, err := x.pass(ctx, changes); passed || err != nil {
		return nil, err
	}
	if len(changes) == 1 {
		return changes, nil
	}
	middle := len(changes) / 2
	if parts(changes, middle) && len(changes) > 2 {
		middle++
	}
	before, err := x.most(ctx, changes[:middle])
	if err != nil {
		return nil, err
	}
	behind, err := x.most(ctx, changes[middle:])
	if err != nil {
		return nil, err
	}
	return x.join(ctx, before, behind)
}

// parts says whether a cut in front of the n-th change parts a delete from the new row of its key.
func parts(changes []*change, n int) bool {
	return 0 < n && n < len(changes) && changes[n-1].renewed == changes[n]
}

// join tries together what is left out on both sides of a place and is next to each other, the fewest
// first: what a cut has parted.
func (x *search) join(ctx context.Context, before, behind []*change) ([]*change, error) {
	for size := 2; size <= len(before)+len(behind); size++ {
		for a := max(1, size-min(len(behind), mostBeside)); a <= min(len(before), mostBeside, size-1); a++ {
			from, to := len(before)-a, size-a
			switch {
			case x.joins == 0:
				return append(slices.Clone(before), behind...), nil
			case parts(before, from) || parts(behind, to):
				continue
			}
			x.joins--
			passed, err := x.pass(ctx, append(slices.Clone(before[from:]), behind[:to]...))
			if err != nil {
				return nil, err
			}
			if passed {
				return x.join(ctx, before[:from], behind[to:])
			}
		}
	}
	return append(slices.Clone(before), behind...), nil
}

// subsets tries all combinations of a few changes, the largest first, so that the fewest are left out.
func (x *search) subsets(ctx context.Context, left []*change) ([]*change, error) {
	if len(left) > mostSubsets {
		return left, nil
	}
	for size := len(left); size > 0; size-- {
		for set := range uint(1) << len(left) {
			if bits.OnesCount(set) != size {
				continue
			}
			var some, others []*change
			for i, c := range left {
				if set>>i&1 == 1 {
					some = append(some, c)
				} else {
					others = append(others, c)
				}
			}
			if passed, err := x.pass(ctx, some); passed || err != nil {
				return others, err
			}
		}
	}
	return left, nil
}

// pass writes the changes, if COMMIT would let them pass.
func (x *search) pass(ctx context.Context, changes []*change) (bool, error) {
	if slices.ContainsFunc(changes, func(c *change) bool { return c.renewed != nil && c.renewed.written }) {
		return false, nil // a delete that comes so late would take the new row of its key
	}
	err := x.together(ctx, changes)
	if err != nil && classOf(err) != rejected {
		return false, err
	}
	for _, c := range changes {
		c.written = err == nil
		if err != nil && (c.err == nil || len(changes) == 1) {
			c.err = err
		}
	}
	if err == nil {
		x.written += len(changes)
	}
	return err == nil, nil
}

// together writes the changes and has the constraints checked, or writes nothing.
func (x *search) together(ctx context.Context, changes []*change) error {
	part, err := x.tx.Begin(ctx) // a savepoint
	if err != nil {
		return err
	}
	of := map[*step][]*change{}
	for _, c := range changes {
		of[c.step] = append(of[c.step], c)
	}
	for _, s := range x.steps {
		if len(of[s]) == 0 {
			continue
		}
		slices.SortFunc(of[s], func(a, b *change) int { return a.n - b.n })
		some := "(SELECT ctid, * FROM " + x.conn.stages[s.rows.set] + " WHERE " + these(of[s]) + ")"
		for _, sql := range s.sql {
			if _, err := x.conn.Exec(ctx, strings.ReplaceAll(sql, stageName, some)); err != nil {
				return rolledBack(ctx, part, err)
			}
		}
	}
	// DEFERRED is true of all that can be, also of what is not by itself: it is checked here all the same.
	if _, err := x.conn.Exec(ctx, "SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED"); err != nil {
		return rolledBack(ctx, part, err)
	}
	return part.Commit(ctx)
}

// these is the condition that picks changes of one step, which are in the order of their places there.
func these(changes []*change) string {
	first, last := changes[0], changes[len(changes)-1]
	if last.n-first.n == len(changes)-1 {
		return "ctid >= '" + first.ctid + "' AND ctid <= '" + last.ctid + "'"
	}
	ctids := make([]string, len(changes))
	for i, c := range changes {
		ctids[i] = c.ctid
	}
	return `ctid = ANY ('{"` + strings.Join(ctids, `","`) + `"}')`
}
