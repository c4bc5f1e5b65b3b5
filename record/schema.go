package record

// Type is the type of a schema: Kafka Connect's types, and Any for a field whose values say
// themselves what they are (JSON without a schema).
type Type uint8

const (
	AnyType Type = iota
	Int8Type
	Int16Type
	Int32Type
	Int64Type
	Float32Type
	Float64Type
	BoolType
	StringType
	BytesType
	ArrayType
	MapType
	StructType
)

var typeNames = [...]string{"any", "int8", "int16", "int32", "int64", "float", "double", "boolean", "string", "bytes", "array", "map", "struct"}

// String is the name that Kafka Connect's JSON converter writes.
func (t Type) String() string { return typeNames[t] }

// Logical names: what a schema's Name says about the meaning of its values.
const (
	DecimalName        = "org.apache.kafka.connect.data.Decimal"   // Number; parameters scale and connect.decimal.precision
	ConnectDate        = "org.apache.kafka.connect.data.Date"      // int32 days
	ConnectTime        = "org.apache.kafka.connect.data.Time"      // int32 milliseconds of the day
	ConnectTimestamp   = "org.apache.kafka.connect.data.Timestamp" // int64 milliseconds
	VariableScaleName  = "io.debezium.data.VariableScaleDecimal"   // struct(scale int32, value bytes)
	DateName           = "io.debezium.time.Date"                   // int32 days
	TimeName           = "io.debezium.time.Time"                   // int32 milliseconds of the day
	MicroTimeName      = "io.debezium.time.MicroTime"              // int64 microseconds of the day
	NanoTimeName       = "io.debezium.time.NanoTime"               // int64 nanoseconds of the day
	TimestampName      = "io.debezium.time.Timestamp"              // int64 milliseconds
	MicroTimestampName = "io.debezium.time.MicroTimestamp"         // int64 microseconds
	NanoTimestampName  = "io.debezium.time.NanoTimestamp"          // int64 nanoseconds
	ZonedTimestampName = "io.debezium.time.ZonedTimestamp"         // string, ISO 8601
	ZonedTimeName      = "io.debezium.time.ZonedTime"              // string, ISO 8601
	MicroDurationName  = "io.debezium.time.MicroDuration"          // int64 microseconds
	UUIDName           = "io.debezium.data.Uuid"                   // string
	JSONName           = "io.debezium.data.Json"                   // string that holds JSON text
	XMLName            = "io.debezium.data.Xml"                    // string
	EnumName           = "io.debezium.data.Enum"                   // string; parameter allowed
	BitsName           = "io.debezium.data.Bits"                   // bytes, little-endian; parameter length
)

// Schema describes values. It does not change once it is shared: caches are keyed by its address,
// and a changed table gets a new one.
type Schema struct {
	Type     Type
	Optional bool
	Name     string // logical or struct name; empty when it has none
	Version  int    // 0 when it has none
	Doc      string
	Params   []Param // in the order in which they are written
	Default  *Value  // nil when it has none
	Fields   []Field // of a struct
	Elem     *Schema // of an array, and the values of a map
	Key      *Schema // the keys of a map
}

// Field is one field of a struct.
type Field struct {
	Name   string
	Schema *Schema
}

// Param is one of a schema's parameters, such as scale of a decimal.
type Param struct{ Name, Value string }

// Index is the place of the field called name, or -1.
func (s *Schema) Index(name string) int {
	for i := range s.Fields {
		if s.Fields[i].Name == name {
			return i
		}
	}
	return -1
}

// Param is the value of the parameter called name, or "".
func (s *Schema) Param(name string) string {
	for _, p := range s.Params {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}
