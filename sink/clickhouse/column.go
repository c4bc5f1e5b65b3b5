package clickhouse

import (
	"encoding/binary"
	"errors"
	"fmt"

	"connectd/record"
)

// column collects the cells of one column in ClickHouse's Native encoding.
type column interface {
	// append adds one cell; s is its schema and may be nil. After an error the caller truncates.
	append(s *record.Schema, v *record.Value) error
	// appendDefault adds n times what a column holds that is not named in an INSERT and has no
	// default expression: NULL, or the type's zero.
	appendDefault(n int)
	// truncate forgets all rows but the first n.
	truncate(n int)
	// segments appends the memory that holds the encoded rows, in the order of the encoding.
	segments(dst [][]byte) [][]byte
	// part does the same for the rows from from to to; it may allocate.
	part(dst [][]byte, from, to int) [][]byte
}

// policy is what becomes of a value that its column can not hold.
type policy uint8

const (
	refuse policy = iota // an error
	clamp                // the nearest value
	null                 // NULL, where the column allows it
)

func policyOf(name string) policy {
	switch name {
	case "clamp":
		return clamp
	case "null":
		return null
	}
	return refuse
}

// A rangeError is a value that is of the right kind and that the column can not hold. The policy
// null replaces it.
type rangeError struct {
	text string
	fine bool // too many digits after the point, which no wider column takes
}

func (e *rangeError) Error() string { return e.text }

func outOfRange(format string, args ...any) error {
	return &rangeError{text: fmt.Sprintf(format, args...)}
}

// errNull is a null for a column that can not hold one.
var errNull = errors.New("null does not fit into a column that is not Nullable")

// newColumn builds an empty column of the type with the given text, and returns the type's name
// in an INSERT: LowCardinality is left out there, the server adds it.
func newColumn(text string, p policy) (c column, sent string, err error) {
	t, err := parseType(text)
	if err != nil {
		return nil, "", err
	}
	switch t.name {
	case "LowCardinality":
		return newInner(t, 0, p)
	case "Nullable":
		inner, name, err := newInner(t, 0, p)
		if err != nil {
			return nil, "", err
		}
		return &nullableColumn{nulls: fixed{width: 1}, inner: inner, policy: p}, "Nullable(" + name + ")", nil
	case "SimpleAggregateFunction":
		return newInner(t, 1, p)
	case "Array":
		elem, name, err := newInner(t, 0, p)
		if err != nil {
			return nil, "", err
		}
		return &arrayColumn{elem: elem}, "Array(" + name + ")", nil
	case "Map":
		key, keyName, err := newInner(t, 0, p)
		if err != nil {
			return nil, "", err
		}
		value, valueName, err := newInner(t, 1, p)
		if err != nil {
			return nil, "", err
		}
		return &mapColumn{key: key, value: value}, "Map(" + keyName + ", " + valueName + ")", nil
	case "Tuple":
		return newTuple(t, p)
	case "JSON", "Object":
		// The server parses the text into its own form.
		return &textColumn{policy: p, json: true}, "String", nil
	}
	c, err = newLeaf(t, p)
	return c, t.text, err
}

func newInner(t chType, arg int, p policy) (column, string, error) {
	if arg >= len(t.args) {
		return nil, "", fmt.Errorf("type %q has no argument %d", t.text, arg+1)
	}
	return newColumn(t.args[arg], p)
}

func newLeaf(t chType, p policy) (column, error) {
	switch t.name {
	case "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32":
		return newInt(t.name, p), nil
	case "UInt64", "Int128", "UInt128", "Int256", "UInt256":
		return newWideInt(t.name, p), nil
	case "Float32", "Float64":
		return &floatColumn{fixed: fixed{width: bitsOf(t.name) / 8}, policy: p}, nil
	case "Bool":
		return &boolColumn{fixed: fixed{width: 1}, policy: p}, nil
	case "String":
		return &textColumn{policy: p}, nil
	case "FixedString":
		n, err := t.int(0, 0)
		return &fixedTextColumn{fixed: fixed{width: n}, policy: p}, err
	case "UUID":
		return &uuidColumn{fixed: fixed{width: 16}, policy: p}, nil
	case "IPv4":
		return &ipColumn{fixed: fixed{width: 4}, policy: p}, nil
	case "IPv6":
		return &ipColumn{fixed: fixed{width: 16}, policy: p}, nil
	case "Enum8", "Enum16":
		names, err := t.enumNames()
		return &enumColumn{fixed: fixed{width: bitsOf(t.name) / 8}, names: names, policy: p}, err
	case "Decimal":
		return newDecimal(t, p)
	case "Date", "Date32":
		return newDate(t.name, p), nil
	case "DateTime", "DateTime32":
		return &dateTimeColumn{fixed: fixed{width: 4}, policy: p}, nil
	case "DateTime64":
		return newDateTime64(t, p)
	case "Time":
		return &timeColumn{fixed: fixed{width: 4}, policy: p}, nil
	case "Time64":
		return newTime64(t, p)
	}
	return nil, fmt.Errorf("connectd can not write columns of type %s yet; leave the field out, or give the table a String column for it", t.text)
}

// bitsOf is the number at the end of a type's name.
func bitsOf(name string) int {
	n, scale := 0, 1
	for i := len(name) - 1; i >= 0 && '0' <= name[i] && name[i] <= '9'; i-- {
		n += int(name[i]-'0') * scale
		scale *= 10
	}
	return n
}

// fixed is the memory of a column whose cells all have the same width. Each is in one piece.
type fixed struct {
	pieces
	width int
}

func (f *fixed) truncate(n int) { f.pieces.truncate(n * f.width) }

// appendDefault adds n cells of zeros: the zero of every type of fixed width.
func (f *fixed) appendDefault(n int) {
	for range n {
		f.room(f.width)
		f.data = append(f.data, make([]byte, f.width)...)
	}
}

// put8 to put64 add a cell of so many bits.
func (f *fixed) put8(n byte) {
	f.room(1)
	f.data = append(f.data, n)
}

func (f *fixed) put16(n uint16) {
	f.room(2)
	f.data = binary.LittleEndian.AppendUint16(f.data, n)
}

func (f *fixed) put32(n uint32) {
	f.room(4)
	f.data = binary.LittleEndian.AppendUint32(f.data, n)
}

func (f *fixed) put64(n uint64) {
	f.room(8)
	f.data = binary.LittleEndian.AppendUint64(f.data, n)
}

// null adds a cell for a null in a column that can not hold one, as the policy says.
func (f *fixed) null(p policy) error {
	if p != clamp {
		return errNull
	}
	f.appendDefault(1)
	return nil
}

// nullableColumn is a column with a byte for each row that says whether it is NULL.
type nullableColumn struct {
	nulls  fixed // of width 1
	inner  column
	policy policy
}

func (c *nullableColumn) append(s *record.Schema, v *record.Value) error {
	if v.Kind == record.Null {
		c.appendDefault(1)
		return nil
	}
	if err := c.inner.append(s, v); err != nil {
		if _, ok := err.(*rangeError); !ok || c.policy != null {
			return err
		}
		c.inner.truncate(c.nulls.length())
		c.appendDefault(1)
		return nil
	}
	c.nulls.put8(0)
	return nil
}

func (c *nullableColumn) appendDefault(n int) {
	for range n {
		c.nulls.put8(1)
	}
	c.inner.appendDefault(n)
}

func (c *nullableColumn) truncate(n int) {
	c.nulls.truncate(n)
	c.inner.truncate(n)
}

func (c *nullableColumn) segments(dst [][]byte) [][]byte {
	return c.inner.segments(c.nulls.segments(dst))
}
