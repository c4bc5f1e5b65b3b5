package convert

import "connectd/record"

// maxShapes bounds the trees of shapes: objects that use names as data would grow them for ever.
const maxShapes = 20_000

// shape is the beginning of an object: the names of the fields read so far and their schemas.
// The shapes of all objects that were read are a tree, so that finding the schema of the next
// object costs one comparison a field and no memory.
type shape struct {
	parent *shape
	field  record.Field   // the last field; the root has none
	hint   *record.Schema // what is known beforehand of the whole object; may be nil
	count  int            // of fields
	schema *record.Schema // of an object that ends here, once there was one
	room   int            // of a root: the fields of the object before

	likely *step // the last one taken
	steps  map[field]*step
}

// field identifies a step: a name whose value turned out to be of a schema.
type field struct {
	name   string
	schema *record.Schema
}

// step leads from a shape to the one with one field more.
type step struct {
	name   string
	plain  bool           // name is written without escapes
	hint   *record.Schema // what the hint says of the field; anySchema when it says nothing
	schema *record.Schema // what the value turned out to be
	at     int            // where the value goes: a name that is there already keeps its place
	next   *shape
}

// root is the tree of the objects that hint describes.
func (j *JSON) root(hint *record.Schema) *shape {
	r, ok := j.shapes[hint]
	if !ok {
		r = &shape{hint: hint}
		j.shapes[hint] = r
		j.nodes++
	}
	return r
}

// expect is what the hint says of the field called name.
func (n *shape) expect(name []byte) *record.Schema {
	if n.likely != nil && n.likely.name == string(name) {
		return n.likely.hint
	}
	if n.hint != nil {
		if i := n.hint.Index(string(name)); i >= 0 {
			return n.hint.Fields[i].Schema
		}
	}
	return anySchema
}

// take follows the field called name, whose hint is hint and whose value turned out to be of
// schema.
func (j *JSON) take(n *shape, name []byte, hint, schema *record.Schema) *step {
	if s := n.likely; s != nil && s.schema == schema && s.name == string(name) {
		return s
	}
	s, ok := n.steps[field{string(name), schema}]
	if !ok {
		s = j.grow(n, string(name), hint, schema)
	}
	n.likely = s
	return s
}

// grow adds a step to n.
func (j *JSON) grow(n *shape, name string, hint, schema *record.Schema) *step {
	s := &step{name: name, plain: isPlain(name), hint: hint, schema: schema, at: n.count}
	if n.steps == nil {
		n.steps = map[field]*step{}
	}
	n.steps[field{name, schema}] = s
	fields := n.fields()
	for i, f := range fields {
		if f.Name != name {
			continue
		}
		s.at = i
		if f.Schema == schema {
			s.next = n
			return s
		}
		// The same name again with a value of another schema: the last one counts.
		fields[i].Schema = schema
		s.next = j.path(n, fields)
		return s
	}
	s.next = &shape{parent: n, field: record.Field{Name: name, Schema: schema}, hint: n.hint, count: n.count + 1}
	j.nodes++
	return s
}

// isPlain says whether name is the same inside of quotes.
func isPlain(name string) bool {
	for i := range len(name) {
		if name[i] < 0x80 && !plain[name[i]] {
			return false
		}
	}
	return true
}

// path is a shape of exactly these fields, beside the tree that n is in.
func (j *JSON) path(n *shape, fields []record.Field) *shape {
	at := &shape{hint: n.hint}
	for i, f := range fields {
		at = &shape{parent: at, field: f, hint: n.hint, count: i + 1}
		j.nodes++
	}
	return at
}

// fields are the fields of n in order.
func (n *shape) fields() []record.Field {
	fields := make([]record.Field, n.count)
	for at := n; at.count > 0; at = at.parent {
		fields[at.count-1] = at.field
	}
	return fields
}

// done is the schema of an object that ends at n. It is the hint itself when the object has
// exactly the fields that the hint says.
func (n *shape) done() *record.Schema {
	if n.schema != nil {
		return n.schema
	}
	fields := n.fields()
	if h := n.hint; h == nil {
		n.schema = &record.Schema{Type: record.StructType, Optional: true, Fields: fields}
	} else if sameFields(h.Fields, fields) {
		n.schema = h
	} else {
		merged := *h
		merged.Fields, merged.Default = fields, nil
		n.schema = &merged
	}
	return n.schema
}

func sameFields(a, b []record.Field) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
