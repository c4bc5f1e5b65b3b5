package clickhouse

import (
	"fmt"

	"connectd/connect"
	"connectd/record"
)

// flattener makes a field of each field of a struct, for nested.columns: flatten. Objects in JSON
// without schemas have no fields that are known before, and stay whole.
type flattener struct {
	known map[*record.Schema]*flat
}

// flat is a schema without structs in it, and where its fields were.
type flat struct {
	schema *record.Schema
	paths  [][]int // nil when there was no struct
}

// maxFlat bounds the schemas that are remembered: tables that change leave their old ones behind.
const maxFlat = 10_000

// nestedBy joins the names of a struct and of its field.
const nestedBy = "_"

// apply flattens the values of b.
func (f *flattener) apply(b *record.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if r.Value.Value.Kind != record.Struct {
			continue
		}
		to, err := f.of(r.Value.Schema)
		if err != nil {
			return connect.Permanent(fmt.Errorf("topic %s: nested.columns: flatten: %w", r.Topic, err))
		}
		if to.paths == nil {
			continue
		}
		cells := b.Cells(len(to.paths))
		for n, path := range to.paths {
			v := &r.Value.Value
			for _, at := range path {
				if v.Kind != record.Struct {
					break // a null, whose fields are null too
				}
				v = &v.Items[at]
			}
			cells[n] = *v
		}
		r.Value = record.Datum{Schema: to.schema, Value: record.OfStruct(cells)}
	}
	return nil
}

func (f *flattener) of(s *record.Schema) (*flat, error) {
	if to, ok := f.known[s]; ok {
		return to, nil
	}
	to := &flat{schema: &record.Schema{Type: record.StructType, Name: s.Name, Version: s.Version}}
	to.add(s, "", nil, false)
	nested := false
	names := make(map[string]bool)
	for i, field := range to.schema.Fields {
		if names[field.Name] {
			return nil, fmt.Errorf("two fields are called %q then; rename one of them by a transform", field.Name)
		}
		names[field.Name] = true
		nested = nested || len(to.paths[i]) > 1
	}
	if !nested {
		to = &flat{}
	}
	if len(f.known) >= maxFlat {
		clear(f.known)
	}
	f.known[s] = to
	return to, nil
}

// add adds the fields of the struct s, which is at path.
func (to *flat) add(s *record.Schema, prefix string, path []int, optional bool) {
	for i, field := range s.Fields {
		own := append(append([]int{}, path...), i)
		// A decimal with a scale of its own is a struct in form only.
		if field.Schema.Type == record.StructType && field.Schema.Name != record.VariableScaleName && len(field.Schema.Fields) > 0 {
			to.add(field.Schema, prefix+field.Name+nestedBy, own, optional || field.Schema.Optional)
			continue
		}
		schema := field.Schema
		if optional && !schema.Optional {
			copied := *schema
			copied.Optional = true
			schema = &copied
		}
		to.schema.Fields = append(to.schema.Fields, record.Field{Name: prefix + field.Name, Schema: schema})
		to.paths = append(to.paths, own)
	}
}
