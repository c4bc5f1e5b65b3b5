package files

import (
	"bytes"
	"errors"
	"io"
)

// tailBytes is how much content before a position tells whether it is still the same content.
const tailBytes = 256

var (
	// errMore says that the content ends before the next record does.
	errMore = errors.New("there is no whole record yet")
	// errLong comes with the begin of a record that is longer than max.line.bytes.
	errLong = errors.New("the record is longer than max.line.bytes")
)

// input is a window on a content. What is before start was taken; the window keeps tailBytes of
// it, which prove that a position is about this content.
type input struct {
	r    io.Reader
	buf  []byte // the window; a record is valid until the next one is asked for
	base int64  // position of buf[0] in the content
	max  int    // longest record

	start, end int   // of what is not taken yet
	scanned    int   // up to where no line end was found, from start
	lines      int64 // line ends before start
	eof        bool  // r had nothing more when it was asked last
	long       []byte
	skipping   bool // inside of a record that is too long

	head     []byte // the first bytes that were taken, at most headMax
	headMax  int
	position int64 // behind the last record: where to go on after a restart
	line     int64 // number of lines before position

	kept   []byte // the tail of keptAt, which the window has left behind
	keptAt int64
}

const window = 256 << 10

func newInput(r io.Reader, max, headMax int) *input {
	return &input{r: r, buf: make([]byte, window), max: max, headMax: headMax}
}

// resume makes in go on behind what its reader has: tail is the content before position.
func (in *input) resume(head, tail []byte, position, line int64) {
	in.head = append(in.head[:0], head...)
	in.base = position - int64(len(tail))
	in.start = copy(in.buf, tail)
	in.end, in.lines = in.start, line
	in.position, in.line = position, line
}

// fill reads more behind end. It says false at the end of the content.
func (in *input) fill() (bool, error) {
	if in.end == len(in.buf) {
		in.compact()
	}
	if in.end == len(in.buf) {
		buf := make([]byte, 2*len(in.buf))
		copy(buf, in.buf[:in.end])
		in.buf = buf
	}
	for range 100 { // as bufio: a reader that gives nothing so often is broken
		n, err := in.r.Read(in.buf[in.end:])
		in.end += n
		if n > 0 {
			in.eof = false
			return true, nil
		}
		if errors.Is(err, io.EOF) {
			in.eof = true
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return false, io.ErrNoProgress
}

// compact moves what is not taken, and the tail before it, to the begin of the window.
func (in *input) compact() {
	from := max(0, in.start-tailBytes)
	if from == 0 {
		return
	}
	if at := in.position - in.base - tailBytes; at < int64(from) && in.keptAt != in.position {
		in.kept, in.keptAt = append(in.kept[:0], in.tail()...), in.position
	}
	copy(in.buf, in.buf[from:in.end])
	in.base += int64(from)
	in.start -= from
	in.end -= from
}

// take counts n bytes with some line ends as taken.
func (in *input) take(n int, lines int64) {
	if room := in.headMax - len(in.head); room > 0 && in.base+int64(in.start) == int64(len(in.head)) {
		in.head = append(in.head, in.buf[in.start:in.start+min(room, n)]...)
	}
	in.start += n
	in.lines += lines
	in.scanned = 0
}

// commit says that a record ends here.
func (in *input) commit() {
	in.position, in.line = in.base+int64(in.start), in.lines
}

// tail is the content before position, at most tailBytes of it.
func (in *input) tail() []byte {
	if in.keptAt == in.position && in.position > 0 {
		return in.kept
	}
	at := int(in.position - in.base)
	return in.buf[max(0, at-tailBytes):at]
}

// next is the next line without its end. final takes what is left at the end of the content as a
// line. The line is errLong's when it is too long: its first bytes. The record that it belongs
// to ends with commit.
func (in *input) next(final bool) ([]byte, error) {
	for {
		if i := bytes.IndexByte(in.buf[in.start+in.scanned:in.end], '\n'); i >= 0 {
			return in.lineOf(in.scanned+i, 1)
		}
		in.scanned = in.end - in.start
		if in.scanned > in.max {
			in.drop()
		}
		more, err := in.fill()
		if err != nil {
			return nil, err
		}
		if more {
			continue
		}
		if final && (in.end > in.start || in.skipping) {
			return in.lineOf(in.end-in.start, 0)
		}
		return nil, errMore
	}
}

// lineOf takes a line of n bytes and its end.
func (in *input) lineOf(n, ends int) ([]byte, error) {
	line := in.buf[in.start : in.start+n]
	in.take(n+ends, int64(ends))
	if in.skipping {
		in.skipping = false
		return in.long, errLong
	}
	if len(line) > in.max {
		return line[:in.max], errLong
	}
	if len(line) > 0 && line[len(line)-1] == '\r' {
		line = line[:len(line)-1]
	}
	return line, nil
}

// drop takes what there is of a line that is too long, and keeps its begin.
func (in *input) drop() {
	if !in.skipping {
		in.long = append(in.long[:0], in.buf[in.start:in.start+in.max]...)
		in.skipping = true
	}
	in.take(in.end-in.start, 0)
}

// peek is what is not taken yet, at least n bytes unless the content ends before.
func (in *input) peek(n int) ([]byte, error) {
	for in.end-in.start < n {
		more, err := in.fill()
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
	}
	return in.buf[in.start:in.end], nil
}

// skipMark takes the byte order mark that a content may begin with.
func (in *input) skipMark() error {
	const mark = "\xef\xbb\xbf"
	if in.base > 0 || in.start > 0 {
		return nil
	}
	p, err := in.peek(len(mark))
	if err == nil && len(p) >= len(mark) && string(p[:len(mark)]) == mark {
		in.take(len(mark), 0)
		in.commit()
	}
	return err
}
