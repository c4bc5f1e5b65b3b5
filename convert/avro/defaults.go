package avro

import (
	"maps"
	"slices"

	"connectd/convert"
	"connectd/record"
)

// defaultValue is a default of schema s: of a field, as the library has decoded it, or the JSON
// of connect.default. ok is false when there is none, or one that does not fit.
func defaultValue(s *record.Schema, value any) (v record.Value, ok bool) {
	switch s.Type {
	case record.Int8Type, record.Int16Type, record.Int32Type, record.Int64Type:
		switch n := value.(type) {
		case int32:
			return record.OfInt(int64(n)), true
		case int64:
			return record.OfInt(n), true
		}
	case record.Float32Type, record.Float64Type:
		switch f := value.(type) {
		case float32:
			return record.OfFloat(float64(f)), true
		case float64:
			return record.OfFloat(f), true
		case int64:
			return record.OfFloat(float64(f)), true
		}
	case record.BoolType:
		if b, is := value.(bool); is {
			return record.OfBool(b), true
		}
	case record.StringType:
		if text, is := value.(string); is {
			return record.OfText(text), true
		}
	case record.BytesType:
		return defaultOctets(s, value)
	case record.ArrayType:
		items, is := value.([]any)
		cells := make([]record.Value, len(items))
		for i := range items {
			if cells[i], ok = defaultValue(s.Elem, items[i]); !ok {
				return v, false
			}
		}
		return record.OfArray(cells), is
	case record.MapType:
		items, is := value.(map[string]any)
		var pairs []record.Value
		for _, name := range slices.Sorted(maps.Keys(items)) {
			item, ok := defaultValue(s.Elem, items[name])
			if !ok {
				return v, false
			}
			pairs = append(pairs, record.OfText(name), item)
		}
		return record.OfMap(pairs), is
	case record.StructType:
		items, is := value.(map[string]any)
		cells := make([]record.Value, len(s.Fields))
		for i, f := range s.Fields {
			item, set := items[f.Name]
			if !set || item == nil {
				continue
			}
			if cells[i], ok = defaultValue(f.Schema, item); !ok {
				return v, false
			}
		}
		return record.OfStruct(cells), is
	}
	return v, false
}

// defaultOctets is a default of bytes or of a decimal. In JSON the octets are characters.
func defaultOctets(s *record.Schema, value any) (v record.Value, ok bool) {
	octets, ok := value.([]byte)
	if text, is := value.(string); is {
		for _, r := range text {
			if r > 0xFF {
				return v, false
			}
			octets = append(octets, byte(r))
		}
		ok = true
	}
	if !ok || s.Name != record.DecimalName {
		return record.OfBytes(octets), ok
	}
	_, scale := decimalOf(s)
	text, err := convert.AppendUnscaled(nil, octets, scale)
	return record.OfNumber(text), err == nil
}
