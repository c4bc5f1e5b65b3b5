package clickhouse

import (
	"encoding/binary"
	"fmt"

	"connectd/record"
)

// arrayColumn holds Array(T): for each row the number of elements until its end, and then all
// elements. An array can not be Nullable in ClickHouse: a null is stored as the empty array.
type arrayColumn struct {
	offsets []byte
	count   int // elements of all rows
	elem    column
	scan    jsonScanner
	object  jsonScanner // one element, for members of Nested columns
}

func (c *arrayColumn) append(s *record.Schema, v *record.Value) error {
	switch v.Kind {
	case record.Null:
	case record.Array:
		var elem *record.Schema
		if s != nil {
			elem = s.Elem
		}
		for i := range v.Items {
			if err := c.add(elem, &v.Items[i]); err != nil {
				return fmt.Errorf("element %d: %w", i, err)
			}
		}
	case record.JSON:
		if err := c.addJSON(v.B); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%s is not an array", kindName(v.Kind))
	}
	c.end()
	return nil
}

func (c *arrayColumn) add(s *record.Schema, v *record.Value) error {
	if err := c.elem.append(s, v); err != nil {
		return err
	}
	c.count++
	return nil
}

func (c *arrayColumn) addJSON(text []byte) error {
	if err := c.scan.open(text, '['); err != nil {
		return err
	}
	for i := 0; ; i++ {
		v, ok, err := c.scan.element(i == 0, ']')
		if err != nil || !ok {
			return err
		}
		if err := c.add(nil, &v); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
}

func (c *arrayColumn) end() { c.offsets = binary.LittleEndian.AppendUint64(c.offsets, uint64(c.count)) }

func (c *arrayColumn) appendDefault(n int) {
	for range n {
		c.end()
	}
}

func (c *arrayColumn) truncate(n int) {
	c.offsets = c.offsets[:n*8]
	c.count = lastOffset(c.offsets)
	c.elem.truncate(c.count)
}

func (c *arrayColumn) segments(dst [][]byte) [][]byte {
	return c.elem.segments(append(dst, c.offsets))
}

// lastOffset is the number of elements of all rows.
func lastOffset(offsets []byte) int {
	if len(offsets) == 0 {
		return 0
	}
	return int(binary.LittleEndian.Uint64(offsets[len(offsets)-8:]))
}

// mapColumn holds Map(K, V): like an array of pairs, keys and values in columns of their own. A
// null is stored as the empty map.
type mapColumn struct {
	offsets    []byte
	count      int
	key, value column
	scan       jsonScanner
}

func (c *mapColumn) append(s *record.Schema, v *record.Value) error {
	switch v.Kind {
	case record.Null:
	case record.Map:
		var key, value *record.Schema
		if s != nil {
			key, value = s.Key, s.Elem
		}
		for i := 0; i+1 < len(v.Items); i += 2 {
			if err := c.add(key, value, &v.Items[i], &v.Items[i+1]); err != nil {
				return err
			}
		}
	case record.Struct:
		if s == nil || len(s.Fields) != len(v.Items) {
			return fmt.Errorf("a struct without its schema is not a map")
		}
		for i := range v.Items {
			name := record.OfText(s.Fields[i].Name)
			if err := c.add(nil, s.Fields[i].Schema, &name, &v.Items[i]); err != nil {
				return err
			}
		}
	case record.JSON:
		if err := c.addJSON(v.B); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%s is not a map", kindName(v.Kind))
	}
	c.end()
	return nil
}

func (c *mapColumn) add(ks, vs *record.Schema, k, v *record.Value) error {
	if err := c.key.append(ks, k); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	if err := c.value.append(vs, v); err != nil {
		return fmt.Errorf("value of key %.80q: %w", k.B, err)
	}
	c.count++
	return nil
}

func (c *mapColumn) addJSON(text []byte) error {
	if err := c.scan.open(text, '{'); err != nil {
		return err
	}
	for i := 0; ; i++ {
		name, ok, err := c.scan.name(i == 0)
		if err != nil || !ok {
			return err
		}
		// The key goes in first: it is in the scanner's memory, which the value overwrites.
		key := record.OfString(name)
		if err := c.key.append(nil, &key); err != nil {
			return fmt.Errorf("key: %w", err)
		}
		v, err := c.scan.value()
		if err != nil {
			return err
		}
		if err := c.value.append(nil, &v); err != nil {
			return fmt.Errorf("value of a key: %w", err)
		}
		c.count++
	}
}

func (c *mapColumn) end() { c.offsets = binary.LittleEndian.AppendUint64(c.offsets, uint64(c.count)) }

func (c *mapColumn) appendDefault(n int) {
	for range n {
		c.end()
	}
}

func (c *mapColumn) truncate(n int) {
	c.offsets = c.offsets[:n*8]
	c.count = lastOffset(c.offsets)
	c.key.truncate(c.count)
	c.value.truncate(c.count)
}

func (c *mapColumn) segments(dst [][]byte) [][]byte {
	return c.value.segments(c.key.segments(append(dst, c.offsets)))
}

var kindNames = [...]string{"null", "a boolean", "an integer", "a float", "a text", "bytes", "a number", "a JSON value", "a struct", "an array", "a map"}

func kindName(k record.Kind) string { return kindNames[k] }
