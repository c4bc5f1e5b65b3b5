package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"connectd/connect"
)

var _ connect.Checker = (*Source)(nil)

// Check connects and looks at everything that would stop the connector or make it lose
// something. Each finding is a sentence with what mends it; permanent, unless it may mend itself.
func (s *Source) Check(ctx context.Context) error {
	c := newCatalog(s)
	defer c.Close()
	if _, err := s.server(ctx, c); err != nil {
		return s.classify(err)
	}
	tables, err := c.captured(ctx, s.capture)
	if err != nil {
		return s.classify(err)
	}
	var all findings
	for _, check := range []func(context.Context, *catalog, []relation) ([]error, error){
		s.checkTables, s.checkRole, s.checkPublication, s.checkSlot, s.checkKeys,
	} {
		found, err := check(ctx, c, tables)
		if err != nil {
			return s.classify(err)
		}
		all = append(all, found...)
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// finding is what stays until somebody changes something.
func finding(format string, args ...any) error {
	return connect.Permanent(fmt.Errorf(format, args...))
}

// mendable is a finding that the statement mends.
type mendable struct{ text, statement string }

func (m *mendable) Error() string { return m.text + "; run " + m.statement }

func findingMended(statement, format string, args ...any) error {
	return connect.Permanent(&mendable{fmt.Sprintf(format, args...), statement})
}

// checkTables finds tables that are listed and not there. Once the slot exists they are no
// finding: a table that was dropped must not keep the others from being read.
func (s *Source) checkTables(ctx context.Context, c *catalog, tables []relation) ([]error, error) {
	if len(tables) == 0 {
		return []error{connect.Permanent(s.noTables())}, nil
	}
	if k, err := s.slot(ctx, c); err != nil || !k.missing {
		return nil, err
	}
	var found []error
	for _, name := range missingTables(s.config.TablesIn, tables) {
		found = append(found, finding("table %q of table.include.list does not exist in database %q; create it, or remove it from the list", name, s.config.Database))
	}
	return found, nil
}

// checkRole finds rights that are missing.
func (s *Source) checkRole(ctx context.Context, c *catalog, tables []relation) ([]error, error) {
	var replication bool
	err := c.row(ctx, `SELECT rolreplication OR rolsuper OR coalesce(pg_has_role(current_user, to_regrole('rds_replication')::oid, 'member'), false)
		FROM pg_roles WHERE rolname = current_user`, nil, &replication)
	if err != nil {
		return nil, fmt.Errorf("read the rights of %q: %w", s.config.User, err)
	}
	var found []error
	if !replication && s.config.streams() {
		found = append(found, findingMended("ALTER ROLE "+identifier(s.config.User)+" REPLICATION", "role %q may not replicate", s.config.User))
	}
	if s.config.Mode == "no_data" {
		return found, nil
	}
	ids := make([]uint32, len(tables))
	for i, r := range tables {
		ids[i] = r.id
	}
	err = c.each(ctx, `SELECT n.nspname, c.relname, has_schema_privilege(n.oid, 'USAGE')
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.oid = ANY($1) AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT'))
		ORDER BY 1, 2`, []any{ids}, func(rows pgx.Rows) error {
		var r relation
		var usage bool
		err := rows.Scan(&r.schema, &r.table, &usage)
		grant := fmt.Sprintf("GRANT SELECT ON %s TO %s", r.sql(), identifier(s.config.User))
		if !usage {
			grant = fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s; %s", identifier(r.schema), identifier(s.config.User), grant)
		}
		found = append(found, findingMended(grant, "role %q may not read table %s", s.config.User, r))
		return err
	})
	return found, err
}

// checkPublication finds a publication that is not there and will not be created.
func (s *Source) checkPublication(ctx context.Context, c *catalog, tables []relation) ([]error, error) {
	if s.config.Autocreate != "disabled" || !s.config.streams() {
		return nil, nil
	}
	_, exists, err := s.publication(ctx, c)
	if err != nil || exists {
		return nil, err
	}
	create := "CREATE PUBLICATION " + identifier(s.config.Publication) + " FOR TABLE " + tableList(published(tables))
	return []error{findingMended(create, "publication %q does not exist, and publication.autocreate.mode is disabled", s.config.Publication)}, nil
}

// checkSlot finds a slot that somebody else reads, that has lost its WAL, or that can not be
// created.
func (s *Source) checkSlot(ctx context.Context, c *catalog, _ []relation) ([]error, error) {
	if !s.config.streams() {
		return nil, nil
	}
	k, err := s.slot(ctx, c)
	if err != nil {
		return []error{s.classify(err)}, nil
	}
	switch {
	case k.pid != 0 && k.reader == s.applicationName():
		return nil, nil // this connector itself, or one that is just ending: Run waits for it
	case k.pid != 0:
		return []error{fmt.Errorf("slot %q is active for PID %d; stop the other reader, or give this connector its own slot.name", s.config.Slot, k.pid)}, nil
	case k.lost && !s.config.mends():
		return []error{finding("%w; set snapshot.mode to when_needed to read the tables again", s.lost(k))}, nil
	case !k.missing:
		return nil, nil
	}
	var used, most int
	if err := c.row(ctx, "SELECT (SELECT count(*) FROM pg_replication_slots)::int, current_setting('max_replication_slots')::int", nil, &used, &most); err != nil {
		return nil, fmt.Errorf("count the slots: %w", err)
	}
	if used >= most {
		return []error{fmt.Errorf("all %d replication slots are in use; raise max_replication_slots, or drop a slot that nobody reads", most)}, nil
	}
	return nil, nil
}

// checkKeys warns of tables whose updates and deletes PostgreSQL refuses once they are
// published.
func (s *Source) checkKeys(_ context.Context, _ *catalog, tables []relation) ([]error, error) {
	for _, r := range tables {
		if !r.parent && (r.identity == "d" && !r.keyed || r.identity == "n") {
			s.log.Warn("updates and deletes of the table fail once it is published: it has no replica identity",
				"table", r.String(), "mend", "ALTER TABLE "+r.sql()+" REPLICA IDENTITY FULL")
		}
	}
	if own := slices.IndexFunc(tables, func(r relation) bool {
		return s.capture.key(r.schema, r.table) != nil && r.identity != "f"
	}); own >= 0 {
		s.log.Warn("message.key.columns needs the old row to key deletes", "table", tables[own].String(),
			"mend", "ALTER TABLE "+tables[own].sql()+" REPLICA IDENTITY FULL")
	}
	return nil, nil
}
