package avro

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"connectd/convert"
	"connectd/record"
)

// mapper turns one record.Schema into an Avro schema. The order of everything in the text is that
// of AvroData and of Avro's own library, so that both register one and the same text.
type mapper struct {
	options Options
	text    []byte
	named   map[string]*named // records, by the name or the text of their record.Schema
	unnamed int               // how many types had no name
}

// named is a record that may be written by its name when it comes again.
type named struct {
	fields []record.Field
	writer *writer
}

func (m *mapper) add(parts ...string) {
	for _, p := range parts {
		m.text = append(m.text, p...)
	}
}

func (m *mapper) quoted(text string) { m.text = convert.AppendQuoted(m.text, []byte(text)) }

// property appends a property of a type or a field whose value is text.
func (m *mapper) property(name, text string) {
	m.add(`,"`, name, `":`)
	m.quoted(text)
}

// value appends the Avro type of s: with null, when s is optional. space is the namespace around.
func (m *mapper) value(s *record.Schema, space string) (*writer, error) {
	if isUnion(s) {
		return m.union(s, space)
	}
	if !s.Optional {
		return m.bare(s, space)
	}
	nullLast := s.Default != nil && s.Type != record.StructType
	m.add(`[`)
	if !nullLast {
		m.add(`"null",`)
	}
	base, err := m.bare(s, space)
	if err != nil {
		return nil, err
	}
	w := *base // a record may come again that is not optional
	w.branch, w.union, w.schema, w.null, w.present = true, true, s, 0, 2
	if nullLast {
		m.add(`,"null"`)
		w.null, w.present = 2, 0
	}
	m.add(`]`)
	return &w, nil
}

// bare appends the type of s as if it were not optional.
func (m *mapper) bare(s *record.Schema, space string) (*writer, error) {
	w := &writer{schema: s}
	switch s.Type {
	case record.Int8Type, record.Int16Type, record.Int32Type:
		w.form, w.limit = intForm, limits[s.Type]
		m.plain(s, "int")
	case record.Int64Type:
		w.form, w.limit = intForm, limits[s.Type]
		m.plain(s, "long")
	case record.Float32Type:
		w.form = floatForm
		m.plain(s, "float")
	case record.Float64Type:
		w.form = doubleForm
		m.plain(s, "double")
	case record.BoolType:
		w.form = boolForm
		m.plain(s, "boolean")
	case record.StringType:
		if m.options.Enhanced && s.Param(enumParam) != "" {
			return w, m.enum(w, space)
		}
		w.form = stringForm
		m.plain(s, "string")
	case record.BytesType:
		return w, m.bytes(w, space)
	case record.ArrayType:
		w.form = arrayForm
		return w, m.array(w, space)
	case record.MapType:
		return w, m.mapOf(w, space)
	case record.StructType:
		return m.record(s, space)
	default:
		return nil, fmt.Errorf("the type %s has no form in Avro", s.Type)
	}
	return w, nil
}

// plain appends a type without parts: its name alone, when there is nothing to say of it.
func (m *mapper) plain(s *record.Schema, name string) {
	start := len(m.text)
	m.add(`{"type":"`, name, `"`)
	end := len(m.text)
	m.properties(s)
	if len(m.text) == end {
		m.text = m.text[:start]
		m.add(`"`, name, `"`)
		return
	}
	m.add(`}`)
}

// name appends the name of a named type.
func (m *mapper) name(full, around string) {
	space, name := splitName(full)
	m.add(`,"name":`)
	m.quoted(name)
	if space != around {
		m.property("namespace", space)
	}
}

// reference appends the name of a type that was described before.
func (m *mapper) reference(full, around string) {
	if space, name := splitName(full); space == around && !typeNames[name] {
		full = name
	}
	m.quoted(full)
}

// nameOf is the full Avro name of a schema; types without one are numbered.
func (m *mapper) nameOf(s *record.Schema) (string, error) {
	if s.Name != "" {
		return m.avroName(s.Name)
	}
	m.unnamed++
	if m.unnamed == 1 {
		return namespace + "." + defaultName, nil
	}
	return namespace + "." + defaultName + strconv.Itoa(m.unnamed), nil
}

func (m *mapper) enum(w *writer, space string) error {
	s := w.schema
	full := s.Param(enumParam)
	if s.Name == "" {
		m.unnamed++
	}
	w.form, w.name, w.symbols = enumForm, full, map[string]int64{}
	for _, p := range s.Params {
		if symbol, ok := strings.CutPrefix(p.Name, enumParam+"."); ok {
			w.symbols[symbol] = int64(len(w.symbols))
		}
	}
	key := "enum " + full
	if _, again := m.named[key]; again {
		m.reference(full, space)
		return nil
	}
	m.named[key] = &named{}
	_, short := splitName(s.Name)
	m.add(`{"type":"enum"`)
	m.name(full, space)
	if doc := s.Param(enumDoc + short); doc != "" {
		m.property("doc", doc)
	}
	m.add(`,"symbols":[`)
	for _, p := range s.Params {
		if symbol, ok := strings.CutPrefix(p.Name, enumParam+"."); ok {
			if m.text[len(m.text)-1] != '[' {
				m.add(`,`)
			}
			m.quoted(symbol)
		}
	}
	m.add(`]`)
	if symbol := s.Param(enumDefault + short); symbol != "" {
		m.property("default", symbol)
	}
	m.properties(s)
	m.add(`}`)
	return nil
}

func (m *mapper) bytes(w *writer, space string) error {
	s := w.schema
	w.form = bytesForm
	if s.Name == record.DecimalName {
		w.form = decimalForm
		var err error
		if w.scale, err = strconv.Atoi(s.Param("scale")); err != nil {
			return fmt.Errorf("a decimal whose schema has the scale %q", s.Param("scale"))
		}
	}
	if s.Name == "" || s.Param(fixedSize) == "" {
		m.plain(s, "bytes")
		return nil
	}
	if w.form == decimalForm {
		w.form = fixedDecimalForm
	} else {
		w.form = fixedForm
	}
	var err error
	if w.size, err = strconv.Atoi(s.Param(fixedSize)); err != nil || w.size < 0 {
		return fmt.Errorf("a fixed type whose schema has the size %q", s.Param(fixedSize))
	}
	if w.name, err = m.avroName(s.Name); err != nil {
		return err
	}
	key := "fixed " + w.name
	if _, again := m.named[key]; again {
		m.reference(w.name, space)
		return nil
	}
	m.named[key] = &named{}
	m.add(`{"type":"fixed"`)
	m.name(w.name, space)
	m.add(`,"size":`, strconv.Itoa(w.size))
	m.properties(s)
	m.add(`}`)
	return nil
}

func (m *mapper) array(w *writer, space string) error {
	m.add(`{"type":"array","items":`)
	elem, err := m.value(w.schema.Elem, space)
	if err != nil {
		return err
	}
	w.parts = []*writer{elem}
	m.properties(w.schema)
	m.add(`}`)
	return nil
}

// mapOf appends a map; one whose keys are not strings is an array of records with a key and a value.
func (m *mapper) mapOf(w *writer, space string) error {
	s := w.schema
	var key, elem *writer
	var err error
	if s.Key.Type == record.StringType && (!s.Key.Optional || m.options.OptionalMapKeys) {
		w.form = mapForm
		m.add(`{"type":"map","values":`)
		key = &writer{form: stringForm, schema: s.Key}
		if elem, err = m.value(s.Elem, space); err != nil {
			return err
		}
	} else {
		w.form = pairsForm
		full := namespace + "." + mapEntryName
		if s.Name != "" {
			if full, err = m.avroName(s.Name); err != nil {
				return err
			}
		}
		if key, elem, err = m.entry(s, full, space); err != nil {
			return err
		}
	}
	w.parts = []*writer{key, elem}
	m.properties(s)
	m.add(`}`)
	return nil
}

// entry appends an array of the entries of a map: records with a key and a value.
func (m *mapper) entry(s *record.Schema, full, space string) (key, elem *writer, err error) {
	m.add(`{"type":"array","items":`)
	fields := []record.Field{{Name: "key", Schema: s.Key}, {Name: "value", Schema: s.Elem}}
	if before, again := m.named[full]; again {
		if !sameFields(before.fields, fields) {
			return nil, nil, fmt.Errorf("two maps with different entries are called %q, which Avro does not allow; give them names", full)
		}
		m.reference(full, space)
		return before.writer.parts[0], before.writer.parts[1], nil
	}
	parts := make([]*writer, 2)
	m.named[full] = &named{fields, &writer{parts: parts}}
	inner, _ := splitName(full)
	m.add(`{"type":"record"`)
	m.name(full, space)
	m.add(`,"fields":[`)
	if key, err = m.field("key", s.Key, "", inner); err != nil {
		return nil, nil, err
	}
	m.add(`,`)
	if elem, err = m.field("value", s.Elem, "", inner); err != nil {
		return nil, nil, err
	}
	m.add(`]`)
	if s.Name != "" {
		m.property(internalProp, mapEntryName)
	}
	m.add(`}`)
	parts[0], parts[1] = key, elem
	return key, elem, nil
}

// record appends a record, or its name when it was described before.
func (m *mapper) record(s *record.Schema, space string) (*writer, error) {
	key := s.Name
	if key == "" {
		same := *s
		same.Optional = false
		key = string(convert.AppendSchema(nil, &same))
	}
	if before, again := m.named[key]; again {
		if !sameFields(before.fields, s.Fields) {
			return nil, fmt.Errorf("two structs with different fields are called %q, which Avro does not allow", s.Name)
		}
		m.reference(before.writer.name, space)
		return before.writer, nil
	}
	full, err := m.nameOf(s)
	if err != nil {
		return nil, err
	}
	w := &writer{form: recordForm, schema: s, name: full, parts: make([]*writer, len(s.Fields))}
	m.named[key] = &named{s.Fields, w}
	inner, _ := splitName(full)
	m.add(`{"type":"record"`)
	m.name(full, space)
	if doc := s.Param(recordDoc); doc != "" {
		m.property("doc", doc)
	}
	m.add(`,"fields":[`)
	for i, f := range s.Fields {
		if i > 0 {
			m.add(`,`)
		}
		name, err := m.part(f.Name)
		if err != nil {
			return nil, fmt.Errorf("a field of %q: %w", full, err)
		}
		if w.parts[i], err = m.field(name, f.Schema, s.Param(fieldDoc+f.Name), inner); err != nil {
			return nil, fmt.Errorf("field %q: %w", f.Name, err)
		}
	}
	m.add(`]`)
	m.properties(s)
	m.add(`}`)
	return w, nil
}

// field appends one field of a record.
func (m *mapper) field(name string, s *record.Schema, doc, space string) (*writer, error) {
	m.add(`{"name":`)
	m.quoted(name)
	m.add(`,"type":`)
	w, err := m.value(s, space)
	if err != nil {
		return nil, err
	}
	if doc != "" {
		m.property("doc", doc)
	}
	switch {
	case s.Default == nil || s.Default.IsNull():
		if s.Optional {
			m.add(`,"default":null`)
		}
	case s.Optional && s.Type == record.StructType:
		// A default must be of the first type of a union, and here that is null.
	default:
		m.add(`,"default":`)
		if err := m.defaultOf(s, s.Default); err != nil {
			return nil, fmt.Errorf("default: %w", err)
		}
	}
	m.add(`}`)
	return w, nil
}

// union appends a struct of which one field is set: a union of the types of its fields.
func (m *mapper) union(s *record.Schema, space string) (*writer, error) {
	w := &writer{form: unionForm, schema: s, nulls: -1}
	m.add(`[`)
	if s.Optional {
		m.add(`"null"`)
		w.nulls = 0
	}
	for i, f := range s.Fields {
		if i > 0 || s.Optional {
			m.add(`,`)
		}
		branch, err := m.bare(f.Schema, space)
		if err != nil {
			return nil, fmt.Errorf("branch %q of a union: %w", f.Name, err)
		}
		w.parts = append(w.parts, branch)
	}
	m.add(`]`)
	return w, nil
}

func isUnion(s *record.Schema) bool { return s.Type == record.StructType && s.Name == unionName }

// sameFields says whether two structs of one name are the same type.
func sameFields(a, b []record.Field) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] == b[i] {
			continue
		}
		if a[i].Name != b[i].Name || !bytes.Equal(convert.AppendSchema(nil, a[i].Schema), convert.AppendSchema(nil, b[i].Schema)) {
			return false
		}
	}
	return true
}
