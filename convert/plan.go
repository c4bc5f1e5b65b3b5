package convert

import (
	"strconv"

	"connectd/record"
)

// plan is how the values of one schema are written, worked out once.
type plan struct {
	schema *record.Schema
	form   form
	scale  int      // of a decimal
	bits   int      // of a float: 32 or 64
	names  [][]byte // of a struct: {"first": and ,"second":
	fields []*plan  // of a struct
	elem   *plan    // of an array, and the values of a map
	key    *plan    // the keys of a map
	header []byte   // {"schema":…,"payload": once it has been asked for
}

// form says what a Number stands for.
type form uint8

const (
	plainForm    form = iota
	decimalForm       // Connect's Decimal
	variableForm      // Debezium's VariableScaleDecimal
)

// anySchema describes values that say themselves what they are.
var anySchema = &record.Schema{Type: record.AnyType, Optional: true}

// maxPlans bounds the caches by schema: a table that changes leaves its old schemas behind.
const maxPlans = 10_000

// plan is the plan of s, which may be nil.
func (j *JSON) plan(s *record.Schema) *plan {
	if s == nil {
		s = anySchema
	}
	if p, ok := j.plans[s]; ok {
		return p
	}
	if len(j.plans) >= maxPlans {
		clear(j.plans)
	}
	p := &plan{schema: s, bits: 64}
	j.plans[s] = p
	switch s.Name {
	case record.DecimalName:
		p.form = decimalForm
		p.scale, _ = strconv.Atoi(s.Param("scale"))
	case record.VariableScaleName:
		p.form = variableForm
	}
	switch s.Type {
	case record.Float32Type:
		p.bits = 32
	case record.StructType:
		for i, f := range s.Fields {
			name := []byte{','}
			if i == 0 {
				name[0] = '{'
			}
			name = append(AppendQuoted(name, []byte(f.Name)), ':')
			p.names = append(p.names, name)
			p.fields = append(p.fields, j.plan(f.Schema))
		}
	case record.ArrayType:
		p.elem = j.plan(s.Elem)
	case record.MapType:
		p.key, p.elem = j.plan(s.Key), j.plan(s.Elem)
	}
	return p
}

// header is what stands before a payload of p's schema.
func (j *JSON) header(p *plan) []byte {
	if p.header == nil {
		p.header = append(p.header, `{"schema":`...)
		if Untyped(p.schema) {
			p.header = append(p.header, "null"...)
		} else {
			p.header = appendSchema(p.header, p.schema, j)
		}
		p.header = append(p.header, `,"payload":`...)
	}
	return p.header
}

// Untyped says whether a part of s is described by its values only: Kafka Connect calls such data
// schemaless.
func Untyped(s *record.Schema) bool {
	for i := range s.Fields {
		if Untyped(s.Fields[i].Schema) {
			return true
		}
	}
	return s.Type == record.AnyType || s.Elem != nil && Untyped(s.Elem) || s.Key != nil && Untyped(s.Key)
}
