package convert

import (
	"fmt"
	"strconv"

	"connectd/record"
)

// tablePlan is how the changes of one version of a table are written.
type tablePlan struct {
	table    *record.Table
	row      *plan
	envelope *plan
}

// tablePlan is the plan of t.
func (j *JSON) tablePlan(t *record.Table) *tablePlan {
	p, ok := j.tables[t]
	if !ok {
		if len(j.tables) >= maxPlans {
			clear(j.tables)
		}
		p = &tablePlan{table: t, row: j.plan(t.Row), envelope: j.plan(t.Envelope)}
		j.tables[t] = p
	}
	j.recent = p
	return p
}

// appendEnvelope appends the fields of a change in Debezium's order.
func (j *JSON) appendEnvelope(dst []byte, t *tablePlan, c *record.Change) ([]byte, error) {
	var err error
	dst = append(dst, `{"before":`...)
	if dst, err = j.appendRow(dst, t.row, &c.Before); err != nil {
		return dst, fmt.Errorf("before: %w", err)
	}
	dst = append(dst, `,"after":`...)
	if dst, err = j.appendRow(dst, t.row, &c.After); err != nil {
		return dst, fmt.Errorf("after: %w", err)
	}
	dst = append(dst, `,"source":`...)
	if c.Source == nil {
		dst = append(dst, "null"...)
	} else {
		j.block = c.Source.Append(j.block[:0])
		if dst, err = j.appendStruct(dst, j.plan(c.Source.Schema()), j.block); err != nil {
			return dst, fmt.Errorf("source: %w", err)
		}
	}
	dst = append(dst, `,"transaction":`...)
	if c.Transaction.Value.IsNull() {
		dst = append(dst, "null"...)
	} else if dst, err = j.appendValue(dst, j.plan(c.Transaction.Schema), &c.Transaction.Value); err != nil {
		return dst, fmt.Errorf("transaction: %w", err)
	}
	dst = append(dst, `,"op":"`...)
	dst = append(dst, byte(c.Op))
	dst = append(dst, `","ts_ms":`...)
	dst = strconv.AppendInt(dst, c.Time/1e6, 10)
	dst = append(dst, `,"ts_us":`...)
	dst = strconv.AppendInt(dst, c.Time/1e3, 10)
	dst = append(dst, `,"ts_ns":`...)
	dst = strconv.AppendInt(dst, c.Time, 10)
	return append(dst, '}'), nil
}

// appendRow appends a row, or null: a row that is not there has no defaults.
func (j *JSON) appendRow(dst []byte, p *plan, row *record.Value) ([]byte, error) {
	if row.IsNull() {
		return append(dst, "null"...), nil
	}
	return j.appendValue(dst, p, row)
}
