package postgres

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"connectd/config"
)

var slotName = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)

// Validate checks ranges, regular expressions and combinations.
func (c *Config) Validate(r *config.Report) {
	if !slotName.MatchString(c.Slot) {
		r.Errorf("slot.name", "%q is not a slot name; write 1 to 63 small letters, digits and underscores", c.Slot)
	}
	if c.Publication == "" {
		r.Errorf("publication.name", "is empty; write the name of a publication")
	}
	for _, op := range c.SkippedOps {
		if !slices.Contains([]string{"c", "u", "d", "t", "none"}, op) {
			r.Errorf("skipped.operations", "%q is not an operation; write c, u, d, t or none", op)
		}
	}
	if c.Port < 1 || c.Port > 65535 {
		r.Errorf("database.port", "is %d; write 1 to 65535", c.Port)
	}
	if c.BatchSize < 1 {
		r.Errorf("max.batch.size", "is %d; write 1 or more", c.BatchSize)
	}
	if c.MaxTables < 0 {
		r.Errorf("guardrail.collections.max", "is %d; write 0 or more", c.MaxTables)
	}
	if c.SlotRetries < 0 {
		r.Errorf("slot.max.retries", "is %d; write 0 or more", c.SlotRetries)
	}
	if c.RetainedMax < 0 {
		r.Errorf("slot.retained.max.bytes", "is negative; write a size such as 10GiB, or 0")
	}
	if c.TxMemory != 0 && c.TxMemory < 1<<20 {
		r.Errorf("transaction.memory.max.bytes", "is %s; write 1MiB or more, or 0", c.TxMemory)
	}
	if c.StatusInterval <= 0 {
		r.Errorf("status.update.interval.ms", "is not an interval; write 1 or more")
	}
	if c.MoneyDigits < 0 || c.MoneyDigits > 18 {
		r.Errorf("money.fraction.digits", "is %d; write 0 to 18", c.MoneyDigits)
	}
	if !validTopic(c.Prefix) {
		r.Errorf("topic.prefix", "%q is not a topic prefix; write letters, digits, dots, hyphens and underscores", c.Prefix)
	}
	c.Signals.validate(r)
	if c.Compat == "debezium" {
		c.debeziumDefaults(r)
	}
	c.validateLists(r)
	c.Snapshot.validate(r)
	c.validateUnsupported(r)
	if _, err := newForms(c); err != nil {
		r.Errorf("unavailable.value.placeholder", "%v", err)
	}
}

func (c *Config) validateLists(r *config.Report) {
	for _, l := range []struct {
		key  string
		list []string
	}{
		{"table.include.list", c.TablesIn}, {"table.exclude.list", c.TablesOut},
		{"schema.include.list", c.SchemasIn}, {"schema.exclude.list", c.SchemasOut},
		{"column.include.list", c.ColumnsIn}, {"column.exclude.list", c.ColumnsOut},
		{"snapshot.include.collection.list", c.Snapshot.Tables},
		{"message.prefix.include.list", c.PrefixIn}, {"message.prefix.exclude.list", c.PrefixOut},
		{"column.propagate.source.type", c.ColumnTypes}, {"datatype.propagate.source.type", c.DataTypes},
		{"reselector.reselect.columns.include.list", c.ReselectIn}, {"reselector.reselect.columns.exclude.list", c.ReselectOut},
	} {
		if _, err := newPatterns(l.list); err != nil {
			r.Errorf(l.key, "%v", err)
		}
	}
	c.maskRules(func(key string, err error) { r.Errorf(key, "%v", err) })
	if _, err := parseKeyColumns(c.KeyColumns); err != nil {
		r.Errorf("message.key.columns", "%v", err)
	}
	if _, err := parseIdentities(c.Identities); err != nil {
		r.Errorf("replica.identity.autoset.values", "%v", err)
	}
	if _, err := streamParams(c.StreamParams); err != nil {
		r.Errorf("slot.stream.params", "%v", err)
	}
	for _, pair := range [][2]string{{"table", "table"}, {"schema", "schema"}, {"column", "column"}, {"message.prefix", "message.prefix"}} {
		in, out := pair[0]+".include.list", pair[1]+".exclude.list"
		if r.Set(in) && r.Set(out) {
			r.Errorf(out, "excludes %s; write one of them", in)
		}
	}
}

func (c *Config) validateUnsupported(r *config.Report) {
	for _, u := range []struct {
		key string
		set bool
	}{
		{"topic.naming.strategy", c.Naming != schemaNaming},
	} {
		if u.set {
			r.Errorf(u.key, "is not supported yet, and without it other data would be written; remove it")
		}
	}
}

// patterns is a list of regular expressions, each for the whole of a name, ignoring case.
type patterns []*regexp.Regexp

// newPatterns compiles list; an error names the expression and what to write instead.
func newPatterns(list []string) (patterns, error) {
	var ps patterns
	for _, text := range list {
		p, err := newPattern(text)
		if err != nil {
			return nil, err
		}
		ps = append(ps, p)
	}
	return ps, nil
}

func newPattern(text string) (*regexp.Regexp, error) {
	text = strings.TrimSpace(text)
	for _, look := range []string{"(?!", "(?=", "(?<!", "(?<="} {
		if strings.Contains(text, look) {
			return nil, fmt.Errorf("%q uses look-around (%s), which is not supported; write an include list or an exclude list without it", text, look)
		}
	}
	if _, err := regexp.Compile(text); err != nil { // by itself, so that the error shows it as it is written
		var wrong *syntax.Error
		if errors.As(err, &wrong) {
			err = errors.New(wrong.Code.String())
		}
		return nil, fmt.Errorf(`%q is not a regular expression: %w; correct it, with .* for anything (there is no look-around or back-reference: see https://github.com/google/re2/wiki/Syntax)`, text, err)
	}
	return regexp.MustCompile("(?i)^(?:" + text + ")$"), nil
}

// match says whether any of ps matches name.
func (ps patterns) match(name string) bool {
	return slices.ContainsFunc(ps, func(p *regexp.Regexp) bool { return p.MatchString(name) })
}

// streamParams parses name=value;name=value into options of START_REPLICATION.
func streamParams(text string) ([]string, error) {
	var options []string
	for pair := range strings.SplitSeq(text, ";") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not an option; write name=value;name=value", pair)
		}
		options = append(options, identifier(strings.TrimSpace(name))+" "+literal(strings.TrimSpace(value)))
	}
	return options, nil
}

// literal is text as an SQL string.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// identifier is name as an SQL identifier.
func identifier(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
