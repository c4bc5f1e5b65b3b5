package avro

import (
	"fmt"
	"strings"

	"github.com/twmb/avro"

	"connectd/record"
)

// Reader is how the octets of one Avro schema become cells. It does not change, so several
// goroutines may use it, and all its values share one record.Schema.
type Reader struct {
	root *node
}

// NewReader works out how to read what was written with schema. references are the schemas that
// it takes types from, each after those that it needs itself.
func NewReader(schema string, references []string, o Options) (*Reader, error) {
	p := planner{options: o, named: map[string]*node{}, cache: new(avro.SchemaCache)}
	for _, text := range references {
		if _, err := p.parse(text); err != nil {
			return nil, fmt.Errorf("a schema that it refers to: %w", err)
		}
	}
	root, err := p.parse(schema)
	if err != nil {
		return nil, err
	}
	return &Reader{root}, nil
}

// Schema describes the values; nil when they describe themselves.
func (r *Reader) Schema() *record.Schema {
	if r.root.form == anythingForm {
		return nil
	}
	return r.root.schema
}

// node is how the values of one Avro type are read.
type node struct {
	form    form
	schema  *record.Schema
	union   bool // with null
	null    int64
	limit   int64          // greatest value of an integer
	scale   int            // of a decimal
	size    int            // of a fixed type
	symbols []record.Value // of an enum
	parts   []*node        // fields of a record; the branches of a union; the element; key and value
	fields  []int          // of a union: the field of each branch; -1 for null
	entry   bool           // a record that is an entry of a map
}

// The forms that only readers know.
const (
	nullForm     = constantForm + 1 + iota
	uuidForm     // 16 octets
	singleForm   // a union of one type
	anyPartsForm // a record inside of itself: as JSON
)

// planner turns one Avro schema into nodes.
type planner struct {
	options Options
	cache   *avro.SchemaCache
	named   map[string]*node // named types; a record that is being described has no schema yet
}

func (p *planner) parse(text string) (*node, error) {
	schema, err := p.cache.Parse(text, avro.WithLaxNames(nil))
	if err != nil {
		relaxed, ok := relax(text)
		if !ok {
			return nil, err
		}
		var again error
		if schema, again = p.cache.Parse(relaxed, avro.WithLaxNames(nil)); again != nil {
			return nil, err
		}
	}
	return p.value(schema.Root(), "")
}

// value is the node of n, which lies in the namespace space.
func (p *planner) value(n *avro.SchemaNode, space string) (*node, error) {
	switch n.Type {
	case "record", "error":
		return p.record(n)
	case "array":
		return p.array(n, space)
	case "map":
		elem, err := p.value(n.Values, space)
		if err != nil {
			return nil, err
		}
		s := &record.Schema{Type: record.MapType, Key: &record.Schema{Type: record.StringType}, Elem: elem.schema}
		return p.complete(n, &node{form: mapForm, schema: s, parts: []*node{{form: stringForm}, elem}}), nil
	case "union":
		return p.union(n, space)
	case "enum", "fixed":
		made := p.plain(n)
		p.named[fullName(n)] = made
		return made, nil
	}
	if made := p.plain(n); made != nil {
		return made, nil
	}
	return p.reference(n.Type, space)
}

// reference is the type called name, which was described before.
func (p *planner) reference(name, space string) (*node, error) {
	made, ok := p.named[name]
	if space != "" && !strings.Contains(name, ".") {
		if inner, near := p.named[space+"."+name]; near {
			made, ok = inner, true
		}
	}
	switch {
	case !ok:
		return nil, fmt.Errorf("the type %q is not described", name)
	case made.schema == nil:
		return &node{form: anyPartsForm, schema: &record.Schema{Optional: true}, parts: []*node{made}}, nil
	}
	return made, nil
}

// fullName is the full name of a named type.
func fullName(n *avro.SchemaNode) string {
	if n.Namespace == "" || strings.Contains(n.Name, ".") {
		return n.Name
	}
	return n.Namespace + "." + n.Name
}

// plain is the node of a type without parts; nil for any other.
func (p *planner) plain(n *avro.SchemaNode) *node {
	made := &node{schema: &record.Schema{}}
	s := made.schema
	switch n.Type {
	case "null":
		made.form, s.Optional = nullForm, true
		return made
	case "boolean":
		made.form, s.Type = boolForm, record.BoolType
	case "int":
		made.form, s.Type = intForm, record.Int32Type
		switch n.Props[typeProp] {
		case "int8":
			s.Type = record.Int8Type
		case "int16":
			s.Type = record.Int16Type
		}
	case "long":
		made.form, s.Type = intForm, record.Int64Type
	case "float":
		made.form, s.Type = floatForm, record.Float32Type
	case "double":
		made.form, s.Type = doubleForm, record.Float64Type
	case "string":
		made.form, s.Type = stringForm, record.StringType
	case "enum":
		made.form, s.Type, s.Name = enumForm, record.StringType, fullName(n)
		p.symbols(n, made)
	case "bytes":
		made.form, s.Type = bytesForm, record.BytesType
	case "fixed":
		made.form, s.Type, s.Name, made.size = fixedForm, record.BytesType, fullName(n), n.Size
	default:
		return nil
	}
	p.logical(n, made)
	made.limit = limits[s.Type]
	return p.complete(n, made)
}

// symbols sets what AvroData remembers of an enum, whose values are strings.
func (p *planner) symbols(n *avro.SchemaNode, made *node) {
	s := made.schema
	if p.options.Metadata && n.Doc != "" {
		s.Params = append(s.Params, record.Param{Name: enumDoc + n.Name, Value: n.Doc})
	}
	if p.options.Metadata && n.HasEnumDefault {
		s.Params = append(s.Params, record.Param{Name: enumDefault + n.Name, Value: n.EnumDefault})
	}
	s.Params = append(s.Params, record.Param{Name: enumParam, Value: fullName(n)})
	for _, symbol := range n.Symbols {
		s.Params = append(s.Params, record.Param{Name: enumParam + "." + symbol, Value: symbol})
		made.symbols = append(made.symbols, record.OfText(symbol))
	}
}

func (p *planner) array(n *avro.SchemaNode, space string) (*node, error) {
	elem, err := p.value(n.Items, space)
	if err != nil {
		return nil, err
	}
	if !elem.entry {
		return p.complete(n, &node{form: arrayForm, schema: &record.Schema{Type: record.ArrayType, Elem: elem.schema}, parts: []*node{elem}}), nil
	}
	key, value := elem.parts[0], elem.parts[1]
	return p.complete(n, &node{form: pairsForm, schema: &record.Schema{Type: record.MapType, Key: key.schema, Elem: value.schema}, parts: elem.parts}), nil
}

// isMapEntry says whether n is the record that AvroData makes of an entry of a map whose keys are
// no strings.
func isMapEntry(n *avro.SchemaNode) bool {
	if n.Type != "record" || len(n.Fields) != 2 || n.Fields[0].Name != "key" || n.Fields[1].Name != "value" {
		return false
	}
	return fullName(n) == namespace+"."+mapEntryName || n.Props[internalProp] == mapEntryName
}

func (p *planner) record(n *avro.SchemaNode) (*node, error) {
	made := &node{form: recordForm, parts: make([]*node, len(n.Fields)), entry: isMapEntry(n)}
	full := fullName(n)
	p.named[full] = made
	if full == anythingName {
		made.form, made.schema = anythingForm, &record.Schema{Optional: true}
		return made, nil
	}
	s := &record.Schema{Type: record.StructType, Fields: make([]record.Field, len(n.Fields))}
	if !strings.HasPrefix(full, namespace+"."+defaultName) {
		s.Name = full
	}
	doc := func(name, text string) {
		if p.options.Metadata && text != "" {
			s.Params = append(s.Params, record.Param{Name: name, Value: text})
		}
	}
	doc(recordDoc, n.Doc)
	space, _ := splitName(full)
	for i := range n.Fields {
		f := &n.Fields[i]
		doc(fieldDoc+f.Name, f.Doc)
		part, err := p.value(&f.Type, space)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", f.Name, err)
		}
		if f.HasDefault && f.Type.Type != "union" {
			part = p.withDefault(part, f.Default)
		}
		s.Fields[i], made.parts[i] = record.Field{Name: f.Name, Schema: part.schema}, part
	}
	made.schema = s
	return p.complete(n, made), nil
}

// union is the other branch when there are two and one is null, which is an optional value.
// Others become a struct with a field for each branch, of which one is set.
func (p *planner) union(n *avro.SchemaNode, space string) (*node, error) {
	made := &node{form: unionForm, schema: &record.Schema{Type: record.StructType, Name: unionName}}
	s := made.schema
	for i := range n.Branches {
		branch := &n.Branches[i]
		part, err := p.value(branch, space)
		if err != nil {
			return nil, err
		}
		made.parts = append(made.parts, part)
		if part.form == nullForm {
			s.Optional, made.null = true, int64(i)
			made.fields = append(made.fields, -1)
			continue
		}
		made.fields = append(made.fields, len(s.Fields))
		s.Fields = append(s.Fields, record.Field{Name: p.branchName(branch, part), Schema: optional(part.schema)})
	}
	if len(n.Branches) == 2 && s.Optional && len(s.Fields) == 1 {
		only := *made.parts[1-made.null]
		only.union, only.null, only.schema = true, made.null, optional(only.schema)
		return &only, nil
	}
	if len(n.Branches) == 1 && len(s.Fields) == 1 {
		made.form, made.schema = singleForm, made.parts[0].schema
	}
	for i, f := range s.Fields {
		if at := s.Index(f.Name); at < i {
			return nil, fmt.Errorf("two types of a union are called %q", f.Name)
		}
	}
	return made, nil
}

// branchName is the field that a branch of a union has.
func (p *planner) branchName(branch *avro.SchemaNode, part *node) string {
	full := ""
	switch {
	case branch.Type == "record" || branch.Type == "error" || branch.Type == "enum" || branch.Type == "fixed":
		full = fullName(branch)
	case !typeNames[branch.Type]:
		full = branch.Type // a reference
		if part.schema != nil && part.schema.Name != "" {
			full = part.schema.Name
		}
	default:
		return branch.Type
	}
	if p.options.Enhanced {
		return full
	}
	_, short := splitName(full)
	return short
}

// optional is s, optional.
func optional(s *record.Schema) *record.Schema {
	if s.Optional {
		return s
	}
	o := *s
	o.Optional = true
	return &o
}

// withDefault is n with a default that its field has.
func (p *planner) withDefault(n *node, value any) *node {
	if n.schema.Default != nil {
		return n // connect.default
	}
	v, ok := defaultValue(n.schema, value)
	if !ok {
		return n
	}
	made, s := *n, *n.schema
	made.schema, s.Default = &s, &v
	if p.options.Metadata {
		s.Params = append(s.Params[:len(s.Params):len(s.Params)], record.Param{Name: fieldDefault, Value: "true"})
	}
	return &made
}
