package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"connectd/convert"
	"connectd/record"
)

// lines writes records as JSON lines.
type lines struct {
	out      io.Writer
	fields   []string
	envelope bool
	json     *convert.JSON
	buf      []byte

	// schema is the last value schema seen, and plain says whether its values carry nothing that
	// the topic's bytes do not say: then the bytes are the line.
	schema *record.Schema
	plain  bool
}

func newLines(c *Config, out io.Writer) (*lines, error) {
	conv, err := newJSON(c)
	if err != nil {
		return nil, err
	}
	return &lines{out: out, fields: c.Fields, envelope: c.Envelope || len(c.Fields) > 1, json: conv}, nil
}

// newJSON writes values as JSON, without their schemas.
func newJSON(c *Config) (*convert.JSON, error) {
	j := &convert.JSONConfig{}
	j.Defaults()
	j.Schemas = false
	j.Decimals = c.Decimals
	return convert.NewJSON(j)
}

// Append writes one line.
func (l *lines) Append(b *record.Batch, i int) error {
	line, err := l.append(&b.Records[i])
	if err == nil {
		_, err = l.out.Write(line)
	}
	return err
}

// Buffered is nothing: each line is written at once.
func (l *lines) Buffered() int { return 0 }

// Close has nothing to add after the last line.
func (l *lines) Close() error { return nil }

// append formats r; the result is valid until the next call.
func (l *lines) append(r *record.Record) ([]byte, error) {
	l.buf = l.buf[:0]
	if !l.envelope {
		if err := l.field(r, l.fields[0]); err != nil {
			return nil, err
		}
		l.buf = append(l.buf, '\n')
		return l.buf, nil
	}
	for i, f := range l.fields {
		l.buf = append(l.buf, "{,"[min(i, 1)], '"')
		l.buf = append(l.buf, f...)
		l.buf = append(l.buf, '"', ':')
		if err := l.field(r, f); err != nil {
			return nil, err
		}
	}
	l.buf = append(l.buf, '}', '\n')
	return l.buf, nil
}

func (l *lines) field(r *record.Record, name string) error {
	switch name {
	case "value":
		return l.value(r)
	case "key":
		return l.datum(r.Topic, r.Key)
	case "topic":
		return l.datum(r.Topic, record.Datum{Value: record.OfText(r.Topic)})
	case "partition":
		l.buf = strconv.AppendInt(l.buf, int64(r.Partition), 10)
	case "offset":
		l.buf = strconv.AppendInt(l.buf, r.Offset, 10)
	case "timestamp":
		l.buf = strconv.AppendInt(l.buf, r.Timestamp, 10)
	case "headers":
		return l.headers(r)
	}
	return nil
}

// value writes the value's own bytes when they are one line of JSON that no schema reads
// differently, and encodes it otherwise.
func (l *lines) value(r *record.Record) error {
	if s := r.Value.Schema; s != l.schema {
		l.schema, l.plain = s, schemaless(s)
	}
	if l.plain && r.RawValue != nil && bytes.IndexByte(r.RawValue, '\n') < 0 {
		l.buf = append(l.buf, r.RawValue...)
		return nil
	}
	at := len(l.buf)
	if err := l.datum(r.Topic, r.Value); err != nil {
		return err
	}
	if bytes.IndexByte(l.buf[at:], '\n') < 0 {
		return nil
	}
	// JSON inside the value that was written over several lines.
	var one bytes.Buffer
	if err := json.Compact(&one, l.buf[at:]); err != nil {
		return fmt.Errorf("value is not JSON: %w", err)
	}
	l.buf = append(l.buf[:at], one.Bytes()...)
	return nil
}

// schemaless says whether s was made from the data itself.
func schemaless(s *record.Schema) bool {
	if s == nil || s.Type != record.StructType || len(s.Fields) == 0 {
		return false
	}
	for i := range s.Fields {
		if s.Fields[i].Schema != nil && s.Fields[i].Schema.Type != record.AnyType {
			return false
		}
	}
	return true
}

func (l *lines) headers(r *record.Record) error {
	l.buf = append(l.buf, '{')
	for i, h := range r.Headers {
		if i > 0 {
			l.buf = append(l.buf, ',')
		}
		if err := l.datum(r.Topic, record.Datum{Value: record.OfText(h.Name)}); err != nil {
			return err
		}
		l.buf = append(l.buf, ':')
		if err := l.datum(r.Topic, h.Value); err != nil {
			return err
		}
	}
	l.buf = append(l.buf, '}')
	return nil
}

func (l *lines) datum(topic string, d record.Datum) error {
	if d.Value.IsNull() {
		l.buf = append(l.buf, "null"...)
		return nil
	}
	out, _, err := l.json.Encode(l.buf, topic, d)
	if err != nil {
		return err
	}
	l.buf = out
	return nil
}
