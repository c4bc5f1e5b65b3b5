package format

import (
	"bytes"
	"encoding/base64"
	"io"
	"strconv"
	"time"

	"connectd/record"
)

// csv writes the fields of records as lines of CSV by RFC 4180, without a header and with Unix line
// ends. As with Aiven's connector keys and headers are base64, and null is nothing.
type csv struct {
	out    io.Writer
	fields []string
	base64 bool // the value is
	text   *text
	buf    []byte
	part   []byte // room for one field's content
}

func newCSV(c *Config, out io.Writer) (*csv, error) {
	text, err := newText(c)
	if err != nil {
		return nil, err
	}
	return &csv{out: out, fields: c.Fields, base64: c.ValueEncoding == "base64", text: text}, nil
}

// Append writes one line, or several when a text has line ends.
func (c *csv) Append(b *record.Batch, i int) error {
	c.buf = c.buf[:0]
	for n, f := range c.fields {
		if n > 0 {
			c.buf = append(c.buf, ',')
		}
		if err := c.field(&b.Records[i], f); err != nil {
			return err
		}
	}
	c.buf = append(c.buf, '\n')
	_, err := c.out.Write(c.buf)
	return err
}

// Buffered is nothing: each line is written at once.
func (c *csv) Buffered() int { return 0 }

// Close has nothing to add after the last line.
func (c *csv) Close() error { return nil }

func (c *csv) field(r *record.Record, name string) error {
	switch name {
	case "value":
		return c.value(r)
	case "key":
		return c.encoded(r.Topic, r.Key)
	case "headers":
		return c.headers(r)
	case "topic":
		c.quoted(append(c.part[:0], r.Topic...))
	case "partition":
		c.buf = strconv.AppendInt(c.buf, int64(r.Partition), 10)
	case "offset":
		c.buf = strconv.AppendInt(c.buf, r.Offset, 10)
	case "timestamp":
		c.timestamp(r.Timestamp)
	}
	return nil
}

func (c *csv) value(r *record.Record) (err error) {
	if c.part, err = c.text.valueContent(c.part[:0], r); err != nil {
		return err
	}
	switch {
	case c.base64:
		c.buf = base64.StdEncoding.AppendEncode(c.buf, c.part)
	case !r.Value.Value.IsNull():
		c.quoted(c.part)
	}
	return nil
}

// encoded appends d in base64.
func (c *csv) encoded(topic string, d record.Datum) (err error) {
	if c.part, err = c.text.content(c.part[:0], topic, d); err == nil {
		c.buf = base64.StdEncoding.AppendEncode(c.buf, c.part)
	}
	return err
}

// headers appends name:value; for each header.
func (c *csv) headers(r *record.Record) error {
	for i := range r.Headers {
		c.part = append(c.part[:0], r.Headers[i].Name...)
		c.buf = append(base64.StdEncoding.AppendEncode(c.buf, c.part), ':')
		if err := c.encoded(r.Topic, r.Headers[i].Value); err != nil {
			return err
		}
		c.buf = append(c.buf, ';')
	}
	return nil
}

// timestamp appends ms in ISO 8601, with a fraction when there is one.
func (c *csv) timestamp(ms int64) {
	layout := "2006-01-02T15:04:05.000Z"
	switch {
	case ms == record.NoTimestamp:
		return
	case ms%1000 == 0:
		layout = "2006-01-02T15:04:05Z"
	}
	c.buf = time.UnixMilli(ms).UTC().AppendFormat(c.buf, layout)
}

// quoted appends content, in quotes where they are needed: the empty text has them too, which null
// has not.
func (c *csv) quoted(content []byte) {
	c.part = content
	if len(content) > 0 && !bytes.ContainsAny(content, ",\"\r\n") {
		c.buf = append(c.buf, content...)
		return
	}
	c.buf = append(c.buf, '"')
	for {
		at := bytes.IndexByte(content, '"')
		if at < 0 {
			break
		}
		c.buf = append(append(c.buf, content[:at+1]...), '"')
		content = content[at+1:]
	}
	c.buf = append(append(c.buf, content...), '"')
}
