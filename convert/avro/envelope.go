package avro

import (
	"fmt"

	"connectd/record"
)

// part is a field of an envelope, and where it comes from; nil when it is a constant.
type part struct {
	name string
	from func(c *Converter, change *record.Change, v *record.Value)
}

// changeParts are the fields of Debezium's envelope.
var changeParts = map[string]func(c *Converter, change *record.Change, v *record.Value){
	"before": func(_ *Converter, change *record.Change, v *record.Value) { *v = change.Before },
	"after":  func(_ *Converter, change *record.Change, v *record.Value) { *v = change.After },
	"source": func(c *Converter, change *record.Change, v *record.Value) {
		if change.Source != nil {
			c.block = change.Source.Append(c.block[:0])
			*v = record.OfStruct(c.block)
		}
	},
	"transaction": func(_ *Converter, change *record.Change, v *record.Value) { *v = change.Transaction.Value },
	"op": func(c *Converter, change *record.Change, v *record.Value) {
		c.op[0] = byte(change.Op)
		*v = record.OfString(c.op[:])
	},
	"ts_ms": func(_ *Converter, change *record.Change, v *record.Value) { *v = record.OfInt(change.Time / 1e6) },
	"ts_us": func(_ *Converter, change *record.Change, v *record.Value) { *v = record.OfInt(change.Time / 1e3) },
	"ts_ns": func(_ *Converter, change *record.Change, v *record.Value) { *v = record.OfInt(change.Time) },
}

// EncodeChange appends the envelope of a change, which is not built for it.
func (c *Converter) EncodeChange(dst []byte, topic string, change *record.Change) ([]byte, error) {
	t, err := c.target(topic, change.Table.Envelope)
	if err != nil {
		return dst, err
	}
	if t.parts == nil {
		if t.parts, err = partsOf(t.mapping.root); err != nil {
			return dst, err
		}
	}
	dst = append(dst, t.header[:]...)
	if root := t.mapping.root; root.branch {
		dst = append(dst, root.present)
	}
	for i, w := range t.mapping.root.parts {
		c.cell = record.Value{}
		if from := t.parts[i].from; from != nil {
			from(c, change, &c.cell)
		}
		if dst, err = w.append(dst, &c.cell, &c.options); err != nil {
			return dst, fmt.Errorf("field %q: %w", t.parts[i].name, err)
		}
	}
	return dst, nil
}

// partsOf are the parts of an envelope in the order in which root writes them.
func partsOf(root *writer) ([]part, error) {
	made := make([]part, len(root.parts))
	for i := range made {
		at := i
		if root.from != nil {
			at = root.from[i]
		}
		if at < 0 {
			continue // a constant
		}
		name := root.schema.Fields[at].Name
		from, ok := changeParts[name]
		if !ok {
			return nil, fmt.Errorf("an envelope has no field %q", name)
		}
		made[i] = part{name, from}
	}
	return made, nil
}
