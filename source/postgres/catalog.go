package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// relation is a table of the database, as the catalog lists it.
type relation struct {
	id        uint32
	schema    string
	table     string
	parent    bool   // partitioned: its rows are in its partitions
	partition bool   // a partition of root
	root      name   // the topmost partitioned table
	identity  string // d default, f full, i index, n nothing
	pages     int64
	rows      int64 // estimate
	keyed     bool  // has a primary key

	// Of what the publication sends, see restrict.
	columns []string // nil for all
	filter  string   // an SQL condition of the rows, "" for all
}

// String is schema.table.
func (r relation) String() string { return r.schema + "." + r.table }

// sql is the table's name in a statement.
func (r relation) sql() string { return identifier(r.schema) + "." + identifier(r.table) }

// name is the name of a table.
type name struct{ schema, table string }

// String is schema.table.
func (n name) String() string { return n.schema + "." + n.table }

// attribute is a column of a table.
type attribute struct {
	name        string
	typeID      uint32
	typmod      int32
	dims        int
	notNull     bool
	typeName    string // as in a cast
	generated   bool
	hasDefault  bool
	defaultExpr string
}

// pgType is a row of pg_type.
type pgType struct {
	id       uint32
	schema   string
	name     string
	kind     byte // b base, c composite, d domain, e enum, r range, m multirange, p pseudo
	category byte // A array
	delim    byte
	elem     uint32
	base     uint32
	baseMod  int32
	dims     int
	labels   []string
}

// array says whether values are written in braces; int2vector and oidvector are not.
func (t *pgType) array() bool {
	return t.category == 'A' && t.elem != 0 && t.name != "int2vector" && t.name != "oidvector"
}

// typeTable has types by OID.
type typeTable map[uint32]*pgType

// catalog reads the system catalogs over a connection of its own, which it opens when it needs
// one. One goroutine uses it.
type catalog struct {
	source *Source
	conn   *pgx.Conn
	types  typeTable
}

func newCatalog(s *Source) *catalog { return &catalog{source: s, types: typeTable{}} }

// Close closes the connection, if there is one.
func (c *catalog) Close() {
	if c.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
		defer cancel()
		_ = c.conn.Close(ctx) // there is nothing left to lose
		c.conn = nil
	}
}

// db is the connection, opened when there is none.
func (c *catalog) db(ctx context.Context) (*pgx.Conn, error) {
	if c.conn != nil && !c.conn.IsClosed() {
		return c.conn, nil
	}
	conn, err := c.source.connect(ctx)
	if err != nil {
		return nil, err
	}
	c.conn = conn
	return conn, nil
}

// do calls f with the connection, for as long as database.query.timeout.ms. A connection that
// was idle may be closed by then, by the server or something between: f is then called again with
// a new one, unless it has got something already, which it says with began.
func (c *catalog) do(ctx context.Context, f func(ctx context.Context, db *pgx.Conn, began *bool) error) error {
	if limit := c.source.config.Timeout; limit > 0 {
		limited, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		ctx = limited
	}
	idle := c.conn
	db, err := c.db(ctx)
	if err != nil {
		return err
	}
	var began bool
	err = f(ctx, db, &began)
	if err == nil || db != idle || began || !db.IsClosed() || ctx.Err() != nil {
		return answer(err)
	}
	if db, err = c.db(ctx); err != nil {
		return err
	}
	return answer(f(ctx, db, &began))
}

// row reads one row.
func (c *catalog) row(ctx context.Context, sql string, args []any, into ...any) error {
	return c.do(ctx, func(ctx context.Context, db *pgx.Conn, _ *bool) error {
		return db.QueryRow(ctx, sql, args...).Scan(into...)
	})
}

// exec runs a statement.
func (c *catalog) exec(ctx context.Context, sql string) error {
	return c.do(ctx, func(ctx context.Context, db *pgx.Conn, _ *bool) error {
		_, err := db.Exec(ctx, sql)
		return err
	})
}

// each calls scan for each row.
func (c *catalog) each(ctx context.Context, sql string, args []any, scan func(pgx.Rows) error) error {
	return c.do(ctx, func(ctx context.Context, db *pgx.Conn, began *bool) error {
		rows, err := db.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			*began = true
			if err := scan(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

const relationsSQL = `
SELECT c.oid, n.nspname, c.relname, c.relkind = 'p', c.relispartition,
       coalesce(rn.nspname, ''), coalesce(r.relname, ''), c.relreplident::text,
       c.relpages::bigint, greatest(c.reltuples, 0)::bigint,
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_class r ON c.relispartition AND r.oid = pg_partition_root(c.oid)
LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY n.nspname, c.relname`

// captured are the tables that the configuration captures, partitions and their roots both.
func (c *catalog) captured(ctx context.Context, w *capture) ([]relation, error) {
	var tables []relation
	err := c.each(ctx, relationsSQL, nil, func(rows pgx.Rows) error {
		var r relation
		if err := rows.Scan(&r.id, &r.schema, &r.table, &r.parent, &r.partition, &r.root.schema, &r.root.table, &r.identity, &r.pages, &r.rows, &r.keyed); err != nil {
			return err
		}
		if w.relation(r) {
			tables = append(tables, r)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	return tables, nil
}

// root is the topmost partitioned table of a partition.
func (c *catalog) root(ctx context.Context, table uint32) (partition bool, root name, err error) {
	err = c.each(ctx, `SELECT n.nspname, r.relname FROM pg_class c
		JOIN pg_class r ON r.oid = pg_partition_root(c.oid) JOIN pg_namespace n ON n.oid = r.relnamespace
		WHERE c.oid = $1 AND c.relispartition`, []any{table}, func(rows pgx.Rows) error {
		partition = true
		return rows.Scan(&root.schema, &root.table)
	})
	return partition, root, err
}

const attributesSQL = `
SELECT a.attname, a.atttypid, a.atttypmod, a.attndims::int, a.attnotnull, format_type(a.atttypid, a.atttypmod), a.attgenerated <> '',
       a.atthasdef, coalesce(pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_attribute a
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum`

// attributes are the columns of a table as they are now.
func (c *catalog) attributes(ctx context.Context, table uint32) ([]attribute, error) {
	var columns []attribute
	err := c.each(ctx, attributesSQL, []any{table}, func(rows pgx.Rows) error {
		var a attribute
		if err := rows.Scan(&a.name, &a.typeID, &a.typmod, &a.dims, &a.notNull, &a.typeName, &a.generated, &a.hasDefault, &a.defaultExpr); err != nil {
			return err
		}
		columns = append(columns, a)
		return nil
	})
	return columns, err
}

const keySQL = `
SELECT ARRAY(SELECT a.attname::text
             FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, place)
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
             WHERE k.place <= i.indnkeyatts ORDER BY k.place)
FROM pg_index i
WHERE i.indrelid = $1 AND (i.indisprimary OR i.indisreplident)
ORDER BY i.indisprimary DESC LIMIT 1`

// key are the columns of the primary key, or else of the replica identity's index.
func (c *catalog) key(ctx context.Context, table uint32) ([]string, error) {
	var columns []string
	err := c.each(ctx, keySQL, []any{table}, func(rows pgx.Rows) error { return rows.Scan(&columns) })
	return columns, err
}

const typesSQL = `
SELECT t.oid, n.nspname, t.typname, t.typtype, t.typcategory, t.typdelim, t.typelem, t.typbasetype, t.typtypmod, t.typndims::int,
       ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder)
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE t.oid = ANY($1)`

// load reads the types and those that they refer to, unless they are known. A type that was
// dropped meanwhile stands as text.
func (c *catalog) load(ctx context.Context, ids []uint32) error {
	for len(ids) > 0 {
		ids = slices.DeleteFunc(slices.Clone(ids), func(id uint32) bool { return c.types[id] != nil })
		if len(ids) == 0 {
			return nil
		}
		var next []uint32
		err := c.each(ctx, typesSQL, []any{ids}, func(rows pgx.Rows) error {
			t := &pgType{}
			if err := rows.Scan(&t.id, &t.schema, &t.name, &t.kind, &t.category, &t.delim, &t.elem, &t.base, &t.baseMod, &t.dims, &t.labels); err != nil {
				return err
			}
			c.types[t.id] = t
			if t.array() {
				next = append(next, t.elem)
			}
			if t.base != 0 {
				next = append(next, t.base)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read the types: %w", err)
		}
		for _, id := range ids {
			if c.types[id] == nil {
				c.types[id] = &pgType{id: id, schema: "pg_catalog", name: "text", kind: 'b', category: 'S', delim: ','}
			}
		}
		ids = next
	}
	return nil
}

// forget makes load read user-defined types again.
func (c *catalog) forget() {
	for id := range c.types {
		if id >= firstUserOID {
			delete(c.types, id)
		}
	}
}

// firstUserOID is where PostgreSQL begins to number what users create.
const firstUserOID = 16384
