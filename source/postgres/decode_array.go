package postgres

import (
	"errors"
	"fmt"

	"connectd/record"
)

// maxNesting is PostgreSQL's limit on the dimensions of an array.
const maxNesting = 6

var errArray = errors.New("is not an array")

// arrayDecoder decodes "{1,NULL,"a b"}"; arrays of arrays become nested arrays, or with flat nulls.
func arrayDecoder(elem decoder, delim byte, flat bool) decoder {
	return func(v *record.Value, b *record.Batch, text []byte) error {
		at := 0
		if len(text) > 0 && text[0] == '[' { // "[0:1]={…}": bounds that a JSON array does not have
			for at < len(text) && text[at] != '=' {
				at++
			}
			at++
		}
		p := arrayParser{text: text, at: at, elem: elem, delim: delim, flat: flat, batch: b}
		if err := p.array(v, 1); err != nil {
			return fmt.Errorf("%q: %w", text, err)
		}
		if p.at != len(text) {
			return fmt.Errorf("%q %w", text, errArray)
		}
		return nil
	}
}

type arrayParser struct {
	text  []byte
	at    int
	elem  decoder
	delim byte
	flat  bool // arrays in the array are null
	batch *record.Batch
}

// array decodes the array that begins at p.at.
func (p *arrayParser) array(v *record.Value, depth int) error {
	if depth > maxNesting || p.at >= len(p.text) || p.text[p.at] != '{' {
		return errArray
	}
	n, ok := p.count()
	if !ok {
		return errArray
	}
	cells := p.batch.Cells(n)
	p.at++
	for i := range cells {
		if i > 0 {
			p.at++ // the delimiter, which count has seen
		}
		if p.text[p.at] == '{' {
			if err := p.array(&cells[i], depth+1); err != nil {
				return err
			}
			if p.flat {
				cells[i] = record.Value{}
			}
			continue
		}
		text, null, ok := p.item()
		if !ok {
			return errArray
		}
		if null {
			continue
		}
		if err := p.elem(&cells[i], p.batch, text); err != nil {
			return err
		}
	}
	if p.text[p.at] != '}' {
		return errArray
	}
	p.at++
	*v = record.OfArray(cells)
	return nil
}

// count is how many items the array that begins at p.at has, and whether it ends.
func (p *arrayParser) count() (n int, ok bool) {
	depth, quoted := 0, false
	for i := p.at; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case quoted && c == '\\' || !quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				if n == 0 && i == p.at+1 {
					return 0, true
				}
				return n + 1, true
			}
		case c == p.delim && depth == 1:
			n++
		}
	}
	return 0, false
}

// item cuts out the item at p.at, unescaped in place. NULL without quotes is null.
func (p *arrayParser) item() (text []byte, null, ok bool) {
	if p.text[p.at] == '"' {
		p.at++
		start, end := p.at, p.at
		for ; p.at < len(p.text); p.at++ {
			c := p.text[p.at]
			if c == '"' {
				p.at++
				return p.text[start:end:end], false, true
			}
			if c == '\\' {
				if p.at++; p.at == len(p.text) {
					return nil, false, false
				}
				c = p.text[p.at]
			}
			p.text[end] = c
			end++
		}
		return nil, false, false
	}
	start := p.at
	for p.at < len(p.text) && p.text[p.at] != p.delim && p.text[p.at] != '}' {
		p.at++
	}
	text = p.text[start:p.at:p.at]
	return text, string(text) == "NULL", p.at < len(p.text) && len(text) > 0
}
