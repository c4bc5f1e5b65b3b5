package record

import "math"

// Kind says which fields of a Value hold its content.
type Kind uint8

const (
	Null   Kind = iota
	Bool        // N is 0 or 1
	Int         // N; every integer width, and the temporal types that Connect keeps in integers
	Float       // N holds math.Float64bits; a float32 is widened
	String      // B is UTF-8 text
	Bytes       // B is the octets
	Number      // B is the text of a decimal number, such as "-12.50": Connect's Decimal, and JSON numbers that are not integers
	JSON        // B is JSON text of an object or an array whose inside has no schema
	Struct      // Items has one value for each field of the schema
	Array       // Items are the elements
	Map         // Items are key, value, key, value, …
)

// Value is one cell. B and Items point into memory of the batch that the value belongs to, so a
// value is valid until that batch is recycled.
type Value struct {
	Kind  Kind
	N     int64
	B     []byte
	Items []Value
}

// Of… build values. The slices are kept, not copied.
func OfInt(n int64) Value       { return Value{Kind: Int, N: n} }
func OfFloat(f float64) Value   { return Value{Kind: Float, N: int64(math.Float64bits(f))} }
func OfString(b []byte) Value   { return Value{Kind: String, B: b} }
func OfText(s string) Value     { return Value{Kind: String, B: []byte(s)} }
func OfBytes(b []byte) Value    { return Value{Kind: Bytes, B: b} }
func OfNumber(b []byte) Value   { return Value{Kind: Number, B: b} }
func OfJSON(b []byte) Value     { return Value{Kind: JSON, B: b} }
func OfStruct(c []Value) Value  { return Value{Kind: Struct, Items: c} }
func OfArray(c []Value) Value   { return Value{Kind: Array, Items: c} }
func OfMap(pairs []Value) Value { return Value{Kind: Map, Items: pairs} }

// OfBool builds a boolean.
func OfBool(v bool) Value {
	if v {
		return Value{Kind: Bool, N: 1}
	}
	return Value{Kind: Bool}
}

// IsNull says whether v has no content.
func (v Value) IsNull() bool { return v.Kind == Null }

// Bool is the content of a Bool.
func (v Value) Bool() bool { return v.N != 0 }

// Float is the content of a Float.
func (v Value) Float() float64 { return math.Float64frombits(uint64(v.N)) }

// Clone copies v with everything that it points to, so that it outlives its batch.
func (v Value) Clone() Value {
	if v.B != nil {
		v.B = append([]byte{}, v.B...)
	}
	if v.Items != nil {
		items := make([]Value, len(v.Items))
		for i, it := range v.Items {
			items[i] = it.Clone()
		}
		v.Items = items
	}
	return v
}
