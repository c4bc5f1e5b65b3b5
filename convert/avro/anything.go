package avro

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"connectd/record"
)

// anythingSchema is the Avro type of data without a schema: a record of which one field is set.
const anythingSchema = `{"type":"record","name":"Anything","namespace":"` + namespace + `","fields":[` +
	`{"name":"boolean","type":["null","boolean"],"default":null},` +
	`{"name":"bytes","type":["null","bytes"],"default":null},` +
	`{"name":"double","type":["null","double"],"default":null},` +
	`{"name":"float","type":["null","float"],"default":null},` +
	`{"name":"int","type":["null","int"],"default":null},` +
	`{"name":"long","type":["null","long"],"default":null},` +
	`{"name":"string","type":["null","string"],"default":null},` +
	`{"name":"array","type":["null",{"type":"array","items":"Anything"}],"default":null},` +
	`{"name":"map","type":["null",{"type":"array","items":{"type":"record","name":"MapEntry","fields":[{"name":"key","type":"Anything"},{"name":"value","type":"Anything"}]}}],"default":null}]}`

// Where the fields of Anything are.
const (
	boolThing = iota
	bytesThing
	doubleThing
	floatThing
	intThing
	longThing
	stringThing
	arrayThing
	mapThing
	things
)

// noThing is null: none of the fields is set.
var noThing [things]byte

// thing appends what stands before and behind the content of one field.
func thing(dst []byte, at int, content func(dst []byte) ([]byte, error)) ([]byte, error) {
	dst = append(append(dst, noThing[:at]...), 2)
	dst, err := content(dst)
	return append(dst, noThing[at+1:]...), err
}

// untyped is the schema of what has none.
var untyped record.Schema

// appendAnything appends v, which s describes as far as anything does.
func appendAnything(dst []byte, v *record.Value, s *record.Schema) ([]byte, error) {
	if s == nil {
		s = &untyped
	}
	switch v.Kind {
	case record.Null:
		return append(dst, noThing[:]...), nil
	case record.Bool:
		return thing(dst, boolThing, func(dst []byte) ([]byte, error) { return append(dst, byte(v.N)), nil })
	case record.Bytes:
		return thing(dst, bytesThing, func(dst []byte) ([]byte, error) { return appendOctets(dst, v.B), nil })
	case record.Float:
		return thing(dst, doubleThing, func(dst []byte) ([]byte, error) {
			return binary.LittleEndian.AppendUint64(dst, uint64(v.N)), nil
		})
	case record.Int:
		return thing(dst, longThing, func(dst []byte) ([]byte, error) { return binary.AppendVarint(dst, v.N), nil })
	case record.String:
		return thing(dst, stringThing, func(dst []byte) ([]byte, error) { return appendOctets(dst, v.B), nil })
	case record.Number:
		return appendNumberThing(dst, v.B)
	case record.JSON:
		return appendJSONThing(dst, v.B)
	case record.Array:
		return thing(dst, arrayThing, func(dst []byte) ([]byte, error) {
			return appendThings(dst, len(v.Items), func(dst []byte, i int) ([]byte, error) {
				return appendAnything(dst, &v.Items[i], s.Elem)
			})
		})
	case record.Map:
		return thing(dst, mapThing, func(dst []byte) ([]byte, error) {
			return appendThings(dst, len(v.Items)/2, func(dst []byte, i int) ([]byte, error) {
				dst, err := appendAnything(dst, &v.Items[2*i], s.Key)
				if err != nil {
					return dst, err
				}
				return appendAnything(dst, &v.Items[2*i+1], s.Elem)
			})
		})
	}
	if len(v.Items) != len(s.Fields) {
		return dst, fmt.Errorf("a struct of %d values for a schema with %d fields", len(v.Items), len(s.Fields))
	}
	return thing(dst, mapThing, func(dst []byte) ([]byte, error) {
		return appendThings(dst, len(v.Items), func(dst []byte, i int) ([]byte, error) {
			name := record.OfText(s.Fields[i].Name)
			dst, _ = appendAnything(dst, &name, nil)
			dst, err := appendAnything(dst, &v.Items[i], s.Fields[i].Schema)
			if err != nil {
				err = fmt.Errorf("field %q: %w", s.Fields[i].Name, err)
			}
			return dst, err
		})
	})
}

// appendThings appends n items in one block.
func appendThings(dst []byte, n int, item func(dst []byte, i int) ([]byte, error)) ([]byte, error) {
	if n == 0 {
		return append(dst, 0), nil
	}
	dst = binary.AppendVarint(dst, int64(n))
	var err error
	for i := range n {
		if dst, err = item(dst, i); err != nil {
			return dst, err
		}
	}
	return append(dst, 0), nil
}

// doubleDigits are the digits that every double keeps.
const doubleDigits = 15

// appendNumberThing appends a number as a double, as Kafka Connect has it, or as a string when a
// double would change it.
func appendNumberThing(dst, text []byte) ([]byte, error) {
	f, err := strconv.ParseFloat(string(text), 64)
	digits := 0
	for _, c := range text {
		if c >= '0' && c <= '9' {
			digits++
		}
	}
	v := record.OfFloat(f)
	if err != nil || digits > doubleDigits {
		v = record.OfString(text)
	}
	return appendAnything(dst, &v, nil)
}

// appendJSONThing appends the parts of a JSON text.
func appendJSONThing(dst, text []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var document any
	if err := d.Decode(&document); err != nil {
		return dst, fmt.Errorf("read %.40q as JSON: %w", text, err)
	}
	v := valueOf(document)
	return appendAnything(dst, &v, nil)
}

// valueOf is a document of encoding/json as a value.
func valueOf(document any) record.Value {
	switch d := document.(type) {
	case bool:
		return record.OfBool(d)
	case string:
		return record.OfText(d)
	case json.Number:
		if n, err := d.Int64(); err == nil {
			return record.OfInt(n)
		}
		return record.OfNumber([]byte(d))
	case []any:
		items := make([]record.Value, len(d))
		for i := range d {
			items[i] = valueOf(d[i])
		}
		return record.OfArray(items)
	case map[string]any:
		var pairs []record.Value
		for _, name := range slices.Sorted(maps.Keys(d)) {
			pairs = append(pairs, record.OfText(name), valueOf(d[name]))
		}
		return record.OfMap(pairs)
	}
	return record.Value{}
}
