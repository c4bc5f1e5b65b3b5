package convert

import (
	"errors"
	"fmt"
	"strings"
)

// Pointer is a JSON Pointer (RFC 6901): the names, or the numbers of elements, that lead to a
// part of a document. An empty Pointer is the document itself.
type Pointer []string

// ParsePointer reads a pointer such as /data/0/id. "/" is the document itself, as "" is: the
// connectors that poll APIs have always read it so.
func ParsePointer(text string) (Pointer, error) {
	if text == "" || text == "/" {
		return nil, nil
	}
	if text[0] != '/' {
		return nil, fmt.Errorf("%q is not a JSON Pointer; write /%s", text, strings.ReplaceAll(strings.TrimPrefix(text, "$."), ".", "/"))
	}
	p := Pointer(strings.Split(text[1:], "/"))
	for i, name := range p {
		p[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
	}
	return p, nil
}

// Find reads the whole JSON text data once and sets parts[i] to the text of the value that
// pointers[i] leads to, or to nil when there is none. The parts are data's own memory. An error
// says that data is not JSON.
func Find(data []byte, pointers []Pointer, parts [][]byte) error {
	clear(parts)
	f := finder{scanner: scanner{data: data}, pointers: pointers, parts: parts}
	if err := f.value(everything(pointers), 0); err != nil {
		return err
	}
	return f.end()
}

// FindList is Find, and takes the list that pointers[0] leads to apart in the same reading. The
// texts of its elements, none when it is no array, are data's own memory, and the slice of them is
// list's. compact says that no element has white space between its parts.
func FindList(list [][]byte, data []byte, pointers []Pointer, parts [][]byte) (elements [][]byte, compact bool, err error) {
	clear(parts)
	f := finder{scanner: scanner{data: data}, pointers: pointers, parts: parts, lists: true, list: list}
	if err := f.value(everything(pointers), 0); err != nil {
		return list[:0], false, err
	}
	if err := f.end(); err != nil {
		return list[:0], false, err
	}
	if len(parts[0]) == 0 || parts[0][0] != '[' {
		return list[:0], false, nil
	}
	if !f.listed { // another pointer leads into it
		f.list = list[:0]
		err = Elements(parts[0], func(element []byte) error { f.list = append(f.list, element); return nil })
	}
	return f.list, f.listed && f.spread == 0, err
}

// Pick is Find for a text that is known to be JSON, without white space around it: it reads no
// further than it has to, so that of names that repeat the first one counts.
func Pick(data []byte, pointers []Pointer, parts [][]byte) error {
	clear(parts)
	f := finder{scanner: scanner{data: data}, pointers: pointers, parts: parts, hasty: true}
	var open uint64
	for i, p := range pointers {
		if len(p) == 0 {
			parts[i] = data
			continue
		}
		open |= 1 << i
		f.missing++
	}
	if open == 0 {
		return nil
	}
	if err := f.value(open, 0); err != nil && err != errPicked {
		return err
	}
	return nil
}

// errPicked ends a Pick that has all its parts.
var errPicked = errors.New("all parts are found")

// finder is the state of one Find. Which pointers may still lead into the value at hand is a set
// of bits, so that looking costs no memory.
type finder struct {
	scanner
	pointers []Pointer
	parts    [][]byte

	lists  bool     // take the list of the first pointer apart
	listed bool     // it was
	list   [][]byte // its elements
	spread int      // octets of white space in them

	hasty   bool // stop when nothing is missing any more
	missing int
}

// everything is the set of all pointers.
func everything(pointers []Pointer) uint64 { return 1<<len(pointers) - 1 }

// value passes over one value, at which the pointers in open have used level of their names.
func (f *finder) value(open uint64, level int) error {
	c := f.peek()
	start := f.at
	list := f.lists && open&1 != 0 && len(f.pointers[0]) == level
	if list {
		f.listed = false
	}
	var err error
	switch deeper := f.deeper(open, level); {
	case deeper != 0 && (c == '{' || c == '['):
		err = f.inside(c, deeper, level)
	case list && c == '[':
		err = f.elements()
	default:
		err = f.skip()
	}
	if err != nil {
		return err
	}
	for i, p := range f.pointers {
		if open&(1<<i) != 0 && len(p) == level {
			if f.parts[i] == nil {
				f.missing--
			}
			f.parts[i] = f.data[start:f.at:f.at]
		}
	}
	if f.hasty && f.missing == 0 {
		return errPicked
	}
	return nil
}

// elements passes over an array and notes its elements.
func (f *finder) elements() error {
	f.listed, f.list, f.spread = true, f.list[:0], 0
	more, err := f.open(']')
	for more && err == nil {
		f.peek()
		start, before := f.at, f.blanks
		if err = f.skip(); err != nil {
			return err
		}
		f.list = append(f.list, f.data[start:f.at:f.at])
		f.spread += f.blanks - before
		more, err = f.next(']')
	}
	return err
}

// deeper are those of open that go on below level.
func (f *finder) deeper(open uint64, level int) (deeper uint64) {
	for i, p := range f.pointers {
		if open&(1<<i) != 0 && len(p) > level {
			deeper |= 1 << i
		}
	}
	return deeper
}

// inside passes over an object or an array that the pointers in open lead into.
func (f *finder) inside(c byte, open uint64, level int) error {
	closing := c + 2 // '}' after '{', ']' after '['
	more, err := f.open(closing)
	for n := 0; more && err == nil; n++ {
		var here uint64
		if c == '{' {
			name, escaped, err := f.name()
			if err != nil {
				return err
			}
			if escaped {
				name = unescape(make([]byte, 0, len(name)), name)
			}
			for i, p := range f.pointers {
				if open&(1<<i) != 0 && p[level] == string(name) {
					here |= 1 << i
				}
			}
		} else {
			for i, p := range f.pointers {
				if open&(1<<i) != 0 && isIndex(p[level], n) {
					here |= 1 << i
				}
			}
		}
		if here == 0 {
			err = f.skip()
		} else {
			err = f.value(here, level+1)
		}
		if err != nil {
			return err
		}
		more, err = f.next(closing)
	}
	return err
}

// isIndex says whether name is the number n of an element.
func isIndex(name string, n int) bool {
	index, ok := parseInt([]byte(name))
	return ok && index == int64(n)
}

// Elements calls each with the text of each element of the JSON array data, in order. The texts
// are data's own memory. An error of each ends the reading and is returned.
func Elements(data []byte, each func(element []byte) error) error {
	s := scanner{data: data}
	if s.peek() != '[' {
		return s.unexpected("an array")
	}
	more, err := s.open(']')
	for more && err == nil {
		s.peek()
		start := s.at
		if err = s.skip(); err != nil {
			return err
		}
		if err = each(data[start:s.at:s.at]); err != nil {
			return err
		}
		more, err = s.next(']')
	}
	if err != nil {
		return err
	}
	return s.end()
}

// AppendCompact appends the JSON text data, which must be valid, without the white space between
// its parts.
func AppendCompact(dst, data []byte) []byte {
	start := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			for i++; data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
		case ' ', '\t', '\n', '\r':
			dst = append(dst, data[start:i]...)
			start = i + 1
		}
	}
	return append(dst, data[start:]...)
}

// AppendContent appends the content of a JSON value: of a string what it says, of anything else its
// JSON text. data must be valid.
func AppendContent(dst, data []byte) []byte {
	if len(data) < 2 || data[0] != '"' {
		return append(dst, data...)
	}
	return unescape(dst, data[1:len(data)-1])
}
