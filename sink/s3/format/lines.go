package format

import (
	"io"
	"strconv"

	"connectd/record"
)

// lines writes records as JSON, each on a line: alone, or as the elements of one array.
type lines struct {
	out      io.Writer
	fields   []string
	envelope bool
	text     *text
	buf      []byte

	array bool
	begun bool // a record is in the array
}

func newLines(c *Config, out io.Writer, array bool) (*lines, error) {
	text, err := newText(c)
	if err != nil {
		return nil, err
	}
	return &lines{out: out, fields: c.Fields, envelope: c.Envelope || len(c.Fields) > 1, text: text, array: array}, nil
}

// Append writes one line.
func (l *lines) Append(b *record.Batch, i int) error {
	if err := l.line(&b.Records[i]); err != nil {
		return err
	}
	l.begun = true
	_, err := l.out.Write(l.buf)
	return err
}

// Buffered is nothing: each line is written at once.
func (l *lines) Buffered() int { return 0 }

// Close ends the array.
func (l *lines) Close() error {
	if !l.array {
		return nil
	}
	_, err := io.WriteString(l.out, "\n]")
	return err
}

// line makes buf the line of r, in an array with what stands between it and the line before.
func (l *lines) line(r *record.Record) (err error) {
	switch l.buf = l.buf[:0]; {
	case l.array && l.begun:
		l.buf = append(l.buf, ",\n"...)
	case l.array:
		l.buf = append(l.buf, "[\n"...)
	}
	if l.buf, err = l.record(l.buf, r); err != nil || l.array {
		return err
	}
	l.buf = append(l.buf, '\n')
	return nil
}

func (l *lines) record(dst []byte, r *record.Record) (_ []byte, err error) {
	if !l.envelope {
		return l.field(dst, r, l.fields[0])
	}
	for i, f := range l.fields {
		dst = append(dst, "{,"[min(i, 1)], '"')
		dst = append(dst, f...)
		dst = append(dst, '"', ':')
		if dst, err = l.field(dst, r, f); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

func (l *lines) field(dst []byte, r *record.Record, name string) ([]byte, error) {
	switch name {
	case "value":
		return l.text.value(dst, r)
	case "key":
		return l.text.datum(dst, r.Topic, r.Key)
	case "topic":
		return l.text.string(dst, r.Topic), nil
	case "partition":
		return strconv.AppendInt(dst, int64(r.Partition), 10), nil
	case "offset":
		return strconv.AppendInt(dst, r.Offset, 10), nil
	case "timestamp":
		return strconv.AppendInt(dst, r.Timestamp, 10), nil
	}
	return l.text.headers(dst, r)
}
