package postgres

import (
	"slices"
	"strings"
)

// stageName stands for the staging table in the statements below: its name depends on the
// connection.
const stageName = "${stage}"

// deleteSQL deletes the rows whose keys are staged.
func deleteSQL(key *columnSet) string {
	return "DELETE FROM " + key.table.name.String() + " AS t USING " + stageName + " AS s WHERE " + sameKey(key)
}

// writeSQL writes the staged rows of set by key, which is nil without one.
func writeSQL(mode string, set, key *columnSet) []string {
	switch {
	case mode == "update":
		return updateSQL(set, key)
	case mode == "ignore":
		return []string{insertSQL(set, key) + conflictTarget(key) + "DO NOTHING"}
	case set.partial():
		// ON CONFLICT would check the columns that must have a value before it looks for the row.
		return append(updateSQL(set, key), insertSQL(set, key)+" WHERE NOT EXISTS (SELECT FROM "+set.table.name.String()+" AS t WHERE "+sameKey(key)+")"+inOrder(key))
	}
	sql := insertSQL(set, key) + inOrder(key) + conflictTarget(key)
	if values := values(set, key); len(values) > 0 {
		return []string{sql + "DO UPDATE SET " + assign(values, "EXCLUDED")}
	}
	return []string{sql + "DO NOTHING"}
}

func updateSQL(set, key *columnSet) []string {
	values := values(set, key)
	if len(values) == 0 {
		return nil
	}
	return []string{"UPDATE " + set.table.name.String() + " AS t SET " + assign(values, "s") + " FROM " + stageName + " AS s WHERE " + sameKey(key)}
}

func insertSQL(set, key *columnSet) string {
	var s strings.Builder
	s.WriteString("INSERT INTO " + set.table.name.String() + " (" + quoteAll(set.names()) + ")")
	if slices.ContainsFunc(set.columns, func(c *column) bool { return c.identity }) {
		s.WriteString(" OVERRIDING SYSTEM VALUE")
	}
	s.WriteString(" SELECT ")
	if key != nil && !key.exact() {
		s.WriteString("DISTINCT ON (" + quoteAll(key.names()) + ") ")
	}
	s.WriteString(quoteAll(set.names()) + " FROM " + stageName + " AS s")
	return s.String()
}

// exact says whether keys that PostgreSQL compares as equal are equal bytes as they are staged.
// Where they may not be, a statement could meet a key twice, and takes the last of each.
func (s *columnSet) exact() bool {
	for _, c := range s.columns {
		switch c.typ.form {
		case int2Form, int4Form, int8Form, numericForm, textForm, uuidForm, boolForm, byteaForm:
		default:
			return false
		}
	}
	return true
}

// inOrder makes DISTINCT ON take the row that was staged last.
func inOrder(key *columnSet) string {
	if key.exact() {
		return ""
	}
	return " ORDER BY " + quoteAll(key.names()) + ", s.ctid DESC"
}

func conflictTarget(key *columnSet) string {
	if key == nil {
		return " ON CONFLICT "
	}
	return " ON CONFLICT (" + quoteAll(key.names()) + ") "
}

// values are the names of the columns that are not the key's.
func values(set, key *columnSet) []string {
	return slices.DeleteFunc(set.names(), func(name string) bool { return key.place(name) >= 0 })
}

func assign(columns []string, from string) string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = quote(c) + " = " + from + "." + quote(c)
	}
	return strings.Join(out, ", ")
}

func sameKey(key *columnSet) string {
	out := make([]string, len(key.columns))
	for i, c := range key.columns {
		out[i] = "t." + quote(c.name) + " = s." + quote(c.name)
	}
	return strings.Join(out, " AND ")
}
