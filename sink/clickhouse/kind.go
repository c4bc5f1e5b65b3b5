package clickhouse

import (
	"fmt"
	"strconv"
	"strings"

	"connectd/record"
)

// inferredNumber is the type of a created column for JSON numbers with a fraction. A Float64
// would change 12.10 on its way; 38 digits on both sides of the point hold what JSON documents
// hold, and what does not fit is refused and not rounded.
const inferredNumber = "Decimal(76, 38)"

// unbounded is the type of a created column for decimals of which only the scale, or not even
// that, is known.
func (c *client) unbounded() string {
	if c.cfg.Unbound == "Decimal" {
		return inferredNumber
	}
	return "String"
}

// inferred is the type of a created column for a value without a schema; empty for a null.
func (c *client) inferred(v *record.Value) string {
	switch v.Kind {
	case record.Null:
		return ""
	case record.Bool:
		return "Bool"
	case record.Int:
		return "Int64"
	case record.Float:
		return "Float64"
	case record.Number:
		return inferredNumber
	case record.JSON:
		return c.cfg.JSON
	}
	return "String"
}

// kindOf is the type of a created column for values of schema s, without Nullable.
func (c *client) kindOf(s *record.Schema) string {
	if kind := c.logical(s); kind != "" {
		return kind
	}
	switch s.Type {
	case record.Int8Type:
		return "Int8"
	case record.Int16Type:
		return "Int16"
	case record.Int32Type:
		return "Int32"
	case record.Int64Type:
		return "Int64"
	case record.Float32Type:
		return "Float32"
	case record.Float64Type:
		return "Float64"
	case record.BoolType:
		return "Bool"
	case record.ArrayType:
		if s.Elem == nil || s.Elem.Type == record.AnyType {
			return "String"
		}
		elem := c.kindOf(s.Elem)
		if s.Elem.Optional {
			elem = nullable(elem)
		}
		return "Array(" + elem + ")"
	case record.MapType:
		if s.Key == nil || s.Elem == nil || s.Elem.Type == record.AnyType {
			return c.cfg.JSON
		}
		elem := c.kindOf(s.Elem)
		if s.Elem.Optional {
			elem = nullable(elem)
		}
		return "Map(" + c.kindOf(s.Key) + ", " + elem + ")"
	case record.StructType:
		switch {
		case c.cfg.StructJSON:
			return "JSON"
		case c.cfg.Nested == nestedTuple && len(s.Fields) > 0:
			return c.tuple(s)
		}
		return c.cfg.JSON
	}
	return "String"
}

// tuple is the type for a struct; what may be null in it, or with it, is Nullable.
func (c *client) tuple(s *record.Schema) string {
	var elements []string
	for _, f := range s.Fields {
		elements = append(elements, wish{f.Name, c.kindOf(f.Schema), f.Schema.Optional || s.Optional}.definition())
	}
	return "Tuple(" + strings.Join(elements, ", ") + ")"
}

// logical is the type for a schema whose name says what its values mean; empty for others.
func (c *client) logical(s *record.Schema) string {
	switch s.Name {
	case record.DecimalName:
		return c.decimal(s)
	case record.VariableScaleName:
		return c.unbounded()
	case record.ConnectDate, record.DateName:
		return "Date32"
	case record.ConnectTime, record.TimeName, record.MicroTimeName, record.NanoTimeName:
		if c.server.has["enable_time_time64_type"] {
			return "Time64(6)"
		}
		return "String"
	case record.ConnectTimestamp, record.TimestampName:
		return "DateTime64(3, 'UTC')"
	case record.MicroTimestampName, record.ZonedTimestampName:
		return "DateTime64(6, 'UTC')"
	case record.NanoTimestampName:
		return "DateTime64(9, 'UTC')"
	case record.UUIDName:
		return "UUID"
	case record.JSONName:
		return c.cfg.JSON
	case record.EnumName:
		return "LowCardinality(String)"
	case record.BitsName:
		return "String"
	}
	return ""
}

// decimal is Decimal(P, S) where the schema knows both.
func (c *client) decimal(s *record.Schema) string {
	scale, err := strconv.Atoi(s.Param("scale"))
	if err != nil {
		return c.unbounded()
	}
	precision, err := strconv.Atoi(s.Param("connect.decimal.precision"))
	if err != nil || precision < 1 || precision > 76 || scale < 0 || scale > precision {
		return c.unbounded()
	}
	return fmt.Sprintf("Decimal(%d, %d)", precision, scale)
}
