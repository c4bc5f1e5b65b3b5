package clickhouse

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"connectd/connect"
	"connectd/record"
)

// wish is a column that records ask for.
type wish struct {
	name     string
	kind     string // empty while only nulls were seen
	nullable bool
}

func (w wish) definition() string {
	kind := w.kind
	if kind == "" {
		kind = "String"
	}
	if w.nullable {
		kind = nullable(kind)
	}
	return quoteName(w.name) + " " + kind
}

// nullable is the type that holds what kind holds and NULL. Arrays, maps and tuples can not: a null
// is stored as the empty one, and as a tuple of NULLs.
func nullable(kind string) string {
	switch {
	case strings.HasPrefix(kind, "Array("), strings.HasPrefix(kind, "Map("), strings.HasPrefix(kind, "Tuple("):
		return kind
	case strings.HasPrefix(kind, "LowCardinality("):
		return "LowCardinality(Nullable(" + kind[len("LowCardinality("):] + ")"
	}
	return "Nullable(" + kind + ")"
}

// wishes are the columns that the records of one topic ask for, in the order of their first
// appearance.
type wishes []wish

// add takes one more field, and widens what is there when the two differ.
func (ws *wishes) add(name, kind string, nullable bool) {
	i := ws.index(name)
	if i < 0 {
		*ws = append(*ws, wish{name, kind, nullable})
		return
	}
	w := &(*ws)[i]
	w.nullable = w.nullable || nullable
	w.kind = widest(w.kind, kind)
}

func (ws wishes) index(name string) int {
	return slices.IndexFunc(ws, func(w wish) bool { return w.name == name })
}

// widest is a type that holds the values of both.
func widest(a, b string) string {
	switch {
	case a == b, b == "":
		return a
	case a == "":
		return b
	case a == "Int64" && b == inferredNumber, a == inferredNumber && b == "Int64":
		return inferredNumber
	}
	return "String"
}

// fields adds the fields of the struct d that the filter lets through.
func (c *client) fields(ws *wishes, d record.Datum, wanted func(name string) bool) {
	for i, f := range d.Schema.Fields {
		if !wanted(f.Name) {
			continue
		}
		if f.Schema.Type == record.AnyType {
			ws.add(f.Name, c.inferred(&d.Value.Items[i]), true)
		} else {
			ws.add(f.Name, c.kindOf(f.Schema), f.Schema.Optional)
		}
	}
}

// fresh is true for a schema that has not been looked at yet, and for every value whose schema
// does not say what its fields are.
type fresh map[*record.Schema]bool

func (f fresh) look(s *record.Schema) bool {
	if !f[s] {
		f[s] = true
		return true
	}
	return slices.ContainsFunc(s.Fields, func(f record.Field) bool { return f.Schema.Type == record.AnyType })
}

// createTable is the statement that creates the table of the i-th record, from it and from all
// the records of its topic behind it in the batch. It is empty when they are all tombstones.
func (c *client) createTable(at place, b *record.Batch, i int) (string, error) {
	var ws wishes
	topic, seen := b.Records[i].Topic, make(fresh)
	var sample *record.Record
	all := func(string) bool { return true }
	for j := i; j < len(b.Records); j++ {
		r := &b.Records[j]
		if r.Topic != topic || r.Value.Value.Kind != record.Struct {
			continue
		}
		if sample == nil {
			sample = r
		}
		if seen.look(r.Value.Schema) {
			c.fields(&ws, r.Value, all)
		}
	}
	if sample == nil {
		return "", nil
	}
	keys, err := c.keyColumns(&ws, sample)
	if err != nil {
		return "", fmt.Errorf("create table %s: topic %s: %w", at.table, topic, err)
	}
	return c.createText(at, ws, keys), nil
}

// keyColumns are the names of the key columns, which are made non-null in ws: those of pk.fields,
// or the fields of the record's key.
func (c *client) keyColumns(ws *wishes, r *record.Record) ([]string, error) {
	keys := c.cfg.Keys
	if r.Key.Value.Kind == record.Struct {
		var names []string
		for _, f := range r.Key.Schema.Fields {
			names = append(names, f.Name)
		}
		// Columns that are in the key only.
		c.fields(ws, r.Key, func(name string) bool { return ws.index(name) < 0 })
		if len(keys) == 0 {
			keys = names
		}
	}
	for _, k := range keys {
		i := ws.index(k)
		if i < 0 {
			return nil, fmt.Errorf("key column %q is in no field of the records; correct pk.fields", k)
		}
		(*ws)[i].nullable = false
	}
	return keys, nil
}

// createText is CREATE TABLE with the columns of ws, by the templates of the settings.
func (c *client) createText(at place, ws wishes, keys []string) string {
	engine, order := c.engine(keys), c.orderBy(keys)
	columns := append(c.definitions(ws), c.ownColumns(engine, order)...)
	sql := "CREATE TABLE IF NOT EXISTS " + at.quoted() + c.onCluster() +
		" (" + strings.Join(columns, ", ") + ") ENGINE = " + engine
	if c.cfg.PartitionBy != "" {
		sql += " PARTITION BY " + c.cfg.PartitionBy
	}
	sql += " ORDER BY (" + order + ")"
	if c.cfg.TTL != "" {
		sql += " TTL " + c.cfg.TTL
	}
	if settings := c.tableSettings(engine); settings != "" {
		sql += " SETTINGS " + settings
	}
	return sql
}

func (c *client) engine(keys []string) string {
	prefix := ""
	if c.cfg.Replicated {
		prefix = "Replicated"
	}
	switch {
	case c.cfg.Engine != "":
		return c.cfg.Engine
	case len(keys) > 0:
		return prefix + "ReplacingMergeTree(" + quoteName(c.cfg.Version) + ", " + quoteName(c.cfg.Deleted) + ")"
	}
	return prefix + "MergeTree"
}

func (c *client) orderBy(keys []string) string {
	switch {
	case c.cfg.OrderBy != "":
		return c.cfg.OrderBy
	case len(keys) == 0:
		return strings.Join([]string{topicColumn, partitionColumn, offsetColumn}, ", ")
	}
	quoted := make([]string, len(keys))
	for i, k := range keys {
		quoted[i] = quoteName(k)
	}
	return strings.Join(quoted, ", ")
}

// definitions are the columns for the fields. Those that the sink fills itself are left out, and
// so are the fields that the version and delete columns are made of.
func (c *client) definitions(ws wishes) []string {
	own := []string{topicColumn, partitionColumn, offsetColumn, c.cfg.Version, c.cfg.Deleted, deletedField}
	own = append(own, lsnFields[:]...)
	var columns []string
	for _, w := range ws {
		if !slices.Contains(own, w.name) {
			columns = append(columns, w.definition())
		}
	}
	return columns
}

// ownColumns are the columns that the sink fills itself, as far as engine and sorting key name
// them.
func (c *client) ownColumns(engine, order string) []string {
	var columns []string
	if strings.Contains(engine, c.cfg.Version) {
		columns = append(columns, quoteName(c.cfg.Version)+" UInt64")
	}
	if strings.Contains(engine, c.cfg.Deleted) {
		columns = append(columns, quoteName(c.cfg.Deleted)+" UInt8")
	}
	if strings.Contains(order, offsetColumn) {
		columns = append(columns, topicColumn+" LowCardinality(String)", partitionColumn+" Int32", offsetColumn+" Int64")
	}
	return columns
}

// tableSettings are the settings of a created table: the user's, and a deduplication window.
func (c *client) tableSettings(engine string) string {
	settings := c.cfg.TableOpts
	const window = "non_replicated_deduplication_window"
	if !strings.Contains(engine, "MergeTree") || replicated(engine) || strings.Contains(settings, window) {
		return settings
	}
	if settings != "" {
		settings += ", "
	}
	return settings + window + " = " + strconv.Itoa(dedupWindow)
}

// replicated says whether an engine deduplicates for all replicas, with a window by default.
func replicated(engine string) bool {
	return strings.HasPrefix(engine, "Replicated") || strings.HasPrefix(engine, "Shared")
}

// evolve adds the columns that the i-th record needs and t has not, and those that the records of
// its topic behind it in the batch need.
func (w *Writer) evolve(ctx context.Context, t *table, b *record.Batch, i int) error {
	// Another writer may have added them already.
	if err := w.refresh(ctx, t); err != nil {
		return err
	}
	var ws wishes
	topic, seen := b.Records[i].Topic, make(fresh)
	for j := i; j < len(b.Records); j++ {
		r := &b.Records[j]
		if r.Topic != topic || r.Value.Value.Kind != record.Struct || !seen.look(r.Value.Schema) {
			continue
		}
		m := t.mapping(r, w.cfg)
		if len(m.missing) > 0 && m.unknown(r) {
			missing := make(map[string]bool)
			for _, f := range m.missing {
				missing[r.Value.Schema.Fields[f].Name] = true
			}
			w.fields(&ws, r.Value, func(name string) bool { return missing[name] })
		}
	}
	if len(ws) == 0 {
		return nil
	}
	var adds, names []string
	for _, wish := range ws {
		// Rows that are there already have no value for it.
		wish.nullable = true
		if wish.kind == "" {
			continue
		}
		adds = append(adds, "ADD COLUMN IF NOT EXISTS "+wish.definition())
		names = append(names, wish.name)
	}
	ddl := "ALTER TABLE " + t.quoted + w.onCluster() + " " + strings.Join(adds, ", ")
	if !w.cfg.Evolve {
		r := &b.Records[i]
		return connect.Permanent(fmt.Errorf("the record at %s-%d offset %d has fields for which table %s has no column: %s; set auto.evolve: true, leave them out by a transform, or run %s",
			r.Topic, r.Partition, r.Offset, t.quoted, strings.Join(names, ", "), ddl))
	}
	if err := w.exec(ctx, ddl); err != nil {
		return w.explain("run "+ddl, err)
	}
	w.log.Info("columns added", "table", t.table, "columns", names)
	return w.refresh(ctx, t)
}
