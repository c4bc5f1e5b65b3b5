package s3

import (
	"fmt"
	"strconv"
	"strings"

	"connectd/convert"
	"connectd/record"
)

// path leads to a field of a value, also into structs, maps and JSON inside of it: a.b.c. A field
// that is itself called a.b.c comes first.
type path struct {
	name  string
	parts []string

	// schema is the struct seen last, and at the place of the whole name in it, or -1.
	schema *record.Schema
	at     int
}

func newPath(name string) *path { return &path{name: name, parts: strings.Split(name, ".")} }

// of is the field of d. What is not there is an error; null on the way to it is null.
func (p *path) of(d record.Datum) (record.Datum, error) {
	if d.Value.Kind == record.Struct && d.Schema != nil {
		if d.Schema != p.schema {
			p.schema, p.at = d.Schema, d.Schema.Index(p.name)
		}
		if p.at >= 0 {
			return record.Datum{Schema: d.Schema.Fields[p.at].Schema, Value: d.Value.Items[p.at]}, nil
		}
	}
	for i, name := range p.parts {
		switch v := &d.Value; v.Kind {
		case record.Null:
			return d, nil
		case record.Struct:
			at := d.Schema.Index(name)
			if at < 0 {
				return d, p.missing(i)
			}
			d = record.Datum{Schema: d.Schema.Fields[at].Schema, Value: v.Items[at]}
		case record.Map:
			item := find(v.Items, name)
			if item == nil {
				return d, p.missing(i)
			}
			d.Value = *item
			if d.Schema != nil {
				d.Schema = d.Schema.Elem
			}
		case record.JSON:
			return p.inside(v.B, i)
		default:
			return d, p.missing(i)
		}
	}
	return d, nil
}

func find(pairs []record.Value, key string) *record.Value {
	for i := 0; i+1 < len(pairs); i += 2 {
		if string(pairs[i].B) == key {
			return &pairs[i+1]
		}
	}
	return nil
}

// inside is what the rest of the path, from part i on, leads to in the JSON text data.
func (p *path) inside(data []byte, i int) (record.Datum, error) {
	var found [1][]byte
	if err := convert.Pick(data, []convert.Pointer{p.parts[i:]}, found[:]); err != nil {
		return record.Datum{}, fmt.Errorf("look for field %q: %w", p.name, err)
	}
	text := found[0]
	if text == nil {
		return record.Datum{}, p.missing(i)
	}
	var v record.Value
	switch text[0] {
	case 'n':
	case 't', 'f':
		v = record.OfBool(text[0] == 't')
	case '"':
		v = record.OfString(convert.AppendContent(nil, text))
	case '{', '[':
		v = record.OfJSON(text)
	default:
		if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
			v = record.OfInt(n)
		} else {
			v = record.OfNumber(text)
		}
	}
	return record.Datum{Value: v}, nil
}

func (p *path) missing(i int) error {
	if i == 0 {
		return fmt.Errorf("the value has no field %q", p.parts[0])
	}
	return fmt.Errorf("the value has no field %q: %q has no %q", p.name, strings.Join(p.parts[:i], "."), p.parts[i])
}
