package clickhouse

import (
	"fmt"
	"slices"
	"strings"

	"connectd/record"
)

// tupleColumn holds Tuple(name T, …): one column for each element, one after the other. A tuple can
// not be Nullable in ClickHouse: a null is stored as a tuple of NULLs, if all elements allow it.
type tupleColumn struct {
	names  []string // empty when the elements have none
	elems  []column
	filled []bool // which elements the row at hand has
	scan   jsonScanner
}

// newTuple builds the column, and returns the type's name in an INSERT.
func newTuple(t chType, p policy) (c *tupleColumn, sent string, err error) {
	c = &tupleColumn{filled: make([]bool, len(t.args))}
	kinds := make([]string, len(t.args))
	for i, a := range t.args {
		name, kind := elementName(a)
		elem, sent, err := newColumn(kind, p)
		if err != nil {
			return nil, "", err
		}
		kinds[i] = sent
		if name != "" {
			c.names = append(c.names, name)
			kinds[i] = quoteName(name) + " " + sent
		}
		c.elems = append(c.elems, elem)
	}
	if len(c.elems) == 0 || len(c.names) != 0 && len(c.names) != len(c.elems) {
		return nil, "", fmt.Errorf("type %q is not a tuple of elements that all have names, or none", t.text)
	}
	return c, "Tuple(" + strings.Join(kinds, ", ") + ")", nil
}

// elementName cuts an argument of Tuple into its name, if it has one, and its type.
func elementName(arg string) (name, kind string) {
	if strings.HasPrefix(arg, "`") {
		if end := closingQuote(arg, 0); end > 0 {
			return unquote(arg[1:end]), strings.TrimSpace(arg[end+1:])
		}
	}
	i := strings.IndexAny(arg, " (")
	if i < 0 || arg[i] == '(' {
		return "", arg
	}
	return arg[:i], strings.TrimSpace(arg[i+1:])
}

func (c *tupleColumn) append(s *record.Schema, v *record.Value) error {
	clear(c.filled)
	var err error
	switch {
	case v.Kind == record.Null:
		for i := range c.elems {
			if err := c.set(i, nil, v); err != nil {
				return err
			}
		}
	case v.Kind == record.Struct && s != nil && len(s.Fields) == len(v.Items):
		err = c.addStruct(s, v)
	case v.Kind == record.Array:
		err = c.addItems(s, v)
	case v.Kind == record.JSON && len(v.B) > 0 && v.B[0] == '[':
		err = c.addArray(v.B)
	case v.Kind == record.JSON:
		err = c.addObject(v.B)
	default:
		return fmt.Errorf("%s is not a tuple", kindName(v.Kind))
	}
	if err != nil {
		return err
	}
	for i, elem := range c.elems {
		if !c.filled[i] {
			elem.appendDefault(1) // as a column that a record does not have
		}
	}
	return nil
}

// set appends the i-th element of the row at hand.
func (c *tupleColumn) set(i int, s *record.Schema, v *record.Value) error {
	if i >= len(c.elems) {
		return fmt.Errorf("the tuple has %d elements only", len(c.elems))
	}
	if c.filled[i] {
		return fmt.Errorf("element %s is there twice", c.element(i))
	}
	c.filled[i] = true
	if err := c.elems[i].append(s, v); err != nil {
		return fmt.Errorf("element %s: %w", c.element(i), err)
	}
	return nil
}

// element is the i-th element in messages.
func (c *tupleColumn) element(i int) string {
	if c.names == nil {
		return fmt.Sprint(i + 1)
	}
	return quoteName(c.names[i])
}

// named is the place of the element called name.
func (c *tupleColumn) named(name string) (int, error) {
	i := slices.Index(c.names, name)
	if i < 0 {
		return 0, fmt.Errorf("the tuple has no element %.80q", name)
	}
	return i, nil
}

func (c *tupleColumn) addStruct(s *record.Schema, v *record.Value) error {
	for i := range v.Items {
		at := i
		if c.names != nil {
			var err error
			if at, err = c.named(s.Fields[i].Name); err != nil {
				return err
			}
		}
		if err := c.set(at, s.Fields[i].Schema, &v.Items[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *tupleColumn) addItems(s *record.Schema, v *record.Value) error {
	var elem *record.Schema
	if s != nil {
		elem = s.Elem
	}
	for i := range v.Items {
		if err := c.set(i, elem, &v.Items[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *tupleColumn) addArray(text []byte) error {
	if err := c.scan.open(text, '['); err != nil {
		return err
	}
	for i := 0; ; i++ {
		v, ok, err := c.scan.element(i == 0, ']')
		if err != nil || !ok {
			return err
		}
		if err := c.set(i, nil, &v); err != nil {
			return err
		}
	}
}

func (c *tupleColumn) addObject(text []byte) error {
	if err := c.scan.open(text, '{'); err != nil {
		return err
	}
	for i := 0; ; i++ {
		name, ok, err := c.scan.name(i == 0)
		if err != nil || !ok {
			return err
		}
		at, err := c.named(string(name))
		if err != nil {
			return err
		}
		v, err := c.scan.value()
		if err != nil {
			return err
		}
		if err := c.set(at, nil, &v); err != nil {
			return err
		}
	}
}

func (c *tupleColumn) appendDefault(n int) {
	for _, elem := range c.elems {
		elem.appendDefault(n)
	}
}

func (c *tupleColumn) truncate(n int) {
	for _, elem := range c.elems {
		elem.truncate(n)
	}
}

func (c *tupleColumn) segments(dst [][]byte) [][]byte {
	for _, elem := range c.elems {
		dst = elem.segments(dst)
	}
	return dst
}
