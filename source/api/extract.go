package api

import (
	"fmt"
	"time"

	"connectd/convert"
	"connectd/record"
)

// extraction finds the parts of an element and makes a record of it.
type extraction struct {
	pointers []convert.Pointer // of the value, the cursor, the timestamp and the parts of the key
	parts    [][]byte
	names    []string // the pointers as they are written
	cursor   form
	time     form
	key      *record.Schema // a struct; nil without a key
	bare     bool           // the key is the value of its one pointer
	fields   bool           // values are taken apart
	compact  bool           // the elements at hand have no white space between their parts
	json     *convert.JSON
	scratch  []byte
	last     lastMark
}

const (
	valuePart = iota
	cursorPart
	timePart
	keyParts
)

// lastMark spares reading the same cursor again: neighbours often share it.
type lastMark struct {
	text []byte
	mark mark
}

// newExtraction compiles the settings of e; key is the setting that an error is about.
func newExtraction(e *Endpoint) (x *extraction, key string, err error) {
	x = &extraction{bare: e.KeyForm == "value"}
	add := func(setting, text string) {
		p, wrong := convert.ParsePointer(text)
		if wrong != nil && err == nil {
			key, err = setting, wrong
		}
		x.pointers, x.names = append(x.pointers, p), append(x.names, text)
	}
	add("http.response.record.pointer", e.Record)
	add("http.cursor.pointer", e.CursorPointer)
	add("http.response.record.timestamp.pointer", e.Time)
	for _, text := range e.Key {
		add("http.response.record.key.pointer", text)
	}
	if err != nil {
		return nil, key, err
	}
	x.parts = make([][]byte, len(x.pointers))
	if x.cursor, err = parseForm(e.CursorFormat); err != nil {
		return nil, "http.cursor.format", err
	}
	if x.time, err = parseForm(e.TimeFormat); err != nil {
		return nil, "http.response.record.timestamp.format", err
	}
	if len(e.Key) > 0 {
		x.key = &record.Schema{Type: record.StructType}
	}
	for i, text := range e.Key {
		p := x.pointers[keyParts+i]
		if len(p) == 0 {
			return nil, "http.response.record.key.pointer", fmt.Errorf("%q is the whole element; write a pointer to its identifier, such as /id", text)
		}
		x.key.Fields = append(x.key.Fields, record.Field{Name: p[len(p)-1], Schema: anyField})
	}
	settings := new(convert.JSONConfig)
	settings.Defaults()
	settings.Schemas = false // the elements are plain JSON
	x.json, err = convert.NewJSON(settings)
	return x, "http.response.record.value", err
}

var anyField = &record.Schema{Type: record.AnyType, Optional: true}

// find looks up the parts of an element.
func (x *extraction) find(element []byte) error {
	return convert.Pick(element, x.pointers, x.parts) // the reader has checked that it is JSON
}

// at is the cursor of the element found last.
func (x *extraction) at() (mark, error) {
	part := x.parts[cursorPart]
	if len(part) == 0 || string(part) == "null" {
		return mark{}, fmt.Errorf("the record has no cursor at %s", x.names[cursorPart])
	}
	if string(part) == string(x.last.text) {
		return x.last.mark, nil
	}
	m, err := x.read(x.cursor, part)
	if err != nil {
		return mark{}, fmt.Errorf("the cursor at %s: %w", x.names[cursorPart], err)
	}
	x.last.text, x.last.mark = append(x.last.text[:0], part...), m
	return m, nil
}

// read is the mark of a JSON value.
func (x *extraction) read(f form, part []byte) (mark, error) {
	x.scratch = convert.AppendContent(x.scratch[:0], part)
	return f.read(x.scratch, part[0] == '"')
}

// add appends the element found last to b.
func (x *extraction) add(b *record.Batch, topic string, at mark) {
	r := b.Add()
	r.Topic = topic
	if err := x.fill(b, r, at); err != nil {
		b.Fail(len(b.Records)-1, err)
	}
}

func (x *extraction) fill(b *record.Batch, r *record.Record, at mark) error {
	value := x.parts[valuePart]
	if value == nil {
		return fmt.Errorf("the element has nothing at %s, which http.response.record.pointer wants", x.names[valuePart])
	}
	var text []byte
	if x.compact {
		text = b.Copy(value)
	} else {
		text = b.Append(len(value), func(dst []byte) []byte { return convert.AppendCompact(dst, value) })
	}
	r.Value.Value = record.OfJSON(text)
	if x.fields {
		var err error
		if r.Value, err = x.json.Decode(b, r.Topic, text, nil); err != nil {
			return err
		}
	}
	if x.names[timePart] != "" {
		part := x.parts[timePart]
		if part == nil {
			return fmt.Errorf("the record has no timestamp at %s", x.names[timePart])
		}
		var err error
		if at, err = x.read(x.time, part); err != nil {
			return fmt.Errorf("the timestamp at %s: %w", x.names[timePart], err)
		}
	}
	if at.kind == moment {
		r.Timestamp = time.Unix(0, at.n).UnixMilli()
	}
	return x.fillKey(b, r)
}

func (x *extraction) fillKey(b *record.Batch, r *record.Record) error {
	if x.key == nil {
		return nil
	}
	cells := b.Cells(len(x.key.Fields))
	for i, part := range x.parts[keyParts:] {
		if part == nil || string(part) == "null" {
			return fmt.Errorf("the record has no key at %s", x.names[keyParts+i])
		}
		d, err := x.json.Decode(b, r.Topic, b.Copy(part), nil)
		if err != nil {
			return err
		}
		if d.Schema != nil {
			return fmt.Errorf("the key at %s is an object; a key is a text, a number or a boolean", x.names[keyParts+i])
		}
		cells[i] = d.Value
	}
	if x.bare {
		r.Key = record.Datum{Value: cells[0]}
		return nil
	}
	r.Key = record.Datum{Schema: x.key, Value: record.OfStruct(cells)}
	return nil
}
