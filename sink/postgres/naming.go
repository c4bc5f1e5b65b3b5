package postgres

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
)

// name is a table's place. Schema "" is the first one of the search path.
type name struct{ schema, table string }

// String is the name as SQL writes it.
func (n name) String() string {
	if n.schema == "" {
		return quote(n.table)
	}
	return quote(n.schema) + "." + quote(n.table)
}

func quote(identifier string) string { return pgx.Identifier{identifier}.Sanitize() }

// quoteAll is a list of columns as SQL writes it.
func quoteAll(identifiers []string) string {
	quoted := make([]string, len(identifiers))
	for i := range identifiers {
		quoted[i] = quote(identifiers[i])
	}
	return strings.Join(quoted, ", ")
}

// literal is a string as SQL writes it.
func literal(s string) string {
	s = strings.ReplaceAll(s, "'", "''")
	if strings.Contains(s, `\`) {
		return ` E'` + strings.ReplaceAll(s, `\`, `\\`) + `'`
	}
	return "'" + s + "'"
}

var variable = regexp.MustCompile(`\$\{[^}]*\}`)

// unknownVariable is the first variable of format that there is not, or "".
func unknownVariable(format string) string {
	for _, v := range variable.FindAllString(format, -1) {
		if v != "${topic}" && v != "${schema}" && v != "${table}" && (!strings.HasPrefix(v, "${source.") || v == "${source.}") {
			return v
		}
	}
	return ""
}

// tableOf is the table of a topic. A dot separates schema and table where somebody has written
// it: in topics.to.tables.mapping or in table.name.format. The dots of ${topic} become
// underscores, as Debezium's sink has it, so that the name of a change topic
// (cdc.production.public.orders) is one table's name however many parts it has; with
// ${schema}.${table} the topic's last two parts are schema and table (public.orders).
// source gives the content of a field of the source block.
func (c *Config) tableOf(topic string, source func(field string) string) name {
	format, mapped := c.TableMapping[topic]
	if !mapped {
		format = c.TableFormat
	}
	schema, table := cutName(format)
	n := name{schema: c.expand(schema, topic, source), table: styled(c.TableStyle, c.expand(table, topic, source))}
	if c.Normalize {
		n = name{schema: normalize(n.schema), table: normalize(n.table)}
	}
	return name{schema: c.identifier(n.schema), table: c.identifier(n.table)}
}

// cutName takes schema and table apart at the first dot that is not inside a variable.
func cutName(format string) (schema, table string) {
	depth := 0
	for i, c := range format {
		switch {
		case c == '{':
			depth++
		case c == '}':
			depth--
		case c == '.' && depth == 0:
			return format[:i], format[i+1:]
		}
	}
	return "", format
}

func (c *Config) expand(format, topic string, source func(field string) string) string {
	parts := strings.Split(topic, ".")
	schema, table := "", parts[len(parts)-1]
	if len(parts) > 1 {
		schema = parts[len(parts)-2]
	}
	if source != nil {
		format = variable.ReplaceAllStringFunc(format, func(v string) string {
			if field, ok := strings.CutPrefix(v, "${source."); ok {
				return source(strings.TrimSuffix(field, "}"))
			}
			return v
		})
	}
	return strings.NewReplacer("${topic}", strings.ReplaceAll(topic, ".", "_"), "${schema}", schema, "${table}", table).Replace(format)
}

// identifier is a name as quote.sql.identifiers takes it.
func (c *Config) identifier(s string) string {
	if c.Quote == "never" || c.Quote == "false" {
		return strings.ToLower(s)
	}
	return s
}

func normalize(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '_'
	}, s)
}

// compare orders names.
func (n name) compare(o name) int {
	return cmp.Or(strings.Compare(n.schema, o.schema), strings.Compare(n.table, o.table))
}
