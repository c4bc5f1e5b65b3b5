package postgres

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"connectd/connect"
)

// identityRule gives the tables that match a replica identity.
type identityRule struct {
	tables *regexp.Regexp
	kind   string // as pg_class.relreplident has it
	index  string // for kind i
}

var identityForm = regexp.MustCompile(`(?i)^\s*([^\s:]+):(DEFAULT|FULL|NOTHING|INDEX\s+(\w+))\s*$`)

// parseIdentities parses regex:FULL, regex:INDEX name, …
func parseIdentities(list []string) ([]identityRule, error) {
	var rules []identityRule
	for _, text := range list {
		m := identityForm.FindStringSubmatch(text)
		if m == nil {
			return nil, fmt.Errorf("%q is not a replica identity; write schema.table:FULL, …:DEFAULT, …:NOTHING or …:INDEX name", text)
		}
		p, err := newPattern(m[1])
		if err != nil {
			return nil, err
		}
		rules = append(rules, identityRule{tables: p, kind: strings.ToLower(m[2][:1]), index: m[3]})
	}
	return rules, nil
}

// identityOf is the rule for the table, nil when there is none.
func (s *Source) identityOf(r relation) (*identityRule, error) {
	var rule *identityRule
	for i := range s.identities {
		if !s.identities[i].tables.MatchString(r.String()) {
			continue
		}
		if rule != nil {
			return nil, connect.Permanent(fmt.Errorf("replica.identity.autoset.values has more than one entry that matches table %s; write it so that one does", r))
		}
		rule = &s.identities[i]
	}
	return rule, nil
}

// setIdentities gives the tables the replica identities of replica.identity.autoset.values.
func (s *Source) setIdentities(ctx context.Context, c *catalog, tables []relation) error {
	for i, r := range tables {
		rule, err := s.identityOf(r)
		if err != nil {
			return err
		}
		if rule == nil {
			continue
		}
		if same, err := rule.holds(ctx, c, r); err != nil || same {
			if err != nil {
				return err
			}
			continue
		}
		alter := "ALTER TABLE " + r.sql() + " REPLICA IDENTITY " + rule.sql()
		if err := c.exec(ctx, alter); err != nil {
			return s.denied(fmt.Errorf("set the replica identity of table %s: %w", r, err), alter)
		}
		tables[i].identity = rule.kind
		s.log.Info("replica identity set", "table", r.String(), "identity", rule.sql())
	}
	return nil
}

// sql is the identity in a statement.
func (k *identityRule) sql() string {
	switch k.kind {
	case "f":
		return "FULL"
	case "n":
		return "NOTHING"
	case "i":
		return "USING INDEX " + identifier(k.index)
	}
	return "DEFAULT"
}

// holds says whether the table has this identity already.
func (k *identityRule) holds(ctx context.Context, c *catalog, r relation) (bool, error) {
	if r.identity != k.kind || k.kind != "i" {
		return r.identity == k.kind, nil
	}
	var index string
	err := c.each(ctx, "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = $1 AND i.indisreplident",
		[]any{r.id}, func(rows pgx.Rows) error { return rows.Scan(&index) })
	if err != nil {
		return false, fmt.Errorf("read the replica identity of table %s: %w", r, err)
	}
	return index == k.index, nil
}
