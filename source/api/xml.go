package api

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"

	"golang.org/x/text/encoding/ianaindex"

	"connectd/convert"
)

// XML is read as JSON, so that pointers and jq lead into it: an element is an object under its local
// name, with its attributes as @name and its text as #text; one with nothing but text is that text;
// elements that repeat are an array. Every value is a string, and xsi:nil is null.

// node is an element while it is read.
type node struct {
	name       string
	attributes []xml.Attr
	children   []*node
	text       []byte
}

// deepest is how deep elements may be nested: what the reader of JSON takes, for objects and arrays.
const deepest = 400

// appendXML appends the JSON of an XML document to dst.
func appendXML(dst, document []byte) ([]byte, error) {
	d := xml.NewDecoder(bytes.NewReader(document))
	d.CharsetReader = func(charset string, input io.Reader) (io.Reader, error) {
		e, err := ianaindex.IANA.Encoding(charset)
		if err != nil || e == nil {
			return nil, fmt.Errorf("the encoding %q is not known", charset)
		}
		return e.NewDecoder().Reader(input), nil
	}
	top := &node{}
	open := []*node{top}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return dst, err
		}
		inner := open[len(open)-1]
		switch t := token.(type) {
		case xml.StartElement:
			if len(open) > deepest {
				return dst, fmt.Errorf("elements are nested deeper than %d", deepest)
			}
			n := &node{name: t.Name.Local, attributes: t.Attr} // Token gives each its own
			inner.children = append(inner.children, n)
			open = append(open, n)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			inner.text = append(inner.text, t...)
		}
	}
	if len(top.children) == 0 {
		return dst, errors.New("there is no element")
	}
	top.text = nil
	return top.appendObject(dst), nil
}

// appendJSON appends n as a value.
func (n *node) appendJSON(dst []byte) []byte {
	for _, a := range n.attributes {
		if a.Name.Local == "nil" && a.Value == "true" && a.Name.Space == "http://www.w3.org/2001/XMLSchema-instance" {
			return append(dst, "null"...)
		}
	}
	if len(n.children) > 0 {
		n.text = bytes.TrimSpace(n.text) // what stands between elements is layout
	}
	if len(n.children) == 0 && len(n.attributes) == 0 {
		return convert.AppendQuoted(dst, n.text)
	}
	return n.appendObject(dst)
}

func (n *node) appendObject(dst []byte) []byte {
	separator := byte('{')
	member := func(name string) {
		dst = append(dst, separator)
		dst = append(convert.AppendQuoted(dst, []byte(name)), ':')
		separator = ','
	}
	for _, a := range n.attributes {
		if a.Name.Space == "xmlns" || a.Name.Local == "xmlns" {
			continue // of the document, not of the data
		}
		member("@" + a.Name.Local)
		dst = convert.AppendQuoted(dst, []byte(a.Value))
	}
	byName := map[string][]*node{}
	for _, c := range n.children {
		byName[c.name] = append(byName[c.name], c)
	}
	for _, c := range n.children {
		same := byName[c.name]
		if len(same) == 0 {
			continue // written with the first of that name
		}
		byName[c.name] = nil
		member(c.name)
		if len(same) == 1 {
			dst = c.appendJSON(dst)
			continue
		}
		bracket := byte('[')
		for _, one := range same {
			dst = one.appendJSON(append(dst, bracket))
			bracket = ','
		}
		dst = append(dst, ']')
	}
	if len(n.text) > 0 {
		member("#text")
		dst = convert.AppendQuoted(dst, n.text)
	}
	if separator == '{' {
		dst = append(dst, '{')
	}
	return append(dst, '}')
}
