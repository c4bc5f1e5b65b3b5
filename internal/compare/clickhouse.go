package compare

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// ClickHouse reads the rows that from selects, such as "(SELECT * FROM shop.orders FINAL WHERE
// _is_deleted = 0)". query sends one statement and returns the answer's text.
func (t *Table) ClickHouse(ctx context.Context, query func(ctx context.Context, sql string) (string, error), from string) (Rows, error) {
	list := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		list[i] = c.clickhouse()
	}
	answer, err := query(ctx, fmt.Sprintf("SELECT CAST([%s], 'Array(Nullable(String))') FROM %s FORMAT JSONCompactEachRow", strings.Join(list, ", "), from))
	if err != nil {
		return nil, err
	}
	rows := Rows{}
	cells := make([]string, len(t.Columns))
	for line := range strings.Lines(answer) {
		var row [1][]*string
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			return nil, fmt.Errorf("read ClickHouse's answer %q: %w", line, err)
		}
		for i, v := range row[0] {
			if cells[i] = null; v != nil {
				cells[i] = *v
			}
		}
		if err := t.add(rows, cells); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// clickhouse is the SQL expression of the column's text.
func (c Column) clickhouse() string {
	name := "`" + c.Name + "`"
	switch c.Kind {
	case Moment:
		return "toString(toUnixTimestamp64Micro(" + name + "))"
	case Day:
		return "toString(toInt32(" + name + "))"
	case Octets:
		return "lower(hex(" + name + "))"
	case Document:
		return "if(toTypeName(" + name + ") LIKE 'Array%', toJSONString(" + name + "), toString(" + name + "))"
	}
	return "toString(" + name + ")"
}
