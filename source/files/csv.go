package files

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"connectd/record"
)

// csvRows makes a record of each row, as RFC 4180 has them: values with separators, quotes or
// line ends stand in quotes, and a quote inside is doubled.
// See https://www.rfc-editor.org/rfc/rfc4180.
type csvRows struct {
	config *Config
	in     *input
	out    *output
	sep    byte
	quote  byte
	escape byte

	names   []string // as the file has them, while their types are not known
	header  []string // of this file; nil until it is known
	types   []string // of its columns as they were sampled; nil for text
	columns []column
	plain   bool // all columns are text, and no value is null
	schema  *record.Schema
	skip    int // lines to leave out before the header

	cells []cell // of the row at hand
}

// cell is one value of a row: text[from:to].
type cell struct {
	from, to int
	quoted   bool
	escaped  bool // has doubled quotes or escapes, which are still in
}

// column says what the values of a column become.
type column struct {
	schema *record.Schema
	read   reader // nil for text
}

var (
	errOpenQuote = errors.New("a quote is not closed")
	errAfter     = errors.New("text behind a closing quote; double a quote inside of a value")
)

func newCSV(c *Config, in *input, out *output, header, types []string, tabs bool) (*csvRows, error) {
	f := &csvRows{config: c, in: in, out: out, sep: byte(c.Separator), quote: byte(c.Quote), escape: byte(c.Escape)}
	if tabs && c.Separator == ',' {
		f.sep = '\t'
	}
	if in.position == 0 {
		f.skip = c.SkipLines
	}
	if header != nil {
		f.types = types
		return f, f.name(header)
	}
	return f, nil
}

func (f *csvRows) next(b *record.Batch, final bool) error {
	for f.skip > 0 {
		if _, err := f.in.next(final); err != nil && !errors.Is(err, errLong) {
			return err
		}
		f.skip--
	}
	if f.header == nil {
		if err := f.first(final); err != nil {
			return err
		}
	}
	offset, before := f.in.base+int64(f.in.start), f.in.lines
	text, n, ends, err := f.row(final)
	switch {
	case err == nil:
		if len(text) > 0 {
			f.add(b, text, offset, before)
		}
		f.in.take(n, ends)
	case errors.Is(err, errLong), errors.Is(err, errOpenQuote):
		if err := f.broken(b, final, offset, before, err); err != nil {
			return err
		}
	case errors.Is(err, errAfter):
		f.out.refuse(b, text, offset, before, err)
		f.in.take(n, ends)
	default:
		return err
	}
	f.in.commit()
	return nil
}

// broken treats a row that does not end: its first line alone is refused, and the next line is
// read as a row again, so that one bad quote does not swallow a file.
func (f *csvRows) broken(b *record.Batch, final bool, offset, before int64, why error) error {
	f.in.scanned = 0
	text, err := f.in.next(final)
	if err != nil && !errors.Is(err, errLong) {
		return err
	}
	if errors.Is(why, errLong) && f.config.LongLine == "skip" {
		f.out.skipped++
		return nil
	}
	f.out.refuse(b, text, offset, before, why)
	return nil
}

// row finds the next row: its text without the line end, its length with it, and the number of
// line ends in it. The row is not taken. Its cells are in f.cells.
func (f *csvRows) row(final bool) (text []byte, n int, ends int64, err error) {
	for {
		p := f.in.buf[f.in.start:f.in.end]
		text, n, ends, err := f.cut(p, final && f.in.eof)
		switch {
		case err == nil && len(text) <= f.in.max:
			return text, n, ends, nil
		case err == nil, errors.Is(err, errMore) && len(p) > f.in.max:
			return nil, 0, 0, errLong
		case !errors.Is(err, errMore):
			return text, n, ends, err
		}
		more, err := f.in.fill()
		if err != nil {
			return nil, 0, 0, err
		}
		if !more && (!final || f.in.end == f.in.start) {
			return nil, 0, 0, errMore
		}
	}
}

// cut finds the row that p begins with. last says that nothing follows p.
func (f *csvRows) cut(p []byte, last bool) (text []byte, n int, ends int64, err error) {
	end := bytes.IndexByte(p, '\n') // of the line at hand
	if end < 0 {
		if !last || len(p) == 0 {
			return nil, 0, 0, errMore
		}
		end = len(p)
	}
	f.cells = f.cells[:0]
	var wrong error
	for i := 0; ; {
		c := cell{from: i}
		if i < end && p[i] == f.quote && f.quote != 0 {
			if c, i, err = f.quoted(p, i+1, &ends); err != nil {
				if !last {
					err = errMore
				}
				return nil, 0, 0, err
			}
			if i > end { // there are line ends in the value
				if end = bytes.IndexByte(p[i:], '\n'); end < 0 {
					if !last {
						return nil, 0, 0, errMore
					}
					end = len(p) - i
				}
				end += i
			}
			if i < end && p[i] != f.sep && !(p[i] == '\r' && i+1 == end) {
				wrong = errAfter // the row is read to its end, and refused
			}
		}
		at := bytes.IndexByte(p[i:end], f.sep)
		if at < 0 {
			return f.endRow(p, c, end, ends, wrong)
		}
		if i += at; !c.quoted {
			c.to = i
		}
		f.cells = append(f.cells, c)
		i++
	}
}

// endRow ends a row with its last cell before the line end at i, or the end of p.
func (f *csvRows) endRow(p []byte, c cell, i int, ends int64, wrong error) ([]byte, int, int64, error) {
	n, to := i, i
	if i < len(p) {
		n, ends = i+1, ends+1
	}
	if to > 0 && p[to-1] == '\r' {
		to--
	}
	if !c.quoted {
		c.to = max(c.from, to)
	}
	f.cells = append(f.cells, c)
	return p[:to], n, ends, wrong
}

// quoted finds the end of a value whose quote was opened before i; next is behind its closing
// quote.
func (f *csvRows) quoted(p []byte, i int, ends *int64) (c cell, next int, err error) {
	c.from, c.quoted = i, true
	for ; i < len(p); i++ {
		switch {
		case p[i] == f.quote:
			if i+1 < len(p) && p[i+1] == f.quote {
				c.escaped = true
				i++
				continue
			}
			c.to = i
			return c, i + 1, nil
		case p[i] == f.escape && f.escape != 0:
			c.escaped = true
			i++
		case p[i] == '\n':
			*ends++
		}
	}
	return c, i, errOpenQuote
}

// first reads the row that names the columns, or names them itself.
func (f *csvRows) first(final bool) error {
	if f.names != nil {
		return f.begin(final)
	}
	if !f.config.Header && len(f.config.Columns) > 0 {
		f.names = f.config.Columns
		return f.begin(final)
	}
	text, n, ends, err := f.row(final)
	if err != nil && !errors.Is(err, errMore) {
		return fmt.Errorf("line %d: read the header: %w", f.in.lines+1, err)
	} else if err != nil {
		return err
	}
	var names []string
	for i := range f.cells {
		if f.config.Header {
			name := f.unquote(append([]byte{}, text...), &f.cells[i])
			names = append(names, string(bytes.TrimSpace(name)))
		} else {
			names = append(names, fmt.Sprintf("column%02d", i+1)) // spooldir's names
		}
	}
	if f.config.Header {
		f.in.take(n, ends)
	}
	if len(f.config.Columns) > 0 {
		names = f.config.Columns
	}
	f.names = names
	return f.begin(final)
}

// begin makes the columns known once their types are. The position stays before the header until
// then, so that it is read again after a restart.
func (f *csvRows) begin(final bool) error {
	if f.config.Sample > 0 {
		var err error
		if f.types, err = f.sample(len(f.names), final); err != nil {
			return err
		}
	}
	f.in.commit()
	return f.name(f.names)
}

// name makes the schema of rows with these columns.
func (f *csvRows) name(header []string) error {
	f.schema = &record.Schema{Type: record.StructType}
	f.columns = f.columns[:0]
	seen := map[string]bool{}
	for i, name := range header {
		if name == "" {
			name = fmt.Sprintf("column%02d", i+1)
		}
		if seen[name] {
			name += "_" + strconv.Itoa(i+1) // a struct has each name once
		}
		seen[name] = true
		c := column{schema: optionalText}
		t, ok := f.config.Types[name]
		if !ok && i < len(f.types) {
			t, ok = f.types[i], true
		}
		if ok {
			var err error
			if c, err = columnType(t); err != nil {
				return fmt.Errorf("csv.types: %s: %w", name, err)
			}
		}
		f.columns = append(f.columns, c)
		f.schema.Fields = append(f.schema.Fields, record.Field{Name: name, Schema: c.schema})
	}
	f.header = header
	f.plain = f.config.Null == "NEITHER" && f.config.NullMarker == ""
	for i := range f.columns {
		f.plain = f.plain && f.columns[i].read == nil
	}
	return nil
}

// add appends the record of the row whose cells were cut.
func (f *csvRows) add(b *record.Batch, text []byte, offset, before int64) {
	clean, err := f.out.utf8(b, text, offset, before)
	if err != nil {
		return
	}
	if len(clean) > 0 && &clean[0] != &text[0] { // the cells are elsewhere now
		text = clean
		if _, _, _, err := f.cut(text, true); err != nil {
			f.out.refuse(b, text, offset, before, err)
			return
		}
	}
	row := b.Copy(text)
	cells := b.Cells(len(f.columns))
	if err := f.fill(b, cells, row); err != nil {
		f.out.refuse(b, text, offset, before, err)
		return
	}
	r := f.out.add(b, offset, before)
	r.Value = record.Datum{Schema: f.schema, Value: record.OfStruct(cells)}
	if err := f.out.describe(b, r); err != nil {
		r.Value = record.Datum{Value: record.OfJSON(b.Copy(text))}
		f.out.fail(b, offset, before, err)
	}
}

// fill reads the cells of a row into values. row is in the batch's memory and is changed.
func (f *csvRows) fill(b *record.Batch, values []record.Value, row []byte) error {
	if len(f.cells) < len(values) && f.config.Missing == "fail" {
		return fmt.Errorf("the row has %d values, want %d; see csv.missing.columns", len(f.cells), len(values))
	}
	if len(f.cells) > len(values) && f.config.Extra == "fail" {
		return fmt.Errorf("the row has %d values, want %d; see csv.extra.columns", len(f.cells), len(values))
	}
	cells := f.cells[:min(len(values), len(f.cells))]
	if f.plain {
		for i := range cells {
			c := &cells[i]
			text := row[c.from:c.to:c.to]
			if c.escaped {
				text = f.unquote(row, c)
			}
			values[i].Kind, values[i].B = record.String, text
		}
		return nil
	}
	for i := range cells {
		c := &cells[i]
		text := row[c.from:c.to:c.to]
		if c.escaped {
			text = f.unquote(row, c)
		}
		if f.null(c, text) {
			continue
		}
		read := f.columns[i].read
		if read == nil {
			values[i] = record.OfString(text)
			continue
		}
		if len(text) == 0 && !c.quoted {
			continue
		}
		v, err := read(b, text)
		if err != nil {
			return fmt.Errorf("column %q: %w", f.schema.Fields[i].Name, err)
		}
		values[i] = v
	}
	return nil
}

func (f *csvRows) null(c *cell, text []byte) bool {
	if len(text) == 0 {
		switch f.config.Null {
		case "BOTH":
			return true
		case "EMPTY_SEPARATORS":
			return !c.quoted
		case "EMPTY_QUOTES":
			return c.quoted
		}
		return false
	}
	return f.config.NullMarker != "" && !c.quoted && string(text) == f.config.NullMarker
}

// unquote is the content of c, made in place: it is never longer than what it is made of.
func (f *csvRows) unquote(row []byte, c *cell) []byte {
	text := row[c.from:c.to]
	if !c.escaped {
		return text
	}
	to := 0
	for i := 0; i < len(text); i++ {
		if (text[i] == f.quote || text[i] == f.escape && f.escape != 0) && i+1 < len(text) {
			i++
		}
		text[to] = text[i]
		to++
	}
	return text[:to:to]
}
