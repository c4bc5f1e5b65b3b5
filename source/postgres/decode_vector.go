package postgres

import (
	"bytes"
	"fmt"
	"math"
	"strconv"

	"connectd/record"
)

// vector is the form of pgvector's dense types, whose text is "[1,2,3]".
func (f *forms) vector(name string, t record.Type, elem decoder) form {
	inner := arrayDecoder(elem, ',', false)
	made := form{zero: record.OfArray([]record.Value{}), initial: record.OfArray([]record.Value{})}
	made.schema = record.Schema{Type: record.ArrayType, Name: name, Version: 1, Elem: &record.Schema{Type: t}}
	made.decode = func(v *record.Value, b *record.Batch, text []byte) error {
		if len(text) < 2 || text[0] != '[' || text[len(text)-1] != ']' {
			return fmt.Errorf("%q is not a vector", text)
		}
		text[0], text[len(text)-1] = '{', '}'
		return inner(v, b, text)
	}
	if !f.debezium { // which loses an unchanged vector: it writes null
		made.unchanged = record.OfArray(f.codes(floatCode))
	}
	return made
}

// codes is the placeholder as one value for each of its octets, where text has no place.
func (f *forms) codes(of func(code byte) record.Value) []record.Value {
	items := make([]record.Value, len(f.placeholder))
	for i, c := range f.placeholder {
		items[i] = of(c)
	}
	return items
}

func floatCode(code byte) record.Value { return record.OfFloat(float64(code)) }

func intCode(code byte) record.Value { return record.OfInt(int64(code)) }

// sparse is the form of pgvector's sparsevec, whose text is "{1:201,9:209}/3000".
func (f *forms) sparse() form {
	number := &record.Schema{Type: record.Int16Type}
	zero := record.OfStruct([]record.Value{record.OfInt(0), record.OfMap([]record.Value{})})
	made := f.plain(record.StructType, "io.debezium.data.SparseDoubleVector", decodeSparse, zero)
	made.schema.Doc = "Sparse double vector"
	made.schema.Fields = []record.Field{
		{Name: "dimensions", Schema: number},
		{Name: "vector", Schema: &record.Schema{Type: record.MapType, Key: number, Elem: &record.Schema{Type: record.Float64Type}}},
	}
	if !f.debezium {
		var pairs []record.Value
		for i, code := range f.codes(floatCode) {
			pairs = append(pairs, record.OfInt(int64(i+1)), code)
		}
		made.unchanged = record.OfStruct([]record.Value{record.OfInt(int64(len(pairs) / 2)), record.OfMap(pairs)})
	}
	return made
}

func decodeSparse(v *record.Value, b *record.Batch, text []byte) error {
	elements, dimensions, ok1 := bytes.Cut(text, []byte("}/"))
	elements, ok2 := bytes.CutPrefix(elements, []byte("{"))
	size, ok3 := parseInt(dimensions)
	if !ok1 || !ok2 || !ok3 {
		return fmt.Errorf("%q is not a sparse vector", text)
	}
	if size > math.MaxInt16 {
		return fmt.Errorf("a sparse vector of %d dimensions %w, which has 16 bits for them", size, errNoForm)
	}
	pairs := b.Cells(2 * bytes.Count(elements, []byte(":")))[:0]
	for len(elements) > 0 {
		var element []byte
		element, elements, _ = bytes.Cut(elements, []byte(","))
		index, value, _ := bytes.Cut(element, []byte(":"))
		at, ok := parseInt(index)
		number, err := strconv.ParseFloat(string(value), 64)
		if !ok || at > size || err != nil {
			return fmt.Errorf("%q is not a sparse vector", text)
		}
		pairs = append(pairs, record.OfInt(at), record.OfFloat(number))
	}
	cells := b.Cells(2)
	cells[0], cells[1] = record.OfInt(size), record.OfMap(pairs)
	*v = record.OfStruct(cells)
	return nil
}
