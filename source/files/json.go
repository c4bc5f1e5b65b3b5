package files

import (
	"bytes"
	"errors"
	"fmt"

	"connectd/convert"
	"connectd/record"
)

// jsonRecords makes records of JSON texts.
type jsonRecords struct {
	out    *output
	fields bool          // members become fields
	read   *convert.JSON // nil when nobody looks inside
}

func newJSONRecords(c *Config, out *output, transforms int) (*jsonRecords, error) {
	j := &jsonRecords{out: out, fields: c.JSON == "fields" || c.JSON == "auto" && transforms > 0}
	if j.fields || len(c.KeyFields) > 0 || c.TimeField != "" {
		var err error
		if j.read, err = convert.NewJSON(&convert.JSONConfig{CacheSize: 1}); err != nil {
			return nil, err
		}
	}
	return j, nil
}

// add appends the record of a text.
func (j *jsonRecords) add(b *record.Batch, text []byte, offset, before int64) {
	text, err := j.out.utf8(b, text, offset, before)
	if err != nil {
		return
	}
	if j.read == nil {
		if err := convert.CheckJSON(text); err != nil {
			j.out.refuse(b, text, offset, before, err)
			return
		}
		j.out.add(b, offset, before).Value = record.Datum{Value: record.OfJSON(b.Copy(text))}
		return
	}
	text = b.Copy(text)
	d, err := j.read.Decode(b, j.out.config.Topic, text, nil)
	if err != nil {
		j.out.refuse(b, text, offset, before, err)
		return
	}
	r := j.out.add(b, offset, before)
	r.Value = d
	err = j.out.describe(b, r)
	if err != nil || !j.fields {
		r.Value = record.Datum{Value: record.OfJSON(text)}
	}
	if err != nil {
		j.out.fail(b, offset, before, err)
	}
}

// jsonLines makes a record of each line, which is one JSON text.
type jsonLines struct {
	*jsonRecords
	in *input
}

func (f *jsonLines) next(b *record.Batch, final bool) error {
	offset, before := f.in.position, f.in.line
	text, err := f.in.next(final)
	if errors.Is(err, errLong) {
		if f.out.config.LongLine == "skip" {
			f.out.skipped++
		} else { // a part of a JSON text is none
			f.out.refuse(b, text, offset, before, fmt.Errorf("%w (%s)", errLong, f.out.config.MaxLine))
		}
	} else if err != nil {
		return err
	} else if len(bytes.TrimLeft(text, " \t")) > 0 {
		f.add(b, text, offset, before)
	}
	f.in.commit()
	return nil
}

// jsonDocument makes a record of each element of the arrays in a file, and of each object outside
// of one.
type jsonDocument struct {
	*jsonRecords
	in      *input
	inArray bool
}

func newJSONDocument(j *jsonRecords, in *input) *jsonDocument {
	// A file that begins with an array is read on inside of it.
	inside := in.position > 0 && bytes.HasPrefix(bytes.TrimLeft(in.head, "\xef\xbb\xbf \t\r\n"), []byte("["))
	return &jsonDocument{jsonRecords: j, in: in, inArray: inside}
}

func (f *jsonDocument) next(b *record.Batch, final bool) error {
	if err := f.separators(); err != nil {
		return err
	}
	offset, before := f.in.base+int64(f.in.start), f.in.lines
	text, err := f.value(final)
	if err != nil {
		return err
	}
	f.in.take(len(text), int64(bytes.Count(text, []byte("\n"))))
	f.add(b, text, offset, before)
	f.in.commit()
	return nil
}

// separators takes what stands before a value.
func (f *jsonDocument) separators() error {
	for {
		p, err := f.in.peek(1)
		if err != nil {
			return err
		}
		if len(p) == 0 {
			return errMore
		}
		switch c := p[0]; {
		case c == '\n':
			f.in.take(1, 1)
		case c == ' ', c == '\t', c == '\r', c == ',' && f.inArray:
			f.in.take(1, 0)
		case c == '[' && !f.inArray:
			f.inArray = true
			f.in.take(1, 0)
		case c == ']' && f.inArray:
			f.inArray = false
			f.in.take(1, 0)
		default:
			return nil
		}
		f.in.commit()
	}
}

// value is the text of the value that comes next, not taken yet.
func (f *jsonDocument) value(final bool) ([]byte, error) {
	var s extent
	at := 0
	for {
		p, err := f.in.peek(at + 1)
		if err != nil {
			return nil, err
		}
		if len(p) == at {
			if final && s.scalar {
				return p, nil
			}
			if final {
				return nil, fmt.Errorf("line %d: the file ends inside a JSON value", f.in.lines+1)
			}
			return nil, errMore
		}
		n, whole := s.scan(p[at:])
		at += n
		if whole && at == 0 {
			return nil, fmt.Errorf("line %d: %q, want a JSON value", f.in.lines+1, p[0])
		}
		if whole {
			return p[:at], nil
		}
		if at > f.in.max {
			return nil, fmt.Errorf("line %d: %w (%s)", f.in.lines+1, errLong, f.out.config.MaxLine)
		}
	}
}

// extent finds the end of a JSON value that comes in parts.
type extent struct {
	depth        int
	text, escape bool // inside of a string, behind a backslash
	scalar       bool // a number or a word: it ends where something else begins
}

// scan reads on. n bytes belong to the value; whole says that it ends there.
func (s *extent) scan(p []byte) (n int, whole bool) {
	for i, c := range p {
		switch {
		case s.escape:
			s.escape = false
		case s.text:
			if c == '\\' {
				s.escape = true
			} else if c == '"' {
				s.text = false
				if s.depth == 0 {
					return i + 1, true
				}
			}
		case c == '"' && !s.scalar:
			s.text = true
		case (c == '{' || c == '[') && !s.scalar:
			s.depth++
		case s.depth > 0:
			if c == '}' || c == ']' {
				if s.depth--; s.depth == 0 {
					return i + 1, true
				}
			}
		case c == ',' || c == ']' || c == '}' || c <= ' ':
			return i, true
		default:
			s.scalar = true
		}
	}
	return len(p), false
}
