package files

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"time"
	"unicode/utf8"

	"connectd/convert"
	"connectd/record"
)

// Schemas of what is the same in all files.
var (
	textSchema   = &record.Schema{Type: record.StringType}
	optionalText = &record.Schema{Type: record.StringType, Optional: true}
	numberSchema = &record.Schema{Type: record.Int64Type}
	errNotUTF8   = errors.New("is not UTF-8; set file.charset, or invalid.characters")
	errSkipped   = errors.New("left out")
)

// output makes the records of one file.
type output struct {
	config   *Config
	path     string
	headers  [4]record.Header // of every record; offset and line are filled in
	fileTime int64            // milliseconds since 1970, or NoTimestamp
	skipped  int64            // records left out by invalid.characters and on.long.line
	key      *record.Schema

	unnumbered bool // the numbers of lines are not known
}

func newOutput(c *Config, path string, mtime time.Time) *output {
	o := &output{config: c, path: path, fileTime: record.NoTimestamp}
	o.headers = [4]record.Header{
		{Name: "file.name", Value: record.Datum{Schema: textSchema, Value: record.OfText(filepath.Base(path))}},
		{Name: "file.path", Value: record.Datum{Schema: textSchema, Value: record.OfText(path)}},
		{Name: "file.offset", Value: record.Datum{Schema: numberSchema, Value: record.OfInt(0)}},
		{Name: "file.line", Value: record.Datum{Schema: numberSchema, Value: record.OfInt(0)}},
	}
	if c.timestamp() == "file" {
		o.fileTime = mtime.UnixMilli()
	}
	return o
}

// isFull says whether b takes no more records.
func (o *output) isFull(b *record.Batch) bool {
	return len(b.Records) >= o.config.BatchSize || b.Size() >= int(o.config.BatchBytes)
}

// add appends a record that begins at offset, after so many lines.
func (o *output) add(b *record.Batch, offset, lines int64) *record.Record {
	r := b.Add()
	r.Topic = o.config.Topic
	r.Timestamp = o.fileTime
	if o.config.Metadata == "HEADERS" {
		h := b.Headers(len(o.headers))
		copy(h, o.headers[:])
		h[2].Value.Value.N, h[3].Value.Value.N = offset, lines+1
		if o.unnumbered {
			h = h[:3]
		}
		r.Headers = h
	}
	return r
}

// refuse appends a record that can not be processed: what was read goes into a dead letter byte
// for byte, or the connector stops, as errors.tolerance says.
func (o *output) refuse(b *record.Batch, text []byte, offset, lines int64, err error) {
	r := o.add(b, offset, lines)
	// JSON is the kind that every converter writes as it is.
	r.Value = record.Datum{Value: record.OfJSON(b.Copy(text))}
	o.fail(b, offset, lines, err)
}

// fail says that the last record of b failed, and where it begins.
func (o *output) fail(b *record.Batch, offset, lines int64, err error) {
	place := fmt.Sprintf("line %d", lines+1)
	if o.unnumbered {
		place = fmt.Sprintf("at byte %d", offset)
	}
	b.Fail(len(b.Records)-1, fmt.Errorf("%s, %s: %w", o.path, place, err))
}

// long is what on.long.line makes of a record that begins with text: the text to use, or
// errSkipped after the record was refused or left out.
func (o *output) long(b *record.Batch, text []byte, offset, lines int64) ([]byte, error) {
	switch o.config.LongLine {
	case "skip":
		o.skipped++
		return nil, errSkipped
	case "truncate":
		return trimRune(text), nil
	}
	o.refuse(b, text, offset, lines, fmt.Errorf("%w (%s); raise it, or set on.long.line", errLong, o.config.MaxLine))
	return nil, errSkipped
}

// trimRune cuts off a character that is not whole at the end of text.
func trimRune(text []byte) []byte {
	for i := len(text) - 1; i >= 0 && i > len(text)-utf8.UTFMax; i-- {
		if utf8.RuneStart(text[i]) {
			if !utf8.FullRune(text[i:]) {
				return text[:i]
			}
			break
		}
	}
	return text
}

// utf8 is text as invalid.characters wants it, or errSkipped after the record was refused or
// left out.
func (o *output) utf8(b *record.Batch, text []byte, offset, lines int64) ([]byte, error) {
	if utf8.Valid(text) {
		return text, nil
	}
	switch o.config.NotUTF8 {
	case "keep":
		return text, nil
	case "replace":
		return bytes.ToValidUTF8(text, []byte("\uFFFD")), nil
	case "skip":
		o.skipped++
		return nil, errSkipped
	}
	o.refuse(b, text, offset, lines, errNotUTF8)
	return nil, errSkipped
}

// describe gives a record whose value is a struct its key and its time.
func (o *output) describe(b *record.Batch, r *record.Record) error {
	if len(o.config.KeyFields) == 0 && o.config.TimeField == "" {
		return nil
	}
	row := r.Value
	field := func(name string) (record.Datum, bool) {
		i := -1
		if row.Value.Kind == record.Struct {
			i = row.Schema.Index(name)
		}
		if i < 0 {
			return record.Datum{}, false
		}
		return record.Datum{Schema: row.Schema.Fields[i].Schema, Value: row.Value.Items[i]}, true
	}
	if len(o.config.KeyFields) > 0 {
		if err := o.keyed(b, r, field); err != nil {
			return err
		}
	}
	if name := o.config.TimeField; name != "" {
		at, ok := field(name)
		if !ok {
			return fmt.Errorf("timestamp.field: there is no %q", name)
		}
		return o.timed(r, at)
	}
	return nil
}

// timed gives r the time that d says.
func (o *output) timed(r *record.Record, d record.Datum) error {
	if d.Value.Kind == record.String {
		d.Schema = nil
	}
	micros, err := convert.AsMicrosIn(d, time.Millisecond)
	if err != nil {
		return fmt.Errorf("timestamp.field %q: %w", o.config.TimeField, err)
	}
	r.Timestamp = micros / 1000
	return nil
}

// keyed gives r the key that fields of its value make. field finds one by its name.
func (o *output) keyed(b *record.Batch, r *record.Record, field func(name string) (record.Datum, bool)) error {
	names := o.config.KeyFields
	if len(names) == 1 {
		d, ok := field(names[0])
		if !ok {
			return fmt.Errorf("key.fields: there is no %q", names[0])
		}
		if d.Value.IsNull() {
			return nil
		}
		r.Key = d
		return nil
	}
	cells := b.Cells(len(names))
	same := o.key != nil
	for i, name := range names {
		d, ok := field(name)
		if !ok {
			return fmt.Errorf("key.fields: there is no %q", name)
		}
		cells[i] = d.Value
		same = same && o.key.Fields[i].Schema == d.Schema
	}
	if !same {
		o.key = &record.Schema{Type: record.StructType}
		for _, name := range names {
			d, _ := field(name)
			o.key.Fields = append(o.key.Fields, record.Field{Name: name, Schema: d.Schema})
		}
	}
	r.Key = record.Datum{Schema: o.key, Value: record.OfStruct(cells)}
	return nil
}
