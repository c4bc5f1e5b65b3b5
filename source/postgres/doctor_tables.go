package postgres

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"connectd/connect"
)

// publication looks at which changes of which tables are published, or may be.
func (x *examination) publication(ctx context.Context) error {
	s := x.source
	if !s.config.streams() || len(x.tables) == 0 {
		return nil
	}
	all, exists, err := s.publication(ctx, x.catalog)
	switch {
	case err != nil:
		return err
	case !exists:
		return x.creation(ctx)
	case all:
		x.say(connect.Note, nil, "publication %q is for all tables: an UPDATE or DELETE of any table without a replica identity is refused by the server, also of tables that are not captured", s.config.Publication)
	default:
		if err := x.coverage(ctx); err != nil {
			return err
		}
	}
	return x.operations(ctx)
}

// creation looks whether the publication can be created.
func (x *examination) creation(ctx context.Context) error {
	s := x.source
	create := []string{"CREATE PUBLICATION " + identifier(s.config.Publication) + " FOR TABLE " + tableList(published(x.tables))}
	if x.standby {
		x.say(connect.Problem, create, "publication %q does not exist, and cannot be created on a standby; create it on the primary", s.config.Publication)
		return nil
	}
	if s.config.Autocreate == "disabled" {
		x.say(connect.Problem, create, "publication %q does not exist, and publication.autocreate.mode is disabled", s.config.Publication)
		return nil
	}
	var may, super bool
	err := x.catalog.row(ctx, "SELECT has_database_privilege(current_database(), 'CREATE'), rolsuper FROM pg_roles WHERE rolname = current_user", nil, &may, &super)
	if err != nil {
		return err
	}
	foreign, err := x.foreign(ctx, published(x.tables))
	switch {
	case err != nil:
		return err
	case s.config.Autocreate == "all_tables" && !super:
		x.say(connect.Problem, create, "publication %q does not exist, and only a superuser creates one for all tables; set publication.autocreate.mode to filtered, or create it", s.config.Publication)
	case !super && s.config.Autocreate == "filtered" && len(foreign) > 0:
		x.say(connect.Problem, create, "publication %q does not exist, and role %q does not own %s; let the owner create it", s.config.Publication, s.config.User, tableNames(foreign))
	case !may:
		x.say(connect.Problem, []string{"GRANT CREATE ON DATABASE " + identifier(s.config.Database) + " TO " + identifier(s.config.User)}, "publication %q does not exist, and role %q may not create it", s.config.Publication, s.config.User)
	default:
		x.say(connect.Good, nil, "publication %q is created at the first start", s.config.Publication)
	}
	return nil
}

// foreign are the tables that the role does not own, and so cannot put into a publication.
func (x *examination) foreign(ctx context.Context, tables []relation) ([]relation, error) {
	ids := make([]uint32, len(tables))
	for i, r := range tables {
		ids[i] = r.id
	}
	var owned []uint32
	err := x.catalog.row(ctx, "SELECT coalesce(array_agg(oid), '{}') FROM pg_class WHERE oid = ANY($1) AND pg_has_role(relowner, 'USAGE')", []any{ids}, &owned)
	return slices.DeleteFunc(slices.Clone(tables), func(r relation) bool { return slices.Contains(owned, r.id) }), err
}

// coverage looks for captured tables that the publication does not have.
func (x *examination) coverage(ctx context.Context) error {
	s := x.source
	have := map[string]bool{}
	err := x.catalog.each(ctx, "SELECT schemaname || '.' || tablename FROM pg_publication_tables WHERE pubname = $1", []any{s.config.Publication}, func(rows pgx.Rows) error {
		var table string
		err := rows.Scan(&table)
		have[table] = true
		return err
	})
	if err != nil {
		return err
	}
	missing := slices.DeleteFunc(slices.Clone(x.tables), func(r relation) bool {
		return r.parent || have[r.String()] || r.partition && have[r.root.String()]
	})
	if len(missing) == 0 {
		x.say(connect.Good, nil, "publication %q has all captured tables", s.config.Publication)
		return nil
	}
	add := []string{"ALTER PUBLICATION " + identifier(s.config.Publication) + " ADD TABLE " + tableList(published(missing))}
	if s.config.Autocreate != "filtered" {
		x.say(connect.Problem, add, "publication %q does not have %s: no change of them is sent", s.config.Publication, tableNames(missing))
		return nil
	}
	foreign, err := x.foreign(ctx, published(missing))
	if err != nil {
		return err
	}
	if len(foreign) > 0 {
		x.say(connect.Problem, add, "publication %q does not have %s, and role %q may not add what it does not own", s.config.Publication, tableNames(missing), s.config.User)
		return nil
	}
	x.say(connect.Good, nil, "publication %q gets %s at the first start", s.config.Publication, tableNames(missing))
	return nil
}

// operations looks for kinds of changes that are captured and not published.
func (x *examination) operations(ctx context.Context) error {
	var published [4]bool
	err := x.catalog.row(ctx, "SELECT pubinsert, pubupdate, pubdelete, pubtruncate FROM pg_publication WHERE pubname = $1", []any{x.source.config.Publication},
		&published[0], &published[1], &published[2], &published[3])
	if err != nil {
		return err
	}
	var missing []string
	for i, op := range "cudt" {
		if !published[i] && !x.source.capture.skip[op] {
			missing = append(missing, [...]string{"insert", "update", "delete", "truncate"}[i])
		}
	}
	if len(missing) > 0 {
		x.say(connect.Warning, []string{"ALTER PUBLICATION " + identifier(x.source.config.Publication) + " SET (publish = '" + x.source.capture.publish() + "')"},
			"publication %q does not publish %s, which skipped.operations lets through", x.source.config.Publication, strings.Join(missing, ", "))
	}
	return nil
}

// identities looks for tables whose updates and deletes fail or say too little.
func (x *examination) identities(ctx context.Context) error {
	for _, r := range x.tables {
		if r.identity == "i" && r.keyed {
			if err := x.indexIdentity(ctx, r); err != nil {
				return err
			}
			continue
		}
		full := []string{"ALTER TABLE " + r.sql() + " REPLICA IDENTITY FULL"}
		switch {
		case r.parent:
		case r.identity == "n" && r.keyed:
			x.say(connect.Warning, []string{"ALTER TABLE " + r.sql() + " REPLICA IDENTITY DEFAULT"}, "table %s has REPLICA IDENTITY NOTHING: once it is published, the server refuses its updates and deletes", r)
		case r.identity == "n", r.identity == "d" && !r.keyed:
			x.say(connect.Warning, full, "table %s has no primary key and no replica identity: once it is published, the server refuses its updates and deletes; give it a primary key, or send whole rows", r)
		case r.identity == "f" && !r.keyed:
			x.say(connect.Note, nil, "table %s has no primary key: its records have no key", r)
		case x.source.capture.key(r.schema, r.table) != nil && r.identity != "f":
			x.say(connect.Warning, full, "message.key.columns needs the old row of table %s to key its deletes", r)
		}
	}
	return nil
}

// indexIdentity looks whether the index that is the table's identity has its primary key: a delete
// says nothing of other columns.
func (x *examination) indexIdentity(ctx context.Context, r relation) error {
	var covered bool
	err := x.catalog.row(ctx, `SELECT coalesce(bool_and(p.indkey::int2[] <@ i.indkey::int2[]), true) FROM pg_index p JOIN pg_index i USING (indrelid)
		WHERE indrelid = $1 AND p.indisprimary AND i.indisreplident`, []any{r.id}, &covered)
	if err == nil && !covered {
		x.say(connect.Warning, []string{"ALTER TABLE " + r.sql() + " REPLICA IDENTITY DEFAULT"}, "the replica identity of table %s is an index without its primary key: the keys of its deletes are not known", r)
	}
	return err
}
