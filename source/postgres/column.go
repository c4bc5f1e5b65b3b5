package postgres

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"connectd/record"
)

// column is one column of the tuples of a table.
type column struct {
	name      string
	cell      int // in the cells of a tuple, -1 when the column is left out
	decode    decoder
	null      record.Value // for NULL: Null, or what Debezium writes for it
	absent    record.Value // in a row of which only the key is known
	unchanged record.Value // for a large value that did not change
}

// described is a column with what the table's schemas say of it.
type described struct {
	column
	schema  *record.Schema // in the key
	row     *record.Schema // in the row: the same, or with what is done to the values
	mask    *mask
	omitted bool
}

// masked makes the column's values masked, those that stand for others as well.
func (d *described) masked() {
	if d.mask == nil {
		return
	}
	d.decode = d.mask.decoder(d.decode)
	for _, v := range []*record.Value{&d.null, &d.absent, &d.unchanged} {
		d.mask.value(v, new(record.Batch))
	}
}

// maskedKey is a column of the key, which is masked in the row only.
type maskedKey struct {
	column int // in the key
	to     int // cell of the row
	mask   *mask
}

// maskKeys fills the cells of the row whose values the key has unmasked.
func (t *table) maskKeys(b *record.Batch, cells []record.Value) {
	for _, k := range t.masked {
		cells[k.to] = cells[t.columns[k.column].cell]
		k.mask.value(&cells[k.to], b)
	}
}

// column makes the schema and the decoder of one column.
func (c *catalog) column(ctx context.Context, r relation, col sent, attributes []attribute, all *forms) (*described, error) {
	a := find(attributes, col)
	f := all.of(c.types, c.types[col.typeID], col.typmod, a.dims)
	out := &described{column: column{name: col.name, unchanged: f.unchanged}, omitted: f.omitted}
	if out.omitted {
		return out, nil
	}
	schema := f.schema
	schema.Optional = !a.notNull
	out.schema = &schema
	out.decode = c.source.guarded(r.String()+"."+col.name, f.decode)
	if a.hasDefault && !a.generated && schema.Type != record.StructType && c.types[col.typeID].defaults() {
		value, err := c.defaultValue(ctx, a, f)
		if err != nil {
			return out, fmt.Errorf("read the default of %s.%s: %w", r, col.name, err)
		}
		if !value.IsNull() {
			schema.Default = &value
		}
	}
	if a.notNull {
		out.absent = f.zero
	}
	if schema.Default != nil && (a.notNull || all.debezium) {
		out.absent = *schema.Default
	}
	if all.debezium && !a.notNull {
		out.null = out.absent // Debezium's converter writes the default for NULL
	}
	if f.lost {
		absent := out.absent
		out.decode = func(v *record.Value, _ *record.Batch, _ []byte) error {
			*v = absent
			return nil
		}
	}
	c.describeRow(out, r, col, a, f)
	return out, nil
}

// describeRow makes the schema of the column in the row, which tells what is done to the values
// and what the column is in the database.
func (c *catalog) describeRow(out *described, r relation, col sent, a attribute, f form) {
	s, t := c.source, c.types[col.typeID]
	name := r.String() + "." + col.name
	length, _ := size(c.types, t, col.typmod)
	out.mask = s.mask(name, f, length, textual(c.types, t))
	out.row = out.schema
	tells := s.columnTypes.match(name) || s.dataTypes.match(r.String()+"."+typeName(t, a))
	if out.mask == nil && !tells {
		return
	}
	row := *out.schema
	if out.mask != nil {
		row.Name, row.Version, row.Params = out.mask.schema.Name, out.mask.schema.Version, out.mask.schema.Params
	}
	if tells {
		row.Params = append(slices.Clone(row.Params), sourceType(c.types, t, col.typmod, a, col.name)...)
	}
	out.row = &row
}

// defaults says whether the schema of a column of this type tells its default: Debezium's choice.
func (t *pgType) defaults() bool {
	switch t.name {
	case "bit", "varbit", "bool", "bpchar", "varchar", "text", "numeric", "float4", "float8", "int2", "int4", "int8",
		"json", "jsonb", "xml", "uuid", "date", "time", "timestamp", "timestamptz", "interval":
		return t.schema == "pg_catalog"
	}
	return t.kind == 'e'
}

// literalDefault matches a default that is a constant: a string, a number or a boolean, each
// possibly cast.
var literalDefault = regexp.MustCompile(`^\(?('([^']|'')*'|-?[0-9]+(\.[0-9]+)?|\(-[0-9]+(\.[0-9]+)?\)|true|false)\)?(::[a-zA-Z0-9_ ."(),\[\]]+)?$`)

// functionDefault matches a default that a function supplies.
var functionDefault = regexp.MustCompile(`(?i)^\(?[a-z0-9_.]+\(.*\)|^(current_timestamp|current_time|current_date|localtime|localtimestamp)$`)

// defaultValue is the value of a constant default, what Debezium has for a function, or Null for
// any other.
func (c *catalog) defaultValue(ctx context.Context, a attribute, f form) (record.Value, error) {
	expr := a.defaultExpr
	if strings.HasPrefix(expr, "NULL::") || expr == "NULL" {
		return record.Value{}, nil
	}
	switch {
	case literalDefault.MatchString(expr):
	case functionDefault.MatchString(expr):
		return f.initial, nil
	default:
		return record.Value{}, nil
	}
	var text []byte
	// %s is the type's own output, which the decoder reads.
	if err := c.row(ctx, "SELECT format('%s', CAST("+expr+" AS "+a.typeName+"))", nil, &text); err != nil {
		return record.Value{}, err
	}
	var v record.Value
	if err := f.decode(&v, new(record.Batch), text); err != nil {
		return record.Value{}, err
	}
	return v, nil
}
