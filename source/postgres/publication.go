package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"connectd/connect"
)

// publish sees to it that the publication exists and has the captured tables.
func (s *Source) publish(ctx context.Context, c *catalog, tables []relation) error {
	name := s.config.Publication
	all, exists, err := s.publication(ctx, c)
	if err != nil {
		return fmt.Errorf("read publication %q: %w", name, err)
	}
	if !exists {
		return s.createPublication(ctx, c, tables)
	}
	if all || s.config.Autocreate != "filtered" {
		return nil
	}
	s.joined, err = s.alterPublication(ctx, c, published(tables))
	return err
}

// publication says whether the publication is for all tables, and whether it exists.
func (s *Source) publication(ctx context.Context, c *catalog) (all, exists bool, err error) {
	err = c.each(ctx, "SELECT puballtables FROM pg_publication WHERE pubname = $1", []any{s.config.Publication}, func(rows pgx.Rows) error {
		exists = true
		return rows.Scan(&all)
	})
	return all, exists, err
}

// published are the tables to name in the publication: a partitioned table stands for its
// partitions, those to come as well.
func published(tables []relation) []relation {
	roots := map[name]bool{}
	for _, r := range tables {
		if r.parent && !r.partition {
			roots[name{r.schema, r.table}] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(tables), func(r relation) bool {
		return r.partition && roots[r.root]
	})
}

func (s *Source) createPublication(ctx context.Context, c *catalog, tables []relation) error {
	create := "CREATE PUBLICATION " + identifier(s.config.Publication)
	switch s.config.Autocreate {
	case "disabled":
		return connect.Permanent(fmt.Errorf("publication %q does not exist, and publication.autocreate.mode is disabled; run %s FOR TABLE %s", s.config.Publication, create, tableList(published(tables))))
	case "all_tables":
		create += " FOR ALL TABLES"
	case "filtered":
		create += " FOR TABLE " + tableList(published(tables))
	}
	create += " WITH (publish = '" + s.capture.publish() + "'"
	if s.config.ViaRoot {
		create += ", publish_via_partition_root = true"
	}
	create += ")"
	if err := c.exec(ctx, create); err != nil {
		return s.denied(fmt.Errorf("create publication %q: %w", s.config.Publication, err), create)
	}
	s.log.Info("publication created", "publication", s.config.Publication, "mode", s.config.Autocreate)
	return nil
}

// alterPublication makes the publication's tables the wanted ones, and returns those that were
// missing. Tables too many do no harm, so a role that may not remove them is no error. A publication
// whose tables have row filters or column lists, or which has whole schemas, only gets what is missing:
// to set its tables would take those away.
func (s *Source) alterPublication(ctx context.Context, c *catalog, want []relation) (missing []relation, err error) {
	var have []string
	restricted := false
	err = c.each(ctx, `SELECT n.nspname || '.' || c.relname, to_jsonb(r) ->> 'prqual' IS NOT NULL OR to_jsonb(r) ->> 'prattrs' IS NOT NULL FROM pg_publication p
		JOIN pg_publication_rel r ON r.prpubid = p.oid JOIN pg_class c ON c.oid = r.prrelid
		JOIN pg_namespace n ON n.oid = c.relnamespace WHERE p.pubname = $1`, []any{s.config.Publication}, func(rows pgx.Rows) error {
		var table string
		var some bool
		err := rows.Scan(&table, &some)
		have, restricted = append(have, table), restricted || some
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the tables of publication %q: %w", s.config.Publication, err)
	}
	schemas, err := s.publishedSchemas(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("read the schemas of publication %q: %w", s.config.Publication, err)
	}
	restricted = restricted || len(schemas) > 0
	missing = slices.DeleteFunc(slices.Clone(want), func(r relation) bool {
		return slices.Contains(have, r.String()) || slices.Contains(schemas, r.schema)
	})
	if len(missing) == 0 && (len(have) == len(want) || restricted) {
		return nil, nil
	}
	alter := "ALTER PUBLICATION " + identifier(s.config.Publication) + " SET TABLE " + tableList(want)
	if restricted {
		alter = "ALTER PUBLICATION " + identifier(s.config.Publication) + " ADD TABLE " + tableList(missing)
	}
	if err := c.exec(ctx, alter); err != nil {
		if len(missing) == 0 && deniedCode(err) {
			return nil, nil
		}
		return nil, s.denied(fmt.Errorf("add %d tables to publication %q: %w", len(missing), s.config.Publication, err), alter)
	}
	s.log.Info("publication altered", "publication", s.config.Publication, "tables", len(want))
	return missing, nil
}

// publishedSchemas are the schemas of which the publication has every table (PostgreSQL 15).
func (s *Source) publishedSchemas(ctx context.Context, c *catalog) (schemas []string, err error) {
	var can bool
	err = c.row(ctx, "SELECT to_regclass('pg_catalog.pg_publication_namespace') IS NOT NULL", nil, &can)
	if err != nil || !can {
		return nil, err
	}
	err = c.each(ctx, `SELECT n.nspname FROM pg_publication p JOIN pg_publication_namespace s ON s.pnpubid = p.oid
		JOIN pg_namespace n ON n.oid = s.pnnspid WHERE p.pubname = $1`, []any{s.config.Publication}, func(rows pgx.Rows) error {
		var schema string
		err := rows.Scan(&schema)
		schemas = append(schemas, schema)
		return err
	})
	return schemas, err
}

// restrict gives each table what the publication sends of it, so that a snapshot reads no row and
// no column that the stream would not have.
func (s *Source) restrict(ctx context.Context, c *catalog, tables []relation) error {
	// attnames and rowfilter came with PostgreSQL 15, which lists generated columns that it does not
	// send; 18 sends those that it lists.
	const sql = `SELECT schemaname, tablename, ARRAY(SELECT n FROM jsonb_array_elements_text(coalesce(to_jsonb(p) -> 'attnames', '[]')) n
			WHERE current_setting('server_version_num')::int >= 180000 OR NOT EXISTS (SELECT FROM pg_attribute
				WHERE attrelid = format('%I.%I', schemaname, tablename)::regclass AND attname = n AND attgenerated <> '')),
			coalesce(to_jsonb(p) ->> 'rowfilter', '')
		FROM pg_publication_tables p WHERE pubname = $1`
	err := c.each(ctx, sql, []any{s.config.Publication}, func(rows pgx.Rows) error {
		var n name
		var columns []string
		var filter string
		if err := rows.Scan(&n.schema, &n.table, &columns, &filter); err != nil {
			return err
		}
		i := slices.IndexFunc(tables, func(r relation) bool { return r.schema == n.schema && r.table == n.table })
		if i < 0 {
			return nil
		}
		tables[i].filter = filter
		if len(columns) > 0 {
			tables[i].columns = columns
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the tables of publication %q: %w", s.config.Publication, err)
	}
	return nil
}

// readViaRoot asks whether the publication sends changes of partitions as those of their root.
func (s *Source) readViaRoot(ctx context.Context, c *catalog) error {
	err := c.row(ctx, "SELECT pubviaroot FROM pg_publication WHERE pubname = $1", []any{s.config.Publication}, &s.viaRoot)
	if err != nil {
		return fmt.Errorf("read publication %q: %w", s.config.Publication, err)
	}
	return nil
}

// denied adds the statement that somebody with the rights may run instead.
func (s *Source) denied(err error, statement string) error {
	if deniedCode(err) {
		return connect.Permanent(fmt.Errorf("%w; let the owner of the tables run %s", err, statement))
	}
	return err
}

func deniedCode(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "42501"
}

func tableList(tables []relation) string {
	names := make([]string, len(tables))
	for i, r := range tables {
		names[i] = r.sql()
		if !r.parent {
			names[i] = "ONLY " + names[i]
		}
	}
	return strings.Join(names, ", ")
}
