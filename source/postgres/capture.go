package postgres

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// capture decides which tables, columns and operations are captured, and by which key.
type capture struct {
	tablesIn, tablesOut   patterns
	schemasIn, schemasOut patterns
	columnsIn, columnsOut patterns
	snapshot              patterns
	signal                name // table of signals; zero for none
	keys                  []keyRule
	builtin               bool      // leave out spatial_ref_sys
	skip                  [256]bool // by operation letter
}

// keyRule gives the tables that match the columns as their key.
type keyRule struct {
	tables  *regexp.Regexp
	columns []string
}

func newCapture(c *Config) (*capture, error) {
	w := &capture{builtin: c.Builtin}
	for _, l := range []struct {
		into *patterns
		list []string
	}{
		{&w.tablesIn, c.TablesIn}, {&w.tablesOut, c.TablesOut},
		{&w.schemasIn, c.SchemasIn}, {&w.schemasOut, c.SchemasOut},
		{&w.columnsIn, c.ColumnsIn}, {&w.columnsOut, c.ColumnsOut},
		{&w.snapshot, c.Snapshot.Tables},
	} {
		ps, err := newPatterns(l.list)
		if err != nil {
			return nil, err
		}
		*l.into = ps
	}
	keys, err := parseKeyColumns(c.KeyColumns)
	if err != nil {
		return nil, err
	}
	w.keys = keys
	if c.SignalTable != "" {
		if w.signal, err = parseName(c.SignalTable); err != nil {
			return nil, err
		}
	}
	for _, op := range c.SkippedOps {
		if len(op) == 1 {
			w.skip[op[0]] = true
		}
	}
	return w, nil
}

// parseKeyColumns parses regex:column,column;regex:column.
func parseKeyColumns(text string) ([]keyRule, error) {
	var rules []keyRule
	for rule := range strings.SplitSeq(text, ";") {
		if strings.TrimSpace(rule) == "" {
			continue
		}
		at := strings.LastIndexByte(rule, ':')
		if at < 0 {
			return nil, fmt.Errorf("%q has no columns; write schema.table:column,column", rule)
		}
		p, err := newPattern(rule[:at])
		if err != nil {
			return nil, err
		}
		var columns []string
		for column := range strings.SplitSeq(rule[at+1:], ",") {
			columns = append(columns, strings.TrimSpace(column))
		}
		rules = append(rules, keyRule{p, columns})
	}
	return rules, nil
}

// table says whether the table is captured: it is listed, or the one of the signals.
func (w *capture) table(schema, table string) bool {
	return w.listed(schema, table) || w.signal == (name{schema, table})
}

// listed says whether the include and exclude lists choose the table.
func (w *capture) listed(schema, name string) bool {
	if system(schema) || w.builtin && name == "spatial_ref_sys" {
		return false
	}
	full := schema + "." + name
	return (len(w.schemasIn) == 0 || w.schemasIn.match(schema)) && !w.schemasOut.match(schema) &&
		(len(w.tablesIn) == 0 || w.tablesIn.match(full)) && !w.tablesOut.match(full)
}

// relation says whether r is captured, under its own name or as a partition.
func (w *capture) relation(r relation) bool {
	return w.table(r.schema, r.table) || r.partition && w.table(r.root.schema, r.root.table)
}

// column says whether the column is part of the row.
func (w *capture) column(schema, table, name string) bool {
	if len(w.columnsIn) == 0 && len(w.columnsOut) == 0 {
		return true
	}
	full := schema + "." + table + "." + name
	return (len(w.columnsIn) == 0 || w.columnsIn.match(full)) && !w.columnsOut.match(full)
}

// inSnapshot says whether a captured table's rows are read before streaming. Old signals are not,
// unless their table is listed.
func (w *capture) inSnapshot(schema, table string) bool {
	if w.signal == (name{schema, table}) && !w.listed(schema, table) {
		return false
	}
	return len(w.snapshot) == 0 || w.snapshot.match(schema+"."+table)
}

// key is the key that message.key.columns gives the table; nil for its own.
func (w *capture) key(schema, name string) []string {
	for _, k := range w.keys {
		if k.tables.MatchString(schema + "." + name) {
			return k.columns
		}
	}
	return nil
}

// missingTables are the entries of table.include.list that name one table, and none of tables has it.
func missingTables(list []string, tables []relation) []string {
	var missing []string
	for _, entry := range list {
		p, err := newPattern(entry)
		if err != nil || strings.ContainsAny(strings.ReplaceAll(entry, `\.`, "."), `*+?()[]{}|\^$`) {
			continue
		}
		if !slices.ContainsFunc(tables, func(r relation) bool {
			return p.MatchString(r.String()) || p.MatchString(r.root.String())
		}) {
			missing = append(missing, strings.TrimSpace(entry))
		}
	}
	return missing
}

func system(schema string) bool {
	return schema == "pg_catalog" || schema == "information_schema" || strings.HasPrefix(schema, "pg_toast") || strings.HasPrefix(schema, "pg_temp")
}

// publish is the publication's publish parameter.
func (w *capture) publish() string {
	var ops []string
	for _, op := range []struct {
		letter byte
		name   string
	}{{'c', "insert"}, {'u', "update"}, {'d', "delete"}, {'t', "truncate"}} {
		if !w.skip[op.letter] {
			ops = append(ops, op.name)
		}
	}
	return strings.Join(ops, ", ")
}

// validTopic says whether name is made of what Kafka allows in topics.
func validTopic(name string) bool { return name != "" && topicName(name) == name }

// topicName is name with an underscore for each character that Kafka does not allow in topics,
// cut at Kafka's limit.
func topicName(name string) string {
	legal := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, name)
	return legal[:min(len(legal), maxTopicName)]
}

// maxTopicName is Kafka's limit on the length of a topic's name.
const maxTopicName = 249
