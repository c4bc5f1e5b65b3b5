package avro

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"connectd/convert"
	"connectd/record"
)

// defaultPrecision is that of a decimal whose schema has none.
const defaultPrecision = 64

// properties appends what Avro has no place for, and the logical type.
func (m *mapper) properties(s *record.Schema) {
	precision, scale := decimalOf(s)
	if s.Name == record.DecimalName {
		m.add(`,"scale":`, strconv.Itoa(scale), `,"precision":`, strconv.Itoa(precision))
	}
	if m.options.Metadata {
		m.metadata(s)
	}
	switch s.Name {
	case record.DecimalName:
		m.property("logicalType", "decimal")
	case record.ConnectTime:
		m.property("logicalType", "time-millis")
	case record.ConnectTimestamp:
		m.property("logicalType", "timestamp-millis")
	case record.ConnectDate:
		m.property("logicalType", "date")
	}
	for _, p := range s.Params {
		if strings.HasPrefix(p.Name, "avro") {
			m.add(`,`)
			m.quoted(p.Name)
			m.add(`:`)
			m.quoted(p.Value)
		}
	}
}

// decimalOf are precision and scale of a decimal.
func decimalOf(s *record.Schema) (precision, scale int) {
	scale, _ = strconv.Atoi(s.Param("scale"))
	precision, err := strconv.Atoi(s.Param(precisionName))
	if err != nil {
		precision = defaultPrecision
	}
	return precision, scale
}

// metadata appends what readers in Kafka Connect need to get the same schema back.
func (m *mapper) metadata(s *record.Schema) {
	if s.Doc != "" {
		m.property(docProp, s.Doc)
	}
	if s.Version != 0 {
		m.add(`,"`, versionProp, `":`, strconv.Itoa(s.Version))
	}
	first := true
	for _, p := range s.Params {
		if p.Name == fieldDefault {
			continue
		}
		if first {
			m.add(`,"`, paramsProp, `":{`)
		} else {
			m.add(`,`)
		}
		first = false
		m.quoted(p.Name)
		m.add(`:`)
		m.quoted(p.Value)
	}
	if !first {
		m.add(`}`)
	}
	if s.Default != nil && !s.Default.IsNull() && s.Param(fieldDefault) == "" {
		at := len(m.text)
		m.add(`,"`, defaultProp, `":`)
		if m.defaultOf(s, s.Default) != nil {
			m.text = m.text[:at] // the field's default says the error
		}
	}
	if s.Name != "" {
		m.property(nameProp, s.Name)
	}
	switch s.Type {
	case record.Int8Type, record.Int16Type:
		m.property(typeProp, s.Type.String())
	}
}

// defaultOf appends a default as the JSON that Avro wants: octets are a string of the characters
// U+0000 to U+00FF.
func (m *mapper) defaultOf(s *record.Schema, v *record.Value) error {
	switch v.Kind {
	case record.Null:
		m.add(`null`)
	case record.Bool:
		m.text = strconv.AppendBool(m.text, v.Bool())
	case record.Int:
		m.text = strconv.AppendInt(m.text, v.N, 10)
	case record.Float:
		if f := v.Float(); f != f || math.IsInf(f, 0) {
			return fmt.Errorf("%v can not be written as JSON", f)
		}
		bits := 64
		if s.Type == record.Float32Type {
			bits = 32
		}
		m.text = convert.AppendJavaFloat(m.text, v.Float(), bits)
	case record.String, record.JSON:
		m.text = convert.AppendQuoted(m.text, v.B)
	case record.Bytes:
		m.octets(v.B)
	case record.Number:
		return m.numberDefault(s, v.B)
	case record.Struct:
		return m.structDefault(s, v.Items)
	case record.Array:
		m.add(`[`)
		for i := range v.Items {
			if i > 0 {
				m.add(`,`)
			}
			if err := m.defaultOf(s.Elem, &v.Items[i]); err != nil {
				return err
			}
		}
		m.add(`]`)
	case record.Map:
		return m.mapDefault(s, v.Items)
	}
	return nil
}

func (m *mapper) octets(p []byte) {
	text := make([]byte, 0, 2*len(p))
	for _, c := range p {
		text = utf8.AppendRune(text, rune(c))
	}
	m.text = convert.AppendQuoted(m.text, text)
}

func (m *mapper) numberDefault(s *record.Schema, text []byte) error {
	if s.Name == record.VariableScaleName {
		scale, octets, err := convert.VariableParts(text)
		if err != nil {
			return err
		}
		m.add(`{"scale":`, strconv.Itoa(scale), `,"value":`)
		m.octets(octets)
		m.add(`}`)
		return nil
	}
	_, scale := decimalOf(s)
	octets, err := convert.AppendDecimal(nil, text, scale)
	if err != nil {
		return err
	}
	m.octets(octets)
	return nil
}

func (m *mapper) structDefault(s *record.Schema, cells []record.Value) error {
	if len(cells) != len(s.Fields) {
		return fmt.Errorf("a struct of %d values for a schema with %d fields", len(cells), len(s.Fields))
	}
	m.add(`{`)
	for i, f := range s.Fields {
		if i > 0 {
			m.add(`,`)
		}
		name, err := m.part(f.Name)
		if err != nil {
			return err
		}
		m.quoted(name)
		m.add(`:`)
		if err := m.defaultOf(f.Schema, &cells[i]); err != nil {
			return err
		}
	}
	m.add(`}`)
	return nil
}

func (m *mapper) mapDefault(s *record.Schema, pairs []record.Value) error {
	object := s.Key.Type == record.StringType && (!s.Key.Optional || m.options.OptionalMapKeys)
	brackets, inner, colon := "[]", "[]", ","
	if object {
		brackets, inner, colon = "{}", "", ":"
	}
	m.add(brackets[:1])
	for i := 0; i+1 < len(pairs); i += 2 {
		if i > 0 {
			m.add(`,`)
		}
		m.add(inner[:len(inner)/2])
		if err := m.defaultOf(s.Key, &pairs[i]); err != nil {
			return err
		}
		m.add(colon)
		if err := m.defaultOf(s.Elem, &pairs[i+1]); err != nil {
			return err
		}
		m.add(inner[len(inner)/2:])
	}
	m.add(brackets[1:])
	return nil
}
