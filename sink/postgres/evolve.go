package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"connectd/connect"
	"connectd/record"
)

// tableFor is the table with a column for each of fields. What is missing is created where
// auto.create and auto.evolve allow it; else the error has the statement that would. nil is a
// table that does not exist and that there is only something to delete from. A field that nothing
// is known of but null waits for its first value.
func (w *Writer) tableFor(ctx context.Context, n name, fields []field, tombstone bool) (*table, error) {
	s := w.sink
	t := s.catalog.get(n)
	if t != nil && len(s.missing(t, fields)) == 0 {
		return t, nil
	}
	c, err := s.pool.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer s.pool.release(c)
	// Somebody else may have made the table or the column since it was read.
	if t, err = s.readTable(ctx, c, n); err != nil {
		return nil, err
	}
	if t == nil {
		if tombstone && s.cfg.AutoCreate {
			return nil, nil
		}
		if err := s.create(ctx, c, n, fields); err != nil {
			return nil, err
		}
	} else if missing := s.missing(t, fields); len(missing) == 0 {
		return t, nil
	} else if err := s.evolve(ctx, c, t, missing); err != nil {
		return nil, err
	}
	if t, err = s.readTable(ctx, c, n); err == nil && t == nil {
		err = fmt.Errorf("table %s was dropped in the same moment", n)
	}
	return t, err
}

func (s *Sink) readTable(ctx context.Context, c *conn, n name) (*table, error) {
	t, err := s.catalog.read(ctx, c, n)
	return t, s.explain(fmt.Sprintf("read the columns of table %s", n), err)
}

// missing is the fields that have a value and no column.
func (s *Sink) missing(t *table, fields []field) []field {
	var out []field
	for _, f := range fields {
		if t.find(s.cfg.columnOf(&f)) == nil && f.declared() != "" {
			out = append(out, f)
		}
	}
	return out
}

// create makes the table, with the key's fields as its primary key.
func (s *Sink) create(ctx context.Context, c *conn, n name, fields []field) error {
	var lines, key []string
	for _, f := range fields {
		declared := f.declared()
		if declared == "" {
			continue
		}
		line := quote(s.cfg.columnOf(&f)) + " " + declared
		if f.key {
			key = append(key, quote(s.cfg.columnOf(&f)))
			line += " NOT NULL"
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return unfitf("table %s does not exist, and all fields are null, so their types are unknown", n)
	}
	if len(key) > 0 {
		lines = append(lines, "PRIMARY KEY ("+strings.Join(key, ", ")+")")
	}
	ddl := "CREATE TABLE IF NOT EXISTS " + n.String() + " (" + strings.Join(lines, ", ") + ")"
	if !s.cfg.AutoCreate {
		return connect.Permanent(fmt.Errorf("table %s does not exist; set auto.create: true, or run: %s", n, ddl))
	}
	return s.change(ctx, c, n, ddl)
}

// evolve adds a column for each of fields, all in one statement.
func (s *Sink) evolve(ctx context.Context, c *conn, t *table, fields []field) error {
	var add, names []string
	for _, f := range fields {
		if f.from == fromValue && f.at == wholeValue {
			return unfitf("the value is not an object with fields, and table %s has no column %q for it; name one in string.output.value.column.name", t.name, f.name)
		}
		if slices.Contains(t.generated, s.cfg.columnOf(&f)) {
			return connect.Permanent(fmt.Errorf("column %q of table %s is generated: PostgreSQL computes it and takes no value; leave field %q out with field.exclude.list", s.cfg.columnOf(&f), t.name, f.name))
		}
		if f.key {
			return connect.Permanent(fmt.Errorf("table %s has no column %q, which is part of the key; a key's column can not be added to a table that has rows", t.name, f.name))
		}
		line, err := s.addColumn(t, f)
		if err != nil {
			return err
		}
		add = append(add, line)
		names = append(names, f.name)
	}
	ddl := "ALTER TABLE " + t.name.String() + " " + strings.Join(add, ", ")
	if !s.cfg.AutoEvolve {
		return connect.Permanent(fmt.Errorf("table %s has no column for the fields %q; set auto.evolve: true, leave them out with field.exclude.list, or run: %s", t.name, names, ddl))
	}
	return s.change(ctx, c, t.name, ddl)
}

// addColumn is the ADD COLUMN of one field. The rows that are there get the field's default.
func (s *Sink) addColumn(t *table, f field) (string, error) {
	line := "ADD COLUMN IF NOT EXISTS " + quote(s.cfg.columnOf(&f)) + " " + f.declared()
	if f.schema == nil || f.schema.Type == record.AnyType || f.from != fromValue {
		return line, nil
	}
	if f.schema.Default == nil || f.schema.Default.IsNull() {
		if f.schema.Optional {
			return line, nil
		}
		return "", connect.Permanent(fmt.Errorf("the new field %q is required and has no default, so the rows of table %s would have no value for it; give it a default at the source, or run: ALTER TABLE %s ADD COLUMN %s %s",
			f.name, t.name, t.name, quote(s.cfg.columnOf(&f)), f.declared()))
	}
	enc := encoder{location: s.cfg.location}
	kind := f.typ()
	text, err := enc.field(nil, &kind, f.schema, f.schema.Default)
	if err != nil {
		return "", connect.Permanent(fmt.Errorf("the default of the new field %q: %w", f.name, err))
	}
	// The escapes of COPY's text format are those of E'' too.
	return line + " DEFAULT E'" + strings.ReplaceAll(string(text), "'", "''") + "'", nil
}

// change runs DDL in a transaction of its own: a table that is there too early does no harm, and
// a race with another task must not undo a flush.
func (s *Sink) change(ctx context.Context, c *conn, n name, ddl string) error {
	_, err := c.Exec(ctx, ddl, pgx.QueryExecModeSimpleProtocol)
	if err != nil && !isRace(err) {
		return s.explain("run "+ddl, err)
	}
	s.log.Info("changed table", "table", n.String(), "statement", ddl, "raced", err != nil)
	return nil
}

// declared is the column type for a field, as SQL writes it; "" while nothing is known of it.
func (f *field) declared() string {
	if f.schema == nil || f.schema.Type == record.AnyType {
		return inferred[f.sample]
	}
	return declaredFor(f.schema)
}

// typ is what declared means.
func (f *field) typ() typ {
	base, _, _ := strings.Cut(f.declared(), "(")
	if elem, ok := strings.CutSuffix(base, "[]"); ok {
		of := typ{form: formOf(elem)}
		return typ{form: arrayForm, elem: &of}
	}
	return typ{form: formOf(base)}
}

func formOf(declared string) form {
	for form, name := range formNames {
		if name == declared {
			return form
		}
	}
	return otherForm
}

// inferred is the column type for data without a schema.
var inferred = map[record.Kind]string{
	record.Bool: "boolean", record.Int: "bigint", record.Float: "double precision", record.Number: "numeric",
	record.String: "text", record.Bytes: "bytea", record.JSON: "jsonb", record.Struct: "jsonb", record.Array: "jsonb", record.Map: "jsonb",
}

var logical = map[string]string{
	record.VariableScaleName: "numeric",
	record.DateName:          "date", record.ConnectDate: "date",
	record.TimeName: "time", record.MicroTimeName: "time", record.NanoTimeName: "time", record.ConnectTime: "time",
	record.TimestampName: "timestamp", record.MicroTimestampName: "timestamp", record.NanoTimestampName: "timestamp", record.ConnectTimestamp: "timestamp",
	record.ZonedTimestampName: "timestamptz", record.ZonedTimeName: "timetz", record.MicroDurationName: "interval",
	record.UUIDName: "uuid", record.JSONName: "jsonb", record.XMLName: "xml", record.EnumName: "text", record.BitsName: "bit varying",
	"io.debezium.data.Ltree": "ltree", "io.debezium.time.Interval": "interval",
	"io.debezium.data.geometry.Geometry": "geometry", "io.debezium.data.geometry.Geography": "geography", "io.debezium.data.geometry.Point": "point",
}

var plainTypes = map[record.Type]string{
	record.Int8Type: "smallint", record.Int16Type: "smallint", record.Int32Type: "integer", record.Int64Type: "bigint",
	record.Float32Type: "real", record.Float64Type: "double precision", record.BoolType: "boolean",
	record.StringType: "text", record.BytesType: "bytea", record.MapType: "jsonb", record.StructType: "jsonb",
}

// declaredFor is the column type for a schema.
func declaredFor(s *record.Schema) string {
	if s.Name == record.DecimalName {
		precision, scale := s.Param("connect.decimal.precision"), s.Param("scale")
		if precision == "" || scale == "" {
			return "numeric"
		}
		return "numeric(" + precision + "," + scale + ")"
	}
	if t, ok := logical[s.Name]; ok {
		return t
	}
	if s.Type != record.ArrayType {
		return plainTypes[s.Type]
	}
	if s.Elem == nil || s.Elem.Type == record.AnyType || s.Elem.Type == record.StructType || s.Elem.Type == record.MapType {
		return "jsonb"
	}
	elem := s.Elem
	for elem.Type == record.ArrayType && elem.Elem != nil {
		elem = elem.Elem // PostgreSQL's arrays have any number of dimensions
	}
	return declaredFor(elem) + "[]"
}
