package format

import (
	"fmt"
	"io"

	"connectd/record"
)

// octets writes the values' own bytes with a separator after each; a null has none.
type octets struct {
	out       io.Writer
	separator string
	buf       []byte
}

// Append writes one value.
func (o *octets) Append(b *record.Batch, i int) error {
	r := &b.Records[i]
	v := r.Value.Value
	switch {
	case r.RawValue != nil:
		o.buf = append(o.buf[:0], r.RawValue...)
	case v.IsNull() || v.Kind == record.Bytes || v.Kind == record.String:
		o.buf = append(o.buf[:0], v.B...)
	default:
		return fmt.Errorf("the value has no bytes of its own any more: a transform has changed it; write format.class: jsonl, or remove the transform")
	}
	o.buf = append(o.buf, o.separator...)
	_, err := o.out.Write(o.buf)
	return err
}

// Buffered is nothing: each value is written at once.
func (o *octets) Buffered() int { return 0 }

// Close has nothing to add after the last separator.
func (o *octets) Close() error { return nil }
