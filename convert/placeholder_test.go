package convert

import (
	"fmt"
	"strings"
	"testing"

	"connectd/record"
)

const unavailable = "__debezium_unavailable_value"

// codes is the placeholder as an array with a number for each of its octets.
func codes(of func(code byte) record.Value) record.Value {
	var items []record.Value
	for i := range len(unavailable) {
		items = append(items, of(unavailable[i]))
	}
	return record.OfArray(items)
}

func codesJSON(format string) record.Value {
	var items []string
	for i := range len(unavailable) {
		items = append(items, fmt.Sprintf(format, unavailable[i]))
	}
	return jsonText("[" + strings.Join(items, ",") + "]")
}

func jsonText(s string) record.Value { return record.OfJSON([]byte(s)) }

// placeholders is every form that values with and without schemas have.
func placeholders() map[string]record.Value {
	const encoded, uuid = "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==", "b68a35a7-17ad-35b3-af2a-ae46edb4545a"
	text, octets := record.OfText(unavailable), record.OfBytes([]byte(unavailable))
	var elements []record.Value
	var pairs, members []string
	for i := range len(unavailable) {
		elements = append(elements, record.OfInt(int64(i+1)), record.OfFloat(float64(unavailable[i])))
		pairs = append(pairs, fmt.Sprintf("[%d,%d.0]", i+1, unavailable[i]))
		members = append(members, fmt.Sprintf(`"%d": %d`, i+1, unavailable[i]))
	}
	return map[string]record.Value{
		"text": text, "octets": octets, "base64": record.OfText(encoded),
		"hstore": record.OfText(`{"` + unavailable + `":"` + unavailable + `"}`), "hstore map": record.OfMap([]record.Value{text, text}),
		"texts": record.OfArray([]record.Value{text}), "byteas": record.OfArray([]record.Value{octets}), "uuids": record.OfArray([]record.Value{record.OfText(uuid)}),
		"geometry": record.OfStruct([]record.Value{octets, {}}),
		"sparse":   record.OfStruct([]record.Value{record.OfInt(int64(len(unavailable))), record.OfMap(elements)}),
		"ints":     codes(func(c byte) record.Value { return record.OfInt(int64(c)) }),
		"floats":   codes(func(c byte) record.Value { return record.OfFloat(float64(c)) }),
		"decimals": codes(func(c byte) record.Value { return record.OfNumber(fmt.Appendf(nil, "%d.000", c)) }),
		"any decimals": codes(func(c byte) record.Value {
			return record.OfStruct([]record.Value{record.OfInt(0), record.OfBytes([]byte{c})})
		}),

		"texts JSON": jsonText(`["` + unavailable + `"]`), "byteas JSON": jsonText(`[ "` + encoded + `" ]`), "uuids JSON": jsonText(`["` + uuid + `"]`),
		"map JSON": jsonText(`{"` + unavailable + `": "` + unavailable + `"}`), "geometry JSON": jsonText(`{"wkb": "` + encoded + `", "srid": null}`),
		"ints JSON": codesJSON("%d"), "spaced JSON": codesJSON(" %d "), "floats JSON": codesJSON("%d.0"), "decimals JSON": codesJSON(`"%d.00"`),
		"pairs JSON":  jsonText(fmt.Sprintf(`{"dimensions":%d,"vector":[%s]}`, len(unavailable), strings.Join(pairs, ","))),
		"sparse JSON": jsonText(fmt.Sprintf(`{"dimensions": %d, "vector": {%s}}`, len(unavailable), strings.Join(members, ", "))),
	}
}

func TestPlaceholderForms(t *testing.T) {
	inHex, err := NewPlaceholder(fmt.Sprintf("hex:%x", unavailable))
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range placeholders() {
		if !inHex.Is(&v) {
			t.Errorf("%s: not recognized", name)
		}
	}
	none, err := NewPlaceholder("")
	if none != nil || err != nil {
		t.Errorf("of an empty setting: got %v, %v, want none", none, err)
	}
	text := record.OfText(unavailable)
	for name, v := range map[string]record.Value{
		"null": {}, "text": record.OfText("__debezium_unavailable"), "empty": record.OfText(""), "number": record.OfInt(95), "array": record.OfArray(nil),
		"nearly":     codes(func(c byte) record.Value { return record.OfInt(int64(c | 1)) }),
		"empty JSON": jsonText("[]"), "one number": jsonText("[95]"), "other numbers": jsonText("[95,95,100,101,98]"),
		"repeated": jsonText("[" + strings.Repeat("95,", len(unavailable)-1) + "95]"), "object": jsonText(`{"` + unavailable + `":1}`),
		"longer": jsonText(strings.TrimSuffix(string(codesJSON("%d").B), "]") + ",1]"), "fraction": codesJSON("%d.5"),
		"two texts": record.OfArray([]record.Value{text, text}), "a uuid": record.OfText("b68a35a7-17ad-35b3-af2a-ae46edb4545a"),
	} {
		if inHex.Is(&v) || none.Is(&v) {
			t.Errorf("%s: taken for a placeholder", name)
		}
	}
	if _, err := NewPlaceholder("hex:0g"); err == nil || !strings.Contains(err.Error(), "is not hexadecimal") {
		t.Errorf("hex:0g: got %v, want an error", err)
	}
}

// TestPlaceholdersOverJSON sends the forms through the JSON converter, with and without schemas,
// as they come from a source in another process.
func TestPlaceholdersOverJSON(t *testing.T) {
	plain := func(t record.Type) *record.Schema { return &record.Schema{Type: t} }
	arrayOf := func(elem *record.Schema) *record.Schema {
		return &record.Schema{Type: record.ArrayType, Elem: elem}
	}
	structOf := func(name string, fields ...record.Field) *record.Schema {
		return &record.Schema{Type: record.StructType, Name: name, Fields: fields}
	}
	decimal := &record.Schema{Type: record.BytesType, Name: record.DecimalName, Params: []record.Param{{Name: "scale", Value: "3"}}}
	schemas := map[string]*record.Schema{
		"text": plain(record.StringType), "octets": plain(record.BytesType),
		"hstore map": {Type: record.MapType, Key: plain(record.StringType), Elem: plain(record.StringType)},
		"texts":      arrayOf(plain(record.StringType)), "byteas": arrayOf(plain(record.BytesType)), "uuids": arrayOf(&record.Schema{Type: record.StringType, Name: record.UUIDName}),
		"ints": arrayOf(plain(record.Int32Type)), "floats": arrayOf(plain(record.Float64Type)), "decimals": arrayOf(decimal),
		"any decimals": arrayOf(structOf(record.VariableScaleName, record.Field{Name: "scale", Schema: plain(record.Int32Type)}, record.Field{Name: "value", Schema: plain(record.BytesType)})),
		"geometry":     structOf("", record.Field{Name: "wkb", Schema: plain(record.BytesType)}, record.Field{Name: "srid", Schema: &record.Schema{Type: record.Int32Type, Optional: true}}),
		"sparse": structOf("", record.Field{Name: "dimensions", Schema: plain(record.Int16Type)},
			record.Field{Name: "vector", Schema: &record.Schema{Type: record.MapType, Key: plain(record.Int16Type), Elem: plain(record.Float64Type)}}),
	}
	p, err := NewPlaceholder(unavailable)
	if err != nil {
		t.Fatal(err)
	}
	forms := placeholders()
	for _, format := range []string{"BASE64", "NUMERIC"} {
		for _, inBand := range []bool{true, false} {
			settings := new(JSONConfig)
			settings.Defaults()
			settings.Schemas, settings.Decimals = inBand, format
			j, err := NewJSON(settings)
			if err != nil {
				t.Fatal(err)
			}
			for name, schema := range schemas {
				row := record.Datum{Schema: structOf("", record.Field{Name: "v", Schema: schema}), Value: record.OfStruct([]record.Value{forms[name]})}
				data, _, err := j.Encode(nil, "orders", row)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				got, err := j.Decode(new(record.Batch), "orders", data, nil)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if v := &got.Value.Items[0]; !p.Is(v) {
					t.Errorf("%s, decimals %s, schemas %v: not recognized in %.200s", name, format, inBand, data)
				}
			}
		}
	}
}
