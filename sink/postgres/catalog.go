package postgres

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"connectd/connect"
)

// maxIdentifier is how long a PostgreSQL name may be: longer ones are cut off without an error.
const maxIdentifier = 63

// table is what the catalog said about a table when it was read. It does not change; a changed
// table is read again.
type table struct {
	name      name
	columns   []*column
	generated []string   // columns that PostgreSQL computes
	binary    bool       // every column has a binary form that we know
	unique    [][]string // columns of each unique index that ON CONFLICT may name, the primary key first
}

// column is one column that may be written.
type column struct {
	index    int // in table.columns
	name     string
	declared string // its type as SQL writes it: numeric(12,2)
	typ      typ
	typed    string // its name, the oid of its type and the type's modifier
	required bool   // not null, and without a default
	nullable bool
	identity bool // GENERATED … AS IDENTITY
}

// find is the column of a field: by its exact name, or else by its name in another case when that
// is only one. nil when there is none.
func (t *table) find(field string) *column {
	var folded *column
	for _, c := range t.columns {
		if c.name == field {
			return c
		}
		if strings.EqualFold(c.name, field) {
			if folded != nil {
				return nil
			}
			folded = c
		}
	}
	return folded
}

// hasKey says whether a unique index is on exactly these columns.
func (t *table) hasKey(columns []string) bool {
	want := slices.Sorted(slices.Values(columns))
	return slices.ContainsFunc(t.unique, func(index []string) bool {
		return slices.Equal(want, slices.Sorted(slices.Values(index)))
	})
}

// catalog keeps the tables that the writers of a sink have asked for.
type catalog struct {
	version atomic.Int64 // counts the tables that were read or forgotten

	mu      sync.Mutex
	tables  map[name]*table
	drifted map[name]int // refusals in a row that reading the table again should have cured
	sets    map[*table]map[string]*columnSet
}

func newCatalog() *catalog {
	return &catalog{tables: map[name]*table{}, drifted: map[name]int{}, sets: map[*table]map[string]*columnSet{}}
}

// get is the table as it was last read, or nil.
func (k *catalog) get(n name) *table {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.tables[n]
}

// set is the set of these columns of t, one for all writers: staging tables are made for sets.
func (k *catalog) set(t *table, columns []*column) *columnSet {
	k.mu.Lock()
	defer k.mu.Unlock()
	sets := k.sets[t]
	if sets == nil {
		sets = map[string]*columnSet{}
		k.sets[t] = sets
	}
	id := setKey(columns)
	if sets[id] == nil {
		sets[id] = &columnSet{table: t, columns: columns}
	}
	return sets[id]
}

// drop needs mu.
func (k *catalog) drop(n name) {
	k.version.Add(1)
	delete(k.sets, k.tables[n])
	delete(k.tables, n)
}

// drift forgets the table because the server has refused what the catalog says. again is false
// when reading it again has not helped before.
func (k *catalog) drift(n name) (again bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop(n)
	k.drifted[n]++
	return k.drifted[n] <= maxDrift
}

// maxDrift is how often in a row a table is read again before the error is final.
const maxDrift = 3

// wrote notes that the table is as the catalog says.
func (k *catalog) wrote(n name) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.drifted, n)
}

// read reads the table from the server; nil when it does not exist. It is the same one as before when
// nothing of it has changed.
func (k *catalog) read(ctx context.Context, c *conn, n name) (*table, error) {
	if len(n.table) > maxIdentifier || len(n.schema) > maxIdentifier {
		return nil, connect.Permanent(fmt.Errorf("table %s has a name of more than %d bytes, which PostgreSQL would cut off; name it in topics.to.tables.mapping", n, maxIdentifier))
	}
	var oid uint32
	var kind string
	err := c.QueryRow(ctx, "SELECT oid::oid, relkind::text FROM pg_class WHERE oid = to_regclass($1)", n.String()).Scan(&oid, &kind)
	if errors.Is(err, pgx.ErrNoRows) {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.tables[n] != nil {
			k.drop(n)
		}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if kind != "r" && kind != "p" && kind != "f" {
		return nil, connect.Permanent(fmt.Errorf("%s is not a table but a %s; write to its table, named in topics.to.tables.mapping", n, kinds[kind]))
	}
	t := &table{name: n, binary: true}
	const generated = "SELECT coalesce(array_agg(attname::text), '{}') FROM pg_attribute WHERE attrelid = $1 AND attgenerated <> '' AND NOT attisdropped"
	if err := c.QueryRow(ctx, generated, oid).Scan(&t.generated); err != nil {
		return nil, err
	}
	if err := t.readColumns(ctx, c, oid); err != nil {
		return nil, err
	}
	if err := t.readKeys(ctx, c, oid); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if same := k.tables[n]; reflect.DeepEqual(same, t) {
		return same, nil
	}
	k.drop(n)
	k.tables[n] = t
	return t, nil
}

var kinds = map[string]string{"v": "view", "m": "materialized view", "S": "sequence", "c": "composite type", "i": "index", "I": "index", "t": "TOAST table"}

// A domain is followed to its base type; the outermost type modifier counts.
const columnsQuery = `
WITH RECURSIVE base AS (
	SELECT attnum, atttypid AS typid, atttypmod AS typmod
	FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
	UNION ALL
	SELECT b.attnum, t.typbasetype, CASE WHEN b.typmod = -1 THEN t.typtypmod ELSE b.typmod END
	FROM base b JOIN pg_type t ON t.oid = b.typid WHERE t.typtype = 'd'
)
SELECT a.attname::text, concat_ws(':', a.attname, a.atttypid, a.atttypmod), format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef, a.attidentity <> '',
	t.typname::text, t.typtype = 'e', b.typmod, t.typcategory = 'A' AND e.oid IS NOT NULL, coalesce(e.typname::text, '')
FROM base b
JOIN pg_attribute a ON a.attrelid = $1 AND a.attnum = b.attnum
JOIN pg_type t ON t.oid = b.typid AND t.typtype <> 'd'
LEFT JOIN pg_type e ON e.oid = t.typelem
ORDER BY a.attnum`

func (t *table) readColumns(ctx context.Context, c *conn, oid uint32) error {
	rows, err := c.Query(ctx, columnsQuery, oid)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		col := &column{index: len(t.columns)}
		var notNull, hasDefault, enum, array bool
		var typname, elem string
		var mod int32
		if err := rows.Scan(&col.name, &col.typed, &col.declared, &notNull, &hasDefault, &col.identity, &typname, &enum, &mod, &array, &elem); err != nil {
			return err
		}
		col.nullable = !notNull
		col.required = notNull && !hasDefault && !col.identity
		switch {
		case array:
			of := newTyp(elem, mod)
			col.typ = typ{form: arrayForm, elem: &of}
		case enum:
			col.typ = typ{form: enumForm}
		default:
			col.typ = newTyp(typname, mod)
		}
		t.binary = t.binary && col.typ.form.hasBinary()
		t.columns = append(t.columns, col)
	}
	return rows.Err()
}

// ON CONFLICT can not infer partial, deferrable or expression indexes.
const keysQuery = `
SELECT array_agg(a.attname::text ORDER BY a.attnum)
FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])
WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
GROUP BY i.indexrelid, i.indisprimary ORDER BY i.indisprimary DESC, i.indexrelid`

func (t *table) readKeys(ctx context.Context, c *conn, oid uint32) error {
	rows, err := c.Query(ctx, keysQuery, oid)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var columns []string
		if err := rows.Scan(&columns); err != nil {
			return err
		}
		t.unique = append(t.unique, columns)
	}
	return rows.Err()
}
