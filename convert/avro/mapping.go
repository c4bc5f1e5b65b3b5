package avro

import (
	"math"

	"connectd/convert"
	"connectd/record"
)

// Options are the choices of Confluent's AvroData, by the names of its settings.
type Options struct {
	Metadata        bool // connect.meta.data
	Enhanced        bool // enhanced.avro.schema.support
	Scrub           bool // scrub.invalid.names
	OptionalMapKeys bool // allow.optional.map.keys
	NullToDefault   bool // not ignore.default.for.nullables
}

// Mapping is how the values of one record.Schema are written as Avro. It does not change, so
// several goroutines may use it.
type Mapping struct {
	schema  []byte
	name    string // full name of a record; empty for other types
	root    *writer
	options Options
}

// Map maps s, which may be nil for data without a schema. Data of which a part has no schema is
// written as Confluent's Anything, which describes itself.
func Map(s *record.Schema, o Options) (*Mapping, error) {
	if s == nil || convert.Untyped(s) {
		root := &writer{form: anythingForm, schema: s, name: anythingName}
		return &Mapping{schema: []byte(anythingSchema), name: root.name, root: root, options: o}, nil
	}
	m := mapper{options: o, named: map[string]*named{}}
	root, err := m.value(s, "")
	if err != nil {
		return nil, err
	}
	return &Mapping{schema: m.text, name: root.name, root: root, options: o}, nil
}

// Schema is the Avro schema as JSON.
func (m *Mapping) Schema() string { return string(m.schema) }

// Name is the full name of the record that the values are, or "".
func (m *Mapping) Name() string { return m.name }

// writer is how the values of one Avro type are written.
type writer struct {
	form    form
	schema  *record.Schema
	name    string           // full name of a named type
	branch  bool             // a branch of a union
	present byte             // which, as it is written
	union   bool             // of a union with null
	null    byte             // the branch of null, as it is written
	limit   int64            // greatest value of an integer
	scale   int              // of a decimal
	size    int              // of a fixed type
	symbols map[string]int64 // of an enum
	parts   []*writer        // fields of a record; branches of a union; the element; key and value
	from    []int            // the place of each part in the values; nil when it is the same
	nulls   int64            // the branch of null in a union of several types; -1 for none

	constant []byte // what is written whatever the value
}

// limits are the greatest values of the integer types.
var limits = map[record.Type]int64{
	record.Int8Type: math.MaxInt8, record.Int16Type: math.MaxInt16, record.Int32Type: math.MaxInt32, record.Int64Type: math.MaxInt64,
}

// form is what an Avro type looks like in octets.
type form uint8

const (
	intForm form = iota
	floatForm
	doubleForm
	boolForm
	stringForm
	enumForm
	bytesForm
	fixedForm
	decimalForm      // octets of a decimal
	fixedDecimalForm // the same, in a fixed size
	recordForm
	arrayForm
	mapForm
	pairsForm // a map whose keys are no strings: an array of records
	unionForm // of several types: a struct of which one field is set
	anythingForm
	constantForm // a field that the values do not have
)
