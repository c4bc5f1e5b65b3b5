package avro

import (
	"encoding/hex"
	"errors"
	"fmt"

	"connectd/convert"
	"connectd/record"
)

// Read reads data, which is one value and nothing more. What it returns lies in data and in b.
func (r *Reader) Read(b *record.Batch, data []byte) (record.Value, error) {
	c := cursor{data: data}
	var v record.Value
	r.root.read(b, &c, &v)
	if c.err == nil && c.at < len(data) {
		c.err = fmt.Errorf("%d bytes are left over after the value", len(data)-c.at)
	}
	if c.err != nil {
		return record.Value{}, c.err
	}
	return v, nil
}

// read reads one value into v, which is null before. Errors stay in c.
func (n *node) read(b *record.Batch, c *cursor, v *record.Value) {
	if n.union {
		switch branch := c.long(); {
		case branch == n.null:
			return
		case branch != 1-n.null:
			c.fail(fmt.Errorf("a union of two types has no branch %d", branch))
			return
		}
	}
	switch n.form {
	case intForm:
		v.Kind, v.N = record.Int, c.long()
		if v.N > n.limit || v.N < -n.limit-1 {
			c.fail(fmt.Errorf("%d is beyond %s", v.N, described(n.schema)))
		}
	case stringForm:
		v.Kind, v.B = record.String, c.octets()
	case recordForm:
		cells := b.Cells(len(n.parts))
		for i, part := range n.parts {
			part.read(b, c, &cells[i])
		}
		v.Kind, v.Items = record.Struct, cells
	case doubleForm:
		*v = record.OfFloat(c.float64())
	case floatForm:
		*v = record.OfFloat(c.float32())
	case boolForm:
		*v = c.bool()
	case bytesForm:
		v.Kind, v.B = record.Bytes, c.octets()
	case fixedForm:
		v.Kind, v.B = record.Bytes, c.take(int64(n.size))
	case decimalForm:
		n.readDecimal(b, c, v, c.octets())
	case fixedDecimalForm:
		n.readDecimal(b, c, v, c.take(int64(n.size)))
	case enumForm:
		n.readSymbol(c, v)
	case uuidForm:
		readUUID(b, c, v)
	case arrayForm:
		v.Kind, v.Items = record.Array, n.readItems(b, c, 1)
	case mapForm, pairsForm:
		v.Kind, v.Items = record.Map, n.readItems(b, c, 2)
	case unionForm, singleForm:
		n.readUnion(b, c, v)
	case anythingForm:
		readAnything(b, c, v)
	case anyPartsForm:
		n.readParts(b, c, v)
	}
}

// decimalRoom is what the text of a decimal takes at most, in nearly all cases.
const decimalRoom = 48

func (n *node) readDecimal(b *record.Batch, c *cursor, v *record.Value, octets []byte) {
	if c.err != nil {
		return
	}
	var err error
	text := b.Append(decimalRoom, func(dst []byte) []byte {
		dst, err = convert.AppendUnscaled(dst, octets, n.scale)
		return dst
	})
	if err != nil {
		c.fail(err)
		return
	}
	v.Kind, v.B = record.Number, text
}

func (n *node) readSymbol(c *cursor, v *record.Value) {
	i := c.long()
	if i < 0 || i >= int64(len(n.symbols)) {
		c.fail(fmt.Errorf("the enum %q has no symbol %d", n.schema.Name, i))
		return
	}
	*v = n.symbols[i]
}

// readUUID writes 16 octets as the text of a UUID.
func readUUID(b *record.Batch, c *cursor, v *record.Value) {
	id := c.take(16)
	if id == nil {
		return
	}
	text := b.Bytes(36)
	at := 0
	for i, part := range [][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			text[at] = '-'
			at++
		}
		at += hex.Encode(text[at:], part)
	}
	v.Kind, v.B = record.String, text
}

// readItems reads the items of an array or a map, each of width cells. Nearly always all of them
// are in one block.
func (n *node) readItems(b *record.Batch, c *cursor, width int) []record.Value {
	items := []record.Value{}
	for count := c.count(); count > 0 && c.err == nil; count = c.count() {
		at := len(items)
		if room := at + count*width; room > cap(items) {
			items = append(b.Cells(max(room, 2*at))[:0], items...)
		}
		items = items[:at+count*width]
		for ; at < len(items) && c.err == nil; at += width {
			for i, part := range n.parts {
				part.read(b, c, &items[at+i])
			}
		}
	}
	return items
}

func (n *node) readUnion(b *record.Batch, c *cursor, v *record.Value) {
	branch := c.long()
	if branch < 0 || branch >= int64(len(n.parts)) {
		c.fail(fmt.Errorf("a union of %d types has no branch %d", len(n.parts), branch))
		return
	}
	part := n.parts[branch]
	if n.form == singleForm {
		part.read(b, c, v)
		return
	}
	if n.fields[branch] < 0 {
		return
	}
	cells := b.Cells(len(n.schema.Fields))
	part.read(b, c, &cells[n.fields[branch]])
	v.Kind, v.Items = record.Struct, cells
}

// readParts reads a record inside of itself, which has no schema of a finite size, as JSON.
func (n *node) readParts(b *record.Batch, c *cursor, v *record.Value) {
	if c.depth++; c.depth > maxDepth {
		c.fail(errDeep)
		return
	}
	var inner record.Value
	n.parts[0].read(b, c, &inner)
	c.depth--
	if c.err != nil {
		return
	}
	text, err := convert.AppendJSON(nil, record.Datum{Schema: n.parts[0].schema, Value: inner})
	if err != nil {
		c.fail(err)
		return
	}
	v.Kind, v.B = record.JSON, text
}

var errNoThing = errors.New("more than one field of io.confluent.connect.avro.Anything is set")

// readAnything reads data without a schema; an array or a map becomes JSON.
func readAnything(b *record.Batch, c *cursor, v *record.Value) {
	for at := range things {
		switch branch := c.long(); {
		case c.err != nil:
			return
		case branch == 0:
			continue
		case branch != 1:
			c.fail(fmt.Errorf("a union of two types has no branch %d", branch))
			return
		case v.Kind != record.Null:
			c.fail(errNoThing)
			return
		}
		switch at {
		case boolThing:
			*v = c.bool()
		case bytesThing:
			v.Kind, v.B = record.Bytes, c.octets()
		case doubleThing:
			*v = record.OfFloat(c.float64())
		case floatThing:
			*v = record.OfFloat(c.float32())
		case intThing, longThing:
			v.Kind, v.N = record.Int, c.long()
		case stringThing:
			v.Kind, v.B = record.String, c.octets()
		case arrayThing:
			v.Kind, v.B = record.JSON, readThings(b, c, []byte{'['}, ']')
		case mapThing:
			v.Kind, v.B = record.JSON, readThings(b, c, []byte{'{'}, '}')
		}
	}
}

// readThings appends the JSON of the items of an array, or of the entries of a map.
func readThings(b *record.Batch, c *cursor, text []byte, end byte) []byte {
	if c.depth++; c.depth > maxDepth {
		c.fail(errDeep)
		return nil
	}
	for count := c.count(); count > 0 && c.err == nil; count = c.count() {
		for ; count > 0 && c.err == nil; count-- {
			if len(text) > 1 {
				text = append(text, ',')
			}
			if end == '}' {
				var key record.Value
				if readAnything(b, c, &key); key.Kind != record.String {
					c.fail(errors.New("a key of a map without a schema is no string"))
					return nil
				}
				text = append(convert.AppendQuoted(text, key.B), ':')
			}
			var item record.Value
			readAnything(b, c, &item)
			var err error
			if text, err = convert.AppendJSON(text, record.Datum{Value: item}); err != nil {
				c.fail(err)
			}
		}
	}
	c.depth--
	return append(text, end)
}
