package avro

import (
	"encoding/binary"
	"fmt"
	"math"

	"connectd/convert"
	"connectd/record"
)

// Append appends v, a value of the schema that was mapped.
func (m *Mapping) Append(dst []byte, v *record.Value) ([]byte, error) {
	return m.root.append(dst, v, &m.options)
}

// append appends v: behind the branch of a union, where there is one.
func (w *writer) append(dst []byte, v *record.Value, o *Options) ([]byte, error) {
	if v.Kind == record.Null {
		return w.appendNull(dst, o)
	}
	if w.branch {
		dst = append(dst, w.present)
	}
	switch w.form {
	case intForm:
		if v.Kind == record.Int && v.N <= w.limit && v.N >= -w.limit-1 {
			return binary.AppendVarint(dst, v.N), nil
		}
	case stringForm:
		if v.Kind == record.String || v.Kind == record.JSON {
			return appendOctets(dst, v.B), nil
		}
	case boolForm:
		if v.Kind == record.Bool {
			return append(dst, byte(v.N)), nil
		}
	case doubleForm:
		if v.Kind == record.Float {
			return binary.LittleEndian.AppendUint64(dst, uint64(v.N)), nil
		}
	case floatForm:
		if v.Kind == record.Float {
			return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(v.Float()))), nil
		}
	case bytesForm:
		if v.Kind == record.Bytes {
			return appendOctets(dst, v.B), nil
		}
	case recordForm:
		return w.appendRecord(dst, v, o)
	case unionForm:
		return w.appendUnion(dst, v, o)
	case decimalForm, fixedDecimalForm:
		if v.Kind == record.Number {
			return w.appendDecimal(dst, v.B)
		}
	case fixedForm:
		if v.Kind == record.Bytes && len(v.B) == w.size {
			return append(dst, v.B...), nil
		}
	case enumForm:
		if n, ok := w.symbols[string(v.B)]; ok && v.Kind == record.String {
			return binary.AppendVarint(dst, n), nil
		}
	case arrayForm:
		if v.Kind == record.Array {
			return w.appendArray(dst, v.Items, o)
		}
	case mapForm, pairsForm:
		if v.Kind == record.Map && len(v.Items)%2 == 0 {
			return w.appendMap(dst, v.Items, o)
		}
	case anythingForm:
		return appendAnything(dst, v, w.schema)
	}
	return dst, w.mismatch(v)
}

// mismatch is the error for a value that is not what the schema says.
func (w *writer) mismatch(v *record.Value) error {
	return fmt.Errorf("%s does not fit the schema, which has %s", convert.Shown(v), described(w.schema))
}

func (w *writer) appendNull(dst []byte, o *Options) ([]byte, error) {
	switch w.form {
	case anythingForm:
		return append(dst, noThing[:]...), nil
	case constantForm:
		return append(dst, w.constant...), nil
	}
	if d := w.schema.Default; d != nil && !d.IsNull() && o.NullToDefault {
		return w.append(dst, d, o)
	}
	switch {
	case w.union:
		return append(dst, w.null), nil
	case w.form == unionForm && w.nulls >= 0:
		return binary.AppendVarint(dst, w.nulls), nil
	}
	return dst, fmt.Errorf("null where the schema requires %s", described(w.schema))
}

// described is what s is called in messages.
func described(s *record.Schema) string { return convert.Described(s) }

// appendOctets appends bytes or a string, behind their length.
func appendOctets(dst, p []byte) []byte {
	return append(binary.AppendVarint(dst, int64(len(p))), p...)
}

func (w *writer) appendDecimal(dst, text []byte) ([]byte, error) {
	var room [16]byte
	octets, err := convert.AppendDecimal(room[:0], text, w.scale)
	if err != nil {
		return dst, err
	}
	if w.form == decimalForm {
		return appendOctets(dst, octets), nil
	}
	if len(octets) > w.size {
		return dst, fmt.Errorf("the decimal %.40s has no room in %d octets", text, w.size)
	}
	sign := byte(int8(octets[0]) >> 7)
	for range w.size - len(octets) {
		dst = append(dst, sign)
	}
	return append(dst, octets...), nil
}

func (w *writer) appendRecord(dst []byte, v *record.Value, o *Options) ([]byte, error) {
	switch {
	case v.Kind == record.Number && w.schema.Name == record.VariableScaleName && len(w.parts) == 2:
		return w.appendVariable(dst, v.B, o)
	case v.Kind != record.Struct || len(v.Items) != len(w.schema.Fields):
		return dst, w.mismatch(v)
	case w.from != nil:
		return w.appendFrom(dst, v.Items, o)
	}
	var err error
	for i, part := range w.parts {
		if dst, err = part.append(dst, &v.Items[i], o); err != nil {
			return dst, fmt.Errorf("field %q: %w", w.schema.Fields[i].Name, err)
		}
	}
	return dst, nil
}

// appendFrom appends the fields of a record whose order is not that of the values.
func (w *writer) appendFrom(dst []byte, cells []record.Value, o *Options) ([]byte, error) {
	var err error
	for i, part := range w.parts {
		at := w.from[i]
		if at < 0 {
			dst = append(dst, part.constant...)
			continue
		}
		if dst, err = part.append(dst, &cells[at], o); err != nil {
			return dst, fmt.Errorf("field %q: %w", w.schema.Fields[at].Name, err)
		}
	}
	return dst, nil
}

// appendVariable appends text as the struct of a VariableScaleDecimal.
func (w *writer) appendVariable(dst, text []byte, o *Options) ([]byte, error) {
	scale, octets, err := convert.VariableParts(text)
	if err != nil {
		return dst, err
	}
	first, second := record.OfInt(int64(scale)), record.OfBytes(octets)
	if dst, err = w.parts[0].append(dst, &first, o); err != nil {
		return dst, err
	}
	return w.parts[1].append(dst, &second, o)
}

// appendUnion appends the one field that is set.
func (w *writer) appendUnion(dst []byte, v *record.Value, o *Options) ([]byte, error) {
	if v.Kind != record.Struct || len(v.Items) != len(w.parts) {
		return dst, w.mismatch(v)
	}
	for i, part := range w.parts {
		if v.Items[i].IsNull() {
			continue
		}
		// null, where the union has it, is the first branch.
		return part.append(binary.AppendVarint(dst, int64(i)+w.nulls+1), &v.Items[i], o)
	}
	return w.appendNull(dst, o)
}

func (w *writer) appendArray(dst []byte, elems []record.Value, o *Options) ([]byte, error) {
	if len(elems) == 0 {
		return append(dst, 0), nil
	}
	dst = binary.AppendVarint(dst, int64(len(elems)))
	var err error
	for i := range elems {
		if dst, err = w.parts[0].append(dst, &elems[i], o); err != nil {
			return dst, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return append(dst, 0), nil
}

func (w *writer) appendMap(dst []byte, pairs []record.Value, o *Options) ([]byte, error) {
	if len(pairs) == 0 {
		return append(dst, 0), nil
	}
	dst = binary.AppendVarint(dst, int64(len(pairs)/2))
	var err error
	for i := 0; i < len(pairs); i += 2 {
		if dst, err = w.parts[0].append(dst, &pairs[i], o); err != nil {
			return dst, fmt.Errorf("key of a map: %w", err)
		}
		if dst, err = w.parts[1].append(dst, &pairs[i+1], o); err != nil {
			return dst, fmt.Errorf("value of a map: %w", err)
		}
	}
	return append(dst, 0), nil
}
