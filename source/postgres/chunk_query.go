package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// chunkTable is a table as chunks read it.
type chunkTable struct {
	demanded demanded
	shape    string // of its columns, when it was made
	sent     string // what the publication sent of it then
	table    *table
	from     string    // of the SELECT
	where    string    // of the SELECT, with an AND at its end: the publication's filter and the signal's
	columns  []*column // of the SELECT; nil for one that only orders
	names    []string  // of those columns, as identifiers
	key      []int     // of those, the ones that order
	about    int64     // rows, an estimate
	most     []string  // greatest key when it was made
}

// shownSQL tells what the transaction shows, where the WAL is by then, how the table looks, and what
// the publication sends of it: of it, of what it is a partition of, or of its partitions.
const shownSQL = `
SELECT pg_current_snapshot()::text, pg_is_in_recovery(),
       (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END)::text,
       coalesce(to_regclass($1)::oid, 0),
       coalesce((SELECT string_agg(concat_ws(' ', attname, atttypid, atttypmod, attnotnull), ',' ORDER BY attnum)
                 FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped), '')
           || coalesce((SELECT string_agg(concat_ws(' ', '; key', indisprimary, indkey), '' ORDER BY indexrelid)
                 FROM pg_index WHERE indrelid = to_regclass($1) AND (indisprimary OR indisreplident)), ''),
       coalesce((SELECT string_agg(to_jsonb(t)::text, ',') FROM pg_publication p, pg_get_publication_tables(p.pubname::text) t
                 WHERE p.pubname = $2 AND t.relid IN (SELECT to_regclass($1)::oid
                     UNION SELECT relid::oid FROM pg_partition_ancestors(to_regclass($1))
                     UNION SELECT relid::oid FROM pg_partition_tree(to_regclass($1)))), '')`

// begin begins a transaction whose snapshot is taken now, with the table's definition locked.
func (r *chunkReader) begin(ctx context.Context, db *pgx.Conn, n name) (shownNow, error) {
	var s shownNow
	table := relation{schema: n.schema, table: n.table}.sql()
	if _, err := db.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return s, err
	}
	// The lock first: it makes the snapshot, which the next statement takes, show the definition
	// that the rows are read by.
	if _, err := db.Exec(ctx, "LOCK TABLE "+table+" IN ACCESS SHARE MODE"); err != nil {
		if pg, ok := err.(*pgconn.PgError); ok && (pg.Code == "42P01" || pg.Code == "3F000") {
			return shownNow{missing: true}, nil
		}
		return s, answer(err)
	}
	var shown, end string
	var standby bool
	if err := db.QueryRow(ctx, shownSQL, table, r.source.config.Publication).Scan(&shown, &standby, &end, &s.id, &s.shape, &s.published); err != nil {
		return s, answer(err)
	}
	var err error
	if s.visibility, err = parseVisibility(shown, standby); err != nil {
		return s, err
	}
	s.end, err = pglogrepl.ParseLSN(end)
	return s, err
}

// rows reads the rows of the request in the open transaction.
func (r *chunkReader) rows(ctx context.Context, db *pgx.Conn, q *chunkRequest, shown shownNow) (*chunk, *skipped, error) {
	if !r.fits(q, &shown) {
		t, skip, err := r.prepare(ctx, db, q, &shown)
		if err != nil || skip != nil {
			return nil, skip, err
		}
		r.table, r.limit = t, r.source.config.ChunkSize
	}
	t := r.table
	most := q.table.Max
	if !q.table.Began {
		most = t.most
	}
	c := &chunk{table: t.table, columns: t.columns, key: t.key, shown: shown.visibility, end: shown.end, most: most, ordered: t.keyNames(), about: t.about}
	if most == nil {
		c.last = true // the table is empty
		return c, nil, nil
	}
	full, err := r.fill(ctx, db, c, t.sql(&q.table, most, r.limit))
	if err != nil {
		return nil, nil, fmt.Errorf("read a chunk of %s: %w", t.table, answer(err))
	}
	n := c.rows.count()
	switch {
	case q.table.Rest:
		c.last = true
	case full: // the next chunks of so wide rows have fewer
		r.limit = max(1, n)
	default:
		c.last = n < r.limit
		r.limit = min(2*r.limit, r.source.config.ChunkSize)
	}
	return c, nil, nil
}

// fits says whether the definition read last is that of the request.
func (r *chunkReader) fits(q *chunkRequest, shown *shownNow) bool {
	t := r.table
	return t != nil && !q.renew && q.table.Began && t.demanded.name() == q.table.name() && t.demanded.ID == q.table.ID &&
		t.demanded.Filter == q.table.Filter && t.demanded.Surrogate == q.table.Surrogate && t.table.id == shown.id && t.shape == shown.shape && t.sent == shown.published
}

// fill runs the query. full says that the rows were too wide to take all of them.
func (r *chunkReader) fill(ctx context.Context, db *pgx.Conn, c *chunk, sql string) (full bool, err error) {
	c.rows.width = len(c.columns)
	result := db.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil)
	for result.NextRow() {
		c.rows.add(result.Values())
		if len(c.rows.data) < chunkBytes {
			continue
		}
		// Rows with the same key stay together: the next chunk begins after the key.
		if end := c.lastKeyBegins(); end > 0 {
			c.rows.cut(end)
			r.catalog.Close() // what the server still sends is not wanted
			return true, nil
		}
	}
	_, err = result.Close()
	return false, err
}

// lastKeyBegins is the first row that has the key of the last one.
func (c *chunk) lastKeyBegins() int {
	row := c.rows.count() - 1
	for row > 0 && c.sameKey(row-1, row) {
		row--
	}
	return row
}

// prepare reads the table's definition.
func (r *chunkReader) prepare(ctx context.Context, db *pgx.Conn, q *chunkRequest, shown *shownNow) (*chunkTable, *skipped, error) {
	tables, err := r.catalog.captured(ctx, r.source.capture)
	if err != nil {
		return nil, nil, err
	}
	at := slices.IndexFunc(tables, func(k relation) bool { return k.id == shown.id })
	if at < 0 {
		return nil, &skipped{statusSchema, fmt.Errorf("table %s is not captured", q.table.name())}, nil
	}
	if shown.published == "" {
		return nil, &skipped{statusSchema, fmt.Errorf("table %s is not in publication %q, so that no change of its rows would follow on them; run ALTER PUBLICATION %s ADD TABLE %s",
			q.table.name(), r.source.config.Publication, identifier(r.source.config.Publication), tables[at].sql())}, nil
	}
	if err := r.source.restrict(ctx, r.catalog, tables[at:at+1]); err != nil {
		return nil, nil, err
	}
	k := tables[at]
	r.catalog.forget()
	built, err := r.catalog.build(ctx, k, nil)
	if err != nil {
		return nil, nil, err
	}
	t := &chunkTable{demanded: q.table, shape: shown.shape, sent: shown.published, table: built, about: k.rows, from: "ONLY " + k.sql(), where: where(k.filter) + where(q.table.Filter)}
	if k.parent {
		t.from = k.sql()
	}
	if skip := t.order(q.table.Surrogate); skip != nil {
		return nil, skip, nil
	}
	if q.table.Began && q.table.Key != nil && !slices.Equal(q.table.Key, t.keyNames()) {
		return nil, nil, errOtherKey
	}
	if skip, err := t.noNulls(ctx, r.catalog); err != nil || skip != nil {
		return nil, skip, err
	}
	if q.table.Began {
		return t, nil, nil
	}
	t.most, err = t.greatest(ctx, db)
	return t, nil, err
}

// order chooses the columns to read and those that order the rows: the surrogate key, or the key
// of the records.
func (t *chunkTable) order(surrogate string) *skipped {
	var key []string
	switch {
	case surrogate != "":
		key = []string{surrogate}
	case len(t.table.key) > 0:
		for _, cell := range t.table.key {
			key = append(key, t.table.columnOf(cell))
		}
	default:
		return &skipped{statusKeyless, fmt.Errorf(`table %s has no primary key; give the signal a "surrogate-key": a column by which its rows can be read in order, or set message.key.columns`, t.table)}
	}
	for i := range t.table.columns {
		c := &t.table.columns[i]
		orders := slices.Contains(key, c.name)
		switch {
		case c.cell >= 0:
			t.columns = append(t.columns, c)
		case orders:
			t.columns = append(t.columns, nil)
		default:
			continue
		}
		t.names = append(t.names, identifier(c.name))
	}
	for _, column := range key {
		at := slices.Index(t.names, identifier(column))
		if at < 0 {
			return &skipped{statusKeyless, fmt.Errorf("table %s has no column %q for a surrogate-key", t.table, column)}
		}
		if len(t.table.key) == 0 && t.columns[at] == nil {
			return &skipped{statusKeyless, fmt.Errorf("table %s has no key, and its column %q, the surrogate-key, is not captured: changes of its rows could not be told apart", t.table, column)}
		}
		t.key = append(t.key, at)
	}
	return nil
}

// columnOf is the name of the column that has the cell.
func (t *table) columnOf(cell int) string {
	return t.columns[slices.IndexFunc(t.columns, func(c column) bool { return c.cell == cell })].name
}

// noNulls refuses a key in which there are NULLs: such rows have no place in the order.
func (t *chunkTable) noNulls(ctx context.Context, c *catalog) (*skipped, error) {
	attributes, err := c.attributes(ctx, t.table.id)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, a := range attributes {
		if !a.notNull && slices.Contains(t.keyNames(), identifier(a.name)) {
			missing = append(missing, identifier(a.name)+" IS NULL")
		}
	}
	if len(missing) == 0 {
		return nil, nil
	}
	var found bool
	sql := "SELECT EXISTS (SELECT FROM " + t.from + " WHERE " + t.where + "(" + strings.Join(missing, " OR ") + "))"
	if err := c.row(ctx, sql, nil, &found); err != nil {
		return nil, err
	}
	if found {
		return &skipped{statusSQL, fmt.Errorf("table %s has rows where %s: they have no place in the order of the key; give the signal another surrogate-key", t.table, strings.Join(missing, " or "))}, nil
	}
	return nil, nil
}

// greatest is the greatest key, nil when there are no rows.
func (t *chunkTable) greatest(ctx context.Context, db *pgx.Conn) ([]string, error) {
	names := t.keyNames()
	sql := "SELECT " + strings.Join(names, ", ") + " FROM " + t.from + " WHERE " + t.where + "true ORDER BY " + strings.Join(names, " DESC, ") + " DESC LIMIT 1"
	result := db.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil)
	var most []string
	for result.NextRow() {
		for _, v := range result.Values() {
			most = append(most, string(v))
		}
	}
	_, err := result.Close()
	return most, answer(err)
}

func (t *chunkTable) keyNames() []string {
	names := make([]string, len(t.key))
	for i, at := range t.key {
		names[i] = t.names[at]
	}
	return names
}

// sql is the SELECT of the next rows, or of those that are owed.
func (t *chunkTable) sql(d *demanded, most []string, limit int) string {
	key := t.keyNames()
	row := strings.Join(key, ", ")
	if len(key) > 1 {
		row = "(" + row + ")"
	}
	var s strings.Builder
	fmt.Fprintf(&s, "SELECT %s FROM %s WHERE %s", strings.Join(t.names, ", "), t.from, t.where)
	if d.Rest {
		keys := make([]string, len(d.Owed))
		for i, k := range d.Owed {
			keys[i] = literals(k)
		}
		fmt.Fprintf(&s, "%s IN (%s)", row, strings.Join(keys, ", "))
		return s.String()
	}
	if d.After != nil {
		fmt.Fprintf(&s, "%s > %s AND ", row, literals(d.After))
	}
	// Rows of one key are never parted.
	fmt.Fprintf(&s, "%s <= %s ORDER BY %s FETCH FIRST %d ROWS WITH TIES", row, literals(most), strings.Join(key, ", "), limit)
	return s.String()
}

// where is the beginning of a condition.
func where(filter string) string {
	if filter == "" {
		return ""
	}
	return "(" + filter + ") AND "
}

// literals is a key in a statement.
func literals(key []string) string {
	list := make([]string, len(key))
	for i, text := range key {
		list[i] = literal(text)
	}
	if len(list) == 1 {
		return list[0]
	}
	return "(" + strings.Join(list, ", ") + ")"
}
