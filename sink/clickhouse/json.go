package clickhouse

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"

	"connectd/record"
)

// jsonScanner cuts the text of one JSON array or object into its members, for array and map
// columns. Members that are arrays or objects stay text.
type jsonScanner struct {
	text    []byte
	at      int
	scratch []byte
}

var errJSON = errors.New("is not well-formed JSON")

// open begins at the array ('[') or object ('{') that text holds.
func (p *jsonScanner) open(text []byte, bracket byte) error {
	if !json.Valid(text) {
		return errJSON
	}
	p.text, p.at = text, 0
	if !p.skip(bracket) {
		if bracket == '[' {
			return errors.New("JSON value is not an array")
		}
		return errors.New("JSON value is not an object")
	}
	return nil
}

// skip passes over spaces and then over c, if it is next.
func (p *jsonScanner) skip(c byte) bool {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
			continue
		case c:
			p.at++
			return true
		}
		return false
	}
	return false
}

// element is the next element of an array; ok is false at its end.
func (p *jsonScanner) element(first bool, closing byte) (v record.Value, ok bool, err error) {
	if p.skip(closing) {
		return v, false, nil
	}
	if !first && !p.skip(',') {
		return v, false, errJSON
	}
	v, err = p.value()
	return v, err == nil, err
}

// name is the name of the next member of an object; ok is false at its end. It is valid until
// the next call.
func (p *jsonScanner) name(first bool) (name []byte, ok bool, err error) {
	if p.skip('}') {
		return nil, false, nil
	}
	if !first && !p.skip(',') {
		return nil, false, errJSON
	}
	v, err := p.value()
	if err != nil || v.Kind != record.String || !p.skip(':') {
		return nil, false, errJSON
	}
	return v.B, true, nil
}

// value is the next value. It points into the text, or into memory that the next call changes.
func (p *jsonScanner) value() (record.Value, error) {
	p.skip(0)
	if p.at >= len(p.text) {
		return record.Value{}, errJSON
	}
	from := p.at
	switch c := p.text[from]; c {
	case '"':
		return p.str()
	case '{', '[':
		p.nested()
		return record.OfJSON(p.text[from:p.at]), nil
	case 't':
		p.at += len("true")
		return record.OfBool(true), nil
	case 'f':
		p.at += len("false")
		return record.OfBool(false), nil
	case 'n':
		p.at += len("null")
		return record.Value{}, nil
	}
	for p.at < len(p.text) && bytes.IndexByte([]byte("+-.eE0123456789"), p.text[p.at]) >= 0 {
		p.at++
	}
	number := p.text[from:p.at]
	if n, err := strconv.ParseInt(string(number), 10, 64); err == nil {
		return record.OfInt(n), nil
	}
	return record.OfNumber(number), nil
}

// str is the string that begins here.
func (p *jsonScanner) str() (record.Value, error) {
	from := p.at
	escaped := false
	for p.at++; p.text[p.at] != '"'; p.at++ {
		if p.text[p.at] == '\\' {
			escaped = true
			p.at++
		}
	}
	p.at++
	if !escaped {
		return record.OfString(p.text[from+1 : p.at-1]), nil
	}
	var s string
	if err := json.Unmarshal(p.text[from:p.at], &s); err != nil {
		return record.Value{}, errJSON
	}
	p.scratch = append(p.scratch[:0], s...)
	return record.OfString(p.scratch), nil
}

// nested passes over the array or object that begins here.
func (p *jsonScanner) nested() {
	depth := 0
	for ; p.at < len(p.text); p.at++ {
		switch p.text[p.at] {
		case '"':
			for p.at++; p.text[p.at] != '"'; p.at++ {
				if p.text[p.at] == '\\' {
					p.at++
				}
			}
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				p.at++
				return
			}
		}
	}
}
