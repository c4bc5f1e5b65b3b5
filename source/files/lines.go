package files

import (
	"errors"
	"regexp"

	"connectd/record"
)

// format cuts the content of one file into records.
type format interface {
	// next takes the next record of the content and appends it to b. final says that the file
	// grows no more: what is left at its end is a record. errMore means that there is no whole
	// record; then nothing was taken.
	next(b *record.Batch, final bool) error
}

// lines makes a record of each line.
type lines struct {
	in   *input
	out  *output
	skip bool
}

func (f *lines) next(b *record.Batch, final bool) error {
	offset, before := f.in.position, f.in.line
	text, err := f.in.next(final)
	if errors.Is(err, errLong) {
		text, err = f.out.long(b, text, offset, before)
	} else if err != nil {
		return err
	}
	if err == nil {
		f.add(b, text, offset, before)
	}
	f.in.commit()
	return nil
}

func (f *lines) add(b *record.Batch, text []byte, offset, before int64) {
	if len(text) == 0 && f.skip {
		return
	}
	text, err := f.out.utf8(b, text, offset, before)
	if err != nil {
		return
	}
	r := f.out.add(b, offset, before)
	r.Value = record.Datum{Schema: textSchema, Value: record.OfString(b.Copy(text))}
}

// multiline makes a record of several lines, such as a stack trace.
type multiline struct {
	lines
	pattern *regexp.Regexp
	begins  bool // a line that matches begins a record; else it continues one
	max     int

	parts []byte // lines that are put together, not yet complete
	count int
	over  bool // more than max.line.bytes
	flush bool // nothing followed for long enough: what is here is complete
}

// next takes whole lines until one begins the next record. That line is looked at and taken
// only by the next call.
func (f *multiline) next(b *record.Batch, final bool) error {
	for {
		text, n, err := f.peekLine(final)
		switch {
		case errors.Is(err, errMore) && f.count > 0 && (final || f.flush):
			f.emit(b)
			return nil
		case errors.Is(err, errLong):
			// It is taken already, and its record ends with it.
			f.parts, f.over = append(f.parts, text...), true
			f.emit(b)
			return nil
		case err != nil:
			return err
		case f.count > 0 && f.pattern.Match(text) == f.begins:
			f.emit(b)
			return nil
		}
		if f.count > 0 {
			f.parts = append(f.parts, '\n')
		}
		f.parts = append(f.parts, text...)
		f.in.take(n, 1)
		f.over = len(f.parts) > f.in.max
		if f.count++; f.count >= f.max || f.over {
			f.emit(b)
			return nil
		}
	}
}

// peekLine is the next line without taking it, and its length with its end.
func (f *multiline) peekLine(final bool) ([]byte, int, error) {
	at, lines, head := f.in.base+int64(f.in.start), f.in.lines, len(f.in.head)
	text, err := f.in.next(final)
	if err != nil {
		return text, 0, err
	}
	n := int(f.in.base + int64(f.in.start) - at)
	f.in.start, f.in.lines, f.in.head = f.in.start-n, lines, f.in.head[:head]
	return text, n, nil
}

// emit ends the record that is put together.
func (f *multiline) emit(b *record.Batch) {
	text, err := f.parts, error(nil)
	if f.over {
		text, err = f.out.long(b, text[:min(len(text), f.in.max)], f.in.position, f.in.line)
	}
	if err == nil {
		f.add(b, text, f.in.position, f.in.line)
	}
	f.parts, f.count, f.over, f.flush = f.parts[:0], 0, false, false
	f.in.commit()
}
