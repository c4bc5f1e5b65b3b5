package avro

import (
	"errors"
	"fmt"
	"math"

	"github.com/twmb/avro"

	"connectd/record"
)

// onto is the mapping of the same values onto an Avro schema that is there already: by the names
// of the fields, whatever their order, with more types in a union, with defaults for fields that
// the values do not have. What would lose a part of a value, or change its meaning, does not fit.
func (m *Mapping) onto(schema string, references []string) (*Mapping, error) {
	f := fitter{planner: planner{options: m.options, named: map[string]*node{}, cache: new(avro.SchemaCache)}, types: map[string]*avro.SchemaNode{}}
	var root *avro.SchemaNode
	for _, text := range append(references[:len(references):len(references)], schema) {
		parsed, err := f.cache.Parse(text, avro.WithLaxNames(nil))
		if err != nil {
			return nil, err
		}
		root = parsed.Root()
		f.note(root)
	}
	if m.root.form == anythingForm {
		return nil, errors.New("the records have no schema")
	}
	w, err := f.value(root, m.root.schema, "")
	if err != nil {
		return nil, err
	}
	return &Mapping{schema: []byte(schema), name: w.name, root: w, options: m.options}, nil
}

// fitter makes writers for an Avro schema that somebody else has written.
type fitter struct {
	planner
	types map[string]*avro.SchemaNode // named types by their full names
}

// note takes note of the named types in n.
func (f *fitter) note(n *avro.SchemaNode) {
	switch {
	case n.Items != nil:
		f.note(n.Items)
	case n.Values != nil:
		f.note(n.Values)
	case n.Type == "record", n.Type == "error", n.Type == "enum", n.Type == "fixed":
		f.types[fullName(n)] = n
	}
	for i := range n.Fields {
		f.note(&n.Fields[i].Type)
	}
	for i := range n.Branches {
		f.note(&n.Branches[i])
	}
}

// resolve is the type that n is the name of, or n.
func (f *fitter) resolve(n *avro.SchemaNode, space string) *avro.SchemaNode {
	if typeNames[n.Type] {
		return n
	}
	if near, ok := f.types[space+"."+n.Type]; ok {
		return near
	}
	if far, ok := f.types[n.Type]; ok {
		return far
	}
	return n
}

// maxBranches are those whose number is written in one octet.
const maxBranches = 64

// value is how values of s are written as n.
func (f *fitter) value(n *avro.SchemaNode, s *record.Schema, space string) (*writer, error) {
	n = f.resolve(n, space)
	if isUnion(s) {
		return nil, errors.New("a union of several types is written only with auto.register.schemas")
	}
	if n.Type != "union" {
		return f.bare(n, s, space)
	}
	if len(n.Branches) > maxBranches {
		return nil, fmt.Errorf("a union has more than %d types", maxBranches)
	}
	null, misfit := -1, errors.New("a union of null alone has no values")
	for i := range n.Branches {
		if n.Branches[i].Type == "null" {
			null = i
		}
	}
	for i := range n.Branches {
		if i == null {
			continue
		}
		base, err := f.bare(f.resolve(&n.Branches[i], space), s, space)
		if err != nil {
			misfit = err
			continue
		}
		w := *base
		w.branch, w.present, w.union, w.null = true, byte(2*i), null >= 0, byte(2*null)
		return &w, nil
	}
	return nil, misfit
}

func (f *fitter) bare(n *avro.SchemaNode, s *record.Schema, space string) (*writer, error) {
	w := &writer{schema: s}
	var err error
	switch s.Type.String() + " as " + n.Type {
	case "int8 as int", "int16 as int", "int32 as int", "int64 as int":
		w.form, w.limit = intForm, min(limits[s.Type], math.MaxInt32)
	case "int8 as long", "int16 as long", "int32 as long", "int64 as long":
		w.form, w.limit = intForm, limits[s.Type]
	case "float as float":
		w.form = floatForm
	case "float as double", "double as double":
		w.form = doubleForm
	case "boolean as boolean":
		w.form = boolForm
	case "string as string":
		w.form = stringForm
	case "string as enum":
		w.form, w.name, w.symbols = enumForm, fullName(n), map[string]int64{}
		for i, symbol := range n.Symbols {
			w.symbols[symbol] = int64(i)
		}
	case "bytes as bytes", "bytes as fixed":
		return w, f.octets(w, n)
	case "array as array":
		w.form = arrayForm
		elem, err := f.value(n.Items, s.Elem, space)
		w.parts = []*writer{elem}
		return w, err
	case "map as map":
		w.form = mapForm
		elem, err := f.value(n.Values, s.Elem, space)
		w.parts = []*writer{{form: stringForm, schema: s.Key}, elem}
		return w, err
	case "map as array":
		return f.pairs(w, n, space)
	case "struct as record":
		return f.record(w, n)
	default:
		err = fmt.Errorf("%s has no place in the type %q", s.Type, n.Type)
	}
	if err != nil {
		return nil, err
	}
	return w, f.sameMeaning(n, s)
}

// sameMeaning refuses a logical type that is not that of the values: microseconds in a column of
// milliseconds.
func (f *fitter) sameMeaning(n *avro.SchemaNode, s *record.Schema) error {
	if made := f.plain(n); n.Type != "enum" && made.schema.Name != "" && made.schema.Name != s.Name {
		return fmt.Errorf("%s is not what the logical type %q stands for", described(s), n.LogicalType)
	}
	return nil
}

func (f *fitter) octets(w *writer, n *avro.SchemaNode) error {
	w.form = bytesForm
	if n.Type == "fixed" {
		w.form, w.name, w.size = fixedForm, fullName(n), n.Size
	}
	decimal := n.LogicalType == "decimal"
	if decimal != (w.schema.Name == record.DecimalName) {
		return fmt.Errorf("%s is not %q with the logical type %q", described(w.schema), n.Type, n.LogicalType)
	}
	if decimal {
		w.scale = n.Scale // digits that have no place there are an error of the record
		w.form = decimalForm
		if n.Type == "fixed" {
			w.form = fixedDecimalForm
		}
	}
	return nil
}

func (f *fitter) pairs(w *writer, n *avro.SchemaNode, space string) (*writer, error) {
	entry := f.resolve(n.Items, space)
	if !isMapEntry(entry) {
		return nil, errors.New("a map has no place in an array")
	}
	inner, _ := splitName(fullName(entry))
	w.form, w.parts = pairsForm, make([]*writer, 2)
	for i, s := range []*record.Schema{w.schema.Key, w.schema.Elem} {
		var err error
		if w.parts[i], err = f.value(&entry.Fields[i].Type, s, inner); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (f *fitter) record(w *writer, n *avro.SchemaNode) (*writer, error) {
	w.form, w.name = recordForm, fullName(n)
	space, _ := splitName(w.name)
	names := mapper{options: f.options}
	places := map[string]int{}
	for i, field := range w.schema.Fields {
		name, err := names.part(field.Name)
		if err != nil {
			return nil, err
		}
		places[name] = i
	}
	for i := range n.Fields {
		field := &n.Fields[i]
		at, ok := places[field.Name]
		if !ok {
			at = -1
			part, err := constant(field)
			if err != nil {
				return nil, err
			}
			w.parts = append(w.parts, part)
		} else {
			part, err := f.value(&field.Type, w.schema.Fields[at].Schema, space)
			if err != nil {
				return nil, fmt.Errorf("field %q: %w", field.Name, err)
			}
			w.parts = append(w.parts, part)
		}
		w.from = append(w.from, at)
		delete(places, field.Name)
	}
	for name := range places {
		return nil, fmt.Errorf("it has no field %q", name)
	}
	return w, nil
}

// constant is a field that the values do not have: its default.
func constant(field *avro.SchemaField) (*writer, error) {
	if !field.HasDefault {
		return nil, fmt.Errorf("its field %q has no default, and the records do not have it", field.Name)
	}
	s, err := field.Type.Schema()
	if err != nil {
		return nil, err
	}
	octets, err := s.Encode(field.Default)
	if err != nil {
		return nil, fmt.Errorf("the default of field %q: %w", field.Name, err)
	}
	return &writer{form: constantForm, constant: octets}, nil
}
