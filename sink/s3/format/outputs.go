package format

import (
	"fmt"

	"connectd/record"
)

// outputs makes values of what format.output.fields names of records, for formats of columns. They are
// in the record's memory, or in scratch until reset.
type outputs struct {
	scratch []byte
	pairs   []record.Value // of the headers of one record
	text    *text          // for what has no type
}

func newOutputs(c *Config) (outputs, error) {
	text, err := newText(c)
	return outputs{text: text}, err
}

func (o *outputs) reset() { o.scratch = o.scratch[:0] }

// output is one of r's. A key and headers are text: their schemas are not that of the file's values.
func (o *outputs) output(r *record.Record, name string) (record.Value, error) {
	switch name {
	case "key":
		v, err := o.textual(r.Key)
		if err != nil {
			return v, fmt.Errorf("key: %w", err)
		}
		return v, nil
	case "topic":
		return o.copied(r.Topic), nil
	case "partition":
		return record.OfInt(int64(r.Partition)), nil
	case "offset":
		return record.OfInt(r.Offset), nil
	case "timestamp":
		return record.OfInt(r.Timestamp), nil
	case "headers":
		return o.headers(r)
	}
	return r.Value.Value, nil
}

// headers are the record's headers as a map of texts.
func (o *outputs) headers(r *record.Record) (record.Value, error) {
	o.pairs = o.pairs[:0]
	for i := range r.Headers {
		v, err := o.textual(r.Headers[i].Value)
		if err != nil {
			return record.Value{}, fmt.Errorf("header %q: %w", r.Headers[i].Name, err)
		}
		o.pairs = append(o.pairs, o.copied(r.Headers[i].Name), v)
	}
	return record.OfMap(o.pairs), nil
}

// copied is s in the memory of scratch.
func (o *outputs) copied(s string) record.Value {
	at := len(o.scratch)
	o.scratch = append(o.scratch, s...)
	return record.OfString(o.scratch[at:])
}

// content is what stands for d where no column type does: strings are themselves, and all else is
// JSON. It is nil for null.
func (o *outputs) content(d record.Datum) ([]byte, error) {
	switch d.Value.Kind {
	case record.Null:
		return nil, nil
	case record.String, record.JSON:
		return d.Value.B, nil
	}
	at := len(o.scratch)
	out, err := o.text.datum(o.scratch, "", d)
	o.scratch = out
	return out[at:], err
}

// textual is the same as a value.
func (o *outputs) textual(d record.Datum) (record.Value, error) {
	text, err := o.content(d)
	if text == nil {
		return record.Value{}, err
	}
	return record.OfString(text), nil
}
