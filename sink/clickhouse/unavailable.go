package clickhouse

import (
	"fmt"

	"connectd/convert"
	"connectd/record"
)

// What becomes of a value that its update did not change and the source therefore does not know:
// a placeholder must never be stored as if it were the value, and ClickHouse replaces whole rows,
// so the column can not be left alone either.
const (
	unavailableFail    = "fail"
	unavailableDefault = "default"
	unavailableLookup  = "lookup"
)

// placeholder is what stands for such a value, and what is done about it.
type placeholder struct {
	*convert.Placeholder // nil when everything is a value
	handling             string
}

// errUnavailable is a placeholder in a column, and why it is refused.
type errUnavailable struct{ column string }

func (e errUnavailable) Error() string {
	return "column " + quoteName(e.column) + " has the placeholder of a large value that the update did not change"
}

// unavailableError says what to do about a placeholder in r.
func (t *table) unavailableError(column string, r *record.Record, why string) error {
	key, err := convert.AppendJSON(nil, r.Key)
	if err != nil || len(key) == 0 {
		key = []byte("null")
	}
	return fmt.Errorf("%w; key %.200s of table %s: %s: at the source set REPLICA IDENTITY FULL on the table or post.processors: reselector on the connector, or here unavailable.value.handling: lookup (the stored value) or default (NULL or empty)",
		errUnavailable{column}, key, t.quoted, why)
}
