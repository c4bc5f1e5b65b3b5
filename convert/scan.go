package convert

import "fmt"

// maxDepth is how deep objects and arrays may be nested: Jackson's limit.
const maxDepth = 1000

// SyntaxError says where a text stops being JSON.
type SyntaxError struct {
	Offset int // of the byte, from 0
	Text   string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("JSON at byte %d: %s", e.Offset, e.Text) }

// scanner reads one JSON text from front to back.
type scanner struct {
	data   []byte
	at     int
	depth  int
	blanks int // octets of white space that were passed over
}

func (s *scanner) fail(format string, args ...any) error {
	return &SyntaxError{s.at, fmt.Sprintf(format, args...)}
}

// unexpected is the error for the byte at s.at.
func (s *scanner) unexpected(want string) error {
	if s.at >= len(s.data) {
		return s.fail("the text ends, want %s", want)
	}
	return s.fail("%q, want %s", s.data[s.at], want)
}

// peek skips white space and returns the next byte, or 0 at the end.
func (s *scanner) peek() byte {
	for s.at < len(s.data) {
		switch c := s.data[s.at]; c {
		case ' ', '\t', '\n', '\r':
			s.at++
			s.blanks++
		default:
			return c
		}
	}
	return 0
}

// end is an error unless only white space is left.
func (s *scanner) end() error {
	s.peek()
	if s.at < len(s.data) {
		return s.unexpected("the end")
	}
	return nil
}

// skip passes over one value of any kind.
func (s *scanner) skip() error {
	switch c := s.peek(); c {
	case '{':
		return s.skipAll('}')
	case '[':
		return s.skipAll(']')
	case '"':
		_, _, err := s.text()
		return err
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		_, _, err := s.number()
		return err
	}
}

// skipAll passes over the members of an object or the elements of an array.
func (s *scanner) skipAll(closing byte) error {
	more, err := s.open(closing)
	for more && err == nil {
		if closing == '}' {
			if _, _, err = s.name(); err != nil {
				return err
			}
		}
		if err = s.skip(); err != nil {
			return err
		}
		more, err = s.next(closing)
	}
	return err
}

// open enters an object or an array. more is false when it is empty, and left again.
func (s *scanner) open(closing byte) (more bool, err error) {
	s.at++
	if s.depth++; s.depth > maxDepth {
		return false, s.fail("nested deeper than %d", maxDepth)
	}
	if s.peek() == closing {
		s.at++
		s.depth--
		return false, nil
	}
	return true, nil
}

// next moves on to the next member or element; more is false when there is none, and the object
// or array is left.
func (s *scanner) next(closing byte) (more bool, err error) {
	switch s.peek() {
	case ',':
		s.at++
		return true, nil
	case closing:
		s.at++
		s.depth--
		return false, nil
	}
	return false, s.unexpected("',' or '" + string(rune(closing)) + "'")
}

// name reads the name of a member and its colon, as text does.
func (s *scanner) name() (body []byte, escaped bool, err error) {
	if s.peek() != '"' {
		return nil, false, s.unexpected("a name in quotes")
	}
	if body, escaped, err = s.text(); err != nil {
		return nil, false, err
	}
	if s.peek() != ':' {
		return nil, false, s.unexpected("':'")
	}
	s.at++
	return body, escaped, nil
}

// named passes over a member's name and colon when the name is this one, which has no escapes.
func (s *scanner) named(name string) bool {
	if s.peek() != '"' {
		return false
	}
	end := s.at + 1 + len(name)
	if end+1 >= len(s.data) || s.data[end] != '"' || s.data[end+1] != ':' || string(s.data[s.at+1:end]) != name {
		return false
	}
	s.at = end + 2
	return true
}

// number reads a number; integer says that it has neither a fraction nor an exponent.
func (s *scanner) number() (text []byte, integer bool, err error) {
	data, i := s.data, s.at
	if i < len(data) && data[i] == '-' {
		i++
	}
	whole, _ := digits(data[i:])
	if len(whole) == 0 {
		if i == s.at {
			return nil, false, s.unexpected("a value")
		}
		s.at = i
		return nil, false, s.unexpected("a digit")
	}
	i += len(whole)
	if whole[0] == '0' && len(whole) > 1 {
		s.at = i - len(whole)
		return nil, false, s.fail("a number must not begin with 0")
	}
	integer = true
	if i < len(data) && data[i] == '.' {
		integer = false
		fraction, _ := digits(data[i+1:])
		if i++; len(fraction) == 0 {
			s.at = i
			return nil, false, s.unexpected("a digit")
		}
		i += len(fraction)
	}
	if i < len(data) && (data[i] == 'e' || data[i] == 'E') {
		integer = false
		if i++; i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		exponent, _ := digits(data[i:])
		if len(exponent) == 0 {
			s.at = i
			return nil, false, s.unexpected("a digit")
		}
		i += len(exponent)
	}
	text = data[s.at:i:i]
	s.at = i
	return text, integer, nil
}

// short reads an integer of up to 18 digits in one pass. ok is false for any other number, which is
// then not passed over.
func (s *scanner) short() (n int64, ok bool) {
	data, i := s.data, s.at
	negative := i < len(data) && data[i] == '-'
	if negative {
		i++
	}
	first := i
	for ; i < len(data) && data[i]-'0' <= 9; i++ {
		n = n*10 + int64(data[i]-'0')
	}
	switch {
	case i == first || i-first > 18 || data[first] == '0' && i-first > 1:
		return 0, false
	case i < len(data) && (data[i] == '.' || data[i]|0x20 == 'e'):
		return 0, false
	}
	s.at = i
	if negative {
		return -n, true
	}
	return n, true
}

// literal reads true, false or null.
func (s *scanner) literal(word string) error {
	if len(s.data)-s.at < len(word) || string(s.data[s.at:s.at+len(word)]) != word {
		return s.unexpected(word)
	}
	s.at += len(word)
	return nil
}

// parseInt reads the text of an integer; ok is false when it is beyond an int64.
func parseInt(text []byte) (n int64, ok bool) {
	p, negative := text, false
	if len(p) > 0 && (p[0] == '-' || p[0] == '+') {
		negative = p[0] == '-'
		p = p[1:]
	}
	if len(p) == 0 {
		return 0, false
	}
	var u uint64
	for _, c := range p {
		if c-'0' > 9 || u > (1<<63)/10 {
			return 0, false
		}
		u = u*10 + uint64(c-'0')
	}
	if negative {
		return -int64(u), u <= 1<<63
	}
	return int64(u), u < 1<<63
}
