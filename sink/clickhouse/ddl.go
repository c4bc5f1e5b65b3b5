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

// nullable is the type that holds what kind holds and NULL. Arrays and maps can not: a null is
// stored as the empty one.
func nullable(kind string) string {
	switch {
	case strings.HasPrefix(kind, "Array(") || strings.HasPrefix(kind, "Map("):
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
	i := slices.IndexFunc(*ws, func(w wish) bool { return w.name == name })
	if i < 0 {
		*ws = append(*ws, wish{name, kind, nullable})
		return
	}
	w := &(*ws)[i]
	w.nullable = w.nullable || nullable
	w.kind = widest(w.kind, kind)
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
func (c *client) createTable(name string, b *record.Batch, i int) (string, error) {
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
	keys := c.cfg.Keys
	if k := sample.Key; len(keys) == 0 && k.Value.Kind == record.Struct {
		for i, f := range k.Schema.Fields {
			keys = append(keys, f.Name)
			// A key column that is not in the value.
			kind := c.kindOf(f.Schema)
			if f.Schema.Type == record.AnyType {
				kind = c.inferred(&k.Value.Items[i])
			}
			if !slices.ContainsFunc(ws, func(w wish) bool { return w.name == f.Name }) {
				ws.add(f.Name, kind, false)
			}
		}
	}
	for _, k := range keys {
		i := slices.IndexFunc(ws, func(w wish) bool { return w.name == k })
		if i < 0 {
			return "", fmt.Errorf("create table %s: key column %q is in no field of the records of topic %s; correct pk.fields", name, k, topic)
		}
		ws[i].nullable = false
	}
	return c.createText(name, ws, keys), nil
}

func (c *client) createText(name string, ws wishes, keys []string) string {
	engine, order := c.cfg.Engine, c.cfg.OrderBy
	if engine == "" {
		engine = "MergeTree"
		if len(keys) > 0 {
			engine = "ReplacingMergeTree(" + quoteName(c.cfg.Version) + ", " + quoteName(c.cfg.Deleted) + ")"
		}
	}
	own := func(w wish) bool {
		return w.name == topicColumn || w.name == partitionColumn || w.name == offsetColumn ||
			w.name == c.cfg.Version || w.name == c.cfg.Deleted ||
			w.name == deletedField || slices.Contains(lsnFields[:], w.name)
	}
	ws = slices.DeleteFunc(slices.Clone(ws), own)
	var columns []string
	for _, w := range ws {
		columns = append(columns, w.definition())
	}
	if strings.Contains(engine, c.cfg.Version) {
		columns = append(columns, quoteName(c.cfg.Version)+" UInt64")
	}
	if strings.Contains(engine, c.cfg.Deleted) {
		columns = append(columns, quoteName(c.cfg.Deleted)+" UInt8")
	}
	if len(keys) == 0 || strings.Contains(order, offsetColumn) {
		columns = append(columns, topicColumn+" LowCardinality(String)", partitionColumn+" Int32", offsetColumn+" Int64")
	}
	if order == "" {
		order = strings.Join([]string{topicColumn, partitionColumn, offsetColumn}, ", ")
		if len(keys) > 0 {
			quoted := make([]string, len(keys))
			for i, k := range keys {
				quoted[i] = quoteName(k)
			}
			order = strings.Join(quoted, ", ")
		}
	}
	sql := "CREATE TABLE IF NOT EXISTS " + quoteName(c.cfg.Database) + "." + quoteName(name) + c.onCluster() +
		" (" + strings.Join(columns, ", ") + ") ENGINE = " + engine
	if c.cfg.PartitionBy != "" {
		sql += " PARTITION BY " + c.cfg.PartitionBy
	}
	sql += " ORDER BY (" + order + ")"
	if c.cfg.TTL != "" {
		sql += " TTL " + c.cfg.TTL
	}
	settings := c.cfg.TableOpts
	if strings.Contains(engine, "MergeTree") && !strings.HasPrefix(engine, "Replicated") && !strings.HasPrefix(engine, "Shared") &&
		!strings.Contains(settings, "non_replicated_deduplication_window") {
		if settings != "" {
			settings += ", "
		}
		settings += "non_replicated_deduplication_window = " + strconv.Itoa(dedupWindow)
	}
	if settings != "" {
		sql += " SETTINGS " + settings
	}
	return sql
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
		m := t.mapping(r, w.cfg.Keys)
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
	w.log.Info("columns added", "table", t.name, "columns", names)
	return w.refresh(ctx, t)
}
