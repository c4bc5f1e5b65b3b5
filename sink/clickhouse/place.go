package clickhouse

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// place is where a table is.
type place struct{ database, table string }

func (p place) quoted() string { return quoteName(p.database) + "." + quoteName(p.table) }

// place is the table of a topic.
func (c *Config) place(topic string) place {
	rest, table := "", topic
	if i := strings.LastIndexByte(topic, '.'); i >= 0 {
		rest, table = topic[:i], topic[i+1:]
	}
	schema := rest[strings.LastIndexByte(rest, '.')+1:]
	p, from := place{database: c.Database}, schema
	name := topic
	if c.Split {
		if db, t, ok := strings.Cut(topic, c.SplitAt); ok && db != "" && t != "" && !strings.Contains(t, c.SplitAt) {
			p.database, name, from, schema, table = db, t, db, db, t
		}
	}
	if to, ok := c.Databases[from]; ok {
		p.database = to
	}
	if p.table = c.mapped(topic); p.table == "" && name != topic {
		p.table = c.mapped(name) // which ClickHouse's connector looks for
	}
	if p.table == "" {
		p.table = strings.NewReplacer("${topic}", name, "${schema}", schema, "${table}", table).Replace(c.TableFormat)
	}
	return p
}

// mapped is what topic2TableMap says: of the topic itself, or else of the first expression that
// it matches, in alphabetical order; empty for nothing.
func (c *Config) mapped(topic string) string {
	if t, ok := c.TopicTables[topic]; ok {
		return t
	}
	for _, key := range slices.Sorted(maps.Keys(c.TopicTables)) {
		if !isExpression(key) {
			continue
		}
		re, err := regexp.Compile("^(?:" + key + ")$")
		if err == nil && re.MatchString(topic) {
			return re.ReplaceAllString(topic, c.TopicTables[key])
		}
	}
	return ""
}

// isExpression says whether a key of topic2TableMap is a regular expression: it has a sign that
// no topic's name has.
func isExpression(key string) bool { return strings.ContainsAny(key, `*+?()[]{}|\^$`) }

// names are pairs written as a:b, c:d, as Altinity's connector has them; = does as well.
type names map[string]string

// UnmarshalText reads the pairs.
func (n *names) UnmarshalText(text []byte) error {
	*n = names{}
	for _, pair := range strings.Split(string(text), ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		i := strings.IndexAny(pair, ":=")
		if i < 0 {
			return fmt.Errorf("%q has no colon; write from:to, from2:to2", pair)
		}
		from, to := strings.TrimSpace(pair[:i]), strings.TrimSpace(pair[i+1:])
		if from == "" || to == "" {
			return errors.New("a name is empty; write from:to, from2:to2")
		}
		(*n)[from] = to
	}
	return nil
}

// String is the pairs as they are written.
func (n names) String() string {
	var pairs []string
	for _, from := range slices.Sorted(maps.Keys(n)) {
		pairs = append(pairs, from+":"+n[from])
	}
	return strings.Join(pairs, ",")
}
