package format

import (
	"fmt"
	"math"
	"math/big"
	"strconv"

	"github.com/parquet-go/parquet-go"

	"connectd/convert"
	"connectd/record"
)

// parquetLeaf makes the cell of a value that is not null.
type parquetLeaf func(c *cells, v *record.Value) (parquet.Value, error)

// logicalTypes are the types of the logical types that have a column type of their own. A schema
// with such a name and another type is that type.
var logicalTypes = map[string]record.Type{
	record.DecimalName: record.BytesType, record.VariableScaleName: record.StructType,
	record.ConnectDate: record.Int32Type, record.DateName: record.Int32Type,
	record.ConnectTime: record.Int32Type, record.TimeName: record.Int32Type, record.MicroTimeName: record.Int64Type, record.NanoTimeName: record.Int64Type,
	record.ConnectTimestamp: record.Int64Type, record.TimestampName: record.Int64Type,
	record.MicroTimestampName: record.Int64Type, record.NanoTimestampName: record.Int64Type,
}

func logical(s *record.Schema) string {
	if typ, ok := logicalTypes[s.Name]; ok && typ == s.Type {
		return s.Name
	}
	return ""
}

// parquetNode is the column type of a schema. Times of Debezium are of no time zone, Connect's
// Timestamp is in UTC. What nobody knows the type of is text. JSON is, too: ClickHouse can not read a
// column that says it is JSON unless all of it are objects.
func parquetNode(s *record.Schema) parquet.Node {
	switch logical(s) {
	case record.DecimalName:
		precision, scale := decimalOf(s)
		switch {
		case precision <= intDigits:
			return parquet.Decimal(scale, precision, parquet.Int32Type)
		case precision <= longDigits:
			return parquet.Decimal(scale, precision, parquet.Int64Type)
		}
		return parquet.Decimal(scale, precision, parquet.FixedLenByteArrayType(octetsFor(precision)))
	case record.ConnectDate, record.DateName:
		return parquet.Date()
	case record.ConnectTime, record.TimeName:
		return parquet.TimeAdjusted(parquet.Millisecond, false)
	case record.MicroTimeName:
		return parquet.TimeAdjusted(parquet.Microsecond, false)
	case record.NanoTimeName:
		return parquet.TimeAdjusted(parquet.Nanosecond, false)
	case record.ConnectTimestamp:
		return parquet.TimestampAdjusted(parquet.Millisecond, true)
	case record.TimestampName:
		return parquet.TimestampAdjusted(parquet.Millisecond, false)
	case record.MicroTimestampName:
		return parquet.TimestampAdjusted(parquet.Microsecond, false)
	case record.NanoTimestampName:
		return parquet.TimestampAdjusted(parquet.Nanosecond, false)
	case record.VariableScaleName:
		return parquet.String()
	}
	switch s.Type {
	case record.Int8Type:
		return parquet.Int(8)
	case record.Int16Type:
		return parquet.Int(16)
	case record.Int32Type:
		return parquet.Int(32)
	case record.Int64Type:
		return parquet.Int(64)
	case record.Float32Type:
		return parquet.Leaf(parquet.FloatType)
	case record.Float64Type:
		return parquet.Leaf(parquet.DoubleType)
	case record.BoolType:
		return parquet.Leaf(parquet.BooleanType)
	case record.StringType:
		return parquet.String()
	case record.BytesType:
		return parquet.Leaf(parquet.ByteArrayType)
	}
	return parquet.String()
}

// newParquetLeaf makes the cells of the same schema.
func newParquetLeaf(s *record.Schema) parquetLeaf {
	switch logical(s) {
	case record.DecimalName:
		precision, scale := decimalOf(s)
		return decimalLeaf(precision, scale)
	case record.VariableScaleName:
		return func(c *cells, v *record.Value) (parquet.Value, error) {
			at := len(c.scratch)
			var err error
			c.scratch, err = convert.AsDecimal(c.scratch, record.Datum{Schema: s, Value: *v})
			return parquet.ByteArrayValue(c.scratch[at:]), err
		}
	}
	switch s.Type {
	case record.Int8Type, record.Int16Type, record.Int32Type:
		return intLeaf(s)
	case record.Int64Type:
		return fitting(s, record.Int, func(v *record.Value) parquet.Value { return parquet.Int64Value(v.N) })
	case record.Float32Type:
		return fitting(s, record.Float, func(v *record.Value) parquet.Value { return parquet.FloatValue(float32(v.Float())) })
	case record.Float64Type:
		return fitting(s, record.Float, func(v *record.Value) parquet.Value { return parquet.DoubleValue(v.Float()) })
	case record.BoolType:
		return fitting(s, record.Bool, func(v *record.Value) parquet.Value { return parquet.BooleanValue(v.Bool()) })
	case record.StringType:
		return func(_ *cells, v *record.Value) (parquet.Value, error) {
			if v.Kind != record.String && v.Kind != record.JSON {
				return parquet.Value{}, unfit(s, v)
			}
			return parquet.ByteArrayValue(v.B), nil
		}
	case record.BytesType:
		return fitting(s, record.Bytes, func(v *record.Value) parquet.Value { return parquet.ByteArrayValue(v.B) })
	}
	return func(c *cells, v *record.Value) (parquet.Value, error) {
		text, err := c.content(record.Datum{Schema: s, Value: *v})
		return parquet.ByteArrayValue(text), err
	}
}

func unfit(s *record.Schema, v *record.Value) error {
	return fmt.Errorf("%s does not fit the schema, which has %s", convert.Shown(v), convert.Described(s))
}

// fitting is a leaf for values of one kind.
func fitting(s *record.Schema, kind record.Kind, cell func(*record.Value) parquet.Value) parquetLeaf {
	return func(_ *cells, v *record.Value) (parquet.Value, error) {
		if v.Kind != kind {
			return parquet.Value{}, unfit(s, v)
		}
		return cell(v), nil
	}
}

func intLeaf(s *record.Schema) parquetLeaf {
	most := int64(math.MaxInt32)
	switch s.Type {
	case record.Int8Type:
		most = math.MaxInt8
	case record.Int16Type:
		most = math.MaxInt16
	}
	return func(_ *cells, v *record.Value) (parquet.Value, error) {
		if v.Kind != record.Int || v.N > most || v.N < -most-1 {
			return parquet.Value{}, unfit(s, v)
		}
		return parquet.Int32Value(int32(v.N)), nil
	}
}

const (
	// intDigits and longDigits are how many digits have room in 32 and in 64 bits.
	intDigits, longDigits = 9, 18
	// anyDigits stands in for the precision of a decimal that does not say: most that readers take.
	anyDigits = 38
)

// decimalOf are precision and scale of a decimal.
func decimalOf(s *record.Schema) (precision, scale int) {
	scale, _ = strconv.Atoi(s.Param("scale"))
	precision, err := strconv.Atoi(s.Param("connect.decimal.precision"))
	if err != nil || precision < max(1, scale) {
		precision = max(anyDigits, scale)
	}
	return precision, max(0, scale)
}

// octetsFor is how many octets hold any number of so many digits in two's complement.
func octetsFor(digits int) int { return limitOf(digits).BitLen()/8 + 1 }

// limitOf is the smallest number that has more digits.
func limitOf(digits int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
}

// decimalLeaf keeps decimals as unscaled numbers. One with more digits, before or behind the point,
// is refused.
func decimalLeaf(precision, scale int) parquetLeaf {
	size, limit := octetsFor(precision), limitOf(precision)
	return func(c *cells, v *record.Value) (parquet.Value, error) {
		if v.Kind != record.Number && v.Kind != record.Int {
			return parquet.Value{}, fmt.Errorf("%s is not a decimal", convert.Shown(v))
		}
		text := v.B
		if v.Kind == record.Int {
			text = strconv.AppendInt(nil, v.N, 10)
		}
		var room [24]byte
		octets, err := convert.AppendDecimal(room[:0], text, scale)
		if err != nil {
			return parquet.Value{}, err
		}
		if len(octets) > size || len(octets) == size && beyond(octets, limit) {
			return parquet.Value{}, fmt.Errorf("the decimal %.60s has more digits than the column, decimal(%d,%d)", text, precision, scale)
		}
		if precision <= longDigits {
			n := int64(int8(octets[0]))
			for _, o := range octets[1:] {
				n = n<<8 | int64(o)
			}
			if precision <= intDigits {
				return parquet.Int32Value(int32(n)), nil
			}
			return parquet.Int64Value(n), nil
		}
		at := len(c.scratch)
		for range size - len(octets) {
			c.scratch = append(c.scratch, byte(int8(octets[0])>>7))
		}
		c.scratch = append(c.scratch, octets...)
		return parquet.FixedLenByteArrayValue(c.scratch[at:]), nil
	}
}

// beyond says whether a number in two's complement has as many digits as limit, or more.
func beyond(octets []byte, limit *big.Int) bool {
	n := new(big.Int).SetBytes(octets)
	if octets[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(octets))))
	}
	return n.CmpAbs(limit) >= 0
}
