package postgres

import (
	"slices"
	"strings"
	"unicode"

	"connectd/record"
)

// columnOf is the column of a field.
func (c *Config) columnOf(f *field) string {
	if f.from != fromValue && f.from != fromKey || f.at == wholeValue {
		return c.identifier(f.name) // a name of the configuration, not of the record
	}
	return c.identifier(styled(c.ColumnStyle, f.name))
}

// styled brings a name into a style: snake makes order_id of orderId, camel orderId of order_id.
func styled(style, s string) string {
	switch style {
	case "lower":
		return strings.ToLower(s)
	case "upper":
		return strings.ToUpper(s)
	case "snake":
		return snake(s)
	case "camel":
		return camel(s)
	}
	return s
}

func snake(s string) string {
	var out strings.Builder
	runes := []rune(s)
	for i, r := range runes {
		startsWord := unicode.IsUpper(r) && i > 0 && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if startsWord && runes[i-1] != '_' {
			out.WriteByte('_')
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}

// camel keeps the underscores that a name begins with: they are marks such as __deleted's.
func camel(s string) string {
	name := strings.TrimLeft(s, "_")
	out := []rune(s[:len(s)-len(name)])
	upper := false
	for i, r := range name {
		switch {
		case r == '_':
			upper = true
			continue
		case upper:
			r = unicode.ToUpper(r)
		case i == 0:
			r = unicode.ToLower(r)
		}
		out = append(out, r)
		upper = false
	}
	return string(out)
}

// keyFields are the names of pk.fields for a table: those after its own name and a colon, or
// else those that are named for all.
func (c *Config) keyFields(n name) []string {
	var all, own, others []string
	to := &all
	for _, f := range c.KeyFields {
		if table, first, ok := strings.Cut(f, ":"); ok {
			f, to = first, &others
			if table == n.table || n.schema != "" && table == n.schema+"."+n.table {
				to = &own
			}
		}
		*to = append(*to, f)
	}
	if own != nil {
		return own
	}
	return all
}

// moments are the schemas of the fields in timestamp.fields.list, by timestamp.precision.mode.
var moments = map[string]*record.Schema{
	"milliseconds": {Type: record.Int64Type, Name: record.TimestampName, Optional: true},
	"microseconds": {Type: record.Int64Type, Name: record.MicroTimestampName, Optional: true},
	"nanoseconds":  {Type: record.Int64Type, Name: record.NanoTimestampName, Optional: true},
}

// timestamps gives the integers in timestamp.fields.list their meaning.
func (c *Config) timestamps(fields []field) {
	for i := range fields {
		f := &fields[i]
		plain := f.schema == nil || f.schema.Type == record.AnyType || f.schema.Type == record.Int64Type && f.schema.Name == ""
		if plain && slices.Contains(c.Timestamps, f.name) {
			f.schema = moments[c.Precision]
		}
	}
}
