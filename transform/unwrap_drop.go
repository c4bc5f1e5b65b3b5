package transform

import (
	"slices"
	"strings"

	"connectd/record"
)

// dropper leaves out the columns that a header of the record lists.
type dropper struct {
	header       string
	fromKey      bool
	onlyOptional bool

	names   []string // of the record at hand
	listed  string   // the names in one text
	schemas map[dropKey]*dropped
}

type dropKey struct {
	schema *record.Schema
	names  string
}

// dropped is a schema without some of its fields, and which ones are left.
type dropped struct {
	schema *record.Schema
	keep   []int
}

func newDropper(c *UnwrapConfig) *dropper {
	return &dropper{header: c.DropHeader, fromKey: c.DropFromKey, onlyOptional: c.DropCompatible, schemas: map[dropKey]*dropped{}}
}

// apply drops the listed columns from value, and from r's key when it is told to.
func (d *dropper) apply(b *record.Batch, r *record.Record, value *record.Datum) {
	if !d.list(r) {
		return
	}
	d.shorten(b, value)
	if d.fromKey && d.shorten(b, &r.Key) {
		r.RawKey = nil
	}
}

// list reads the names from the last header that is called so: a list of strings, or its text
// ["a","b"] or a,b.
func (d *dropper) list(r *record.Record) bool {
	for i := len(r.Headers) - 1; i >= 0; i-- {
		h := &r.Headers[i]
		if h.Name != d.header {
			continue
		}
		d.names = d.names[:0]
		v := &h.Value.Value
		switch v.Kind {
		case record.Array:
			for _, item := range v.Items {
				d.names = append(d.names, string(item.B))
			}
		case record.String, record.JSON:
			for _, part := range strings.Split(strings.Trim(string(v.B), "[] "), ",") {
				d.names = append(d.names, strings.Trim(part, ` "`))
			}
		}
		d.listed = strings.Join(d.names, "\x00")
		return len(d.names) > 0
	}
	return false
}

// shorten drops the listed fields of a struct.
func (d *dropper) shorten(b *record.Batch, datum *record.Datum) (changed bool) {
	if datum.Value.Kind != record.Struct {
		return false
	}
	key := dropKey{datum.Schema, d.listed}
	to, ok := d.schemas[key]
	if !ok {
		to = d.without(datum.Schema)
		if len(d.schemas) >= maxSchemas {
			clear(d.schemas)
		}
		d.schemas[key] = to
	}
	if to.schema == datum.Schema {
		return false
	}
	cells := b.Cells(len(to.keep))
	for i, from := range to.keep {
		cells[i] = datum.Value.Items[from]
	}
	*datum = record.Datum{Schema: to.schema, Value: record.OfStruct(cells)}
	return true
}

// without is s less the listed fields.
func (d *dropper) without(s *record.Schema) *dropped {
	short := *s
	short.Fields, short.Default = nil, nil
	to := &dropped{schema: &short}
	for i, f := range s.Fields {
		if slices.Contains(d.names, f.Name) && (f.Schema.Optional || !d.onlyOptional) {
			continue
		}
		short.Fields = append(short.Fields, f)
		to.keep = append(to.keep, i)
	}
	if len(to.keep) == len(s.Fields) {
		to.schema = s
	}
	return to
}
