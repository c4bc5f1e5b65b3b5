package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// joinEvery is how many times longer than signal.poll.interval.ms it takes until the catalog is
// looked at again for tables that have joined.
const joinEvery = 12

// watchTables looks for tables that join the captured ones while the stream runs, over a
// connection that is closed in between. It ends with ctx.
func (g *signals) watchTables(ctx context.Context) {
	s := g.st.source
	before, err := s.published(ctx)
	for ctx.Err() == nil {
		if err != nil {
			g.log.Warn("can not look for new tables", "in", joinEvery*s.config.SignalPoll, "err", err)
		}
		if pause(ctx, joinEvery*s.config.SignalPoll) != nil {
			return
		}
		var now *publishedTables
		if now, err = s.published(ctx); err != nil {
			continue
		}
		if before != nil {
			if joined, absent := now.since(before); len(joined)+len(absent) > 0 {
				if g.hand(ctx, asked{joined: joined, absent: absent}) != nil {
					return
				}
			}
		}
		before = now
	}
}

// publishedTables are the captured tables as they are at one time.
type publishedTables struct {
	all     bool          // the publication is for all tables: none can join late
	tables  map[name]bool // captured; whether it is published
	adopted []name        // put into the publication just now
}

// since are the tables that are published now and were not before, and those that have become
// captured and are not published.
func (p *publishedTables) since(before *publishedTables) (joined, absent []name) {
	joined = slices.Clone(p.adopted)
	for n, published := range p.tables {
		was, known := before.tables[n]
		switch {
		case p.all || published == was && known:
		case published && !slices.Contains(joined, n):
			joined = append(joined, n)
		case !published && !known:
			absent = append(absent, n)
		}
	}
	slices.SortFunc(joined, compareNames)
	slices.SortFunc(absent, compareNames)
	return joined, absent
}

func compareNames(a, b name) int {
	return slices.Compare([]string{a.schema, a.table}, []string{b.schema, b.table})
}

// published reads which captured tables are published. When their rows are to be read it puts
// those that are missing into a publication of ours.
func (s *Source) published(ctx context.Context) (*publishedTables, error) {
	c := newCatalog(s)
	defer c.Close()
	captured, err := c.captured(ctx, s.capture)
	if err != nil {
		return nil, err
	}
	p := &publishedTables{tables: map[name]bool{}}
	if p.all, _, err = s.publication(ctx, c); err != nil {
		return nil, err
	}
	for _, r := range captured {
		if !r.elsewhere(s.config) {
			p.tables[name{r.schema, r.table}] = false
		}
	}
	if s.config.NewTables == "incremental" && s.config.Autocreate == "filtered" && !p.all {
		adopted, err := s.alterPublication(ctx, c, published(captured))
		if err != nil {
			return nil, err
		}
		p.adopted = under(adopted, captured, s.config)
	}
	err = c.each(ctx, "SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = $1", []any{s.config.Publication}, func(rows pgx.Rows) error {
		var n name
		err := rows.Scan(&n.schema, &n.table)
		if _, ok := p.tables[n]; ok {
			p.tables[n] = true
		}
		return err
	})
	return p, err
}

// under are the names under which the rows of the tables are read: those of their partitions, if
// need be.
func under(tables []relation, captured []relation, c *Config) []name {
	var names []name
	for _, r := range captured {
		of := func(t relation) bool { return t.id == r.id || r.partition && r.root == name{t.schema, t.table} }
		if !r.elsewhere(c) && slices.ContainsFunc(tables, of) {
			names = append(names, name{r.schema, r.table})
		}
	}
	return names
}

// join takes tables that have joined: their old rows are not in Kafka.
func (g *signals) join(ctx context.Context, joined, absent []name) error {
	s := g.st.source
	for _, n := range absent {
		g.log.Warn("a table is captured and not in the publication: nothing of it is streamed until the next start",
			"table", n.String(), "mend", fmt.Sprintf("ALTER PUBLICATION %s ADD TABLE %s", identifier(s.config.Publication), relation{schema: n.schema, table: n.table}.sql()))
		g.without = append(g.without, n.String())
	}
	if len(joined) == 0 {
		return nil
	}
	id := newUUID()
	for _, n := range joined {
		g.without = slices.DeleteFunc(g.without, func(known string) bool { return known == n.String() })
		if s.config.NewTables != "incremental" {
			g.log.Warn("a table has joined, and the rows that it had before are not in Kafka; snapshot.new.tables: incremental reads them",
				"table", n.String(), "mend", fmt.Sprintf("connectd snapshot start %s %s", s.env.Connector, n))
			g.without = append(g.without, n.String())
			continue
		}
		g.log.Info("a table has joined; its rows are read", "table", n.String())
		g.add(demanded{ID: id, Schema: n.schema, Table: n.table, Joined: true})
	}
	if s.config.NewTables != "incremental" {
		return nil
	}
	return g.notify(ctx, id, aggregateIncremental, "STARTED", "data_collections", g.names())
}

// joinedAtStart takes the tables that were put into the publication when the connector started,
// and are not read by a snapshot anyway.
func (g *signals) joinedAtStart(ctx context.Context) error {
	s := g.st.source
	if len(s.joined) == 0 {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	captured, err := g.st.catalog.captured(limited, s.capture)
	if err != nil {
		return err
	}
	return g.join(ctx, under(s.joined, captured, s.config), nil)
}
